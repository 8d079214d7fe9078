// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// The controllers' leader dies. A user is promised that there is a new one soon, which may be the same pod once more, and
// that producers notice nothing: no group gets another master.
func controllerKilled(t *testing.T, _ *world, c *kit.Installation) {
	undisturbed(t, c, withoutElection(t, c, "controller-killed", func(topic string) *kit.Verdict { return leaderDies(t, c, topic) }))
	ok(t, c.AwaitReady(t.Context(), time.Minute))
	rolesFollowStatus(t, c)
}

// withoutElection does something that costs no broker, and once more if there are other masters then. Controllers that get no
// CPU for seconds elect though nobody died (apache/rocketmq#11045), which docs/concepts.md tells users; what happened then
// says nothing about what was done, and the second time has to.
func withoutElection(t *testing.T, c *kit.Installation, topic string, do func(topic string) *kit.Verdict) *kit.Verdict {
	t.Helper()
	before := masters(t, c)
	v := do(topic)
	if after := masters(t, c); !slices.Equal(before, after) {
		c.Log.Printf("the controllers elected though nobody died: the masters are %v, and were %v. Once more", after, before)
		ok(t, c.AwaitReady(t.Context(), quickstartLimit))
		v = do(topic + "-again")
	}
	return v
}

// masters are the pods of the quickstart's masters.
func masters(t *testing.T, c *kit.Installation) []string {
	t.Helper()
	names := make([]string, quickstartGroups)
	for group := range names {
		ok(t, c.Await(t.Context(), "a master of "+c.Group(group), time.Minute, func(ctx context.Context) (err error) {
			names[group], err = c.Master(ctx, group)
			return err
		}))
	}
	return names
}

// leaderDies kills the pod of the controllers' leader, and waits until there is a new one and the pod is back.
func leaderDies(t *testing.T, c *kit.Installation, topic string) *kit.Verdict {
	t.Helper()
	ctx := t.Context()
	leader, err := leadingController(ctx, c)
	ok(t, err)
	before, _, _ := strings.Cut(leader, ".")
	pod, err := c.Pod(ctx, before)
	ok(t, err)
	return meanwhile(t, c, kit.LedgerOptions{Topic: topic}, func() {
		time.Sleep(5 * time.Second)
		c.Log.Printf("killing pod %s, the controllers' leader", before)
		killed := time.Now()
		ok(t, c.DeletePod(ctx, before, true))
		ok(t, c.Await(ctx, "a new leader of the controllers", time.Minute, func(ctx context.Context) error {
			if leader, err = leadingController(ctx, c); err != nil {
				return err
			}
			name, _, _ := strings.Cut(leader, ".")
			now, err := c.Pod(ctx, name)
			if err == nil && now.UID == pod.UID {
				err = fmt.Errorf("the old %s leads", before)
			}
			return err
		}))
		c.Log.Printf("%s leads after %.1f s", leader, time.Since(killed).Seconds())
		ok(t, c.AwaitPodReady(ctx, before, pod.UID, 2*time.Minute))
	})
}

// goingOn is the longest time without an acknowledgement in a service that goes on, on a machine that has other things to do.
const goingOn = 10 * time.Second

// Two of three name servers die at once. Clients know their routes: a user is promised that sends go on.
func nameServersKilled(t *testing.T, _ *world, c *kit.Installation) {
	ctx := t.Context()
	v := withoutElection(t, c, "name-servers-killed", func(topic string) *kit.Verdict { return twoNameServersDie(t, c, topic) })
	undisturbed(t, c, v)
	if gap := time.Duration(v.LongestGapMillis) * time.Millisecond; gap > goingOn {
		t.Errorf("nothing was acknowledged for %s, want %s at most", gap, goingOn)
	}
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	registered(t, c, quickstartNameServers)
}

// twoNameServersDie kills them and waits until they are back.
func twoNameServersDie(t *testing.T, c *kit.Installation, topic string) *kit.Verdict {
	t.Helper()
	ctx := t.Context()
	pods := c.NameServers(quickstartNameServers)[:2]
	before := map[string]types.UID{}
	for _, name := range pods {
		pod, err := c.Pod(ctx, name)
		ok(t, err)
		before[name] = pod.UID
	}
	return meanwhile(t, c, kit.LedgerOptions{Topic: topic}, func() {
		time.Sleep(5 * time.Second)
		c.Log.Printf("killing pods %v", pods)
		killed := time.Now()
		for _, name := range pods {
			ok(t, c.DeletePod(ctx, name, true))
		}
		for _, name := range pods {
			ok(t, c.AwaitPodReady(ctx, name, before[name], 2*time.Minute))
		}
		c.Log.Printf("they are back after %.1f s", time.Since(killed).Seconds())
	})
}

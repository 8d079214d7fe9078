// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// mostNameServers is what the story scales to.
const mostNameServers = 5

// A user scales name servers with kubectl. Brokers follow without a restart, one that was down meanwhile when it comes
// back, and clients notice nothing.
func nameServersScaled(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	brokers := func() map[string]kit.Life {
		t.Helper()
		lives, err := c.Lives(ctx)
		ok(t, err)
		for _, pod := range c.NameServers(mostNameServers) { // the name servers themselves may come and go
			delete(lives, pod)
		}
		return lives
	}
	master, err := c.Master(ctx, 1)
	ok(t, err)
	away := c.Member(1, 0)
	if away == master {
		away = c.Member(1, 1)
	}
	before := brokers()
	scale := func(size string) {
		t.Helper()
		c.Log.Printf("kubectl scale nameservice %s --replicas=%s", c.NameService, size)
		_, err := w.place.Kubectl(ctx, "-n", c.Name, "scale", "nameservice", c.NameService, "--replicas="+size)
		ok(t, err)
	}
	var pods []string
	for group := range quickstartGroups {
		for member := range groupMembers {
			if pod := c.Member(group, member); pod != away {
				pods = append(pods, pod)
			}
		}
	}
	slave, err := c.Pod(ctx, away)
	ok(t, err)
	v := meanwhile(t, c, kit.LedgerOptions{Topic: "scaling"}, func() {
		time.Sleep(5 * time.Second)
		for _, size := range []int{2, mostNameServers, 1, quickstartNameServers} {
			if size == mostNameServers {
				c.Log.Printf("kubectl delete pod %s, a slave", away)
				ok(t, c.DeletePod(ctx, away, false))
			}
			scale(strconv.Itoa(size))
			ok(t, c.AwaitResourceReady(ctx, "NameService", c.NameService, 2*time.Minute))
			ok(t, c.AwaitNameServersUsed(ctx, pods, size, time.Minute))
			c.Log.Printf("masters and slaves use %d name servers", size)
			if size == mostNameServers {
				ok(t, c.AwaitPodReady(ctx, away, slave.UID, 2*time.Minute))
				ok(t, c.AwaitNameServersUsed(ctx, []string{away}, size, time.Minute))
				c.Log.Printf("%s is back, and uses them too", away)
			}
			ok(t, c.AwaitReady(ctx, 2*time.Minute))
			registered(t, c, size)
			c.Log.Printf("all brokers are registered at each")
		}
	})
	undisturbed(t, c, v)
	after := brokers()
	delete(before, away)
	delete(after, away)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("controllers or brokers were restarted (-before +after):\n%s", diff)
	}
}

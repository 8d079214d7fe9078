// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// The master of a group dies at once, without a word. A user is promised that a slave takes over by itself, that
// sends go on, that no acknowledged message is lost, and that status and labels tell who is master now.
func masterKilled(t *testing.T, _ *world, c *kit.Installation) {
	ctx := t.Context()
	const group = 0
	before, err := c.Master(ctx, group)
	ok(t, err)
	pod, err := c.Pod(ctx, before)
	ok(t, err)
	during(t, c, kit.LedgerOptions{Topic: "killing"}, func() {
		time.Sleep(10 * time.Second) // for messages to flow
		c.Log.Printf("killing pod %s, the master of %s", before, c.Group(group))
		killed := time.Now()
		ok(t, c.DeletePod(ctx, before, true))
		master, err := c.AwaitNewMaster(ctx, group, before, time.Minute)
		ok(t, err)
		c.Log.Printf("%s is master after %.1f s", master, time.Since(killed).Seconds())
		ok(t, c.AwaitPodReady(ctx, before, pod.UID, 2*time.Minute))
		c.Log.Printf("%s is back after %.1f s", before, time.Since(killed).Seconds())
	})
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	registered(t, c, quickstartNameServers)
	rolesFollowStatus(t, c)
	ok(t, c.Await(ctx, "the status to name the master that the name servers show", time.Minute, func(ctx context.Context) error {
		info, err := c.ClusterInfo(ctx, c.NameServers(1)[0])
		if err != nil {
			return err
		}
		now, err := c.Master(ctx, group)
		if shown := info.Brokers[c.Group(group)].Addrs[admin.MasterID]; err == nil && !strings.HasPrefix(shown, now+".") {
			err = fmt.Errorf("the status names %s, the name servers show %s", now, shown)
		}
		return err
	}))
}

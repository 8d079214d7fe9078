// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// A node is drained for maintenance, and the masters of both groups are on it. A user is promised that they hand over one
// after the other: no acknowledged message is lost, and no producer sees an error.
func nodeDrained(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	node, members, err := nodeWithBothGroups(ctx, c)
	ok(t, err)
	for group, pod := range members {
		ok(t, c.Await(ctx, pod+" to be in sync and elected", time.Minute, func(ctx context.Context) error { return makeMaster(ctx, c, group, pod) }))
	}
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	lead := func(ctx context.Context) error {
		for group, pod := range members {
			master, err := c.Master(ctx, group)
			if err != nil {
				return err
			}
			if master != pod {
				return fmt.Errorf("master of group %d is %s, want %s", group, master, pod)
			}
		}
		return nil
	}
	ok(t, c.Await(ctx, "both masters on "+node, time.Minute, lead))
	drained := slices.Sorted(maps.Values(members))
	t.Cleanup(func() {
		if _, err := w.place.Kubectl(context.WithoutCancel(ctx), "uncordon", node); err != nil {
			t.Error(err)
		}
	})
	v := meanwhile(t, c, kit.LedgerOptions{Topic: "draining", AvoidNode: node}, func() {
		time.Sleep(5 * time.Second)
		c.Log.Printf("kubectl drain %s", node)
		inOrder, said := watchEndings(t, c, drained...), map[string]<-chan string{}
		for _, pod := range drained {
			said[pod] = followLog(ctx, t, c, pod)
		}
		began := time.Now()
		_, err := w.place.Kubectl(ctx, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=5m")
		ok(t, err)
		c.Log.Printf("drained after %.1f s", time.Since(began).Seconds())
		for _, pod := range drained {
			c.Log.Printf("%s:", pod)
			text := <-said[pod]
			tellHandover(c, text)
			for _, step := range []string{"takes over from", "the name servers show the new master", "handed over"} {
				if !strings.Contains(text, step) {
					t.Errorf("%s did not hand over: %q is missing", pod, step)
				}
			}
		}
		inOrder()
	})
	leftNoAbortFile(t, c, drained...)
	undisturbed(t, c, v)
	for group, pod := range members {
		if master, err := c.Master(ctx, group); err != nil || master == pod {
			t.Errorf("master of group %d is %s (%v): it did not hand over", group, master, err)
		}
	}
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
}

// nodeWithBothGroups finds a node with a member of each group; four brokers on three nodes leave no other way.
func nodeWithBothGroups(ctx context.Context, c *kit.Installation) (node string, members map[int]string, err error) {
	var pods corev1.PodList
	if err := c.Client.List(ctx, &pods, client.InNamespace(c.Name)); err != nil {
		return "", nil, err
	}
	on := map[string]map[int]string{}
	for i := range pods.Items {
		at := pods.Items[i].Spec.NodeName
		for group := range quickstartGroups {
			if strings.HasPrefix(pods.Items[i].Name, c.Group(group)+"-") {
				if on[at] == nil {
					on[at] = map[int]string{}
				}
				on[at][group] = pods.Items[i].Name
			}
		}
	}
	for at, members := range on {
		if len(members) == quickstartGroups {
			return at, members, nil
		}
	}
	return "", nil, fmt.Errorf("no node has members of both groups: %v", on)
}

// leadingController is where the leader of the quickstart's controllers answers.
func leadingController(ctx context.Context, c *kit.Installation) (string, error) {
	var controllers []string
	for _, controller := range c.Controllers(quickstartControllers) {
		controllers = append(controllers, controller+"."+c.Name+":9878")
	}
	return c.Admin.FindLeader(ctx, controllers)
}

// makeMaster elects a pod, while nothing is sent. It must be in sync, which it is again some time after it was Ready.
func makeMaster(ctx context.Context, c *kit.Installation, group int, pod string) error {
	if master, err := c.Master(ctx, group); err != nil || master == pod {
		return err
	}
	leader, err := leadingController(ctx, c)
	if err != nil {
		return err
	}
	states, err := c.Admin.SyncStateData(ctx, leader, c.Group(group))
	if err != nil {
		return err
	}
	for _, replica := range states[c.Group(group)].InSync {
		if strings.HasPrefix(replica.Addr, pod+".") {
			c.Log.Printf("electing %s", pod)
			_, err := c.Admin.ElectMaster(ctx, leader, admin.ElectMasterRequest{ClusterName: c.Broker, BrokerName: c.Group(group), BrokerID: replica.ID})
			return err
		}
	}
	return fmt.Errorf("%s is not in sync: %+v", pod, states[c.Group(group)])
}

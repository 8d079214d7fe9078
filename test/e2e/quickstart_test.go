// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	quickstartPath        = "examples/quickstart"
	quickstartNameServers = 3
	quickstartControllers = 3
	quickstartGroups      = 2
	groupMembers          = 2 // a master and a slave
	// quickstartLimit is long enough for ten servers on a busy machine of two cores.
	quickstartLimit = 8 * time.Minute
)

// nodes is what happens to the nodes that the quickstart is on, and so to everybody: this is told alone.
func nodes(t *testing.T, w *world) {
	quickstartParts(t, w, w.shared(t, "quickstart", kit.Restricted), []quickstartPart{
		{"NodeCut", nodeCut},
		{"NodeDrained", nodeDrained}, // leaves its node empty and the others with more than their share
	})
}

// outages is what happens to the quickstart's servers and to the operator. It leaves nothing of the cluster.
func outages(t *testing.T, w *world) {
	n := w.shared(t, "quickstart", kit.Restricted)
	w.deleteAfter(t, n)
	quickstartParts(t, w, n, []quickstartPart{
		{"NameServersScaled", nameServersScaled},
		{"MasterKilled", masterKilled},
		{"ControllerKilled", controllerKilled},
		{"NameServersKilled", nameServersKilled},
		{"OperatorReplaced", operatorReplaced},
		{"GracefulStop", gracefulStop},
	})
}

type quickstartPart struct {
	name string
	tell func(*testing.T, *world, *kit.Installation)
}

// quickstartParts share the cluster, in this order; each begins with everything Ready.
func quickstartParts(t *testing.T, w *world, n *kit.Namespace, parts []quickstartPart) {
	ok(t, quickstartIn(t, n).ApplyPath(t.Context(), quickstartPath))
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			c := quickstartIn(t, n)
			ok(t, c.AwaitReady(t.Context(), quickstartLimit))
			part.tell(t, w, c)
		})
	}
}

func quickstartIn(t *testing.T, n *kit.Namespace) *kit.Installation {
	t.Helper()
	c, err := in(t, n).InstallationOf(quickstartPath)
	ok(t, err)
	return c
}

// registered waits until each name server knows the whole quickstart.
func registered(t *testing.T, c *kit.Installation, nameServers int) {
	t.Helper()
	ok(t, c.AwaitRegistered(t.Context(), c.NameServers(nameServers), c.Topology(quickstartGroups, groupMembers), 2*time.Minute))
}

// A user applies examples/quickstart to a namespace with restricted pod security and is promised: all Ready without a
// further step, mqadmin without flags, messages through both groups. Nodes and outages go on with the cluster.
func quickstart(t *testing.T, w *world) {
	ctx := t.Context()
	c := quickstartIn(t, w.shared(t, "quickstart", kit.Restricted))
	c.Log.Printf("kubectl apply -f %s", quickstartPath)
	ok(t, c.ApplyPath(ctx, quickstartPath))
	ok(t, c.AwaitReady(ctx, quickstartLimit))
	c.Log.Printf("every resource is Ready")
	registered(t, c, quickstartNameServers)
	show(t, w, c.Namespace)

	list := mqadmin(t, c.Namespace, c.Member(0, 0), "clusterList", func(list string) error {
		for group := range c.Topology(quickstartGroups, groupMembers) {
			if ids := brokerIDs(list, group); ids["0"] != 1 || len(ids) != groupMembers {
				return fmt.Errorf("it shows the members %v of group %s, want one master (0) and one slave", ids, group)
			}
		}
		return nil
	})
	c.Log.Printf("mqadmin clusterList in a broker pod:")
	c.Log.Block(list)

	v := sendAndReceive(t, c, "thousand", 1000)
	for group := range c.Topology(quickstartGroups, groupMembers) {
		if v.Groups[group].Acked == 0 {
			t.Errorf("group %s got none of the messages: %v", group, v.Groups)
		}
	}
	rolesFollowStatus(t, c)

	events, err := c.Events(ctx)
	ok(t, err)
	var seen int
	for _, event := range events {
		if strings.HasPrefix(event.From, kit.OperatorName) {
			c.Log.Printf("event: %s/%s %s: %s", event.Kind, event.Name, event.Reason, event.Message)
			seen++
		}
	}
	if seen == 0 {
		t.Error("the operator left no events about what it did")
	}
}

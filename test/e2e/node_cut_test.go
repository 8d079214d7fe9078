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

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// cutTime is how long the node stays cut off. For some twenty seconds there may be no acknowledgement: until a master is
// replaced, or a slave is taken out of the SyncStateSet (haMaxTimeSlaveNotCatchup is 15 s). Then sends go on.
const cutTime = 50 * time.Second

// A node is cut off from the network: half dead, its pods run on. A user is promised that the resources say so
// (NodeLost, with the node's name), that its broker groups go on, and that all is well by itself once it is back. A
// master that is cut off and comes back may acknowledge messages for a moment before it learns that it has been replaced;
// RocketMQ then drops them. So the ledger's verdict is told, and only that every group took messages again is asserted.
func nodeCut(t *testing.T, w *world, c *kit.Installation) {
	if !w.place.Local {
		t.Skip("nodes of a cluster that is not localkube cannot be cut off")
	}
	ctx := t.Context()
	node, hit, err := nodeToCut(ctx, c)
	ok(t, err)
	t.Cleanup(func() {
		if err := w.place.HealNode(context.WithoutCancel(ctx), node); err != nil {
			t.Error(err)
		}
	})
	// A client on a node that stays; with one virtual address it could be stuck to the name server on the other.
	options := kit.LedgerOptions{
		NameServers: c.NameServerAddresses(quickstartNameServers), Topic: "cutting", AvoidNode: node, Poll: scalePoll,
	}
	verdict := meanwhile(t, c, options, func() {
		time.Sleep(10 * time.Second)
		c.Log.Printf("cutting %s off, on which %s run", node, strings.Join(hit, ", "))
		cut := time.Now()
		ok(t, w.place.CutNode(ctx, node))
		ok(t, c.Await(ctx, "NodeLost to name "+node, 3*time.Minute, func(ctx context.Context) error { return namesLostNode(ctx, c, node) }))
		c.Log.Printf("NodeLost is shown")
		ok(t, c.Await(ctx, "a master in each group off "+node, time.Minute, func(ctx context.Context) error {
			return mastersElsewhere(ctx, c, hit)
		}))
		c.Log.Printf("each group has a master elsewhere")
		show(t, w, c.Namespace)
		time.Sleep(time.Until(cut.Add(cutTime)))
		c.Log.Printf("healing %s", node)
		ok(t, w.place.HealNode(ctx, node))
	})
	if gap := time.Duration(verdict.LongestGapMillis) * time.Millisecond; gap > cutTime*4/5 {
		t.Errorf("no message was acknowledged for %s of the %s that %s was away: the groups did not go on", gap, cutTime, node)
	}
	for group := range quickstartGroups {
		if verdict.Groups[c.Group(group)].Acked == 0 {
			t.Errorf("%s took no message", c.Group(group))
		}
	}
	ok(t, c.AwaitReady(ctx, 3*time.Minute))
	for _, r := range []struct{ kind, name string }{{"NameService", c.NameService}, {"Controller", c.Controller}, {"Broker", c.Broker}} {
		ok(t, c.AwaitNoCondition(ctx, r.kind, r.name, v1alpha1.ConditionNodeLost, time.Minute))
	}
	registered(t, c, quickstartNameServers)
	c.Log.Printf("all Ready again")
}

// nodeToCut chooses a node with a broker on it, and tells the pods there: rather one with a master, and rather not the
// operator's, which needs a minute to move. Never one with most of the controllers, without whom nobody elects a master.
// localkube cannot cut node1.
func nodeToCut(ctx context.Context, c *kit.Installation) (node string, hit []string, err error) {
	pods, err := c.OwnPods(ctx)
	if err != nil {
		return "", nil, err
	}
	var operators corev1.PodList
	if err := c.Client.List(ctx, &operators, client.InNamespace(kit.OperatorNamespace)); err != nil {
		return "", nil, err
	}
	on, worth, controllers := map[string][]string{}, map[string]int{}, map[string]int{}
	for name, pod := range pods {
		on[pod.Spec.NodeName] = append(on[pod.Spec.NodeName], name)
		if strings.HasPrefix(name, c.Controller+"-") {
			controllers[pod.Spec.NodeName]++
		}
		switch v1alpha1.Role(pod.Labels[kit.RoleLabel]) {
		case v1alpha1.RoleMaster:
			worth[pod.Spec.NodeName] += 10
		case v1alpha1.RoleSlave:
			worth[pod.Spec.NodeName] += 3
		}
	}
	for i := range operators.Items {
		if at := operators.Items[i].Spec.NodeName; worth[at] > 0 {
			worth[at] = 1
		}
	}
	delete(worth, "node1")
	for at, points := range worth {
		if points > worth[node] && controllers[at] <= quickstartControllers/2 {
			node = at
		}
	}
	if node == "" {
		return "", nil, fmt.Errorf("no node can be cut off, the pods are not spread: %v", on)
	}
	return node, on[node], nil
}

func namesLostNode(ctx context.Context, c *kit.Installation, node string) error {
	found, err := c.Condition(ctx, "Broker", c.Broker, v1alpha1.ConditionNodeLost)
	switch {
	case err != nil:
		return err
	case found == nil || found.Status != metav1.ConditionTrue:
		return fmt.Errorf("the Broker has no condition %s", v1alpha1.ConditionNodeLost)
	case !strings.Contains(found.Message, node):
		return fmt.Errorf("its message does not name the node: %s", found.Message)
	}
	return nil
}

func mastersElsewhere(ctx context.Context, c *kit.Installation, lost []string) error {
	for group := range quickstartGroups {
		master, err := c.Master(ctx, group)
		if err != nil {
			return err
		}
		if slices.Contains(lost, master) {
			return fmt.Errorf("the master of %s is still %s", c.Group(group), master)
		}
	}
	return nil
}

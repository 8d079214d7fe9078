// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"net"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// A user's clients are outside of Kubernetes: in no pod, and without its DNS. With hostNetwork for name servers and
// brokers they send and consume through the nodes' addresses.
func hostNetwork(t *testing.T, w *world) {
	const path = "examples/host-network"
	ctx := t.Context()
	n := w.namespace(t, "host-network", kit.Privileged)
	c, err := n.InstallationOf(path)
	ok(t, err)
	ok(t, c.ApplyPath(ctx, path, "rocketmq-host-network", n.Name))
	ok(t, c.AwaitReady(ctx, smallLimit))
	ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, groupMembers), time.Minute))
	show(t, w, c.Namespace)

	info, err := c.ClusterInfo(ctx, c.NameServers(1)[0])
	ok(t, err)
	nodes := map[string]string{}
	for ordinal := range groupMembers {
		pod, err := c.Pod(ctx, c.Member(0, ordinal))
		ok(t, err)
		nodes[net.JoinHostPort(pod.Status.HostIP, "10911")] = pod.Name
	}
	if len(nodes) != groupMembers {
		t.Errorf("brokers share a node: %v", nodes)
	}
	for id, address := range info.Brokers[c.Group(0)].Addrs {
		if nodes[address] == "" {
			t.Errorf("broker %d is registered as %s, which is no broker's node address: %v", id, address, nodes)
		}
	}

	names := &v1alpha1.NameService{}
	ok(t, c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: c.NameService}, names))
	if len(names.Status.NameServers) != 1 {
		t.Fatalf("status.nameServers is %v, want the one node's address", names.Status.NameServers)
	}
	address := net.JoinHostPort(names.Status.NameServers[0], "9876")
	reached, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil && !w.place.Local {
		t.Skipf("this machine cannot reach the cluster's nodes: %v", err)
	}
	ok(t, err)
	reached.Close()
	v, err := w.place.LedgerHere(ctx, kit.LedgerOptions{NameServers: address, Topic: "outside", Messages: 200})
	ok(t, err)
	c.Log.Printf("the ledger as a process of this machine, through %s: %s", address, v)
	if v.Acked != 200 || v.Lost != 0 {
		t.Errorf("of 200 messages %d were acknowledged, %d of them lost", v.Acked, v.Lost)
	}
}

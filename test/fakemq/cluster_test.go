// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const (
	nameServerAt = "127.20.0.1:9876"
	controllerAt = "127.20.0.2:9878"
	firstAt      = "127.20.0.3:10911"
	secondAt     = "127.20.0.4:10911"
	newAt        = "127.20.0.5:10911"
)

// orders is a topic of a user, with one consumer group.
func orders() Tables {
	return Tables{
		Topics:  map[string]admin.TopicConfig{"orders": {Name: "orders", ReadQueues: 8, WriteQueues: 8, Perm: 6}},
		Groups:  map[string]admin.SubscriptionGroup{"billing": admin.NewSubscriptionGroup("billing")},
		Offsets: map[string]map[string]int64{"orders@billing": {"0": 10, "1": 20}},
	}
}

func startBroker(c *Cluster, dialled, group string, id int64, address string, tables Tables) {
	c.StartBroker(dialled, Broker{
		Group: group, ID: id, Address: address, Properties: map[string]string{"brokerPermission": "6"}, Tables: tables,
	})
}

func newCluster(t *testing.T) *Cluster {
	t.Helper()
	recorded, err := Load("../../admin/testdata")
	if err != nil {
		t.Fatal(err)
	}
	return NewCluster("shop", recorded)
}

func clientOf(t *testing.T, options remoting.Options) *admin.Client {
	t.Helper()
	client := remoting.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return admin.New(client)
}

// shop is a cluster of a name server, a controller and a group of two brokers, in memory.
func shop(t *testing.T) (*Cluster, *admin.Client) {
	t.Helper()
	c := newCluster(t)
	c.StartNameServer(nameServerAt)
	c.StartController(controllerAt, "ctl-0:9878")
	startBroker(c, firstAt, "b-0", 1, "b-0-0:10911", orders())
	startBroker(c, secondAt, "b-0", 2, "b-0-1:10911", Tables{})
	c.Register(firstAt)
	c.Register(secondAt)
	return c, clientOf(t, remoting.Options{Dialer: Dialer(c)})
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestMasterFails: name servers and controllers agree on who is master, and on who is after that one has gone.
func TestMasterFails(t *testing.T) {
	c, ask := shop(t)
	check := func(registered map[int64]string, want admin.SyncState) {
		t.Helper()
		info := must[*admin.ClusterInfo](t)(ask.ClusterInfo(t.Context(), nameServerAt))
		if diff := cmp.Diff(registered, info.Brokers["b-0"].Addrs); diff != "" {
			t.Errorf("registered (-want +got):\n%s", diff)
		}
		states := must[map[string]admin.SyncState](t)(ask.SyncStateData(t.Context(), controllerAt, "b-0", "stranger"))
		if diff := cmp.Diff(map[string]admin.SyncState{"b-0": want}, states); diff != "" {
			t.Errorf("controller (-want +got):\n%s", diff)
		}
	}
	first := admin.Replica{ID: 1, Addr: "b-0-0:10911", Alive: true}
	second := admin.Replica{ID: 2, Addr: "b-0-1:10911", Alive: true}
	check(map[int64]string{0: "b-0-0:10911", 2: "b-0-1:10911"}, admin.SyncState{
		MasterID: 1, MasterAddr: "b-0-0:10911", MasterEpoch: 1, SyncStateSetEpoch: 1,
		InSync: []admin.Replica{first, second}, NotInSync: []admin.Replica{},
	})
	status := must[*admin.HAStatus](t)(ask.HAStatus(t.Context(), firstAt))
	if !status.Master || len(status.Slaves) != 1 || status.Slaves[0].Addr != "127.20.0.4:40000" {
		t.Errorf("the first broker says %+v", status)
	}

	c.Stop(firstAt)
	check(map[int64]string{0: "b-0-1:10911"}, admin.SyncState{
		MasterID: 2, MasterAddr: "b-0-1:10911", MasterEpoch: 2, SyncStateSetEpoch: 2,
		InSync: []admin.Replica{second}, NotInSync: []admin.Replica{},
	})
	if _, err := ask.HAStatus(t.Context(), firstAt); err == nil {
		t.Error("a broker that was stopped answers")
	}

	startBroker(c, firstAt, "b-0", 1, "b-0-0:10911", Tables{})
	c.Register(firstAt)
	check(map[int64]string{0: "b-0-1:10911", 1: "b-0-0:10911"}, admin.SyncState{
		MasterID: 2, MasterAddr: "b-0-1:10911", MasterEpoch: 2, SyncStateSetEpoch: 2,
		InSync: []admin.Replica{first, second}, NotInSync: []admin.Replica{},
	})
}

// TestControllerFails: another one leads.
func TestControllerFails(t *testing.T) {
	c, ask := shop(t)
	const other = "127.20.0.6:9878"
	c.StartController(other, "ctl-1:9878")
	if _, err := ask.SyncStateData(t.Context(), other, "b-0"); !remoting.IsCode(err, remoting.ControllerNotLeader) {
		t.Errorf("a controller that does not lead says %v", err)
	}
	c.Stop(controllerAt)
	got := must[*admin.ControllerMetadata](t)(ask.ControllerMetadata(t.Context(), other))
	want := &admin.ControllerMetadata{
		Group: "shop", LeaderID: "ctl-1", LeaderAddr: "ctl-1:9878", IsLeader: true, Peers: []admin.ControllerPeer{{Addr: "ctl-1:9878"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quorum (-want +got):\n%s", diff)
	}
}

// TestTablesAreCopied: a new group is given what the first one has, and has it then; before it is opened no client sees it.
func TestTablesAreCopied(t *testing.T) {
	ctx := t.Context()
	c, ask := shop(t)
	startBroker(c, newAt, "b-1", 1, "b-1-0:10911", Tables{})
	if err := ask.SetBrokerPermission(ctx, newAt, 0); err != nil {
		t.Fatal(err)
	}
	c.Register(newAt)
	type known struct {
		topics  map[string]admin.TopicConfig
		groups  map[string]admin.SubscriptionGroup
		offsets map[admin.TopicGroup]map[int]int64
	}
	read := func(addr string) known {
		t.Helper()
		topics, _, err := ask.Topics(ctx, addr)
		if err != nil {
			t.Fatal(err)
		}
		groups, _, err := ask.Groups(ctx, addr)
		if err != nil {
			t.Fatal(err)
		}
		offsets, err := ask.Offsets(ctx, addr)
		if err != nil {
			t.Fatal(err)
		}
		return known{topics, groups, offsets}
	}
	from, before := read(firstAt), read(newAt)
	if len(before.topics) < 10 || before.topics["orders"].Name != "" {
		t.Errorf("a new group has the topics %v", before.topics)
	}
	state := must[admin.TableState](t)(ask.TopicsState(ctx, newAt))

	topic := from.topics["orders"]
	topic.Attributes = map[string]string{"message.type": "FIFO"}
	must[int](t)(ask.PutTopics(ctx, newAt, nil, []admin.TopicConfig{topic}))
	must[int](t)(ask.PutGroups(ctx, newAt, nil, []admin.SubscriptionGroup{from.groups["billing"]}))
	if err := ask.PutOffset(ctx, newAt, admin.ConsumerOffset{Topic: "orders", Group: "billing", Queue: 1, Offset: 20}); err != nil {
		t.Fatal(err)
	}
	now := must[admin.TableState](t)(ask.TopicsState(ctx, newAt))
	if now.Total != state.Total+1 || now.Version == state.Version {
		t.Errorf("the table was %+v and is %+v", state, now)
	}
	after := read(newAt)
	copied := after.topics["orders"]
	if copied.ReadQueues != 8 || copied.Attributes["message.type"] != "FIFO" || after.groups["billing"].Name != "billing" {
		t.Errorf("the new group has %+v and %+v", after.topics["orders"], after.groups["billing"])
	}
	if diff := cmp.Diff(map[admin.TopicGroup]map[int]int64{{Topic: "orders", Group: "billing"}: {1: 20}}, after.offsets); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}

	shown := func() map[string]int {
		perms := map[string]int{}
		for _, queue := range must[*admin.TopicRoute](t)(ask.TopicRoute(ctx, nameServerAt, "orders")).Queues {
			perms[queue.Broker] = queue.Perm
		}
		return perms
	}
	if diff := cmp.Diff(map[string]int{"b-0": 6, "b-1": 0}, shown()); diff != "" {
		t.Errorf("hidden (-want +got):\n%s", diff)
	}
	if err := ask.SetBrokerPermission(ctx, newAt, 6); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"b-0": 6, "b-1": 6}, shown()); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	if config := must[map[string]string](t)(ask.BrokerConfig(ctx, newAt)); config["brokerPermission"] != "6" || len(config) < 200 {
		t.Errorf("the broker shows %d properties, and the permission %s", len(config), config["brokerPermission"])
	}
}

// TestSilence: over TCP, where each server has an address of its own, a silent one answers nothing on any connection.
func TestSilence(t *testing.T) {
	const port = 20911
	first, second, nobody := fmt.Sprintf("127.20.0.3:%d", port), fmt.Sprintf("127.20.0.4:%d", port), fmt.Sprintf("127.20.0.9:%d", port)
	c, ask := newCluster(t), clientOf(t, remoting.Options{})
	startBroker(c, first, "b-0", 1, "b-0-0:10911", Tables{})
	startBroker(c, second, "b-0", 2, "b-0-1:10911", Tables{})
	c.Register(first)
	c.Register(second)
	stop, err := Listen(t.Context(), c, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	master := func(addr string) (bool, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		status, err := ask.HAStatus(ctx, addr)
		if err != nil {
			return false, err
		}
		return status.Master, nil
	}
	for addr, want := range map[string]bool{first: true, second: false} {
		if got := must[bool](t)(master(addr)); got != want {
			t.Errorf("%s is master: %v", addr, got)
		}
	}
	c.Silence(first, true)
	if _, err := master(first); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server: %v", err)
	}
	must[bool](t)(master(second))
	c.Silence(first, false)
	must[bool](t)(master(first))
	if _, err := master(nobody); err == nil {
		t.Error("an address without a server answers")
	}
}

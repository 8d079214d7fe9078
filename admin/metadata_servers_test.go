// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// topic makes a topic on the static broker and returns how the broker has it.
func (f *fixture) topic(ctx context.Context, t *testing.T, name string) admin.TopicConfig {
	t.Helper()
	config := admin.TopicConfig{Name: name, ReadQueues: 2, WriteQueues: 2, Perm: admin.PermRead + admin.PermWrite, FilterType: "SINGLE_TAG"}
	must(t, f.admin.PutTopic(ctx, f.static.Addr, nil, config))
	config.Attributes = map[string]string{}
	return config
}

func (f *fixture) group(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	must(t, f.admin.PutGroup(ctx, f.static.Addr, nil, admin.NewSubscriptionGroup(name)))
}

func TestTopicLife(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	_, err := f.admin.Topic(ctx, addr, "life")
	if !remoting.IsCode(err, remoting.TopicNotExist) {
		t.Errorf("before: %v, want TOPIC_NOT_EXIST", err)
	}
	want := admin.TopicConfig{
		Name: "life", ReadQueues: 5, WriteQueues: 3, Perm: admin.PermRead, FilterType: "MULTI_TAG", SysFlag: 1, Order: true,
		Attributes: map[string]string{"message.type": "FIFO", "queue.type": "SimpleCQ"},
	}
	check := func(what string, current *admin.TopicConfig) *admin.TopicConfig {
		t.Helper()
		must(t, f.admin.PutTopic(ctx, addr, current, want))
		got, err := f.admin.Topic(ctx, addr, "life")
		must(t, err)
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		return got
	}
	current := check("created", nil)
	check("unchanged", current)
	want.ReadQueues, want.WriteQueues, want.Perm, want.Order = 7, 7, admin.PermRead+admin.PermWrite, false
	want.Attributes = map[string]string{"reserve.time": "1000", "queue.type": "SimpleCQ"}
	check("changed", current)

	eventually(ctx, t, "the name server has the topic", func() (bool, error) {
		route, err := f.admin.TopicRoute(ctx, f.nameServer.Addr, "life")
		if err != nil {
			return false, err
		}
		wantRoute := &admin.TopicRoute{
			Brokers: []admin.BrokerData{{Cluster: "cluster-b", Name: "static", Addrs: map[int64]string{admin.MasterID: addr}}},
			Queues:  []admin.RouteQueue{{Broker: "static", ReadQueues: 7, WriteQueues: 7, Perm: 6, SysFlag: 1}},
		}
		if diff := cmp.Diff(wantRoute, route); diff != "" {
			return false, fmt.Errorf("route (-want +got):\n%s", diff)
		}
		return true, nil
	})
	must(t, f.admin.DeleteTopic(ctx, addr, "life"))
	must(t, f.admin.DeleteTopic(ctx, addr, "life")) // again
	must(t, f.admin.DeleteTopicRoute(ctx, f.nameServer.Addr, "cluster-b", "life"))
	for what, err := range map[string]error{
		"broker":      second(f.admin.Topic(ctx, addr, "life")),
		"name server": second(f.admin.TopicRoute(ctx, f.nameServer.Addr, "life")),
		"statistics":  second(f.admin.TopicStats(ctx, addr, "life")),
	} {
		if !remoting.IsCode(err, remoting.TopicNotExist) {
			t.Errorf("%s after deletion: %v, want TOPIC_NOT_EXIST", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTopicsThatBrokersRefuse(t *testing.T) {
	f, ctx := running(t)
	for _, name := range []string{"TBW102", "rmq_sys_mine", "cluster-b", "bad name"} {
		err := f.admin.PutTopic(ctx, f.static.Addr, nil, admin.TopicConfig{Name: name, ReadQueues: 1, WriteQueues: 1, Perm: 6})
		if !remoting.IsCode(err, remoting.InvalidParameter, remoting.SystemError) {
			t.Errorf("topic %s: %v, want a refusal", name, err)
		}
	}
}

// TestSystemTopics: all that a new broker has is known to be RocketMQ's own, and what it refuses to change too.
func TestSystemTopics(t *testing.T) {
	f, ctx := running(t)
	topics, _, err := f.admin.Topics(ctx, f.secondMember.Addr)
	must(t, err)
	for name := range topics {
		if !admin.IsSystemTopic(name, cluster, group) && name != "untimed" { // of TestDeleteTopicWithoutTimer
			t.Errorf("topic %s is not known", name)
		}
	}
	groups, _, err := f.admin.Groups(ctx, f.secondMember.Addr)
	must(t, err)
	for name := range groups {
		if !admin.IsSystemGroup(name) {
			t.Errorf("group %s is not known", name)
		}
	}
	if len(topics) == 0 || len(groups) == 0 {
		t.Errorf("%d topics, %d groups", len(topics), len(groups))
	}
}

// TestManyTopics writes more than a page of topics and groups in bulk, then changes some, and compares field by field.
func TestManyTopics(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	const n = 2300
	var topics []admin.TopicConfig
	var groups []admin.SubscriptionGroup
	for i := range n {
		topic := admin.TopicConfig{
			Name: fmt.Sprintf("many-%04d", i), ReadQueues: 1 + i%5, WriteQueues: 1 + i%3, Perm: []int{6, 4, 2}[i%3],
			FilterType: "SINGLE_TAG", Order: i%7 == 0, Attributes: map[string]string{},
		}
		if i%2 == 0 {
			topic.Attributes["message.type"] = []string{"NORMAL", "FIFO", "DELAY", "TRANSACTION"}[i/2%4]
		}
		topics = append(topics, topic)
	}
	for i := range 2100 {
		group := admin.NewSubscriptionGroup(fmt.Sprintf("many-%04d", i))
		group.RetryMaxTimes, group.ConsumeBroadcast, group.ConsumeOrderly = i%20, i%2 == 0, i%3 == 0
		if i%4 == 0 {
			group.RetryPolicy = []byte(`{"exponentialRetryPolicy":{"initial":1000,"max":60000,"multiplier":2},"type":"EXPONENTIAL"}`)
		} else {
			group.RetryPolicy = []byte(`{"type":"CUSTOMIZED"}`)
		}
		groups = append(groups, group)
	}
	before, err := f.admin.TopicsState(ctx, addr)
	must(t, err)
	groupsBefore, err := f.admin.GroupsState(ctx, addr)
	must(t, err)

	put := func(wantTopics, wantGroups int) {
		t.Helper()
		current, version, err := f.admin.Topics(ctx, addr)
		must(t, err)
		sent, err := f.admin.PutTopics(ctx, addr, current, topics)
		if err != nil || sent != wantTopics {
			t.Fatalf("%d topics sent, want %d: %v", sent, wantTopics, err)
		}
		currentGroups, _, err := f.admin.Groups(ctx, addr)
		must(t, err)
		sent, err = f.admin.PutGroups(ctx, addr, currentGroups, groups)
		if err != nil || sent != wantGroups {
			t.Fatalf("%d groups sent, want %d: %v", sent, wantGroups, err)
		}
		got, after, err := f.admin.Topics(ctx, addr)
		must(t, err)
		for _, want := range topics {
			if diff := cmp.Diff(want, got[want.Name]); diff != "" {
				t.Fatalf("topic %s (-want +got):\n%s", want.Name, diff)
			}
		}
		if after == version && wantTopics > 0 {
			t.Errorf("the version stayed %+v", version)
		}
		gotGroups, _, err := f.admin.Groups(ctx, addr)
		must(t, err)
		for _, want := range groups {
			if !want.Equal(gotGroups[want.Name]) {
				t.Fatalf("group %s\nwant %+v\ngot  %+v", want.Name, want, gotGroups[want.Name])
			}
		}
	}
	put(n, len(groups))
	put(0, 0)
	for i := range 700 { // every third; the others are identical, which must not keep these from being changed
		topics[3*i].WriteQueues = 9
		topics[3*i].Attributes = map[string]string{"message.type": "NORMAL", "reserve.time": "-1"}
		groups[3*i].RetryQueues = 4
	}
	put(700, 700)

	for what, state := range map[string]struct {
		before admin.TableState
		more   int
		ask    func(context.Context, string) (admin.TableState, error)
	}{"topics": {before, n, f.admin.TopicsState}, "groups": {groupsBefore, len(groups), f.admin.GroupsState}} {
		now, err := state.ask(ctx, addr)
		must(t, err)
		if now.Total < state.before.Total+state.more || now.Version == state.before.Version {
			t.Errorf("%s: state was %+v, is %+v after %d more", what, state.before, now, state.more)
		}
	}
}

// TestBulkWithARefusedTopic: what a broker would refuse is refused without asking, one or in bulk, and nothing is sent.
func TestBulkWithARefusedTopic(t *testing.T) {
	f, ctx := running(t)
	good := f.topic(ctx, t, "good")
	current := map[string]admin.TopicConfig{"good": good}
	bad := good
	bad.Attributes = map[string]string{"cleanup.policy": "COMPACTION"}
	other := good
	other.Name = "other-of-bulk"
	if sent, err := f.admin.PutTopics(ctx, f.static.Addr, current, []admin.TopicConfig{other, bad}); sent != 0 || err == nil {
		t.Errorf("%d sent, %v", sent, err)
	}
	if _, err := f.admin.Topic(ctx, f.static.Addr, other.Name); !remoting.IsCode(err, remoting.TopicNotExist) {
		t.Errorf("the other topic: %v, want TOPIC_NOT_EXIST", err)
	}
}

func TestGroupLife(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	want := admin.NewSubscriptionGroup("group-life")
	want.RetryMaxTimes, want.ConsumeTimeoutMinutes, want.BrokerIDWhenSlow, want.NotifyConsumersChange = 3, 30, 2, false
	want.RetryPolicy = []byte(`{"customizedRetryPolicy":{"next":[1000,2000]},"type":"CUSTOMIZED"}`)
	must(t, f.admin.PutGroup(ctx, addr, nil, want))
	got, err := f.admin.Group(ctx, addr, want.Name)
	must(t, err)
	if !want.Equal(*got) {
		t.Errorf("created\nwant %+v\ngot  %+v", want, got)
	}
	want.RetryMaxTimes, want.ConsumeEnable = 4, false
	must(t, f.admin.PutGroup(ctx, addr, got, want))
	must(t, f.admin.PutGroup(ctx, addr, &want, want)) // nothing to send
	if got, err = f.admin.Group(ctx, addr, want.Name); err != nil || !want.Equal(*got) {
		t.Errorf("changed: %v\nwant %+v\ngot  %+v", err, want, got)
	}
	topic := f.topic(ctx, t, "group-life")
	must(t, f.admin.PutOffset(ctx, addr, admin.ConsumerOffset{Topic: topic.Name, Group: want.Name, Offset: 1}))
	must(t, f.admin.DeleteGroup(ctx, addr, want.Name, true))
	groups, _, err := f.admin.Groups(ctx, addr)
	must(t, err)
	if _, ok := groups[want.Name]; ok {
		t.Error("the group is still there")
	}
	offsets, err := f.admin.Offsets(ctx, addr)
	must(t, err)
	if left, ok := offsets[admin.TopicGroup{Topic: topic.Name, Group: want.Name}]; ok {
		t.Errorf("its offsets are still there: %v", left)
	}
}

func TestOffsets(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "offsets")
	f.group(ctx, t, "offsets")
	var offsets []admin.ConsumerOffset
	want := map[int]int64{}
	for queue := range 500 { // the broker takes any number
		want[queue] = int64(queue) << 33
		offsets = append(offsets, admin.ConsumerOffset{Topic: "offsets", Group: "offsets", Queue: queue, Offset: want[queue]})
	}
	if done, err := f.admin.PutOffsets(ctx, addr, offsets); err != nil || done != len(offsets) {
		t.Fatalf("%d done, %v", done, err)
	}
	got, err := f.admin.Offsets(ctx, addr)
	must(t, err)
	if diff := cmp.Diff(want, got[admin.TopicGroup{Topic: "offsets", Group: "offsets"}]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if offset, ok, err := f.admin.Offset(ctx, addr, "offsets", "offsets", 7); offset != 7<<33 || !ok || err != nil {
		t.Errorf("offset %d, %t, %v", offset, ok, err)
	}
	if offset, ok, err := f.admin.Offset(ctx, addr, "nobody", "offsets", 7); offset != 0 || ok || err != nil {
		t.Errorf("unknown offset %d, %t, %v", offset, ok, err)
	}
	unknown := slices.Concat(offsets[:5], []admin.ConsumerOffset{{Topic: "offsets", Group: "nobody"}})
	if done, err := f.admin.PutOffsets(ctx, addr, unknown); done != 1 || !remoting.IsCode(err, remoting.SubscriptionGroupNotExist) {
		t.Errorf("unknown group: %d done, %v", done, err)
	}
	if err := f.admin.PutOffset(ctx, addr, admin.ConsumerOffset{Topic: "no-such-topic", Group: "offsets"}); !remoting.IsCode(err, remoting.TopicNotExist) {
		t.Errorf("unknown topic: %v", err)
	}
}

func TestBrokerPermission(t *testing.T) {
	f, ctx := running(t)
	f.topic(ctx, t, "permission")
	for _, perm := range []int{admin.PermRead, 0, admin.PermRead + admin.PermWrite} {
		must(t, f.admin.SetBrokerPermission(ctx, f.static.Addr, perm))
		got, err := f.admin.BrokerPermission(ctx, f.static.Addr)
		if err != nil || got != perm {
			t.Errorf("permission %d, %v; want %d", got, err, perm)
		}
		start := time.Now()
		eventually(ctx, t, "the name server shows the permission", func() (bool, error) {
			route, err := f.admin.TopicRoute(ctx, f.nameServer.Addr, "permission")
			return err == nil && len(route.Queues) == 1 && route.Queues[0].Perm == perm, err
		})
		t.Logf("permission %d is at the name server after %v", perm, time.Since(start))
	}
}

// TestDeleteTopicWithoutTimer: a broker without timer wheel reports an error although the topic is gone.
func TestDeleteTopicWithoutTimer(t *testing.T) {
	f, ctx := running(t)
	states, err := f.admin.SyncStateData(ctx, f.controller.Addr, group)
	must(t, err)
	master := states[group].MasterAddr
	must(t, f.admin.PutTopic(ctx, master, nil, admin.TopicConfig{Name: "untimed", ReadQueues: 1, WriteQueues: 1, Perm: 6}))
	must(t, f.admin.DeleteTopic(ctx, master, "untimed"))
	topics, _, err := f.admin.Topics(ctx, master)
	must(t, err)
	if _, ok := topics["untimed"]; ok {
		t.Errorf("the topic is among %v", slices.Collect(maps.Keys(topics)))
	}
	if timers, err := f.admin.TimerBacklog(ctx, master); err != nil || len(timers) != 0 {
		t.Errorf("timers of a broker without: %v, %v", timers, err)
	}
}

// TestCleanBrokerData asks for what must be refused: members that are alive, and groups that nobody knows.
func TestCleanBrokerData(t *testing.T) {
	f, ctx := running(t)
	f.bothInSync(ctx, t)
	for name, err := range map[string]error{
		"living group":  f.admin.CleanBrokerData(ctx, f.controller.Addr, cluster, group),
		"living member": f.admin.CleanBrokerData(ctx, f.controller.Addr, cluster, group, 1, 2),
		"unknown group": f.admin.CleanBrokerData(ctx, f.controller.Addr, cluster, "no-such-group"),
	} {
		if !remoting.IsCode(err, remoting.ControllerInvalidCleanBrokerMetadata) {
			t.Errorf("%s: %v, want CONTROLLER_INVALID_CLEAN_BROKER_METADATA", name, err)
		}
	}
	if err := f.admin.CleanBrokerData(ctx, f.controller.Addr, cluster, ""); err == nil {
		t.Error("a clean without a name was sent")
	}
}

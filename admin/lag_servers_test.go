// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// TestLags: what is not consumed of a topic counts, although the group's connected member subscribes to another one.
func TestLags(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	for _, name := range []string{"lag-read", "lag-left", "lag-gone"} {
		f.topic(ctx, t, name)
		f.send(ctx, t, name, "", 0)
		f.send(ctx, t, name, "", 0)
	}
	f.group(ctx, t, "lagging")
	f.group(ctx, t, "not-lagging")
	for _, o := range []admin.ConsumerOffset{
		{Topic: "lag-read", Group: "lagging", Offset: 1},
		{Topic: "lag-left", Group: "lagging", Queue: 1}, // none in queue 0, which has the messages
		{Topic: "lag-gone", Group: "lagging"},
		{Topic: "lag-read", Group: "not-lagging", Offset: 2},
	} {
		must(t, f.admin.PutOffset(ctx, addr, o))
	}
	_, err := client(t).Invoke(ctx, addr, remoting.Request{Code: heartbeat, Body: []byte(`{"clientID":"client-of-lagging",
		"consumerDataSet":[{"groupName":"lagging","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING",
			"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","unitMode":false,
			"subscriptionDataSet":[{"topic":"lag-read","subString":"*","expressionType":"TAG","subVersion":1,"tagsSet":[],"codeSet":[]}]}]}`)})
	must(t, err)

	lagOf := func() (map[admin.TopicGroup]int64, error) {
		all, err := f.admin.Lags(ctx, addr)
		ours := map[admin.TopicGroup]int64{}
		for pair, n := range all {
			if pair.Group == "lagging" || pair.Group == "not-lagging" {
				ours[pair] = n
			}
			if admin.IsSystemGroup(pair.Group) {
				t.Errorf("RocketMQ's own %v is counted", pair)
			}
		}
		return ours, err
	}
	wait := func(want map[admin.TopicGroup]int64) {
		t.Helper()
		eventually(ctx, t, "lags", func() (bool, error) {
			got, err := lagOf()
			if diff := cmp.Diff(want, got); err == nil && diff != "" {
				return false, fmt.Errorf("-want +got:\n%s", diff)
			}
			return err == nil, err
		})
	}
	wait(map[admin.TopicGroup]int64{
		{Topic: "lag-read", Group: "lagging"}: 1, {Topic: "lag-left", Group: "lagging"}: 2, {Topic: "lag-gone", Group: "lagging"}: 2,
	})
	if stats, err := f.admin.ConsumeStats(ctx, addr, "lagging"); err != nil || stats.Lag() != 1 {
		t.Errorf("ConsumeStats counts %+v, %v; want what is subscribed to", stats, err)
	}
	must(t, f.admin.DeleteTopic(ctx, addr, "lag-gone"))
	must(t, f.admin.PutOffset(ctx, addr, admin.ConsumerOffset{Topic: "lag-left", Group: "lagging", Offset: 2}))
	wait(map[admin.TopicGroup]int64{{Topic: "lag-read", Group: "lagging"}: 1})
}

// TestTopicOffsets compares the offsets of one topic, closed or not, with those in the whole table.
func TestTopicOffsets(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "few-offsets")
	for i := range 5 {
		name := "few-offsets-" + strconv.Itoa(i)
		f.group(ctx, t, name)
		for queue := range i {
			must(t, f.admin.PutOffset(ctx, addr, admin.ConsumerOffset{Topic: "few-offsets", Group: name, Queue: queue, Offset: int64(100*i + queue)}))
		}
	}
	current, err := f.admin.Topic(ctx, addr, "few-offsets")
	must(t, err)
	closed := *current
	closed.ReadQueues, closed.WriteQueues, closed.Perm = 0, 0, 0
	must(t, f.admin.PutTopic(ctx, addr, current, closed))

	want, pairs := map[string]map[int]int64{}, 0
	must(t, f.admin.EachOffset(ctx, addr, func(pair admin.TopicGroup, offsets map[int]int64) error {
		pairs++
		if pair.Topic == "few-offsets" {
			want[pair.Group] = offsets
		}
		return nil
	}))
	if len(want) != 4 {
		t.Errorf("offsets of %d groups among %d pairs", len(want), pairs)
	}
	got, err := f.admin.TopicOffsets(ctx, addr, "few-offsets", 4)
	must(t, err)
	for group, offsets := range got { // for a queue without offset a broker answers 0 while its first message is recent
		for queue, offset := range offsets {
			if _, has := want[group][queue]; !has && offset == 0 {
				delete(offsets, queue)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if none, err := f.admin.TopicOffsets(ctx, addr, "no-such-topic", 4); err != nil || len(none) != 0 {
		t.Errorf("an unknown topic: %v, %v", none, err)
	}
	if all, err := f.admin.Offsets(ctx, addr); err != nil || len(all) != pairs {
		t.Errorf("%d pairs in the whole table, %d one by one: %v", len(all), pairs, err)
	}
}

// TestUncountedMessages: a broker tells what waits in its timer wheel and before it, and PopBacklog says when it cannot count.
func TestUncountedMessages(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "timed")
	before, err := f.admin.BrokerRuntimeInfo(ctx, addr)
	must(t, err)
	f.send(ctx, t, "timed", "TIMER_DELAY_SEC\x013600\x02", 0)
	eventually(ctx, t, "the message waits in the wheel", func() (bool, error) {
		info, err := f.admin.BrokerRuntimeInfo(ctx, addr)
		if err != nil {
			return false, err
		}
		if info.TimerWaiting() < before.TimerWaiting() || info.TimerBehind() < 0 || info["timerOffsetBehind"] == "" {
			t.Errorf("%d waiting, %d behind", info.TimerWaiting(), info.TimerBehind())
		}
		return info.TimerWaiting() > before.TimerWaiting() && info.TimerBehind() == 0, nil
	})

	must(t, second(f.admin.PopBacklog(ctx, addr, "cluster-b")))
	must(t, f.admin.UpdateBrokerConfig(ctx, addr, map[string]string{"popConsumerKVServiceEnable": "true"}))
	_, err = f.admin.PopBacklog(ctx, addr, "cluster-b")
	must(t, f.admin.UpdateBrokerConfig(ctx, addr, map[string]string{"popConsumerKVServiceEnable": "false"}))
	if !errors.Is(err, admin.ErrPopNotCounted) {
		t.Errorf("with the KV service: %v, want ErrPopNotCounted", err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Requests that only clients send (RocketMQ's RequestCode).
const (
	heartbeat  remoting.RequestCode = 34
	popMessage remoting.RequestCode = 200050
)

// client is a RocketMQ client of its own connection, which ends with the test.
func client(t *testing.T) *remoting.Client {
	t.Helper()
	c := remoting.NewClient(remoting.Options{Timeout: 10 * time.Second})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// send sends a message to queue 0 with properties "key\x01value\x02…".
func (f *fixture) send(ctx context.Context, t *testing.T, topic, properties string, sysFlag int) {
	t.Helper()
	_, err := client(t).Invoke(ctx, f.static.Addr, remoting.Request{
		Code: remoting.SendMessage,
		Fields: map[string]string{
			"producerGroup": "producers", "topic": topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": "4", "queueId": "0",
			"sysFlag": strconv.Itoa(sysFlag), "bornTimestamp": strconv.FormatInt(time.Now().UnixMilli(), 10), "flag": "0",
			"properties": properties, "reconsumeTimes": "0", "unitMode": "false", "batch": "false",
		},
		Body: []byte("hello"),
	})
	must(t, err)
}

func TestConsumeStats(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "consumed")
	f.group(ctx, t, "consumers")
	for range 3 {
		f.send(ctx, t, "consumed", "", 0)
	}
	must(t, f.admin.PutOffset(ctx, addr, admin.ConsumerOffset{Topic: "consumed", Group: "consumers", Offset: 1}))
	var stats *admin.ConsumeStats
	eventually(ctx, t, "the messages are counted", func() (done bool, err error) {
		stats, err = f.admin.ConsumeStats(ctx, addr, "consumers")
		return err == nil && stats.Lag() == 2, err
	})
	first := stats.Queues[admin.TopicQueue{Topic: "consumed"}]
	if first.BrokerOffset != 3 || first.ConsumerOffset != 1 || first.LastMillis == 0 || len(stats.Queues) != 2 || stats.Inflight() != 0 {
		t.Errorf("statistics %+v", stats)
	}
	if one, err := f.admin.ConsumeStats(ctx, addr, "consumers", "consumed"); err != nil || one.Lag() != 2 {
		t.Errorf("of one topic: %+v, %v", one, err)
	}
	if other, err := f.admin.ConsumeStats(ctx, addr, "consumers", "no-such-topic", "neither"); err != nil || len(other.Queues) != 0 {
		t.Errorf("of unknown topics: %+v, %v", other, err)
	}
	queues, err := f.admin.TopicStats(ctx, addr, "consumed")
	must(t, err)
	if queues[0].MaxOffset != 3 || queues[0].MinOffset != 0 || queues[0].LastUpdateMillis == 0 || len(queues) != 2 {
		t.Errorf("topic statistics %+v", queues)
	}
	if groups, err := f.admin.TopicConsumers(ctx, addr, "consumed"); err != nil || !cmp.Equal(groups, []string{"consumers"}) {
		t.Errorf("groups %q, %v", groups, err)
	}
	if topics, err := f.admin.GroupTopics(ctx, addr, "consumers"); err != nil || !cmp.Equal(topics, []string{"consumed"}) {
		t.Errorf("topics %q, %v", topics, err)
	}
}

func TestConnections(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "connected")
	f.group(ctx, t, "online")
	if _, err := f.admin.ConsumerConnection(ctx, addr, "online"); !remoting.IsCode(err, remoting.ConsumerNotOnline) {
		t.Errorf("nobody there: %v, want CONSUMER_NOT_ONLINE", err)
	}
	if _, err := f.admin.ConsumerIDs(ctx, addr, "online"); !remoting.IsCode(err, remoting.SystemError) {
		t.Errorf("nobody there: %v, want SYSTEM_ERROR", err)
	}
	_, err := client(t).Invoke(ctx, addr, remoting.Request{Code: heartbeat, Body: []byte(`{"clientID":"client-1",
		"consumerDataSet":[{"groupName":"online","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING",
			"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","unitMode":false,
			"subscriptionDataSet":[{"topic":"connected","subString":"a || b","expressionType":"TAG","subVersion":1,"tagsSet":[],"codeSet":[]}]}],
		"producerDataSet":[{"groupName":"producers-online"}]}`)})
	must(t, err)
	got, err := f.admin.ConsumerConnection(ctx, addr, "online")
	must(t, err)
	if len(got.Members) != 1 || got.Members[0].ClientID != "client-1" || got.Members[0].Language != "GO" {
		t.Fatalf("members %+v", got.Members)
	}
	want := &admin.ConsumerConnection{
		Members: got.Members, Type: "CONSUME_PASSIVELY", Model: "CLUSTERING", From: "CONSUME_FROM_LAST_OFFSET",
		Subscriptions: map[string]admin.Subscription{
			"connected":     {Topic: "connected", Expression: "a || b", Type: "TAG"},
			"%RETRY%online": got.Subscriptions["%RETRY%online"],
		},
	}
	if _, ok := got.Subscriptions["%RETRY%online"]; !ok {
		delete(want.Subscriptions, "%RETRY%online")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if ids, err := f.admin.ConsumerIDs(ctx, addr, "online"); err != nil || !cmp.Equal(ids, []string{"client-1"}) {
		t.Errorf("ids %q, %v", ids, err)
	}
	producers, err := f.admin.Producers(ctx, addr)
	must(t, err)
	if p := producers["producers-online"]; len(p) != 1 || p[0].ClientID != "client-1" || p[0].Addr != got.Members[0].Addr || p[0].LastUpdateMillis == 0 {
		t.Errorf("producers %+v", producers)
	}
}

func TestBacklogs(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "later")
	f.group(ctx, t, "popping")
	grows := func(what string, count func() (int64, error), act func()) {
		t.Helper()
		before, err := count()
		must(t, err)
		act()
		eventually(ctx, t, what+" pending", func() (bool, error) {
			now, err := count()
			return err == nil && now > before, err
		})
	}
	grows("delay level 18", func() (int64, error) {
		levels, err := f.admin.DelayBacklog(ctx, addr)
		return levels[18], err
	}, func() { f.send(ctx, t, "later", "DELAY\x0118\x02", 0) })
	grows("delayed by topic", func() (int64, error) {
		p, err := f.admin.DelayedTopics(ctx, addr)
		return p.Topics["later"] - 1000*p.Unread, err
	}, func() {
		for range 40 { // more than one request reads
			f.send(ctx, t, "later", "DELAY\x0117\x02KEYS\x01a b\x02", 0)
		}
	})
	grows("half messages by topic", func() (int64, error) {
		p, err := f.admin.HalfTopics(ctx, addr)
		return p.Topics["later"] - 1000*p.Unread, err
	}, func() { f.send(ctx, t, "later", "TRAN_MSG\x01true\x02PGROUP\x01producers\x02", 1<<2) })
	grows("timer", func() (int64, error) {
		topics, err := f.admin.TimerBacklog(ctx, addr)
		return topics["later"], err
	}, func() { f.send(ctx, t, "later", fmt.Sprintf("TIMER_DELAY_SEC\x01%d\x02", 3600), 0) })
	const prepared = 1 << 2
	grows("half messages", func() (int64, error) { return f.admin.TransactionBacklog(ctx, addr) },
		func() { f.send(ctx, t, "later", "TRAN_MSG\x01true\x02PGROUP\x01producers\x02", prepared) })
	grows("POP", func() (int64, error) { return f.admin.PopBacklog(ctx, addr, "cluster-b") }, func() {
		f.send(ctx, t, "later", "", 0)
		eventually(ctx, t, "a message popped", func() (bool, error) {
			resp, err := client(t).Invoke(ctx, addr, remoting.Request{Code: popMessage, Fields: map[string]string{
				"consumerGroup": "popping", "topic": "later", "queueId": "0", "maxMsgNums": "1", "invisibleTime": "60000",
				"pollTime": "0", "bornTime": strconv.FormatInt(time.Now().UnixMilli(), 10), "initMode": "0", "order": "false",
			}})
			return err == nil && len(resp.Body) > 0, err
		})
	})
}

// TestFence: a topic without queues takes no message from anybody, whatever its permission; the rest of it stays.
func TestFence(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "fenced")
	current, err := f.admin.Topic(ctx, addr, "fenced")
	must(t, err)
	closed := *current
	closed.Perm = admin.PermRead
	must(t, f.admin.PutTopic(ctx, addr, current, closed))
	f.send(ctx, t, "fenced", "", 0) // permission is for those who ask for routes
	fence := closed
	fence.ReadQueues, fence.WriteQueues, fence.Perm = 0, 0, 0
	must(t, f.admin.PutTopic(ctx, addr, &closed, fence))
	_, err = client(t).Invoke(ctx, addr, remoting.Request{
		Code: remoting.SendMessage,
		Fields: map[string]string{
			"producerGroup": "producers", "topic": "fenced", "defaultTopic": "TBW102", "defaultTopicQueueNums": "4", "queueId": "0",
			"sysFlag": "0", "bornTimestamp": "0", "flag": "0", "properties": "", "reconsumeTimes": "0", "unitMode": "false", "batch": "false",
		},
	})
	if !remoting.IsCode(err, remoting.SystemError) {
		t.Errorf("a message to a fenced topic: %v", err)
	}
	eventually(ctx, t, "the end of a hidden queue", func() (bool, error) {
		q, err := f.admin.QueueStats(ctx, addr, "fenced", 0)
		return q.MaxOffset == 1 && q.MinOffset == 0, err
	})
	if q, err := f.admin.QueueStats(ctx, addr, "fenced", 7); err != nil || q.MaxOffset != 0 || q.MinOffset != 0 {
		t.Errorf("a queue that never was: %+v, %v", q, err)
	}
	must(t, f.admin.PutTopic(ctx, addr, &fence, *current))
	f.send(ctx, t, "fenced", "", 0)
	if got, err := f.admin.Messages(ctx, addr, "fenced", 0, 0); err != nil || len(got) == 0 || got[0].Topic != "fenced" || got[0].Queue != 0 || got[0].Offset != 0 {
		t.Errorf("messages %+v, %v", got, err)
	}
	if got, err := f.admin.Messages(ctx, addr, "fenced", 0, 99); err != nil || len(got) != 0 {
		t.Errorf("messages beyond the end: %+v, %v", got, err)
	}
}

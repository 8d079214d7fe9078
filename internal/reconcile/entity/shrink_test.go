// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

const masterAt = "127.20.1.1:10911"

// brokerWith is a master with the topic orders of 8 queues, of which 2 are wanted, and a client.
func brokerWith(t *testing.T, ends map[int]int64, consumed map[string]map[string]int64) (*fakemq.Cluster, *admin.Client) {
	t.Helper()
	tables := fakemq.Tables{
		Topics:  map[string]admin.TopicConfig{"orders": {Name: "orders", ReadQueues: 8, WriteQueues: 2, Perm: 6, FilterType: "SINGLE_TAG", Attributes: map[string]string{}}},
		Ends:    map[string]map[int]int64{"orders": ends},
		Offsets: map[string]map[string]int64{},
	}
	for group, offsets := range consumed {
		tables.Offsets["orders@"+group] = offsets
	}
	c := fakemq.NewCluster("shop", nil)
	c.StartBroker(masterAt, fakemq.Broker{Cluster: "shop", Group: "b-0", ID: 1, Address: "b-0-0:10911", Properties: map[string]string{}, Tables: tables})
	c.Register(masterAt)
	c.Inject(progress("b-0", consumed))
	client := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(c)})
	t.Cleanup(func() { _ = client.Close() })
	return c, admin.New(client)
}

// progress of consumer groups, as a broker tells it.
func progress(broker string, consumed map[string]map[string]int64) fakemq.Fault {
	return func(_ fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		if request.Code != remoting.GetConsumeStats {
			return fakemq.Answer{}, false
		}
		var queues []string
		for queue, offset := range consumed[request.Fields["consumerGroup"]] {
			key, _ := json.Marshal(map[string]any{"brokerName": broker, "topic": "orders", "queueId": json.Number(queue)})
			queues = append(queues, fmt.Sprintf(`%s:{"brokerOffset":0,"consumerOffset":%d,"lastTimestamp":0,"pullOffset":0}`, key, offset))
		}
		return fakemq.Answer{Body: `{"consumeTps":0,"offsetTable":{` + strings.Join(queues, ",") + "}}"}, true
	}
}

// TestShrinkTopic: queues for reading go from the last one on, as far as no message is left in them.
func TestShrinkTopic(t *testing.T) {
	claim := entity.Claim{Name: "orders", Spec: &v1alpha1.TopicSpec{Queues: new(int32(2))}}
	for _, test := range []struct {
		name     string
		ends     map[int]int64
		consumed map[string]map[string]int64
		want     int
		why      string
	}{
		{"empty queues go at once", nil, nil, 2, ""},
		{"what every group has consumed goes", map[int]int64{5: 9}, map[string]map[string]int64{"a": {"5": 9}, "b": {"5": 9}}, 2, ""},
		{"a queue that one group has not consumed stays, and those before it", map[int]int64{5: 9, 3: 1}, map[string]map[string]int64{"a": {"5": 9, "3": 1}, "b": {"5": 8}}, 6,
			"consumer group b has not consumed queue 5"},
		{"messages that nobody consumes stay", map[int]int64{4: 1}, nil, 5, "queue 4 has messages that no consumer group consumes"},
		{"a queue that is written to is none of them", map[int]int64{1: 7}, map[string]map[string]int64{"a": {}}, 2, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, client := brokerWith(t, test.ends, test.consumed)
			left, err := shrinkTopic(t.Context(), client, masterAt, claim, c.Tables("b-0").Topics["orders"])
			if err != nil || left != test.why {
				t.Errorf("left %q, %v; want %q", left, err, test.why)
			}
			if got := c.Tables("b-0").Topics["orders"]; got.ReadQueues != test.want || got.WriteQueues != 2 {
				t.Errorf("topic %+v, want %d queues for reading", got, test.want)
			}
		})
	}
}

// TestShrinkIsTakenBack: a message that comes to a queue while that is taken away, by an old route, is read.
func TestShrinkIsTakenBack(t *testing.T) {
	claim := entity.Claim{Name: "orders", Spec: &v1alpha1.TopicSpec{Queues: new(int32(2))}}
	c, client := brokerWith(t, nil, nil)
	c.Inject(func(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		if request.Code == remoting.UpdateAndCreateTopic && request.Fields["readQueueNums"] == "2" {
			at.Tables.Ends["orders"] = map[int]int64{6: 1}
		}
		return fakemq.Answer{}, false
	})
	left, err := shrinkTopic(t.Context(), client, masterAt, claim, c.Tables("b-0").Topics["orders"])
	if err != nil || left != "queue 6 has just got a message" {
		t.Errorf("left %q, %v", left, err)
	}
	if got := c.Tables("b-0").Topics["orders"]; got.ReadQueues != 8 {
		t.Errorf("topic %+v", got)
	}
}

// TestTopicHolds: messages count wherever they are, in queues that are no longer written to too.
func TestTopicHolds(t *testing.T) {
	for _, test := range []struct {
		ends map[int]int64
		want string
	}{{nil, ""}, {map[int]int64{0: 2, 7: 3}, "5 messages"}} {
		c, client := brokerWith(t, test.ends, nil)
		c.Inject(runtimeInfo)
		got, err := topicHolds(context.Background(), client, Server{Addr: masterAt}, entity.Claim{Name: "orders"}, c.Tables("b-0").Topics["orders"])
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%v; (-want +got):\n%s", err, diff)
		}
	}
}

// runtimeInfo of a broker that has stored everything.
func runtimeInfo(_ fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
	return fakemq.Answer{Body: `{"table":{"dispatchBehindBytes":"0"}}`}, request.Code == remoting.GetBrokerRuntimeInfo
}

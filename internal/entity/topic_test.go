// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestWantedTopic: what the spec says is taken over, field by field; what it does not say is RocketMQ's default, but for queues.
func TestWantedTopic(t *testing.T) {
	existing := admin.TopicConfig{
		Name: "orders", ReadQueues: 16, WriteQueues: 12, Perm: 4, FilterType: "MULTI_TAG", SysFlag: 1, Order: true,
		Attributes: map[string]string{"message.type": "NORMAL", "future": "1"},
	}
	queues := func(read, write int) func(*admin.TopicConfig) {
		return func(t *admin.TopicConfig) { t.ReadQueues, t.WriteQueues = read, write }
	}
	everything := v1alpha1.TopicSpec{
		Type: "FIFO", ReadQueueNums: new(int32(6)), WriteQueueNums: new(int32(4)), Perm: new(int32(2)), Order: new(true), TopicFilterType: new("MULTI_TAG"),
		TopicSysFlag: new(int32(3)), CleanupPolicy: new("COMPACTION"), QueueType: new("BatchCQ"), ReserveTime: new(int64(48)),
		Attributes: map[string]v1alpha1.AttributeValue{"lite.topic.expiration": "60"},
	}
	for _, test := range []struct {
		name  string
		claim Claim
		has   *admin.TopicConfig
		want  admin.TopicConfig
	}{
		{"a new topic by default", claim(spec(v1alpha1.TopicSpec{})), nil, topic()},
		{"a new topic with everything", claim(spec(everything)), nil, admin.TopicConfig{
			Name: "orders", ReadQueues: 6, WriteQueues: 4, Perm: 2, Order: true, FilterType: "MULTI_TAG", SysFlag: 3, Attributes: map[string]string{
				"message.type": "FIFO", "cleanup.policy": "COMPACTION", "queue.type": "BatchCQ", "reserve.time": "48", "lite.topic.expiration": "60"},
		}},
		{"a new topic with fewer queues for reading than usual", claim(spec(v1alpha1.TopicSpec{ReadQueueNums: new(int32(2))})), nil, topic(queues(2, 2))},
		{"a new topic with more queues for writing than usual", claim(spec(v1alpha1.TopicSpec{WriteQueueNums: new(int32(20))})), nil, topic(queues(20, 20))},
		{"a topic that exists keeps its queues where nothing is said", claim(spec(v1alpha1.TopicSpec{})), &existing, topic(queues(16, 12))},
		{"what is known of its queues counts more", claim(spec(v1alpha1.TopicSpec{}), func(c *Claim) { c.ReadQueues, c.WriteQueues = 6, 6 }), new(topic()), topic(queues(8, 6))},
		{"more queues at once", claim(spec(v1alpha1.TopicSpec{Queues: new(int32(10))})), new(topic()), topic(queues(10, 10))},
		{"fewer queues for writing at once, those for reading stay", claim(spec(v1alpha1.TopicSpec{Queues: new(int32(3))})), new(topic()), topic(queues(8, 3))},
		{"fewer queues for reading alone", claim(spec(v1alpha1.TopicSpec{ReadQueueNums: new(int32(5))})), new(topic()), topic(queues(8, 5))},
		{"more queues for writing than for reading are given to both", claim(spec(v1alpha1.TopicSpec{WriteQueueNums: new(int32(9))})), new(topic()), topic(queues(9, 9))},
		{"a fenced topic gets back what it had", claim(spec(v1alpha1.TopicSpec{}), func(c *Claim) { c.WriteQueues = 12 }), new(topic(queues(0, 0))), topic(queues(12, 12))},
		{"the policy that an absent attribute stands for is not written", claim(spec(v1alpha1.TopicSpec{CleanupPolicy: new("DELETE"), QueueType: new("SimpleCQ")})),
			new(topic()), topic()},
		{"what RocketMQ cannot change stays where nothing is said", claim(spec(v1alpha1.TopicSpec{})),
			new(topic(func(t *admin.TopicConfig) { t.Attributes["cleanup.policy"] = "COMPACTION" })),
			topic(func(t *admin.TopicConfig) { t.Attributes["cleanup.policy"] = "COMPACTION" })},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, conflict := wantedTopic(test.claim, test.has)
			if diff := cmp.Diff(test.want, got); diff != "" || conflict != "" {
				t.Errorf("conflict %q; (-want +got):\n%s", conflict, diff)
			}
			if again, _ := wantedTopic(test.claim, &got); !again.Equal(got) {
				t.Errorf("it would be changed again: %v", topicDifferences(got, again))
			}
		})
	}
}

// TestTopicDifferences: every field counts, and is told.
func TestTopicDifferences(t *testing.T) {
	has := topic()
	wanted := admin.TopicConfig{
		Name: "orders", ReadQueues: 9, WriteQueues: 7, Perm: 4, FilterType: "MULTI_TAG", SysFlag: 1, Order: true,
		Attributes: map[string]string{"message.type": "FIFO", "reserve.time": "48"},
	}
	want := "readQueueNums 8 to 9, writeQueueNums 8 to 7, perm 6 to 4, order false to true, topicFilterType SINGLE_TAG to MULTI_TAG, topicSysFlag 0 to 1, " +
		"message.type NORMAL to FIFO, reserve.time nothing to 48"
	if got := strings.Join(topicDifferences(has, wanted), ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	unsaid := topic(func(t *admin.TopicConfig) { t.FilterType = "" })
	if got := topicDifferences(unsaid, has); got != nil {
		t.Errorf("the filter type that is not said is another one: %s", got)
	}
}

// TestShrinking: more queues for reading than wanted are as specified, and told, with what is in them.
func TestShrinking(t *testing.T) {
	c := claim(settled, spec(v1alpha1.TopicSpec{Queues: new(int32(3))}))
	wide := at("b-0", topic(func(t *admin.TopicConfig) { t.WriteQueues = 3 }))
	for _, test := range []struct{ held, want string }{
		{"", "orders at b-0: messages go to 3 queues, and queues 3 to 7 are read until they are consumed: producers are given time to notice it"},
		{"consumer group g has not consumed queue 7", "orders at b-0: messages go to 3 queues, and queues 3 to 7 are read until they are consumed: consumer group g has not consumed queue 7"},
	} {
		wide.Held = map[string]string{"orders": test.held}
		d := Decide(Topics(), []Claim{c}, Situation[admin.TopicConfig]{Places: []Place[admin.TopicConfig]{wide}})
		answer := d.Answers[c.Object]
		if answer.Reason != "" || answer.Done != 1 || answer.ReadQueues != 8 || answer.WriteQueues != 3 || answer.Draining != test.want || len(d.Puts) > 0 {
			t.Errorf("answer %+v, puts %v", answer, d.Puts)
		}
	}
}

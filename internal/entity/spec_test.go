// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestTopicSpec: the object of a topic that exists wants it as it is, and says no more than it must.
func TestTopicSpec(t *testing.T) {
	for _, test := range []struct {
		name string
		has  admin.TopicConfig
		want v1alpha1.TopicSpec
	}{
		{"default", topic(), v1alpha1.TopicSpec{Type: "NORMAL", Queues: new(int32(8))}},
		{"everything", admin.TopicConfig{
			Name: "orders", ReadQueues: 6, WriteQueues: 4, Perm: 2, Order: true, FilterType: "MULTI_TAG", SysFlag: 3, Attributes: map[string]string{
				"message.type": "FIFO", "cleanup.policy": "COMPACTION", "queue.type": "BatchCQ", "reserve.time": "48", "lite.topic.expiration": "60"},
		}, v1alpha1.TopicSpec{
			Type: "FIFO", ReadQueueNums: new(int32(6)), WriteQueueNums: new(int32(4)), Perm: new(int32(2)), Order: new(true), TopicFilterType: new("MULTI_TAG"),
			TopicSysFlag: new(int32(3)), CleanupPolicy: new("COMPACTION"), QueueType: new("BatchCQ"), ReserveTime: new(int64(48)),
			Attributes: map[string]v1alpha1.AttributeValue{"lite.topic.expiration": "60"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := TopicSpec(test.has)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again, conflict := wantedTopic(claim(spec(got)), &test.has)
			if differences := topicDifferences(test.has, again); len(differences) > 0 || conflict != "" {
				t.Errorf("it would be changed: %v %s", differences, conflict)
			}
		})
	}
}

// TestGroupSpec: the same of consumer groups.
func TestGroupSpec(t *testing.T) {
	preset := Group{SubscriptionGroup: admin.NewSubscriptionGroup("billing")}
	if diff := cmp.Diff(v1alpha1.ConsumerGroupSpec{}, GroupSpec(preset)); diff != "" {
		t.Errorf("a default one (-want +got):\n%s", diff)
	}
	whole, _ := wantedGroup(Claim{Name: "billing", Spec: wholeSpec()}, nil)
	got := GroupSpec(whole)
	if diff := cmp.Diff(*wholeSpec(), got); diff != "" {
		t.Errorf("one with everything (-want +got):\n%s", diff)
	}
	again, _ := wantedGroup(Claim{Name: "billing", Spec: &got}, &whole)
	if differences := groupDifferences(whole, again); len(differences) > 0 {
		t.Errorf("it would be changed: %v", differences)
	}
}

func TestObjectName(t *testing.T) {
	for name, want := range map[string]string{"orders": "orders", "Order_Events": "order-events", "%x%|Y_": "x--y", "_%_": "unnamed"} {
		if got := ObjectName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

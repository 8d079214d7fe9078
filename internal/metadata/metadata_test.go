// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

func topic(name string, queues, perm int) admin.TopicConfig {
	return admin.TopicConfig{Name: name, ReadQueues: queues, WriteQueues: queues, Perm: perm}
}

func tables(offsets map[admin.TopicGroup]map[int]int64, groups []string, topics ...admin.TopicConfig) *Tables {
	t := &Tables{Topics: map[string]admin.TopicConfig{}, Groups: map[string]admin.SubscriptionGroup{}, Offsets: offsets}
	for _, topic := range topics {
		t.Topics[topic.Name] = topic
	}
	for _, group := range groups {
		t.Groups[group] = admin.NewSubscriptionGroup(group)
	}
	return t
}

func names(p Plan) (topics, groups []string) {
	for _, t := range p.Topics {
		topics = append(topics, t.Name)
	}
	for _, g := range p.Groups {
		groups = append(groups, g.Name)
	}
	return topics, groups
}

// TestMakes: no broker takes the name of a POP consumer's retry topic with enableRetryTopicV2 from others.
func TestMakes(t *testing.T) {
	b := Broker{Cluster: "c", Group: "b-0"}
	for topic, want := range map[string]bool{"orders": false, "%RETRY%billing": false, "%RETRY%billing+orders": true, "c": true, "b-0": true} {
		if got := b.makes(topic); got != want {
			t.Errorf("brokers make %s themselves: %t, want %t", topic, got, want)
		}
	}
}

func TestForNewGroup(t *testing.T) {
	pair := admin.TopicGroup{Topic: "t", Group: "g"}
	compacted := topic("c", 1, 6)
	compacted.Attributes = map[string]string{"cleanup.policy": "COMPACTION"}
	for _, c := range []struct {
		name           string
		source, target *Tables
		ends           map[admin.TopicQueue]int64
		topics, groups []string
		offsets        []admin.ConsumerOffset
		differ, gone   []string
	}{
		{
			name:   "an empty group gets everything, and consumers begin at the start",
			source: tables(map[admin.TopicGroup]map[int]int64{pair: {0: 7}}, []string{"g", "h"}, topic("t", 2, 6), topic("u", 1, 4)),
			target: tables(nil, nil),
			topics: []string{"t", "u"}, groups: []string{"g", "h"},
			offsets: []admin.ConsumerOffset{{Topic: "t", Group: "g", Queue: 0}, {Topic: "t", Group: "g", Queue: 1}},
		},
		{
			name:   "nothing is left to do",
			source: tables(map[admin.TopicGroup]map[int]int64{pair: {0: 7}}, []string{"g"}, topic("t", 1, 6)),
			target: tables(map[admin.TopicGroup]map[int]int64{pair: {0: 0}}, []string{"g"}, topic("t", 1, 6)),
		},
		{
			name:    "a kept disk keeps its offsets, and new consumers begin at its end",
			source:  tables(map[admin.TopicGroup]map[int]int64{pair: {0: 7}, {Topic: "t", Group: "new"}: {0: 1}}, []string{"g", "new"}, topic("t", 1, 6)),
			target:  tables(map[admin.TopicGroup]map[int]int64{pair: {0: 99}}, []string{"g", "new"}, topic("t", 1, 6)),
			ends:    map[admin.TopicQueue]int64{{Topic: "t", Queue: 0}: 120},
			offsets: []admin.ConsumerOffset{{Topic: "t", Group: "new", Queue: 0, Offset: 120}},
		},
		{
			name:   "other queue numbers and what cannot change are told, another permission is put right",
			source: tables(nil, nil, topic("queues", 4, 6), topic("perm", 1, 4), compacted),
			target: tables(nil, nil, topic("queues", 8, 6), topic("perm", 1, 6), topic("c", 1, 6), topic("old", 1, 6)),
			topics: []string{"perm"}, differ: []string{"topic c", "topic queues"}, gone: []string{"old"},
		},
		{
			name:   "offsets of topics and groups that are gone mean nothing",
			source: tables(map[admin.TopicGroup]map[int]int64{{Topic: "x", Group: "g"}: {0: 1}, {Topic: "t", Group: "x"}: {0: 1}}, []string{"g"}, topic("t", 1, 6)),
			target: tables(nil, []string{"g"}, topic("t", 1, 6)),
		},
	} {
		p := ForNewGroup(c.source, c.target, c.ends)
		topics, groups := names(p)
		for what, pair := range map[string][2]any{
			"topics": {c.topics, topics}, "groups": {c.groups, groups}, "offsets": {c.offsets, p.Offsets}, "differ": {c.differ, p.Differ}, "gone": {c.gone, p.Gone},
		} {
			if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", c.name, what, diff)
			}
		}
		if p.Empty() != (len(c.topics)+len(c.groups)+len(c.offsets) == 0) {
			t.Errorf("%s: empty is %t", c.name, p.Empty())
		}
	}
}

func TestForNewMaster(t *testing.T) {
	pair := admin.TopicGroup{Topic: "t", Group: "g"}
	old := tables(map[admin.TopicGroup]map[int]int64{pair: {0: 10, 1: 20, 2: 30}}, []string{"g", "h"}, topic("t", 3, 6), topic("lost", 1, 6))
	now := tables(map[admin.TopicGroup]map[int]int64{pair: {0: 5, 1: 25}}, []string{"g"}, topic("t", 3, 6), topic("later", 1, 6))
	p := ForNewMaster(old, now)
	topics, groups := names(p)
	if !cmp.Equal(topics, []string{"lost"}) || !cmp.Equal(groups, []string{"h"}) {
		t.Errorf("topics %v, groups %v", topics, groups)
	}
	want := []admin.ConsumerOffset{{Topic: "t", Group: "g", Queue: 0, Offset: 10}, {Topic: "t", Group: "g", Queue: 2, Offset: 30}}
	if diff := cmp.Diff(want, p.Offsets); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
	if !ForNewMaster(old, old).Empty() {
		t.Error("a copy of itself lacks something")
	}
}

// TestForRestored: what is missing comes back, what clients made anew is put right without hiding a queue, and what somebody
// configured since stays.
func TestForRestored(t *testing.T) {
	odd := topic("odd", 3, 4)
	odd.Attributes = map[string]string{"message.type": "FIFO"}
	compacted := topic("compacted", 1, 6)
	compacted.Attributes = map[string]string{"cleanup.policy": "COMPACTION"}
	changed := topic("changed", 4, 6)
	changed.Order = true
	strict := admin.NewSubscriptionGroup("strict")
	strict.RetryMaxTimes = 2
	strictest := strict
	strictest.Name, strictest.RetryMaxTimes = "strictest", 1

	saved := tables(nil, []string{"lost", "same"}, topic("lost", 5, 6), topic("same", 1, 6), odd, compacted, topic("changed", 2, 6), topic("grown", 2, 6), topic("made", 7, 6))
	saved.Groups["strict"], saved.Groups["strictest"] = strict, strictest
	now := tables(nil, []string{"same", "strict", "new"}, topic("same", 1, 6), topic("odd", 8, 6), topic("compacted", 1, 6), changed, topic("grown", 4, 6), topic("made", 4, 6), topic("new", 1, 6))
	strictest.RetryMaxTimes = 9
	now.Groups["strictest"] = strictest

	p := ForRestored(saved, now)
	odd.ReadQueues = 8
	if diff := cmp.Diff([]admin.TopicConfig{topic("lost", 5, 6), topic("made", 7, 6), odd}, p.Topics); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	if _, groups := names(p); !cmp.Equal(groups, []string{"lost", "strict"}) {
		t.Errorf("groups %v", groups)
	}
	if want := []string{"group strictest", "topic changed", "topic compacted"}; !cmp.Equal(p.Differ, want) {
		t.Errorf("differ %v, want %v", p.Differ, want)
	}
	for _, written := range p.Topics {
		now.Topics[written.Name] = written
	}
	for _, written := range p.Groups {
		now.Groups[written.Name] = written
	}
	if again := ForRestored(saved, now); !again.Empty() {
		t.Errorf("once written, it lacks %+v", again)
	}
}

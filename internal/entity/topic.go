// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Names of topic attributes (RocketMQ's TopicAttributes).
const (
	messageType   = "message.type"
	cleanupPolicy = "cleanup.policy"
	queueType     = "queue.type"
	reserveTime   = "reserve.time"
)

// defaultQueues is what a topic gets that nobody said it of (TopicConfig.defaultReadQueueNums is 16 in RocketMQ's class, and 8
// is what its tools and documents use).
const defaultQueues = 8

// Topics are the rules of topics.
func Topics() Rules[admin.TopicConfig] {
	return Rules[admin.TopicConfig]{Wanted: wantedTopic, Differences: topicDifferences, Describe: describeTopic, Recall: recallQueues, Fenced: fenced}
}

// recallQueues of a topic that is seen for the first time: all groups are to have as many as the one with the most.
func recallQueues(c *Claim, places []Place[admin.TopicConfig]) {
	if c.WriteQueues > 0 {
		return
	}
	for _, place := range places {
		c.WriteQueues = max(c.WriteQueues, place.Has[c.Name].WriteQueues)
	}
}

// fenced: a topic without queues takes no message from anybody.
func fenced(t admin.TopicConfig) bool { return t.ReadQueues == 0 && t.WriteQueues == 0 }

// ReadQueues that a topic is to have in the end; it has more while messages are in them.
func ReadQueues(c Claim, has admin.TopicConfig) int {
	read, _ := queues(c, &has)
	return read
}

func wantedTopic(c Claim, has *admin.TopicConfig) (admin.TopicConfig, string) {
	spec := c.Spec.(*v1alpha1.TopicSpec)
	if has != nil {
		if conflict := topicConflict(c, spec, has); conflict != "" {
			return *has, conflict
		}
	}
	t := admin.TopicConfig{
		Name:       c.Name,
		Perm:       int(given(spec.Perm, admin.PermRead|admin.PermWrite)),
		FilterType: given(spec.TopicFilterType, "SINGLE_TAG"),
		SysFlag:    int(given(spec.TopicSysFlag, 0)),
		Order:      given(spec.Order, false),
		Attributes: topicAttributes(spec, has),
	}
	t.ReadQueues, t.WriteQueues = queues(c, has)
	if has != nil {
		t.ReadQueues = max(t.ReadQueues, has.ReadQueues) // fewer only when nothing is in them
	}
	return t, ""
}

// topicConflict says what of an existing topic cannot become as specified. The type could, but not while it may be somebody
// else's topic.
func topicConflict(c Claim, spec *v1alpha1.TopicSpec, has *admin.TopicConfig) string {
	if is := cmp.Or(has.Attributes[messageType], string(v1alpha1.TypeNormal)); is != typeOf(spec) && !c.Owned() {
		return fmt.Sprintf("topic %s exists with type %s, not %s. Create this resource anew with type %s, or delete the topic, with its messages, in RocketMQ",
			c.Name, is, typeOf(spec), is)
	}
	for _, fixed := range []struct {
		key, preset string
		wanted      *string
	}{{cleanupPolicy, "DELETE", spec.CleanupPolicy}, {queueType, "SimpleCQ", spec.QueueType}} {
		is := cmp.Or(has.Attributes[fixed.key], fixed.preset)
		if fixed.wanted != nil && *fixed.wanted != is {
			return fmt.Sprintf("topic %s exists with %s %s, not %s, and RocketMQ cannot change that. Create this resource anew with %s, or delete the topic, with "+
				"its messages, in RocketMQ", c.Name, fixed.key, is, *fixed.wanted, is)
		}
	}
	return ""
}

func typeOf(spec *v1alpha1.TopicSpec) string { return string(cmp.Or(spec.Type, v1alpha1.TypeNormal)) }

// queues for reading and writing that are wanted in the end; never fewer for reading. A spec that does not say how many leaves
// those that there are when the topic is first seen.
func queues(c Claim, has *admin.TopicConfig) (read, write int) {
	spec := c.Spec.(*v1alpha1.TopicSpec)
	preset := defaultQueues
	switch {
	case c.WriteQueues > 0:
		preset = c.WriteQueues
	case has != nil && has.WriteQueues > 0:
		preset = has.WriteQueues
	}
	preset = int(given(spec.Queues, int32(preset)))
	read, write = int(given(spec.ReadQueueNums, int32(preset))), int(given(spec.WriteQueueNums, int32(preset)))
	if spec.WriteQueueNums == nil {
		write = min(write, read)
	}
	return max(read, write), write
}

// topicAttributes are those of the spec. Of one that RocketMQ cannot change and the spec does not name, or gives the value that
// an absent one stands for, it stays as it is.
func topicAttributes(spec *v1alpha1.TopicSpec, has *admin.TopicConfig) map[string]string {
	out := map[string]string{messageType: typeOf(spec)}
	for key, value := range spec.Attributes {
		out[key] = string(value)
	}
	if spec.ReserveTime != nil {
		out[reserveTime] = strconv.FormatInt(*spec.ReserveTime, 10)
	}
	for key, value := range map[string]*string{cleanupPolicy: spec.CleanupPolicy, queueType: spec.QueueType} {
		if has == nil && value != nil {
			out[key] = *value
		}
		if has != nil && has.Attributes[key] != "" {
			out[key] = has.Attributes[key]
		}
	}
	return out
}

func given[T any](value *T, otherwise T) T {
	if value != nil {
		return *value
	}
	return otherwise
}

func topicDifferences(has, wanted admin.TopicConfig) []string {
	var out differences
	out.add("readQueueNums", has.ReadQueues, wanted.ReadQueues)
	out.add("writeQueueNums", has.WriteQueues, wanted.WriteQueues)
	out.add("perm", has.Perm, wanted.Perm)
	out.add("order", has.Order, wanted.Order)
	out.add("topicFilterType", cmp.Or(has.FilterType, "SINGLE_TAG"), cmp.Or(wanted.FilterType, "SINGLE_TAG"))
	out.add("topicSysFlag", has.SysFlag, wanted.SysFlag)
	out.attributes(has.Attributes, wanted.Attributes)
	return out
}

// differences of two entries, in words.
type differences []string

func (d *differences) add(what string, has, wanted any) {
	if has != wanted {
		*d = append(*d, fmt.Sprintf("%s %v to %v", what, has, wanted))
	}
}

func (d *differences) attributes(has, wanted map[string]string) {
	all := maps.Clone(wanted)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, has)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		d.add(key, cmp.Or(has[key], "nothing"), cmp.Or(wanted[key], "nothing"))
	}
}

func describeTopic(c Claim, place Place[admin.TopicConfig], has admin.TopicConfig, into *Answer) {
	into.ReadQueues, into.WriteQueues = max(into.ReadQueues, has.ReadQueues), max(into.WriteQueues, has.WriteQueues)
	if wanted := ReadQueues(c, has); has.ReadQueues > wanted && into.Draining == "" {
		why := cmp.Or(place.Held[c.Name], "producers are given time to notice it")
		into.Draining = fmt.Sprintf("%s at %s: messages go to %d queues, and queues %d to %d are read until they are consumed: %s",
			c.Name, place.Name, has.WriteQueues, wanted, has.ReadQueues-1, why)
	}
}

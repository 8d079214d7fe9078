// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Group is a consumer group as a broker group has it.
type Group struct {
	admin.SubscriptionGroup
	// Modes are its message request modes, by topic.
	Modes map[string]admin.MessageRequestMode
}

// GroupTable are the consumer groups of a broker with their request modes.
func GroupTable(groups map[string]admin.SubscriptionGroup, modes map[admin.TopicGroup]admin.MessageRequestMode) map[string]Group {
	table := make(map[string]Group, len(groups))
	for name, group := range groups {
		table[name] = Group{SubscriptionGroup: group}
	}
	for pair, mode := range modes {
		group, exists := table[pair.Group]
		if !exists {
			continue
		}
		if group.Modes == nil {
			group.Modes = map[string]admin.MessageRequestMode{}
		}
		group.Modes[pair.Topic] = mode
		table[pair.Group] = group
	}
	return table
}

// Groups are the rules of consumer groups.
func Groups() Rules[Group] {
	return Rules[Group]{Wanted: wantedGroup, Differences: groupDifferences, Describe: func(Claim, Place[Group], Group, *Answer) {}}
}

func wantedGroup(c Claim, has *Group) (Group, string) {
	spec := c.Spec.(*v1alpha1.ConsumerGroupSpec)
	g := Group{SubscriptionGroup: admin.NewSubscriptionGroup(c.Name)}
	g.ConsumeEnable = given(spec.ConsumeEnable, g.ConsumeEnable)
	g.ConsumeFromMin = given(spec.ConsumeFromMinEnable, g.ConsumeFromMin)
	g.ConsumeBroadcast = given(spec.ConsumeBroadcastEnable, g.ConsumeBroadcast)
	g.ConsumeOrderly = given(spec.ConsumeMessageOrderly, g.ConsumeOrderly)
	g.NotifyConsumersChange = given(spec.NotifyConsumerIdsChangedEnable, g.NotifyConsumersChange)
	g.BrokerID = given(spec.BrokerID, g.BrokerID)
	g.BrokerIDWhenSlow = given(spec.WhichBrokerWhenConsumeSlowly, g.BrokerIDWhenSlow)
	g.ConsumeTimeoutMinutes = int(given(spec.ConsumeTimeoutMinute, int32(g.ConsumeTimeoutMinutes)))
	g.RetryMaxTimes = int(given(spec.RetryMaxTimes, int32(g.RetryMaxTimes)))
	g.RetryQueues = int(given(spec.RetryQueueNums, int32(g.RetryQueues)))
	g.SysFlag = int(given(spec.GroupSysFlag, int32(g.SysFlag)))
	g.Attributes = map[string]string{}
	for key, value := range spec.Attributes {
		g.Attributes[key] = string(value)
	}

	var is Group // what a broker says is kept if it means the same
	if has != nil {
		is = *has
	}
	if g.RetryPolicy = is.RetryPolicy; !samePolicy(is.RetryPolicy, spec.GroupRetryPolicy) {
		g.RetryPolicy = encode(spec.GroupRetryPolicy)
	}
	if g.Subscriptions = is.Subscriptions; !sameSubscriptions(is.Subscriptions, spec.SubscriptionDataSet) {
		g.Subscriptions = encode(spec.SubscriptionDataSet)
	}
	g.Modes = wantedModes(c.Name, spec, is.Modes)
	if has != nil {
		g.SubscriptionGroup = g.WithUnknown(has.SubscriptionGroup)
	}
	return g, ""
}

func wantedModes(group string, spec *v1alpha1.ConsumerGroupSpec, has map[string]admin.MessageRequestMode) map[string]admin.MessageRequestMode {
	if len(spec.MessageRequestModes) == 0 {
		return has
	}
	modes := maps.Clone(has)
	if modes == nil {
		modes = map[string]admin.MessageRequestMode{}
	}
	for _, m := range spec.MessageRequestModes {
		modes[m.Topic] = admin.MessageRequestMode{Topic: m.Topic, Group: group, Mode: m.Mode, PopShareQueues: int(m.PopShareQueueNum)}
	}
	return modes
}

// samePolicy compares what a broker says with what is wanted, nil for RocketMQ's default. Brokers name the policy of the other
// type too, as null; the default is a customized policy without times (GroupRetryPolicy).
func samePolicy(has json.RawMessage, wanted *v1alpha1.GroupRetryPolicy) bool {
	var is v1alpha1.GroupRetryPolicy
	if len(has) > 0 && json.Unmarshal(has, &is) != nil {
		return false
	}
	if wanted == nil {
		return is.ExponentialRetryPolicy == nil && is.CustomizedRetryPolicy == nil
	}
	return reflect.DeepEqual(is, *wanted)
}

func sameSubscriptions(has json.RawMessage, wanted []v1alpha1.SubscriptionData) bool {
	var is []v1alpha1.SubscriptionData
	if len(has) > 0 && json.Unmarshal(has, &is) != nil {
		return false
	}
	byTopic := func(a, b v1alpha1.SubscriptionData) int { return cmp.Compare(a.Topic, b.Topic) }
	return slices.Equal(slices.SortedFunc(slices.Values(is), byTopic), slices.SortedFunc(slices.Values(wanted), byTopic))
}

// encode what came from JSON; nil for nothing.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil || bytes.Equal(text, []byte("null")) {
		return nil
	}
	return text
}

func groupDifferences(has, wanted Group) []string {
	var out differences
	out.add("consumeEnable", has.ConsumeEnable, wanted.ConsumeEnable)
	out.add("consumeFromMinEnable", has.ConsumeFromMin, wanted.ConsumeFromMin)
	out.add("consumeBroadcastEnable", has.ConsumeBroadcast, wanted.ConsumeBroadcast)
	out.add("consumeMessageOrderly", has.ConsumeOrderly, wanted.ConsumeOrderly)
	out.add("notifyConsumerIdsChangedEnable", has.NotifyConsumersChange, wanted.NotifyConsumersChange)
	out.add("brokerId", has.BrokerID, wanted.BrokerID)
	out.add("whichBrokerWhenConsumeSlowly", has.BrokerIDWhenSlow, wanted.BrokerIDWhenSlow)
	out.add("consumeTimeoutMinute", has.ConsumeTimeoutMinutes, wanted.ConsumeTimeoutMinutes)
	out.add("retryMaxTimes", has.RetryMaxTimes, wanted.RetryMaxTimes)
	out.add("retryQueueNums", has.RetryQueues, wanted.RetryQueues)
	out.add("groupSysFlag", has.SysFlag, wanted.SysFlag)
	for _, raw := range []struct {
		what        string
		has, wanted json.RawMessage
	}{{"groupRetryPolicy", has.RetryPolicy, wanted.RetryPolicy}, {"subscriptionDataSet", has.Subscriptions, wanted.Subscriptions}} {
		if !bytes.Equal(raw.has, raw.wanted) {
			out = append(out, fmt.Sprintf("%s to %s", raw.what, raw.wanted))
		}
	}
	out.attributes(has.Attributes, wanted.Attributes)
	for _, topic := range slices.Sorted(maps.Keys(wanted.Modes)) {
		if is, is2 := has.Modes[topic], wanted.Modes[topic]; is != is2 {
			out.add("messageRequestMode of "+topic, modeText(is), modeText(is2))
		}
	}
	return out
}

func modeText(m admin.MessageRequestMode) string {
	if m.Mode == "POP" {
		return fmt.Sprintf("POP (%d)", m.PopShareQueues)
	}
	return cmp.Or(m.Mode, "the broker's default")
}

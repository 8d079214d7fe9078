// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TopicSpec is the spec of a topic as a broker has it. It says what is not RocketMQ's default, and the queues.
func TopicSpec(t admin.TopicConfig) v1alpha1.TopicSpec {
	spec := v1alpha1.TopicSpec{Type: v1alpha1.TopicType(t.Attributes[messageType])}
	if t.ReadQueues == t.WriteQueues {
		spec.Queues = new(int32(t.ReadQueues))
	} else {
		spec.ReadQueueNums, spec.WriteQueueNums = new(int32(t.ReadQueues)), new(int32(t.WriteQueues))
	}
	spec.Perm = unless(int32(t.Perm), admin.PermRead|admin.PermWrite)
	spec.Order = unless(t.Order, false)
	spec.TopicSysFlag = unless(int32(t.SysFlag), 0)
	if t.FilterType != "" {
		spec.TopicFilterType = unless(t.FilterType, "SINGLE_TAG")
	}

	for key, value := range t.Attributes {
		switch key {
		case messageType:
		case cleanupPolicy:
			spec.CleanupPolicy = new(value)
		case queueType:
			spec.QueueType = new(value)
		case reserveTime:
			if hours, err := strconv.ParseInt(value, 10, 64); err == nil {
				spec.ReserveTime = new(hours)
			}
		default:
			spec.Attributes = with(spec.Attributes, key, value)
		}
	}
	return spec
}

// GroupSpec is the spec of a consumer group as a broker has it. It says what is not RocketMQ's default.
func GroupSpec(g Group) v1alpha1.ConsumerGroupSpec {
	preset := admin.NewSubscriptionGroup(g.Name)
	spec := v1alpha1.ConsumerGroupSpec{
		ConsumeEnable:                  unless(g.ConsumeEnable, preset.ConsumeEnable),
		ConsumeFromMinEnable:           unless(g.ConsumeFromMin, preset.ConsumeFromMin),
		ConsumeBroadcastEnable:         unless(g.ConsumeBroadcast, preset.ConsumeBroadcast),
		ConsumeMessageOrderly:          unless(g.ConsumeOrderly, preset.ConsumeOrderly),
		NotifyConsumerIdsChangedEnable: unless(g.NotifyConsumersChange, preset.NotifyConsumersChange),
		BrokerID:                       unless(g.BrokerID, preset.BrokerID),
		WhichBrokerWhenConsumeSlowly:   unless(g.BrokerIDWhenSlow, preset.BrokerIDWhenSlow),
		ConsumeTimeoutMinute:           unless(int32(g.ConsumeTimeoutMinutes), int32(preset.ConsumeTimeoutMinutes)),
		RetryMaxTimes:                  unless(int32(g.RetryMaxTimes), int32(preset.RetryMaxTimes)),
		RetryQueueNums:                 unless(int32(g.RetryQueues), int32(preset.RetryQueues)),
		GroupSysFlag:                   unless(int32(g.SysFlag), int32(preset.SysFlag)),
	}
	var policy v1alpha1.GroupRetryPolicy
	if json.Unmarshal(g.RetryPolicy, &policy) == nil && (policy.ExponentialRetryPolicy != nil || policy.CustomizedRetryPolicy != nil) {
		spec.GroupRetryPolicy = &policy
	}
	_ = json.Unmarshal(g.Subscriptions, &spec.SubscriptionDataSet) // what is no list of them is none
	for key, value := range g.Attributes {
		spec.Attributes = with(spec.Attributes, key, value)
	}
	for _, topic := range slices.Sorted(maps.Keys(g.Modes)) {
		mode := g.Modes[topic]
		spec.MessageRequestModes = append(spec.MessageRequestModes,
			v1alpha1.MessageRequestMode{Topic: topic, Mode: mode.Mode, PopShareQueueNum: int32(mode.PopShareQueues)})
	}
	return spec
}

// ObjectName is a name that Kubernetes accepts, made of one that RocketMQ accepts. Several may come to the same.
func ObjectName(name string) string {
	plain := func(r rune) rune {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}
	if out := strings.Trim(strings.Map(plain, strings.ToLower(name)), "-"); out != "" {
		return out
	}
	return "unnamed"
}

// unless it is the default, which needs not be said.
func unless[T comparable](value, preset T) *T {
	if value == preset {
		return nil
	}
	return &value
}

func with(attributes map[string]v1alpha1.AttributeValue, key, value string) map[string]v1alpha1.AttributeValue {
	if attributes == nil {
		attributes = map[string]v1alpha1.AttributeValue{}
	}
	attributes[key] = v1alpha1.AttributeValue(value)
	return attributes
}

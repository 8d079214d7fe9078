// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
)

// Topics are the kind Topic.
func Topics() Kind[admin.TopicConfig] {
	return Kind[admin.TopicConfig]{
		Name: "Topic", Field: "spec.topicName", Everywhere: everyGroup, Topics: true,
		New:     func() v1alpha1.Entity { return &v1alpha1.Topic{} },
		NewList: func() client.ObjectList { return &v1alpha1.TopicList{} },
		Spec:    func(e v1alpha1.Entity) any { return new(e.(*v1alpha1.Topic).Spec) },
		Show:    showTopic,
		System:  admin.IsSystemTopic,
		Rules:   entity.Topics(),
		NameOf:  func(t admin.TopicConfig) string { return t.Name },
		Read: func(ctx context.Context, c *admin.Client, addr string, _ []entity.Claim) (map[string]admin.TopicConfig, string, error) {
			table, version, err := c.Topics(ctx, addr)
			return table, metadata.VersionText(version), err
		},
		Put: func(ctx context.Context, c *admin.Client, addr string, has map[string]admin.TopicConfig, wanted []admin.TopicConfig) error {
			_, err := c.PutTopics(ctx, addr, has, wanted)
			return err
		},
		Unversioned: func(entity.Claim) bool { return false },
		Delete: func(ctx context.Context, c *admin.Client, addr, name string) error {
			return c.DeleteTopic(ctx, addr, name)
		},
		Traces:  func(name string) (topics, groups []string) { return []string{name}, nil },
		Holds:   topicHolds,
		Fence:   fenceTopic,
		Surplus: func(c entity.Claim, has admin.TopicConfig) bool { return has.ReadQueues > entity.ReadQueues(c, has) },
		Shrink:  shrinkTopic,
	}
}

// showTopic keeps how many queues it had when it was as specified.
func showTopic(e v1alpha1.Entity, a entity.Answer) {
	status := &e.(*v1alpha1.Topic).Status
	if a.WriteQueues == 0 || (a.Reason != "" && status.WriteQueues > 0) {
		return
	}
	status.ReadQueues, status.WriteQueues = int32(a.ReadQueues), int32(a.WriteQueues)
}

// fenceTopic takes away all queues: brokers refuse messages to them, and what is in them stays.
func fenceTopic(t admin.TopicConfig) admin.TopicConfig {
	t.ReadQueues, t.WriteQueues = 0, 0
	return t
}

// topicHolds counts the messages that are stored, consumed or not, and those that will come to the topic later. What may be
// on its way is asked first, so that a message that moves on meanwhile counts.
func topicHolds(ctx context.Context, c *admin.Client, at Server, claim entity.Claim, has admin.TopicConfig) (string, error) {
	later, perhaps, err := onTheirWay(ctx, c, at.Addr, claim.Name)
	if err != nil {
		return "", err
	}
	stored := int64(0)
	for queue := range max(has.ReadQueues, has.WriteQueues, claim.ReadQueues) {
		stats, err := c.QueueStats(ctx, at.Addr, claim.Name, queue)
		if err != nil {
			return "", err
		}
		stored += stats.MaxOffset - stats.MinOffset
	}
	switch {
	case stored > 0:
		return fmt.Sprintf("%d messages", fleet.Rounded(stored)), nil
	case later > 0:
		return fmt.Sprintf("%d messages that are delayed or in a transaction", fleet.Rounded(later)), nil
	}
	return perhaps, nil
}

// onTheirWay counts the delayed messages of a topic and those in a transaction. Perhaps says what may be its too.
func onTheirWay(ctx context.Context, c *admin.Client, addr, topic string) (later int64, perhaps string, err error) {
	info, err := c.BrokerRuntimeInfo(ctx, addr)
	if err != nil {
		return 0, "", err
	}
	half, err := c.HalfTopics(ctx, addr)
	if err != nil {
		return 0, "", err
	}
	timers, err := c.TimerBacklog(ctx, addr)
	if err != nil {
		return 0, "", err
	}
	levels, err := c.DelayedTopics(ctx, addr)
	if err != nil {
		return 0, "", err
	}
	switch {
	case levels.Unread+half.Unread > 0:
		perhaps = "perhaps some of the many messages that are delayed or in a transaction"
	case info.DispatchBehindBytes()+info.TimerBehind() > 0:
		perhaps = "perhaps some of the messages that the broker is just storing"
	}
	return timers[topic] + levels.Topics[topic] + half.Topics[topic], perhaps, nil
}

// shrinkTopic takes away the last queues for reading as far as they are consumed. If a message has come to one of them
// meanwhile, by a route that is more than a minute old, they are given back.
func shrinkTopic(ctx context.Context, c *admin.Client, addr string, claim entity.Claim, has admin.TopicConfig) (string, error) {
	ends, err := c.TopicStats(ctx, addr, claim.Name)
	if err != nil {
		return "", err
	}
	keep, why, err := unconsumed(ctx, c, addr, claim, has, ends)
	if err != nil || keep == has.ReadQueues {
		return why, err
	}
	smaller := has
	smaller.ReadQueues = keep
	if err := c.PutTopic(ctx, addr, &has, smaller); err != nil {
		return "", err
	}
	for queue := keep; queue < has.ReadQueues; queue++ {
		stats, err := c.QueueStats(ctx, addr, claim.Name, queue)
		if err != nil || stats.MaxOffset > ends[queue].MaxOffset {
			return fmt.Sprintf("queue %d has just got a message", queue), c.PutTopic(ctx, addr, &smaller, has)
		}
	}
	return why, nil
}

// unconsumed is how many queues must stay for what is in them, and what that is.
func unconsumed(ctx context.Context, c *admin.Client, addr string, claim entity.Claim, has admin.TopicConfig, ends map[int]admin.QueueStats) (int, string, error) {
	keep, wanted := has.ReadQueues, max(entity.ReadQueues(claim, has), has.WriteQueues)
	empty := func(queue int) bool { return ends[queue].MaxOffset <= ends[queue].MinOffset }
	for keep > wanted && empty(keep-1) {
		keep--
	}
	if keep == wanted {
		return keep, "", nil
	}
	groups, err := c.TopicConsumers(ctx, addr, claim.Name)
	if err != nil {
		return 0, "", err
	}
	progress := map[string]*admin.ConsumeStats{}
	for _, group := range groups {
		if admin.IsSystemGroup(group) {
			continue
		}
		if progress[group], err = c.ConsumeStats(ctx, addr, group, claim.Name); err != nil {
			return 0, "", err
		}
	}
	if len(progress) == 0 {
		return keep, fmt.Sprintf("queue %d has messages that no consumer group consumes", keep-1), nil
	}

	for ; keep > wanted; keep-- {
		queue := keep - 1
		for group, stats := range progress {
			at := stats.Queues[admin.TopicQueue{Topic: claim.Name, Queue: queue}]
			if !empty(queue) && at.ConsumerOffset < ends[queue].MaxOffset {
				return keep, fmt.Sprintf("consumer group %s has not consumed queue %d", group, queue), nil
			}
		}
	}
	return keep, "", nil
}

// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Groups are the kind ConsumerGroup.
func Groups() Kind[entity.Group] {
	return Kind[entity.Group]{
		Name: "ConsumerGroup", Field: "spec.groupName", Everywhere: everyGroup,
		New:         func() v1alpha1.Entity { return &v1alpha1.ConsumerGroup{} },
		NewList:     func() client.ObjectList { return &v1alpha1.ConsumerGroupList{} },
		Spec:        func(e v1alpha1.Entity) any { return new(e.(*v1alpha1.ConsumerGroup).Spec) },
		Show:        func(v1alpha1.Entity, entity.Answer) {},
		System:      func(name, _, _ string) bool { return admin.IsSystemGroup(name) },
		Rules:       entity.Groups(),
		NameOf:      func(g entity.Group) string { return g.Name },
		Read:        readGroups,
		Put:         putGroups,
		Unversioned: claimsModes,
		Delete:      deleteGroup,
		Traces: func(name string) (topics, groups []string) {
			return []string{admin.RetryTopic(name), admin.DeadTopic(name)}, []string{name}
		},
		Holds: groupHolds,
	}
}

// readGroups reads the request modes too if a claim is about them.
func readGroups(ctx context.Context, c *admin.Client, addr string, claims []entity.Claim) (map[string]entity.Group, string, error) {
	table, version, err := c.Groups(ctx, addr)
	if err != nil {
		return nil, "", err
	}
	var modes map[admin.TopicGroup]admin.MessageRequestMode
	if slices.ContainsFunc(claims, claimsModes) {
		if modes, err = c.MessageRequestModes(ctx, addr); err != nil {
			return nil, "", err
		}
	}
	return entity.GroupTable(table, modes), metadata.VersionText(version), nil
}

// claimsModes: brokers tell no version of their request modes.
func claimsModes(c entity.Claim) bool {
	return len(c.Spec.(*v1alpha1.ConsumerGroupSpec).MessageRequestModes) > 0
}

func putGroups(ctx context.Context, c *admin.Client, addr string, has map[string]entity.Group, wanted []entity.Group) error {
	current := make(map[string]admin.SubscriptionGroup, len(wanted))
	var plain []admin.SubscriptionGroup
	for _, group := range wanted {
		if known, exists := has[group.Name]; exists {
			current[group.Name] = known.SubscriptionGroup
		}
		plain = append(plain, group.SubscriptionGroup)
	}
	if _, err := c.PutGroups(ctx, addr, current, plain); err != nil {
		return err
	}
	for _, group := range wanted {
		for _, topic := range slices.Sorted(maps.Keys(group.Modes)) {
			if mode := group.Modes[topic]; has[group.Name].Modes[topic] != mode {
				if err := c.PutMessageRequestMode(ctx, addr, mode); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// deleteGroup with its retries and dead letters.
func deleteGroup(ctx context.Context, c *admin.Client, addr, name string) error {
	for _, topic := range []string{admin.RetryTopic(name), admin.DeadTopic(name)} {
		if err := c.DeleteTopic(ctx, addr, topic); err != nil {
			return err
		}
	}
	return c.DeleteGroup(ctx, addr, name, true)
}

// groupHolds says who uses the group, what it has not consumed, and what it has given up.
func groupHolds(ctx context.Context, c *admin.Client, at Server, claim entity.Claim, _ entity.Group) (string, error) {
	connection, err := c.ConsumerConnection(ctx, at.Addr, claim.Name)
	if err != nil && !remoting.IsCode(err, remoting.ConsumerNotOnline) {
		return "", err
	}
	if connection != nil && len(connection.Members) > 0 {
		return fmt.Sprintf("%d connected consumers", len(connection.Members)), nil
	}
	again, err := givenBack(ctx, c, at, claim.Name) // first: a message that moves on meanwhile counts twice rather than never
	if err != nil {
		return "", err
	}
	stats, err := c.ConsumeStats(ctx, at.Addr, claim.Name)
	if err != nil {
		return "", err
	}
	switch lag := stats.Lag(); {
	case lag > 0:
		return fmt.Sprintf("%d messages that it has not consumed", fleet.Rounded(lag)), nil
	case again != "" && len(stats.Queues) > 0: // else it never consumed anything
		return again, nil
	}
	dead, err := c.TopicStats(ctx, at.Addr, admin.DeadTopic(claim.Name))
	if err != nil && !remoting.IsCode(err, remoting.TopicNotExist) {
		return "", err
	}
	letters := int64(0)
	for _, queue := range dead {
		letters += queue.MaxOffset - queue.MinOffset
	}
	if letters > 0 {
		return fmt.Sprintf("%d dead letters", fleet.Rounded(letters)), nil
	}
	return "", nil
}

// givenBack says what the group's consumers have got and not acknowledged: messages that they gave back and that come again later,
// and those that POP consumers hold. A broker does not tell of which group the latter are.
func givenBack(ctx context.Context, c *admin.Client, at Server, group string) (string, error) {
	popped, err := c.PopBacklog(ctx, at.Addr, at.Cluster)
	if errors.Is(err, admin.ErrPopNotCounted) {
		return "perhaps messages that POP consumers hold: with popConsumerKVServiceEnable a broker cannot count them", nil
	}
	if err != nil {
		return "", err
	}
	timers, err := c.TimerBacklog(ctx, at.Addr)
	if err != nil {
		return "", err
	}
	levels, err := c.DelayedTopics(ctx, at.Addr)
	if err != nil {
		return "", err
	}
	again := int64(0)
	for _, counts := range []map[string]int64{timers, levels.Topics} {
		for topic, n := range counts {
			if isRetryTopic(topic, group) {
				again += n
			}
		}
	}
	switch {
	case again > 0:
		return fmt.Sprintf("%d messages that it gave back, to be consumed again later", fleet.Rounded(again)), nil
	case levels.Unread > 0:
		return "perhaps some of the many messages that are delayed", nil
	case popped > 0:
		return "perhaps some of the messages that POP consumers of this broker hold", nil
	}
	return "", nil
}

// isRetryTopic of a group: the common one, or that of a topic for POP consumers (KeyBuilder.buildPopRetryTopic).
func isRetryTopic(topic, group string) bool {
	rest, found := strings.CutPrefix(topic, admin.RetryTopic(group))
	return found && (rest == "" || rest[0] == '_' || rest[0] == '+')
}

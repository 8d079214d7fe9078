// SPDX-License-Identifier: Apache-2.0

// Package metadata copies what a broker has besides messages (topics, consumer groups and consumer offsets) to another broker. Pure
// functions find out what is missing. Writing is idempotent: a copy that was interrupted is simply done again.
package metadata

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Broker says which system topics a broker has, and where it answers.
type Broker struct {
	// Name is for messages, Addr is host:port.
	Name, Addr string
	// Cluster and Group are brokerClusterName and brokerName: topics of these names are the broker's own.
	Cluster, Group string
}

// Tables are one broker's topics, consumer groups and offsets, without those of RocketMQ itself.
type Tables struct {
	Topics  map[string]admin.TopicConfig
	Groups  map[string]admin.SubscriptionGroup
	Offsets map[admin.TopicGroup]map[int]int64
}

// Version of a broker's topics and consumer groups. Versions of two brokers cannot be compared (see admin.DataVersion).
type Version struct{ Topics, Groups admin.DataVersion }

func (v Version) String() string { return VersionText(v.Topics) + "/" + VersionText(v.Groups) }

// VersionText is the version of one table: the topics' stands before the slash of a Version, the groups' after it.
func VersionText(d admin.DataVersion) string {
	return fmt.Sprintf("%d.%d.%d", d.StateVersion, d.Timestamp, d.Counter)
}

// Read reads a broker's tables.
func Read(ctx context.Context, c *admin.Client, b Broker) (*Tables, error) {
	var t *Tables
	var offsets map[admin.TopicGroup]map[int]int64
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() (err error) {
		t, _, err = ReadNames(ctx, c, b)
		return err
	})
	all.Go(func() (err error) {
		offsets, err = ReadOffsets(ctx, c, b)
		return err
	})
	if err := all.Wait(); err != nil {
		return nil, err
	}
	t.Offsets = offsets
	return t, nil
}

// ReadOffsets reads a broker's consumer offsets. A broker can have more of them than fit into one answer. Negative ones, which a client
// may have committed before it consumed anything, say nothing and are left out.
func ReadOffsets(ctx context.Context, c *admin.Client, b Broker) (map[admin.TopicGroup]map[int]int64, error) {
	offsets, err := c.Offsets(ctx, b.Addr)
	maps.DeleteFunc(offsets, func(pair admin.TopicGroup, _ map[int]int64) bool {
		return b.makes(pair.Topic) || admin.IsSystemGroup(pair.Group)
	})
	for _, queues := range offsets {
		maps.DeleteFunc(queues, func(_ int, offset int64) bool { return offset < 0 })
	}
	return offsets, err
}

// ReadNames reads a broker's topics and consumer groups, without offsets, which change all the time.
func ReadNames(ctx context.Context, c *admin.Client, b Broker) (*Tables, Version, error) {
	t, version := &Tables{}, Version{}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() (err error) {
		t.Topics, version.Topics, err = c.Topics(ctx, b.Addr)
		maps.DeleteFunc(t.Topics, func(topic string, _ admin.TopicConfig) bool {
			return b.makes(topic)
		})
		return err
	})
	all.Go(func() (err error) {
		t.Groups, version.Groups, err = c.Groups(ctx, b.Addr)
		maps.DeleteFunc(t.Groups, func(group string, _ admin.SubscriptionGroup) bool { return admin.IsSystemGroup(group) })
		return err
	})
	if err := all.Wait(); err != nil {
		return nil, Version{}, err
	}
	return t, version, nil
}

// makes reports whether brokers create a topic by themselves, so that nobody else needs to, or can. These are system topics and, with
// enableRetryTopicV2, the retry topics of POP consumers, whose names a broker refuses from others (KeyBuilder.buildPopRetryTopicV2,
// TopicValidator).
func (b Broker) makes(topic string) bool {
	return admin.IsSystemTopic(topic, b.Cluster, b.Group) || strings.Contains(topic, "+")
}

// Plan is what a target lacks.
type Plan struct {
	Groups  []admin.SubscriptionGroup
	Topics  []admin.TopicConfig
	Offsets []admin.ConsumerOffset
	// Differ names the topics and groups that the target has with other settings, and that stay as they are.
	Differ []string
	// Gone names the topics that only the target has.
	Gone []string
}

// Empty reports whether the target lacks nothing.
func (p Plan) Empty() bool { return len(p.Groups) == 0 && len(p.Topics) == 0 && len(p.Offsets) == 0 }

// plan finds the topics and groups that the target lacks, and those that it has with other settings. It leaves out what no broker can
// change.
func plan(source, target *Tables) Plan {
	var p Plan
	for _, name := range slices.Sorted(maps.Keys(source.Groups)) {
		wanted := source.Groups[name]
		has, exists := target.Groups[name]
		if exists && has.Equal(wanted) {
			continue
		}
		if _, err := admin.AttributeDiff(exists, has.Attributes, wanted.Attributes); exists && err != nil {
			p.Differ = append(p.Differ, "group "+name)
			continue
		}
		p.Groups = append(p.Groups, wanted)
	}
	for _, name := range slices.Sorted(maps.Keys(source.Topics)) {
		wanted := source.Topics[name]
		has, exists := target.Topics[name]
		if exists && has.Equal(wanted) {
			continue
		}
		_, err := admin.AttributeDiff(exists, has.Attributes, wanted.Attributes)
		if exists && (err != nil || has.ReadQueues != wanted.ReadQueues || has.WriteQueues != wanted.WriteQueues) {
			p.Differ = append(p.Differ, "topic "+name)
			continue
		}
		p.Topics = append(p.Topics, wanted)
	}
	return p
}

// ForNewGroup plans what the master of a new group lacks before clients may see it: consumer groups, topics, and an offset for every
// topic@group pair that the source has, so that a consumer which is offline now skips nothing later. An offset that the target has
// stays. A new one is at the end of the target's queue: 0, unless the target has a disk that was kept. ends are the ends of the queues
// that the target has (see Ends).
func ForNewGroup(source, target *Tables, ends map[admin.TopicQueue]int64) Plan {
	p := plan(source, target)
	for name := range target.Topics {
		if _, ok := source.Topics[name]; !ok {
			p.Gone = append(p.Gone, name)
		}
	}
	slices.Sort(p.Gone)
	for _, pair := range missingPairs(source, target) {
		topic, exists := target.Topics[pair.Topic]
		if !exists {
			topic = source.Topics[pair.Topic]
		}
		for queue := range topic.ReadQueues {
			if _, known := target.Offsets[pair][queue]; !known {
				p.Offsets = append(p.Offsets, admin.ConsumerOffset{
					Topic: pair.Topic, Group: pair.Group, Queue: queue, Offset: ends[admin.TopicQueue{Topic: pair.Topic, Queue: queue}],
				})
			}
		}
	}
	return p
}

// missingPairs are the source's topic@group pairs for which the target lacks the offset of a queue. Pairs of topics or groups that
// no longer exist are left out.
func missingPairs(source, target *Tables) []admin.TopicGroup {
	var pairs []admin.TopicGroup
	for pair := range source.Offsets {
		topic, isTopic := source.Topics[pair.Topic]
		if has, exists := target.Topics[pair.Topic]; exists {
			topic = has
		}
		if _, isGroup := source.Groups[pair.Group]; isTopic && isGroup && len(target.Offsets[pair]) < topic.ReadQueues {
			pairs = append(pairs, pair)
		}
	}
	slices.SortFunc(pairs, func(a, b admin.TopicGroup) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Group, b.Group))
	})
	return pairs
}

// Ends asks the target for the ends of the queues that ForNewGroup needs: those of topics that the target has already, and for which
// it lacks the offset of a consumer group.
func Ends(ctx context.Context, c *admin.Client, addr string, source, target *Tables) (map[admin.TopicQueue]int64, error) {
	ends := map[admin.TopicQueue]int64{}
	asked := map[string]bool{}
	for _, pair := range missingPairs(source, target) {
		if _, exists := target.Topics[pair.Topic]; !exists || asked[pair.Topic] {
			continue
		}
		asked[pair.Topic] = true
		stats, err := c.TopicStats(ctx, addr, pair.Topic)
		if err != nil {
			return nil, fmt.Errorf("ends of topic %s: %w", pair.Topic, err)
		}
		for queue, s := range stats {
			ends[admin.TopicQueue{Topic: pair.Topic, Queue: queue}] = s.MaxOffset
		}
	}
	return ends, nil
}

// ForNewMaster plans what a group's new master lacks of the old one's tables: topics, consumer groups, and offsets that are higher at
// the old one.
func ForNewMaster(old, now *Tables) Plan {
	p := plan(old, now)
	for pair, queues := range old.Offsets {
		_, isTopic := old.Topics[pair.Topic]
		_, isGroup := old.Groups[pair.Group]
		if !isTopic || !isGroup {
			continue // UPDATE_CONSUMER_OFFSET needs both
		}
		for queue, offset := range queues {
			if has, known := now.Offsets[pair][queue]; !known || has < offset {
				p.Offsets = append(p.Offsets, admin.ConsumerOffset{Topic: pair.Topic, Group: pair.Group, Queue: queue, Offset: offset})
			}
		}
	}
	slices.SortFunc(p.Offsets, func(a, b admin.ConsumerOffset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Queue, b.Queue))
	})
	return p
}

// ForRestored plans what a group's new master lacks of the old one's saved tables: topics and consumer groups that are missing, and
// those that clients have created again since, with default settings. What somebody has configured in another way is newer than
// what was saved, and stays.
func ForRestored(saved, now *Tables) Plan {
	var p Plan
	for _, name := range slices.Sorted(maps.Keys(saved.Groups)) {
		wanted := saved.Groups[name]
		has, exists := now.Groups[name]
		if exists && has.Equal(wanted) {
			continue
		}
		_, err := admin.AttributeDiff(exists, has.Attributes, wanted.Attributes)
		if exists && (err != nil || !has.Equal(admin.NewSubscriptionGroup(name))) {
			p.Differ = append(p.Differ, "group "+name)
			continue
		}
		p.Groups = append(p.Groups, wanted)
	}
	for _, name := range slices.Sorted(maps.Keys(saved.Topics)) {
		wanted := saved.Topics[name]
		has, exists := now.Topics[name]
		if madeByClient(wanted) {
			wanted.WriteQueues = max(wanted.WriteQueues, has.WriteQueues) // somebody may have given it more
		}
		wanted.ReadQueues = max(wanted.ReadQueues, has.ReadQueues) // there may be messages in all of them
		if exists && has.Equal(wanted) {
			continue
		}
		_, err := admin.AttributeDiff(exists, has.Attributes, wanted.Attributes)
		if exists && (err != nil || !madeByClient(has)) {
			p.Differ = append(p.Differ, "topic "+name)
			continue
		}
		p.Topics = append(p.Topics, wanted)
	}
	return p
}

// madeByClient reports whether a topic looks like one that a broker created for the first message to it
// (TopicConfigManager.createTopicInSendMessageMethod).
func madeByClient(t admin.TopicConfig) bool {
	return len(t.Attributes) == 0 && !t.Order && t.SysFlag == 0 && t.Perm == admin.PermRead|admin.PermWrite && t.ReadQueues == t.WriteQueues
}

// Limits bound one Apply, so that a long copy shows its progress. Zero means all.
type Limits struct{ Entries, Offsets int }

// Apply writes a plan to the target: consumer groups, then topics, then offsets, which need both. What is beyond the limits is left for
// the next plan. Success does not prove that the target took everything (see admin.PutTopics), so plan again.
func (p Plan) Apply(ctx context.Context, c *admin.Client, addr string, target *Tables, limits Limits) error {
	groups, topics := p.Groups, p.Topics
	if limits.Entries > 0 {
		groups = groups[:min(len(groups), limits.Entries)]
		topics = topics[:min(len(topics), limits.Entries)]
	}
	if _, err := c.PutGroups(ctx, addr, target.Groups, groups); err != nil {
		return err
	}
	if len(groups) < len(p.Groups) {
		return nil
	}
	if _, err := c.PutTopics(ctx, addr, target.Topics, topics); err != nil {
		return err
	}
	if len(topics) < len(p.Topics) {
		return nil
	}
	offsets := p.Offsets
	if limits.Offsets > 0 {
		offsets = offsets[:min(len(offsets), limits.Offsets)]
	}
	_, err := c.PutOffsets(ctx, addr, offsets)
	return err
}

// ShareOffsets lets slaves know how far everything is consumed, as their master knows it. A slave asks by itself every 10 s
// (SlaveSynchronize).
func ShareOffsets(ctx context.Context, c *admin.Client, master Broker, slaves []Broker) error {
	known, err := Read(ctx, c, master)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", master.Name, err)
	}
	for _, slave := range slaves {
		has, err := Read(ctx, c, slave)
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", slave.Name, err)
		}
		if _, err := c.PutOffsets(ctx, slave.Addr, ForNewMaster(known, has).Offsets); err != nil {
			return fmt.Errorf("%s refuses them: %w", slave.Name, err)
		}
	}
	return nil
}

// CopyModes copies how push consumers get their messages, POP or pull, of topics and groups that were copied from one broker to another.
// Brokers before 5.3.3 do not tell it.
func CopyModes(ctx context.Context, c *admin.Client, source, target string, copied *Tables) error {
	modes, err := c.MessageRequestModes(ctx, source)
	if remoting.IsCode(err, remoting.RequestCodeNotSupported) || (err == nil && len(modes) == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	has, err := c.MessageRequestModes(ctx, target)
	if err != nil && !remoting.IsCode(err, remoting.RequestCodeNotSupported) {
		return err
	}
	for pair, mode := range modes {
		_, isTopic := copied.Topics[pair.Topic]
		_, isGroup := copied.Groups[pair.Group]
		if !isTopic || !isGroup || has[pair] == mode {
			continue
		}
		if err := c.PutMessageRequestMode(ctx, target, mode); err != nil {
			return err
		}
	}
	return nil
}

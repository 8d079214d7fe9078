// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// queueOffset is a consumer group's offset in a queue.
type queueOffset struct {
	queue  int32
	offset int64
}

// groupOffsets are a consumer group's offsets in one topic.
type groupOffsets struct {
	group  string
	queues []queueOffset
}

// Lags counts the messages that consumer groups have not confirmed, for every topic and group of which a broker has an
// offset, whether or not somebody is connected and whatever they subscribe to now. RocketMQ's own groups and pairs without
// lag are left out. It reads the table of offsets first (GET_ALL_CONSUMER_OFFSET) and then each topic's queues
// (GET_TOPIC_STATS_INFO), some dozen at a time, so that what is consumed meanwhile is counted, and what goes on to another
// topic is not missed.
//
// A queue in which a group has no offset is counted from its first message. Not counted are groups that have never
// confirmed anything, messages in queues that a topic no longer has, topics that no longer exist, and broadcast consumers,
// whose offsets the broker does not know.
func (c *Client) Lags(ctx context.Context, broker string) (map[TopicGroup]int64, error) {
	topics := map[string][]groupOffsets{}
	err := c.eachOffset(ctx, broker, maxOffsetTable, func(b *body, pair TopicGroup, offsets map[int]int64) error {
		if IsSystemGroup(pair.Group) {
			return nil
		}
		group := groupOffsets{group: strings.Clone(pair.Group), queues: make([]queueOffset, 0, len(offsets))}
		for queue, offset := range offsets {
			group.queues = append(group.queues, queueOffset{int32(queue), offset})
		}
		topics[pair.Topic] = append(topics[pair.Topic], group)
		return b.keep(150 + len(pair.Topic) + len(pair.Group) + 16*len(offsets))
	})
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	lags := map[TopicGroup]int64{}
	_, err = pipeline(ctx, slices.Sorted(maps.Keys(topics)), func(ctx context.Context, topic string) error {
		stats, err := c.TopicStats(ctx, broker, topic)
		if remoting.IsCode(err, remoting.TopicNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, group := range topics[topic] {
			if n := group.lag(stats); n > 0 {
				lags[TopicGroup{topic, group.group}] = n
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lags, nil
}

// lag in all queues of a topic.
func (g groupOffsets) lag(queues map[int]QueueStats) int64 {
	var sum int64
	for queue, stats := range queues {
		next := stats.MinOffset
		for _, o := range g.queues {
			if int(o.queue) == queue {
				next = max(next, o.offset)
			}
		}
		sum += max(0, stats.MaxOffset-next)
	}
	return sum
}

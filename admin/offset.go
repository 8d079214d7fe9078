// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// TopicGroup is a topic that a consumer group consumes.
type TopicGroup struct {
	Topic, Group string
}

// UnmarshalText reads "topic@group"; neither name can have an @.
func (k *TopicGroup) UnmarshalText(text []byte) error {
	topic, group, ok := strings.Cut(string(text), "@")
	if !ok {
		return fmt.Errorf("consumer offset of %.100q: not topic@group", text)
	}
	*k = TopicGroup{topic, group}
	return nil
}

// Offsets reads all consumer offsets of a broker, by queue number (GET_ALL_CONSUMER_OFFSET). Those of retry topics and of
// system groups are among them. An offset is that of the next message to consume. A table of more than 16 MiB is a
// *remoting.AnswerTooLongError: see EachOffset.
func (c *Client) Offsets(ctx context.Context, broker string) (map[TopicGroup]map[int]int64, error) {
	all := map[TopicGroup]map[int]int64{}
	err := c.eachOffset(ctx, broker, longAnswer, func(b *body, pair TopicGroup, offsets map[int]int64) error {
		all[pair] = offsets
		return b.keep(240 + len(pair.Topic) + len(pair.Group) + 24*max(0, len(offsets)-8))
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// maxOffsetTable is the limit of EachOffset: some 10 million pairs.
const maxOffsetTable = 1 << 30 // bytes

// EachOffset is Offsets for tables of any size: it calls visit for every topic and group while the table arrives, and keeps
// nothing. An error of visit ends the reading and is returned. Visit must not call the client. The whole table still comes over
// the network, within ctx: for one topic see TopicOffsets.
func (c *Client) EachOffset(ctx context.Context, broker string, visit func(pair TopicGroup, offsets map[int]int64) error) error {
	var failed error
	err := c.eachOffset(ctx, broker, maxOffsetTable, func(_ *body, pair TopicGroup, offsets map[int]int64) error {
		failed = visit(pair, offsets)
		return failed
	})
	if failed != nil {
		return failed
	}
	return err
}

func (c *Client) eachOffset(ctx context.Context, broker string, maxAnswer int,
	visit func(b *body, pair TopicGroup, offsets map[int]int64) error) error {
	req := remoting.Request{Code: remoting.GetAllConsumerOffset, MaxAnswer: maxAnswer}
	return c.streamMember(ctx, broker, req, "offsetTable", func(b *body) error {
		return b.Object(func(key string) error {
			var pair TopicGroup
			if err := pair.UnmarshalText([]byte(key)); err != nil {
				return err
			}
			offsets, err := readQueueOffsets(b)
			if err != nil {
				return fmt.Errorf("consumer offset of %.100q: %w", key, err)
			}
			return visit(b, pair, offsets)
		})
	})
}

// maxQueues is far more than a topic has.
const maxQueues = 100_000

func readQueueOffsets(b *body) (map[int]int64, error) {
	offsets := map[int]int64{}
	err := b.Object(func(queueText string) error {
		queue, err := strconv.Atoi(queueText)
		if err != nil {
			return fmt.Errorf("queue: %w", err)
		}
		if len(offsets) == maxQueues {
			return fmt.Errorf("more than %d queues", maxQueues)
		}
		offsets[queue], err = b.Int()
		return err
	})
	return offsets, err
}

// TopicOffsets reads the offsets of all consumer groups in the queues 0 to queues-1 of one topic, without the broker's whole
// table: one request for the groups (QUERY_TOPIC_CONSUME_BY_WHO), then one for each group and queue (QUERY_CONSUMER_OFFSET).
// The topic need not have that many queues any more, so that it works for a closed topic too. Queues without an offset are left
// out, but see Offset for one that is shown as 0.
func (c *Client) TopicOffsets(ctx context.Context, broker, topic string, queues int) (map[string]map[int]int64, error) {
	groups, err := c.TopicConsumers(ctx, broker, topic)
	if err != nil {
		return nil, err
	}
	asked := make([]ConsumerOffset, 0, len(groups)*queues)
	for _, group := range groups {
		for queue := range queues {
			asked = append(asked, ConsumerOffset{Topic: topic, Group: group, Queue: queue, Offset: -1})
		}
	}
	indexes := make([]int, len(asked))
	for i := range indexes {
		indexes[i] = i
	}
	_, err = pipeline(ctx, indexes, func(ctx context.Context, i int) error {
		offset, ok, err := c.Offset(ctx, broker, asked[i].Group, topic, asked[i].Queue)
		if ok {
			asked[i].Offset = offset
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	all := map[string]map[int]int64{}
	for _, o := range asked {
		if o.Offset < 0 {
			continue
		}
		if all[o.Group] == nil {
			all[o.Group] = map[int]int64{}
		}
		all[o.Group][o.Queue] = o.Offset
	}
	return all, nil
}

// ConsumerOffset is how far a consumer group has come in one queue.
type ConsumerOffset struct {
	Topic, Group string
	Queue        int
	// Offset is that of the next message to consume.
	Offset int64
}

// Offset asks a broker for a consumer group's offset in a queue (QUERY_CONSUMER_OFFSET). Ok is false if there is none. A broker
// that has none may answer 0 instead, if it still has the queue's first message in memory: only Offsets and EachOffset tell
// these apart.
func (c *Client) Offset(ctx context.Context, broker, group, topic string, queue int) (offset int64, ok bool, err error) {
	resp, err := c.invoke(ctx, broker, remoting.Request{
		Code:   remoting.QueryConsumerOffset,
		Fields: map[string]string{"consumerGroup": group, "topic": topic, "queueId": strconv.Itoa(queue), "setZeroIfNotFound": "false"},
	})
	if remoting.IsCode(err, remoting.QueryNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if offset, err = strconv.ParseInt(resp.Fields["offset"], 10, 64); err != nil {
		return 0, false, answerError(remoting.QueryConsumerOffset, broker, fmt.Errorf("field offset: %w", err))
	}
	return offset, true, nil
}

// PutOffset stores a consumer offset on a broker (UPDATE_CONSUMER_OFFSET); it may be smaller than the one before. Group and
// topic must exist there. A slave takes it too, until it copies all offsets from its master (SlaveSynchronize). The broker
// writes it to its disk some seconds later.
func (c *Client) PutOffset(ctx context.Context, broker string, o ConsumerOffset) error {
	if o.Offset < 0 {
		return errors.New("negative consumer offset")
	}
	_, err := c.invoke(ctx, broker, remoting.Request{
		Code: remoting.UpdateConsumerOffset,
		Fields: map[string]string{
			"consumerGroup": o.Group, "topic": o.Topic, "queueId": strconv.Itoa(o.Queue),
			"commitOffset": strconv.FormatInt(o.Offset, 10),
		},
	})
	if err != nil {
		return fmt.Errorf("offset of %s in %s/%d: %w", o.Group, o.Topic, o.Queue, err)
	}
	return nil
}

// PutOffsets is PutOffset for many, 32 at a time. It stops after the first error and returns how many were stored.
//
// The first offset of each topic and group is stored before the others: a broker that gets two of them at once, and has none
// yet, loses one without an error (ConsumerOffsetManager.commitOffset).
func (c *Client) PutOffsets(ctx context.Context, broker string, offsets []ConsumerOffset) (int, error) {
	put := func(ctx context.Context, o ConsumerOffset) error { return c.PutOffset(ctx, broker, o) }
	first, others := firstOfEach(offsets)
	done, err := pipeline(ctx, first, put)
	if err != nil {
		return done, err
	}
	more, err := pipeline(ctx, others, put)
	return done + more, err
}

// firstOfEach tells the first offset of each topic and group from the others.
func firstOfEach(offsets []ConsumerOffset) (first, others []ConsumerOffset) {
	seen := map[TopicGroup]bool{}
	for _, o := range offsets {
		if pair := (TopicGroup{o.Topic, o.Group}); !seen[pair] {
			seen[pair] = true
			first = append(first, o)
		} else {
			others = append(others, o)
		}
	}
	return first, others
}

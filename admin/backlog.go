// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// DelayOffsets asks a broker how far it has delivered the messages of each delay level (GET_ALL_DELAY_OFFSET). An offset is
// that of the next message to deliver.
func (c *Client) DelayOffsets(ctx context.Context, broker string) (map[int]int64, error) {
	var body struct {
		Offsets map[int]int64 `json:"offsetTable"`
	}
	if _, err := c.invokeJSON(ctx, broker, remoting.Request{Code: remoting.GetAllDelayOffset}, &body); err != nil {
		return nil, err
	}
	return body.Offsets, nil
}

// DelayBacklog counts the messages with a delay level that a broker has not delivered yet, by level, from 1 on. It makes two
// requests: DelayOffsets, and TopicStats of SCHEDULE_TOPIC_XXXX, where level n waits in queue n-1. Levels without messages
// are left out.
func (c *Client) DelayBacklog(ctx context.Context, broker string) (map[int]int64, error) {
	offsets, err := c.DelayOffsets(ctx, broker) // first, so that what is delivered meanwhile still counts
	if err != nil {
		return nil, err
	}
	queues, err := c.TopicStats(ctx, broker, scheduleTopic)
	if err != nil {
		return nil, err
	}
	backlog := map[int]int64{}
	for queue, stats := range queues {
		if pending := stats.MaxOffset - max(stats.MinOffset, offsets[queue+1]); pending > 0 {
			backlog[queue+1] = pending
		}
	}
	return backlog, nil
}

// TimerBacklog counts the messages with a delivery time that wait in a broker's timer wheel, by topic (GET_TIMER_METRICS).
// RocketMQ's own are included: see PopBacklog. Topics without such messages are left out; the result is empty if the wheel is
// disabled. Messages that are stored but not in the wheel yet are not counted: see RuntimeInfo.TimerBehind.
func (c *Client) TimerBacklog(ctx context.Context, broker string) (map[string]int64, error) {
	backlog := map[string]int64{}
	req := remoting.Request{Code: remoting.GetTimerMetrics, MaxAnswer: longAnswer}
	err := c.streamMember(ctx, broker, req, "timingCount", func(b *body) error {
		return b.Object(func(topic string) error {
			var metric struct {
				Count int64 `json:"count"`
			}
			if err := b.Decode(&metric); err != nil || metric.Count <= 0 {
				return err
			}
			backlog[topic] = metric.Count
			return b.keep(64 + len(topic))
		})
	})
	if refused := new(remoting.ResponseError); errors.As(err, &refused) && refused.Remark == "The timer message store is null" {
		return backlog, nil
	}
	if err != nil {
		return nil, err
	}
	return backlog, nil
}

// TransactionBacklog counts the half messages that a broker has not settled: 0 means that every transaction has been
// committed, rolled back or given up. An open transaction counts at least once. One that has ended counts until the broker's
// next check, which comes every 30 s (BrokerConfig.transactionCheckInterval).
func (c *Client) TransactionBacklog(ctx context.Context, broker string) (int64, error) {
	stats, err := c.ConsumeStats(ctx, broker, transactionGroup, halfTopic)
	if err != nil {
		return 0, err
	}
	return stats.lagIn(halfTopic), nil
}

// ErrPopNotCounted means that a broker keeps the records of its POP consumers where no request can count them.
var ErrPopNotCounted = errors.New("messages at POP consumers cannot be counted: the broker has popConsumerKVServiceEnable=true")

// PopBacklog counts the records that a broker keeps of messages handed out to POP consumers: 0 means that no message is
// waiting for its acknowledgement. Other results are no numbers of messages: acknowledgements are records too, and a record
// stays until the invisible time of its message is over.
//
// Cluster is the brokerClusterName. A broker with BrokerConfig.popConsumerKVServiceEnable (off by default) keeps its records
// elsewhere: ErrPopNotCounted. There are three requests: BrokerConfig, to find that out; TimerBacklog, because records first wait
// in the timer wheel; and ConsumeStats of the topic of RocketMQ's PopReviveService, where they go from there.
func (c *Client) PopBacklog(ctx context.Context, broker, cluster string) (int64, error) {
	config, err := c.BrokerConfig(ctx, broker)
	if err != nil {
		return 0, err
	}
	if config["popConsumerKVServiceEnable"] == "true" {
		return 0, ErrPopNotCounted
	}
	topic := reviveTopicPrefix + cluster
	timers, err := c.TimerBacklog(ctx, broker) // first, so that what moves on meanwhile counts twice rather than never
	if err != nil {
		return 0, err
	}
	stats, err := c.ConsumeStats(ctx, broker, reviveGroup, topic)
	if err != nil {
		return 0, err
	}
	return timers[topic] + stats.lagIn(topic), nil
}

// lagIn is the lag in one topic; brokers before 5.3.2 may answer with all topics of the group.
func (s ConsumeStats) lagIn(topic string) int64 {
	var sum int64
	for queue, progress := range s.Queues {
		if queue.Topic == topic {
			sum += progress.Lag()
		}
	}
	return sum
}

// Pending counts messages that wait for something: a delivery time, the end of a transaction.
type Pending struct {
	// Topics counts them by the topic that they will go to. That is a retry topic for those that consumers gave back.
	Topics map[string]int64
	// Unread are further messages, of topics that were not looked up because there are too many of them.
	Unread int64
}

// mostRead is how many messages of a queue are read at most, 32 with each request.
const mostRead = 512

// DelayedTopics is DelayBacklog by topic. It reads the messages to find out, up to 512 of each level.
func (c *Client) DelayedTopics(ctx context.Context, broker string) (Pending, error) {
	p := Pending{Topics: map[string]int64{}}
	offsets, err := c.DelayOffsets(ctx, broker)
	if err != nil {
		return p, err
	}
	queues, err := c.TopicStats(ctx, broker, scheduleTopic)
	if err != nil {
		return p, err
	}
	for queue, stats := range queues {
		if err := c.readTopics(ctx, broker, scheduleTopic, queue, max(stats.MinOffset, offsets[queue+1]), stats.MaxOffset, &p); err != nil {
			return p, err
		}
	}
	return p, nil
}

// HalfTopics is TransactionBacklog by topic. It reads the messages to find out, up to 512.
func (c *Client) HalfTopics(ctx context.Context, broker string) (Pending, error) {
	p := Pending{Topics: map[string]int64{}}
	stats, err := c.ConsumeStats(ctx, broker, transactionGroup, halfTopic)
	if err != nil {
		return p, err
	}
	for queue, progress := range stats.Queues {
		if queue.Topic != halfTopic {
			continue
		}
		if err := c.readTopics(ctx, broker, halfTopic, queue.Queue, max(0, progress.ConsumerOffset), progress.BrokerOffset, &p); err != nil {
			return p, err
		}
	}
	return p, nil
}

// readTopics counts the messages of a queue by the topic that they will go to.
func (c *Client) readTopics(ctx context.Context, broker, topic string, queue int, from, end int64, into *Pending) error {
	if end-from > mostRead {
		into.Unread += end - from
		return nil
	}
	for from < end {
		messages, err := c.Messages(ctx, broker, topic, queue, from)
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Offset >= from && m.Offset < end {
				into.Topics[m.Properties[realTopic]]++
				from = m.Offset + 1
			}
		}
		if len(messages) == 0 { // unreadable, so they may be of any topic
			into.Unread += end - from
			return nil
		}
	}
	return nil
}

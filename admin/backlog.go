package admin

import (
	"context"
	"errors"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// DelayOffsets asks a broker how far it has delivered the messages of each delay level, as the next offset in the
// level's queue (GET_ALL_DELAY_OFFSET).
func (c *Client) DelayOffsets(ctx context.Context, broker string) (map[int]int64, error) {
	var body struct {
		Offsets map[int]int64 `json:"offsetTable"`
	}
	if _, err := c.invokeJSON(ctx, broker, remoting.Request{Code: remoting.GetAllDelayOffset}, &body); err != nil {
		return nil, err
	}
	return body.Offsets, nil
}

// DelayBacklog counts the messages with a delay level that a broker has still to deliver, by level from 1 on. It asks
// twice: the broker's offsets, and the queues of SCHEDULE_TOPIC_XXXX, where level n waits in queue n-1. Levels without
// pending messages are left out.
func (c *Client) DelayBacklog(ctx context.Context, broker string) (map[int]int64, error) {
	offsets, err := c.DelayOffsets(ctx, broker) // first: what is delivered meanwhile counts once more, not less
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

// TimerBacklog counts the messages with a delivery time that wait in a broker's timer wheel, by topic
// (GET_TIMER_METRICS), RocketMQ's own included: see PopBacklog. Topics without such messages are left out, and so is
// everything when the wheel is disabled. Messages that have not reached the wheel yet are not counted: see
// RuntimeInfo.TimerBehind.
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

// TransactionBacklog counts the half messages that a broker has still to look at: 0 means that every transaction is
// committed, rolled back or given up. A transaction that the broker is still asking its producer about counts at least
// once; one that ended counts until the next check, which BrokerConfig.transactionCheckInterval (30 s) times.
func (c *Client) TransactionBacklog(ctx context.Context, broker string) (int64, error) {
	stats, err := c.ConsumeStats(ctx, broker, transactionGroup, halfTopic)
	if err != nil {
		return 0, err
	}
	return stats.lagIn(halfTopic), nil
}

// ErrPopNotCounted means that a broker keeps its records of POP consumers where no request counts them.
var ErrPopNotCounted = errors.New("messages at POP consumers cannot be counted: the broker has popConsumerKVServiceEnable=true")

// PopBacklog counts the records that a broker of the cluster keeps of messages handed to POP consumers: 0 means that
// consumers have none in their hands. It is no number of messages, because acknowledgements are records too, and a record
// stays until the end of its message's invisible time, when the broker settles it. It asks three times: for the broker's
// configuration, because with BrokerConfig.popConsumerKVServiceEnable (off by default) the answer is ErrPopNotCounted; and
// twice for records, because they wait in the timer wheel and then in the topic of RocketMQ's PopReviveService.
func (c *Client) PopBacklog(ctx context.Context, broker, cluster string) (int64, error) {
	config, err := c.BrokerConfig(ctx, broker)
	if err != nil {
		return 0, err
	}
	if config["popConsumerKVServiceEnable"] == "true" {
		return 0, ErrPopNotCounted
	}
	topic := reviveTopicPrefix + cluster
	timers, err := c.TimerBacklog(ctx, broker) // first: what moves on meanwhile counts twice, not never
	if err != nil {
		return 0, err
	}
	stats, err := c.ConsumeStats(ctx, broker, reviveGroup, topic)
	if err != nil {
		return 0, err
	}
	return timers[topic] + stats.lagIn(topic), nil
}

// lagIn is the lag in one topic, because older brokers answer with all topics of the group.
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

// mostRead bounds how many messages of a queue are looked at, 32 a request.
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

// readTopics counts the messages of a queue by the topic that they are for.
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
		if len(messages) == 0 { // it cannot be read, so it may be anything
			into.Unread += end - from
			return nil
		}
	}
	return nil
}

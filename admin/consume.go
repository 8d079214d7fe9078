// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// TopicQueue is one queue of a topic on one broker.
type TopicQueue struct {
	Topic string
	Queue int
}

// ConsumeStats is how far a consumer group has come on one broker (RocketMQ's ConsumeStats).
type ConsumeStats struct {
	// TPS is how many messages are handed out in a second.
	TPS    float64
	Queues map[TopicQueue]ConsumeProgress
}

// ConsumeProgress is a consumer group's progress in one queue (RocketMQ's OffsetWrapper).
type ConsumeProgress struct {
	// BrokerOffset is the end of the queue. ConsumerOffset is the first message that is not confirmed as consumed,
	// PullOffset the first that no consumer has fetched.
	BrokerOffset   int64 `json:"brokerOffset"`
	ConsumerOffset int64 `json:"consumerOffset"`
	PullOffset     int64 `json:"pullOffset"`
	// LastMillis is when the last consumed message was stored, in milliseconds since 1970; 0 if there is none.
	LastMillis int64 `json:"lastTimestamp"`
}

// Lag is the number of messages that are not confirmed as consumed, never negative.
func (p ConsumeProgress) Lag() int64 { return max(0, p.BrokerOffset-p.ConsumerOffset) }

// Inflight is the part of Lag that consumers have fetched. POP consumers do not show up here: see PopBacklog.
func (p ConsumeProgress) Inflight() int64 { return max(0, p.PullOffset-p.ConsumerOffset) }

// Lag is the sum over all queues.
func (s ConsumeStats) Lag() int64 {
	var sum int64
	for _, progress := range s.Queues {
		sum += progress.Lag()
	}
	return sum
}

// Inflight is the sum over all queues.
func (s ConsumeStats) Inflight() int64 {
	var sum int64
	for _, progress := range s.Queues {
		sum += progress.Inflight()
	}
	return sum
}

// ConsumeStats asks a broker how far a consumer group has come in the given topics (GET_CONSUME_STATS). Without topics
// these are all of which the broker has an offset of the group, but while consumers are connected only those that they
// subscribe to: Lags counts all. Unknown topics and groups have no queues in the answer. RocketMQ 5.3.1 and older understand
// one topic; several have the effect of none.
func (c *Client) ConsumeStats(ctx context.Context, broker, group string, topics ...string) (*ConsumeStats, error) {
	fields := map[string]string{"consumerGroup": group}
	if len(topics) > 0 {
		fields["topicList"] = strings.Join(topics, ";")
	}
	if len(topics) == 1 {
		fields["topic"] = topics[0]
	}
	stats := &ConsumeStats{Queues: map[TopicQueue]ConsumeProgress{}}
	topic := "" // of the queue before: most follow one of the same topic, whose name is kept once
	read := func(key queueKey, progress ConsumeProgress) {
		if key.Topic != topic {
			topic = key.Topic
		}
		stats.Queues[TopicQueue{topic, key.Queue}] = progress
	}
	req := remoting.Request{Code: remoting.GetConsumeStats, Fields: fields, MaxAnswer: longAnswer}
	err := c.stream(ctx, broker, req, func(_ *remoting.Response, b *body) error {
		return b.Object(func(key string) error {
			switch key {
			case "consumeTps":
				return b.Decode(&stats.TPS)
			case "offsetTable":
				return eachQueue(b, read)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return stats, nil
}

// TopicConsumers asks a broker which consumer groups consume a topic (QUERY_TOPIC_CONSUME_BY_WHO): those that are
// connected and those with an offset.
func (c *Client) TopicConsumers(ctx context.Context, broker, topic string) ([]string, error) {
	return c.stringList(ctx, broker, remoting.Request{
		Code: remoting.QueryTopicConsumeByWho, Fields: map[string]string{"topic": topic}, MaxAnswer: longAnswer,
	}, "groupList")
}

// GroupTopics asks a broker of which topics it has an offset of a consumer group (QUERY_TOPICS_BY_CONSUMER).
func (c *Client) GroupTopics(ctx context.Context, broker, group string) ([]string, error) {
	return c.stringList(ctx, broker, remoting.Request{
		Code: remoting.QueryTopicsByConsumer, Fields: map[string]string{"group": group}, MaxAnswer: longAnswer,
	}, "topicList")
}

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

// Offsets reads all consumer offsets of a broker by queue number (GET_ALL_CONSUMER_OFFSET), with those of retry topics
// and system groups. An offset is that of the next message to consume.
func (c *Client) Offsets(ctx context.Context, broker string) (map[TopicGroup]map[int]int64, error) {
	var body struct {
		Offsets map[TopicGroup]map[int]int64 `json:"offsetTable"`
	}
	if _, err := c.invokeJSON(ctx, broker, remoting.Request{Code: remoting.GetAllConsumerOffset}, &body); err != nil {
		return nil, err
	}
	return body.Offsets, nil
}

// ConsumerOffset is how far a consumer group has come in one queue.
type ConsumerOffset struct {
	Topic, Group string
	Queue        int
	// Offset is that of the next message to consume.
	Offset int64
}

// Offset asks a broker for a consumer group's offset in a queue (QUERY_CONSUMER_OFFSET); ok tells whether there is one.
// Where none is stored but the queue's first message is recent, a broker answers 0 all the same: only Offsets tells
// these apart.
func (c *Client) Offset(ctx context.Context, broker, group, topic string, queue int) (offset int64, ok bool, err error) {
	resp, err := c.remoting.Invoke(ctx, broker, remoting.Request{
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

// PutOffset stores a consumer offset on a broker, also one smaller than before (UPDATE_CONSUMER_OFFSET). Group and topic
// must exist there. A slave takes it too, until it asks its master for all (SlaveSynchronize). The broker keeps it in memory
// and writes its file every few seconds.
func (c *Client) PutOffset(ctx context.Context, broker string, o ConsumerOffset) error {
	if o.Offset < 0 {
		return errors.New("negative consumer offset")
	}
	_, err := c.remoting.Invoke(ctx, broker, remoting.Request{
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

// PutOffsets is PutOffset for many, some dozen at a time on one connection. It stops at the first error and returns how
// many were stored.
func (c *Client) PutOffsets(ctx context.Context, broker string, offsets []ConsumerOffset) (int, error) {
	return pipeline(ctx, offsets, func(ctx context.Context, o ConsumerOffset) error { return c.PutOffset(ctx, broker, o) })
}

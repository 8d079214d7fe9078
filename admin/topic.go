// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Permissions of topics and brokers: PermRead + PermWrite is 6, as RocketMQ's tools show it (PermName).
const (
	PermWrite = 2
	PermRead  = 4
)

// TopicConfig is a topic as one broker group has it (RocketMQ's TopicConfig).
type TopicConfig struct {
	Name        string `json:"topicName"`
	ReadQueues  int    `json:"readQueueNums"`
	WriteQueues int    `json:"writeQueueNums"`
	// Perm is a sum of PermRead and PermWrite. With 0 clients do not see the topic.
	Perm int `json:"perm"`
	// FilterType is SINGLE_TAG or MULTI_TAG; "" stands for SINGLE_TAG.
	FilterType string `json:"topicFilterType"`
	SysFlag    int    `json:"topicSysFlag"`
	Order      bool   `json:"order"`
	// Attributes are such as message.type=FIFO (RocketMQ's TopicAttributes).
	Attributes map[string]string `json:"attributes"`
}

// Equal reports whether both configure the same.
func (t TopicConfig) Equal(other TopicConfig) bool {
	return t.Name == other.Name && t.ReadQueues == other.ReadQueues && t.WriteQueues == other.WriteQueues &&
		t.Perm == other.Perm && t.filterType() == other.filterType() && t.SysFlag == other.SysFlag &&
		t.Order == other.Order && maps.Equal(t.Attributes, other.Attributes)
}

// memory that it takes, about, in bytes.
func (t TopicConfig) memory() int { return 200 + mapMemory(t.Attributes) }

func (t TopicConfig) filterType() string {
	if t.FilterType == "" {
		return "SINGLE_TAG"
	}
	return t.FilterType
}

// change is t as it is sent to a broker: with the difference of its attributes from those of current, nil for a new topic.
func (t TopicConfig) change(current *TopicConfig) (TopicConfig, error) {
	var attributes map[string]string
	if current != nil {
		attributes = current.Attributes
	}
	diff, err := AttributeDiff(current != nil, attributes, t.Attributes)
	if err != nil {
		return TopicConfig{}, fmt.Errorf("topic %s: %w", t.Name, err)
	}
	t.Attributes, t.FilterType = diff, t.filterType()
	return t, nil
}

// Topics reads all topics of a broker, system topics included (GET_ALL_TOPIC_CONFIG), page by page if they are many.
func (c *Client) Topics(ctx context.Context, broker string) (map[string]TopicConfig, DataVersion, error) {
	return wholeTable(ctx, c, broker, topicTable())
}

// TopicsState asks a broker for the version and size of its topic table, to find out whether it has changed. Since RocketMQ
// 5.3.4 the answer has some hundred bytes; older brokers send the whole table for it.
func (c *Client) TopicsState(ctx context.Context, broker string) (TableState, error) {
	return tableState(ctx, c, broker, topicTable())
}

// Topic reads one topic of a broker (GET_TOPIC_CONFIG). For an unknown one the error is remoting.TopicNotExist.
func (c *Client) Topic(ctx context.Context, broker, topic string) (*TopicConfig, error) {
	config := new(TopicConfig)
	req := remoting.Request{Code: remoting.GetTopicConfig, Fields: map[string]string{"topic": topic}}
	if _, err := c.invokeJSON(ctx, broker, req, config); err != nil {
		return nil, err
	}
	return config, nil
}

// PutTopic creates a topic on a master, or changes it to wanted (UPDATE_AND_CREATE_TOPIC). Current is the topic as the broker
// has it, nil if it has none. If both are equal there is no request; nor is there one for a change that no broker allows, which
// is ErrCreateOnly. Each call makes the broker write its whole table, so use PutTopics for many. A slave accepts the change too
// and loses it when it next copies its master's topics.
func (c *Client) PutTopic(ctx context.Context, broker string, current *TopicConfig, wanted TopicConfig) error {
	if current != nil && current.Equal(wanted) {
		return nil
	}
	change, err := wanted.change(current)
	if err != nil {
		return err
	}
	return c.putTopic(ctx, broker, change)
}

func (c *Client) putTopic(ctx context.Context, broker string, change TopicConfig) error {
	_, err := c.invoke(ctx, broker, remoting.Request{
		Code: remoting.UpdateAndCreateTopic,
		Fields: map[string]string{
			"topic":           change.Name,
			"defaultTopic":    "TBW102",
			"readQueueNums":   strconv.Itoa(change.ReadQueues),
			"writeQueueNums":  strconv.Itoa(change.WriteQueues),
			"perm":            strconv.Itoa(change.Perm),
			"topicFilterType": change.FilterType,
			"topicSysFlag":    strconv.Itoa(change.SysFlag),
			"order":           strconv.FormatBool(change.Order),
			"attributes":      attributesField(change.Attributes),
			"force":           "false",
		},
	})
	return topicError(change.Name, err)
}

func topicError(topic string, err error) error {
	if err != nil {
		return fmt.Errorf("topic %s: %w", topic, err)
	}
	return nil
}

// PutTopics is PutTopic for many topics. Current are the broker's topics by name, as Topics returns them. It sends those that
// are missing or different, 500 in a request (UPDATE_AND_CREATE_TOPIC_LIST), or one by one to brokers older than 5.3.0. It
// returns how many topics were sent successfully.
//
// Read the topics again before you rely on the result: if somebody else has made one of the topics equal since current was
// read, the broker ignores the whole request and still reports success. When it refuses one topic of a request, it may have
// applied those before it.
func (c *Client) PutTopics(ctx context.Context, broker string, current map[string]TopicConfig, wanted []TopicConfig) (int, error) {
	var changes []TopicConfig
	for _, topic := range wanted {
		old, exists := current[topic.Name]
		if exists && old.Equal(topic) {
			continue
		}
		change, err := topic.change(pointer(old, exists))
		if err != nil {
			return 0, err
		}
		changes = append(changes, change)
	}
	put := func(ctx context.Context, change TopicConfig) error { return c.putTopic(ctx, broker, change) }
	return putBatches(ctx, c, broker, remoting.UpdateAndCreateTopicList, "topicConfigList", changes, put)
}

// putBatchSize is measured: 10,000 topics take 2 s, and one request of 500 is about 100 kB.
const putBatchSize = 500

// putBatches sends changes in requests of putBatchSize; if the broker does not know that request, it calls put for each.
func putBatches[T any](ctx context.Context, c *Client, broker string, code remoting.RequestCode, list string, changes []T,
	put func(ctx context.Context, change T) error) (int, error) {
	done := 0
	for batch := range slices.Chunk(changes, putBatchSize) {
		body, err := json.Marshal(map[string][]T{list: batch})
		if err != nil {
			return done, fmt.Errorf("encode %s: %w", list, err)
		}
		_, err = c.invoke(ctx, broker, remoting.Request{Code: code, Body: body})
		if remoting.IsCode(err, remoting.RequestCodeNotSupported) {
			n, err := pipeline(ctx, changes[done:], put)
			return done + n, err
		}
		if err != nil {
			return done, err
		}
		done += len(batch)
	}
	return done, nil
}

func pointer[T any](v T, exists bool) *T {
	if !exists {
		return nil
	}
	return &v
}

// DeleteTopic deletes a topic on a broker, with its messages, its consumer offsets and the retry topics of its POP consumers
// (DELETE_TOPIC_IN_BROKER). It is no error if the topic does not exist. Name servers go on listing the topic: see
// DeleteTopicRoute.
//
// RocketMQ 5.3.3 and newer with timerWheelEnable=false report an error although the topic has been deleted. After an error a
// second request finds out.
func (c *Client) DeleteTopic(ctx context.Context, broker, topic string) error {
	_, err := c.invoke(ctx, broker, remoting.Request{
		Code: remoting.DeleteTopicInBroker, Fields: map[string]string{"topic": topic},
	})
	if remoting.IsCode(err, remoting.SystemError) {
		if _, askErr := c.Topic(ctx, broker, topic); remoting.IsCode(askErr, remoting.TopicNotExist) {
			return nil
		}
	}
	return topicError(topic, err)
}

// DeleteTopicRoute makes one name server forget a topic of a cluster (DELETE_TOPIC_IN_NAMESRV); "" stands for all clusters.
// Brokers that still have the topic register it again.
func (c *Client) DeleteTopicRoute(ctx context.Context, nameServer, cluster, topic string) error {
	fields := map[string]string{"topic": topic}
	if cluster != "" {
		fields["clusterName"] = cluster
	}
	_, err := c.invoke(ctx, nameServer, remoting.Request{Code: remoting.DeleteTopicInNameServer, Fields: fields})
	return topicError(topic, err)
}

// QueueStats says which messages a queue holds: those from MinOffset on, up to but without MaxOffset.
type QueueStats struct {
	MinOffset int64 `json:"minOffset"`
	MaxOffset int64 `json:"maxOffset"`
	// LastUpdateMillis is when the last message was stored, in milliseconds since 1970; 0 without messages.
	LastUpdateMillis int64 `json:"lastUpdateTimestamp"`
}

// TopicStats asks a broker for the offsets of a topic's queues, by queue number (GET_TOPIC_STATS_INFO).
// For an unknown topic the error is remoting.TopicNotExist.
func (c *Client) TopicStats(ctx context.Context, broker, topic string) (map[int]QueueStats, error) {
	stats := map[int]QueueStats{}
	req := remoting.Request{Code: remoting.GetTopicStatsInfo, Fields: map[string]string{"topic": topic}, MaxAnswer: longAnswer}
	err := c.streamMember(ctx, broker, req, "offsetTable", func(b *body) error {
		return eachQueue(b, func(key queueKey, queue QueueStats) { stats[key.Queue] = queue })
	})
	if err != nil {
		return nil, err
	}
	return stats, nil
}

// QueueStats asks a broker for the offsets of one queue (GET_MIN_OFFSET, GET_MAX_OFFSET), even if the topic has fewer queues
// now. LastUpdateMillis stays 0. A queue that never existed has no messages.
func (c *Client) QueueStats(ctx context.Context, broker, topic string, queue int) (QueueStats, error) {
	ask := func(code remoting.RequestCode) (int64, error) {
		resp, err := c.invoke(ctx, broker, remoting.Request{
			Code: code, Fields: map[string]string{"topic": topic, "queueId": strconv.Itoa(queue)},
		})
		if err != nil {
			return 0, topicError(topic, err)
		}
		offset, err := strconv.ParseInt(resp.Fields["offset"], 10, 64)
		if err != nil {
			return 0, answerError(code, broker, fmt.Errorf("field offset: %w", err))
		}
		return offset, nil
	}
	first, err := ask(remoting.GetMinOffset)
	if err != nil {
		return QueueStats{}, err
	}
	end, err := ask(remoting.GetMaxOffset)
	return QueueStats{MinOffset: max(0, first), MaxOffset: max(0, end)}, err
}

// eachQueue reads an object whose keys are queues.
func eachQueue[T any](b *body, visit func(key queueKey, v T)) error {
	return b.Object(func(text string) error {
		var key queueKey
		if err := key.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		var v T
		if err := b.Decode(&v); err != nil {
			return err
		}
		visit(key, v)
		return b.keep(100)
	})
}

// queueKey is RocketMQ's MessageQueue as the key of a map: a JSON object.
type queueKey struct {
	Topic  string
	Broker string
	Queue  int
}

// UnmarshalText reads the text that package remoting makes of a key that is an object.
func (k *queueKey) UnmarshalText(text []byte) error {
	var key struct {
		Topic  string `json:"topic"`
		Broker string `json:"brokerName"`
		Queue  *int   `json:"queueId"`
	}
	if err := json.Unmarshal(text, &key); err != nil {
		return fmt.Errorf("queue %.100q: %w", text, err)
	}
	if key.Queue == nil {
		return fmt.Errorf("queue %.100q: no queueId", text)
	}
	*k = queueKey{key.Topic, key.Broker, *key.Queue}
	return nil
}

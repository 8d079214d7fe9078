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

// Permissions of topics and brokers, to be added (RocketMQ's PermName).
const (
	PermWrite = 2
	PermRead  = 4
)

// TopicConfig is a topic as one broker group has it (RocketMQ's TopicConfig).
type TopicConfig struct {
	Name        string `json:"topicName"`
	ReadQueues  int    `json:"readQueueNums"`
	WriteQueues int    `json:"writeQueueNums"`
	// Perm is a sum of PermRead and PermWrite; 0 hides the topic from clients.
	Perm int `json:"perm"`
	// FilterType is SINGLE_TAG or MULTI_TAG, empty is SINGLE_TAG.
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

// change is t as it is sent to a broker: its attributes are what differs from current, nil for a topic to be made.
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

// Topics reads all topics of a broker, its system topics included (GET_ALL_TOPIC_CONFIG), page by page if they are
// many.
func (c *Client) Topics(ctx context.Context, broker string) (map[string]TopicConfig, DataVersion, error) {
	return wholeTable(ctx, c, broker, topicTable())
}

// TopicsState asks for the version and size of a broker's topic table: some hundred bytes from RocketMQ 5.3.4 on, the
// whole table from earlier releases.
func (c *Client) TopicsState(ctx context.Context, broker string) (TableState, error) {
	return tableState(ctx, c, broker, topicTable())
}

// Topic reads one topic of a broker (GET_TOPIC_CONFIG). remoting.TopicNotExist is the answer for an unknown one.
func (c *Client) Topic(ctx context.Context, broker, topic string) (*TopicConfig, error) {
	config := new(TopicConfig)
	req := remoting.Request{Code: remoting.GetTopicConfig, Fields: map[string]string{"topic": topic}}
	if _, err := c.invokeJSON(ctx, broker, req, config); err != nil {
		return nil, err
	}
	return config, nil
}

// PutTopic makes a topic on a master, or changes it to be like wanted (UPDATE_AND_CREATE_TOPIC). current is the topic as
// the broker has it, nil if it has none; nothing is sent when both are equal. A change that no broker allows is
// ErrCreateOnly, without a request. The broker writes its whole table for each call: use PutTopics for many. A slave
// would accept the change and lose it with its next synchronization.
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

// PutTopics is PutTopic for many topics; current are the broker's topics by name, as Topics reads them. It sends what
// is missing or different, some hundred topics a request (UPDATE_AND_CREATE_TOPIC_LIST), or one by one to brokers
// older than 5.3.0. It returns how many topics it sent successfully.
//
// A broker drops a whole request, and says success, if a topic in it has become identical since current was read:
// read the topics again before relying on the result. A broker that refuses one topic of a request may have
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

// putBatches sends changes in requests of putBatchSize, or each with put if the broker does not know the request.
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

// DeleteTopic deletes a topic on a broker, with its messages, its consumer offsets and the retry topics of POP
// consumers (DELETE_TOPIC_IN_BROKER). It is no error if the topic does not exist. Name servers go on listing it: see
// DeleteTopicRoute.
//
// RocketMQ 5.3.3 and newer with timerWheelEnable=false report an error after the work is done; a second request then
// asks whether the topic is gone.
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

// DeleteTopicRoute deletes a cluster's topic at one name server (DELETE_TOPIC_IN_NAMESRV); the brokers that still have
// it register it again. An empty cluster stands for all.
func (c *Client) DeleteTopicRoute(ctx context.Context, nameServer, cluster, topic string) error {
	fields := map[string]string{"topic": topic}
	if cluster != "" {
		fields["clusterName"] = cluster
	}
	_, err := c.invoke(ctx, nameServer, remoting.Request{Code: remoting.DeleteTopicInNameServer, Fields: fields})
	return topicError(topic, err)
}

// QueueStats are the offsets of one queue: it holds the messages from MinOffset to just before MaxOffset.
type QueueStats struct {
	MinOffset int64 `json:"minOffset"`
	MaxOffset int64 `json:"maxOffset"`
	// LastUpdateMillis is when the last message was stored, in milliseconds since 1970; 0 without messages.
	LastUpdateMillis int64 `json:"lastUpdateTimestamp"`
}

// TopicStats asks a broker for the offsets of a topic's queues, by queue number (GET_TOPIC_STATS_INFO).
// remoting.TopicNotExist is the answer for an unknown topic.
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

// QueueStats asks a broker for the offsets of one queue, also one that the topic's number of queues hides (GET_MIN_OFFSET,
// GET_MAX_OFFSET). It does not tell when the last message was stored. A queue that never was has 0 messages.
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

// queueKey is RocketMQ's MessageQueue where it is the key of a map: an object.
type queueKey struct {
	Topic  string
	Broker string
	Queue  int
}

// UnmarshalText reads what remoting.UnmarshalBody makes of a key that is an object.
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

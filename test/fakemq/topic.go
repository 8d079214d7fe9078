// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// answerTopic is what is asked and said about one topic.
func (g *group) answerTopic(t *Tables, request remoting.Request) (Answer, bool) {
	topic := request.Fields["topic"]
	switch request.Code {
	case remoting.GetTopicConfig:
		config, has := t.Topics[topic]
		if !has {
			return Answer{Code: remoting.TopicNotExist}, true
		}
		return Answer{Body: text(config)}, true
	case remoting.UpdateAndCreateTopic:
		t.Topics[topic] = topicOf(request.Fields, t.Topics[topic].Attributes)
		g.touch()
		return Answer{}, true
	case remoting.DeleteTopicInBroker:
		g.remembered[topic] = t.Topics[topic]
		delete(t.Topics, topic)
		delete(t.Ends, topic)
		maps.DeleteFunc(t.Offsets, func(pair string, _ map[string]int64) bool { return strings.HasPrefix(pair, topic+"@") })
		g.touch()
		return Answer{}, true
	case remoting.GetTopicStatsInfo:
		return g.topicStats(t, topic), true
	case remoting.GetMinOffset:
		return Answer{Fields: map[string]string{"offset": "0"}}, true
	case remoting.GetMaxOffset:
		queue, _ := strconv.Atoi(request.Fields["queueId"])
		return Answer{Fields: map[string]string{"offset": strconv.FormatInt(t.Ends[topic][queue], 10)}}, true
	}
	return Answer{}, false
}

// topicOf a request, with attributes as they become.
func topicOf(fields, attributes map[string]string) admin.TopicConfig {
	number := func(key string) int {
		n, _ := strconv.Atoi(fields[key])
		return n
	}
	changes := map[string]string{}
	for part := range strings.SplitSeq(fields["attributes"], ",") {
		if key, value, ok := strings.Cut(part, "="); ok || strings.HasPrefix(part, "-") {
			changes[key] = value
		}
	}
	return admin.TopicConfig{
		Name: fields["topic"], ReadQueues: number("readQueueNums"), WriteQueues: number("writeQueueNums"), Perm: number("perm"),
		FilterType: fields["topicFilterType"], SysFlag: number("topicSysFlag"), Order: fields["order"] == "true",
		Attributes: changed(attributes, changes),
	}
}

// topicStats are the ends of a topic's queues. The keys of the table are objects (TopicStatsTable, by fastjson). RocketMQ's
// own topics are everywhere.
func (g *group) topicStats(t *Tables, topic string) Answer {
	config, has := t.Topics[topic]
	if !has && !admin.IsSystemTopic(topic, g.cluster, g.name) {
		return Answer{Code: remoting.TopicNotExist}
	}
	queues := make([]string, 0, config.ReadQueues)
	for queue := range config.ReadQueues {
		queues = append(queues, fmt.Sprintf(`{"brokerName":%q,"queueId":%d,"topic":%q}:{"maxOffset":%d,"minOffset":0,"lastUpdateTimestamp":1}`,
			g.name, queue, topic, t.Ends[topic][queue]))
	}
	return Answer{Body: `{"offsetTable":{` + strings.Join(queues, ",") + "}}"}
}

// answerConsumers is what is asked about consumers, and what waits to be consumed.
func (g *group) answerConsumers(t *Tables, request remoting.Request) (Answer, bool) {
	switch request.Code {
	case remoting.DeleteSubscriptionGroup:
		delete(t.Groups, request.Fields["groupName"])
		g.touch()
		return Answer{}, true
	case remoting.QueryTopicConsumeByWho:
		return Answer{Body: text(map[string]any{"groupList": t.groupsOf(request.Fields["topic"])})}, true
	case remoting.QueryTopicsByConsumer:
		return Answer{Body: text(map[string]any{"topicList": t.topicsOf(request.Fields["group"])})}, true
	case remoting.GetConsumerConnectionList:
		return Answer{Code: remoting.ConsumerNotOnline}, true
	case remoting.GetConsumeStats, remoting.GetAllDelayOffset:
		return Answer{Body: `{"offsetTable":{}}`}, true
	case remoting.GetTimerMetrics:
		return Answer{Body: `{"timingCount":{}}`}, true
	}
	return Answer{}, false
}

// groupsOf a topic: its consumer groups.
func (t *Tables) groupsOf(topic string) (groups []string) {
	for pair := range t.Offsets {
		if group, ok := strings.CutPrefix(pair, topic+"@"); ok {
			groups = append(groups, group)
		}
	}
	return groups
}

// topicsOf a consumer group.
func (t *Tables) topicsOf(group string) (topics []string) {
	for pair := range t.Offsets {
		if topic, ok := strings.CutSuffix(pair, "@"+group); ok {
			topics = append(topics, topic)
		}
	}
	return topics
}

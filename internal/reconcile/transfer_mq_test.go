package reconcile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// route is where name servers lead a topic's clients: permission by broker group.
type route map[string]int

// transferAnswer is for what only transfers ask. The caller holds the lock.
func (r *rocketMQ) transferAnswer(pod corev1.Pod, request remoting.Request) (fakemq.Answer, bool) {
	topic := request.Fields["topic"]
	switch request.Code {
	case remoting.DeleteTopicInNameServer:
		maps.DeleteFunc(r.routes[topic], func(group string, _ int) bool { return r.clusters[group] == request.Fields["clusterName"] })
		return fakemq.Answer{}, true
	}
	name := pod.Labels[desired.LabelGroup]
	if name == "" {
		return fakemq.Answer{}, false
	}
	r.clusters[name] = pod.Labels[desired.LabelInstance]
	t := r.of(name)
	if r.refuse != "" && strings.HasPrefix(name, r.refuse) && changes(request.Code) {
		return fakemq.Answer{Code: remoting.SystemError, Fields: nil}, true
	}
	switch request.Code {
	case remoting.GetTopicConfig:
		config, ok := t.topics[topic]
		if !ok {
			return fakemq.Answer{Code: remoting.TopicNotExist}, true
		}
		return fakemq.Answer{Body: text(config)}, true
	case remoting.UpdateAndCreateTopic:
		config := configOf(request.Fields, t.topics[topic].Attributes)
		t.topics[topic] = config
		if r.routes[topic] == nil {
			r.routes[topic] = route{}
		}
		r.routes[topic][name] = config.Perm
		return fakemq.Answer{}, true
	case remoting.DeleteTopicInBroker:
		delete(t.topics, topic)
		delete(t.ends, topic)
		maps.DeleteFunc(t.offsets, func(pair string, _ map[string]int64) bool { return strings.HasPrefix(pair, topic+"@") })
		return fakemq.Answer{}, true
	case remoting.DeleteSubscriptionGroup:
		delete(t.groups, request.Fields["groupName"])
		return fakemq.Answer{}, true
	case remoting.QueryTopicConsumeByWho:
		var groups []string
		for pair := range t.offsets {
			if group, ok := strings.CutPrefix(pair, topic+"@"); ok {
				groups = append(groups, group)
			}
		}
		return fakemq.Answer{Body: text(map[string]any{"groupList": groups})}, true
	case remoting.QueryTopicsByConsumer:
		var topics []string
		for pair := range t.offsets {
			if topic, ok := strings.CutSuffix(pair, "@"+request.Fields["group"]); ok {
				topics = append(topics, topic)
			}
		}
		return fakemq.Answer{Body: text(map[string]any{"topicList": topics})}, true
	case remoting.GetConsumerConnectionList:
		return fakemq.Answer{Code: remoting.ConsumerNotOnline}, true
	case remoting.GetTopicStatsInfo:
		if _, ok := t.topics[topic]; !ok {
			return fakemq.Answer{Code: remoting.TopicNotExist}, strings.HasPrefix(topic, "%")
		}
		var queues []string
		for queue := range t.topics[topic].ReadQueues {
			queues = append(queues, fmt.Sprintf(`{"brokerName":%q,"queueId":%d,"topic":%q}:{"maxOffset":%d,"minOffset":0,"lastUpdateTimestamp":1}`, name, queue, topic, t.ends[topic][queue]))
		}
		return fakemq.Answer{Body: `{"offsetTable":{` + strings.Join(queues, ",") + "}}"}, true
	case remoting.GetMinOffset:
		return fakemq.Answer{Fields: map[string]string{"offset": "0"}}, true
	case remoting.GetMaxOffset:
		queue, _ := strconv.Atoi(request.Fields["queueId"])
		return fakemq.Answer{Fields: map[string]string{"offset": fmt.Sprint(t.ends[topic][queue])}}, true
	}
	return fakemq.Answer{}, false
}

func changes(code remoting.RequestCode) bool {
	return slices.Contains([]remoting.RequestCode{remoting.UpdateAndCreateTopic, remoting.DeleteTopicInBroker, remoting.DeleteSubscriptionGroup,
		remoting.UpdateAndCreateSubscriptionGroupList, remoting.UpdateConsumerOffset}, code)
}

func (r *rocketMQ) routeAnswer(topic string) fakemq.Answer {
	if len(r.routes[topic]) == 0 {
		return fakemq.Answer{Code: remoting.TopicNotExist}
	}
	var out admin.TopicRoute
	for _, group := range slices.Sorted(maps.Keys(r.routes[topic])) {
		out.Brokers = append(out.Brokers, admin.BrokerData{Name: group, Cluster: r.clusters[group]})
		out.Queues = append(out.Queues, admin.RouteQueue{Broker: group, Perm: r.routes[topic][group]})
	}
	return fakemq.Answer{Body: text(out)}
}

// configOf a request, with attributes as they become.
func configOf(fields map[string]string, attributes map[string]string) admin.TopicConfig {
	number := func(key string) int {
		n, _ := strconv.Atoi(fields[key])
		return n
	}
	config := admin.TopicConfig{
		Name: fields["topic"], ReadQueues: number("readQueueNums"), WriteQueues: number("writeQueueNums"), Perm: number("perm"),
		FilterType: fields["topicFilterType"], SysFlag: number("topicSysFlag"), Order: fields["order"] == "true", Attributes: maps.Clone(attributes),
	}
	if config.Attributes == nil {
		config.Attributes = map[string]string{}
	}
	for part := range strings.SplitSeq(fields["attributes"], ",") {
		if key, value, ok := strings.Cut(strings.TrimPrefix(part, "+"), "="); ok {
			config.Attributes[key] = value
		}
	}
	return config
}

// dump the tables of a group, as text.
func (w *world) dump(group string) string {
	var out string
	w.mq.inGroup(group, func(t *tables) {
		data, err := json.MarshalIndent(map[string]any{"topics": t.topics, "groups": t.groups, "offsets": t.offsets}, "", " ")
		w.must(err)
		out = string(data)
	})
	return out
}

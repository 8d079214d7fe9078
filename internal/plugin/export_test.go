// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// ownerOfOrders is an object of that topic, Ready.
func ownerOfOrders(name string) *v1alpha1.Topic {
	t := &v1alpha1.Topic{ObjectMeta: named(name), Spec: v1alpha1.TopicSpec{TopicName: "orders"}}
	t.Status.BrokerRef, t.Status.CommonStatus = &v1alpha1.ObjectReference{Name: "quickstart"}, common(conditions("", "", ""))
	return t
}

func topicsAt(topics ...admin.TopicConfig) string {
	table := map[string]admin.TopicConfig{}
	for _, t := range topics {
		table[t.Name] = t
	}
	text, _ := json.Marshal(map[string]any{"dataVersion": admin.DataVersion{}, "topicConfigTable": table})
	return string(text)
}

// TestExportTopics: what exists comes out as objects that kubectl takes, with comments about what they would change.
func TestExportTopics(t *testing.T) {
	w := newWorld(t)
	topic := func(name string, queues, perm int, attributes ...string) admin.TopicConfig {
		out := admin.TopicConfig{Name: name, ReadQueues: queues, WriteQueues: queues, Perm: perm, Attributes: map[string]string{}}
		for i := 0; i < len(attributes); i += 2 {
			out.Attributes[attributes[i]] = attributes[i+1]
		}
		return out
	}
	narrow := topic("narrow", 8, 4)
	narrow.WriteQueues = 2
	w.answer("quickstart-0-0", remoting.GetAllTopicConfig, topicsAt(topic("orders", 8, 6, "message.type", "FIFO"), topic("Order_Events", 4, 6), topic("order-events", 4, 6),
		narrow, topic("%RETRY%billing", 1, 6), topic("quickstart", 1, 6), topic(admin.ProxyTopic, 1, 6)))
	w.answer("quickstart-1-1", remoting.GetAllTopicConfig, topicsAt(topic("orders", 8, 6, "message.type", "FIFO"), topic("Order_Events", 4, 4), topic("only-here", 1, 6)))
	w.add(ownerOfOrders("the-orders"))
	w.shows("topics-export", "topics", "export")

	out, err := w.run("topics", "export", "-o", "yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Kind  string
		Items []v1alpha1.Topic
	}
	if err := yaml.UnmarshalStrict([]byte(strings.Replace(out, "apiVersion: v1\n", "", 1)), &list); err != nil || list.Kind != "List" || len(list.Items) != 5 {
		t.Errorf("%v in\n%s", err, out)
	}
	w.servers.states["quickstart-1-1"] = fakemq.Refused
	w.fails([]string{"incomplete", "without quickstart-1"}, "topics", "export")
}

// TestExportOfRocketMQCluster: objects refer to the whole of which the Broker is a part.
func TestExportOfRocketMQCluster(t *testing.T) {
	w := newWorld(t)
	object[*v1alpha1.Broker](w, "quickstart").OwnerReferences = []metav1.OwnerReference{{Kind: "RocketMQCluster", Name: "mq", UID: "1", Controller: new(true)}}
	table := fmt.Sprintf(`{"dataVersion":{},"subscriptionGroupTable":{"Billing":%s,"TOOLS_CONSUMER":%s,"CID_DefaultHeartBeatSyncerTopic":{"groupName":"CID_DefaultHeartBeatSyncerTopic"}}}`,
		`{"groupName":"Billing","consumeEnable":true,"consumeFromMinEnable":true,"consumeBroadcastEnable":true,"consumeMessageOrderly":true,"retryQueueNums":1,"retryMaxTimes":3,`+
			`"groupRetryPolicy":{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[1000,5000]}},"brokerId":0,"whichBrokerWhenConsumeSlowly":1,"notifyConsumerIdsChangedEnable":true,`+
			`"groupSysFlag":0,"consumeTimeoutMinute":15,"attributes":{}}`, `{"groupName":"TOOLS_CONSUMER"}`)
	w.masters(remoting.GetAllSubscriptionGroupConfig, table)
	w.answer("quickstart-0-0", remoting.GetAllMessageRequestMode, `{"messageRequestModeMap":{"orders":{"Billing":{"consumerGroup":"Billing","topic":"orders","mode":"POP","popShareQueueNum":2}}}}`)
	w.servers.answers["quickstart-1-1"][remoting.GetAllMessageRequestMode] = fakemq.Answer{Code: remoting.RequestCodeNotSupported}
	w.shows("groups-export", "groups", "export")
}

// TestOwner: a topic says which object it belongs to. One that does not have the name is none, nor is another cluster's.
func TestOwner(t *testing.T) {
	w := newWorld(t)
	w.answer("quickstart-0-0", remoting.GetTopicConfig, `{"perm":6,"readQueueNums":2,"topicName":"orders","writeQueueNums":2}`)
	w.answer("quickstart-0-0", remoting.GetTopicStatsInfo, `{"offsetTable":{}}`)
	w.answer("quickstart-0-0", remoting.QueryTopicConsumeByWho, `{"groupList":[]}`)
	w.answer("quickstart-1-1", remoting.GetTopicConfig, "")
	w.servers.answers["quickstart-1-1"][remoting.GetTopicConfig] = fakemq.Answer{Code: remoting.TopicNotExist}
	elsewhere := ownerOfOrders("elsewhere")
	elsewhere.Status.BrokerRef.Name = "another"
	rival := ownerOfOrders("rival")
	rival.Status.Conditions = append(conditions("Ready", "NameConflict", ""), metav1.Condition{Type: "NameConflict", Status: "True", Reason: "NameConflict"})
	w.add(elsewhere, rival)
	shown := func(want string) {
		t.Helper()
		out, err := w.run("topics", "describe", "orders")
		if err != nil || !strings.Contains(out, "\nObject: "+want+"\n") {
			t.Errorf("%v in\n%s", err, out)
		}
	}
	shown("-")
	w.add(ownerOfOrders("the-orders"))
	shown("Topic mq/the-orders (Ready)")
	w.fails([]string{"needs the name of a topic"}, "topics", "describe")
}

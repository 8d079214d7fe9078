// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	// entityLimit is for what needs no more than a look at the servers.
	entityLimit = 30 * time.Second
	// shrinkLimit is for queues that are no longer read: clients get a minute to notice.
	shrinkLimit = 3 * time.Minute
)

// Topics and consumer groups are objects. A user is promised that they are in RocketMQ as the objects say, whatever somebody does
// with mqadmin and whatever becomes of the brokers, that nothing is lost by it, and that an object that is deleted takes with it
// what its policy says, and nothing else.
func topics(t *testing.T, w *world) {
	ctx := t.Context()
	n := w.namespace(t, "topics", kit.Restricted)
	c := n.InstallationOfCluster("mq")
	ok(t, c.Apply(ctx, manifest(t, "topics.yaml")))
	ok(t, c.AwaitReady(ctx, smallLimit))
	c.Log.Printf("Ready")
	for _, part := range []struct {
		name string
		tell func(*entities)
	}{
		{"Fields", (*entities).fields}, {"Drift", (*entities).drift}, {"Existing", (*entities).existing}, {"Queues", (*entities).queues},
		{"Deletion", (*entities).deletion}, {"Export", (*entities).exported}, {"Failover", (*entities).failover}, {"ScaleOut", (*entities).scaleOut}, {"Transfer", (*entities).transfer},
		{"ClusterGone", (*entities).clusterGone},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			part.tell(&entities{T: t, w: w, c: in(t, n).InstallationOfCluster("mq")})
		}) {
			return
		}
	}
}

// entities are the topics and consumer groups of a cluster.
type entities struct {
	*testing.T
	w *world
	c *kit.Installation
}

// apply an object of a kind, with a spec in YAML.
func (e *entities) apply(kind, name, spec string) {
	e.Helper()
	ok(e.T, e.c.Apply(e.Context(), fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: %s, metadata: {name: %s}, spec: {%s}}", kind, name, spec)))
}

// patch the spec of an object.
func (e *entities) patch(resource, spec string) {
	e.Helper()
	_, err := e.w.place.Kubectl(e.Context(), "-n", e.c.Name, "patch", resource, "--type=merge", "-p", `{"spec":`+spec+`}`)
	ok(e.T, err)
}

func (e *entities) delete(resource string) {
	e.Helper()
	_, err := e.w.place.Kubectl(e.Context(), "-n", e.c.Name, "delete", "--wait=false", resource)
	ok(e.T, err)
}

// ready waits until an object is, in its newest generation.
func (e *entities) ready(kind, name string) {
	e.Helper()
	ok(e.T, e.c.AwaitResourceReady(e.Context(), kind, name, entityLimit))
}

// reports waits until an object is not Ready, for a reason and with these words.
func (e *entities) reports(kind, name, reason string, words ...string) {
	e.Helper()
	ok(e.T, e.c.Await(e.Context(), fmt.Sprintf("%s %s to report %s %q", kind, name, reason, words), entityLimit, func(ctx context.Context) error {
		c, err := e.c.Condition(ctx, kind, name, v1alpha1.ConditionReady)
		if err != nil {
			return err
		}
		if c == nil {
			return errors.New("it reports nothing")
		}
		missing := slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(c.Message, word) })
		if c.Status != metav1.ConditionFalse || c.Reason != reason || missing {
			return fmt.Errorf("it is %s %s: %s", c.Status, c.Reason, c.Message)
		}
		return nil
	}))
}

// gone waits until an object is.
func (e *entities) gone(object client.Object, name string) {
	e.Helper()
	ok(e.T, e.c.Await(e.Context(), fmt.Sprintf("%T %s to be gone", object, name), entityLimit, func(ctx context.Context) error {
		err := e.c.Client.Get(ctx, client.ObjectKey{Namespace: e.c.Name, Name: name}, object)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("it is still there"))
	}))
}

// topicIs waits until a topic is so at a master.
func (e *entities) topicIs(broker string, want admin.TopicConfig) {
	e.Helper()
	ok(e.T, e.c.Await(e.Context(), "topic "+want.Name+" at "+broker, entityLimit, func(ctx context.Context) error {
		got, err := e.c.Admin.Topic(ctx, broker, want.Name)
		if err != nil {
			return err
		}
		if !got.Equal(want) {
			return fmt.Errorf("it is %+v", *got)
		}
		return nil
	}))
}

func (e *entities) hasTopic(broker, name string) bool {
	e.Helper()
	_, err := e.c.Admin.Topic(e.Context(), broker, name)
	if remoting.IsCode(err, remoting.TopicNotExist) {
		return false
	}
	ok(e.T, err)
	return true
}

// told waits for an event of a reason whose text holds the words.
func (e *entities) told(reason string, words ...string) {
	e.Helper()
	ok(e.T, e.c.Await(e.Context(), fmt.Sprintf("an event %s with %q", reason, words), entityLimit, func(ctx context.Context) error {
		events, err := e.c.Events(ctx)
		if err != nil {
			return err
		}
		for _, event := range events {
			if event.Reason == reason && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(event.Message, word) }) {
				return nil
			}
		}
		return errors.New("there is none")
	}))
}

func plainTopic(name string, queues int) admin.TopicConfig {
	return admin.TopicConfig{
		Name: name, ReadQueues: queues, WriteQueues: queues, Perm: admin.PermRead | admin.PermWrite, Attributes: map[string]string{"message.type": "NORMAL"},
	}
}

// fields: every field of the objects is what mqadmin shows.
func (e *entities) fields() {
	ctx, master := e.Context(), masterOf(e.T, e.c, 0)
	for _, kind := range []string{"NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY"} {
		e.apply("Topic", "of-type-"+strings.ToLower(kind), "type: "+kind)
	}
	e.apply("Topic", "whole", `topicName: Whole_Topic, type: FIFO, readQueueNums: 6, writeQueueNums: 4, perm: 4, order: true, topicFilterType: MULTI_TAG,
		topicSysFlag: 3, cleanupPolicy: COMPACTION, queueType: SimpleCQ`)
	e.apply("Topic", "mixed", "type: MIXED")
	e.apply("Topic", "tiered", "reserveTime: 48")
	e.apply("ConsumerGroup", "default", "")
	e.apply("ConsumerGroup", "whole", `groupName: Whole_Group, consumeEnable: false, consumeFromMinEnable: false, consumeBroadcastEnable: false, consumeMessageOrderly: true,
		consumeTimeoutMinute: 7, retryMaxTimes: 5, retryQueueNums: 2, notifyConsumerIdsChangedEnable: false, brokerId: 1, whichBrokerWhenConsumeSlowly: 2, groupSysFlag: 1,
		groupRetryPolicy: {type: EXPONENTIAL, exponentialRetryPolicy: {initial: 5000, max: 60000, multiplier: 3}},
		subscriptionDataSet: [{topic: Whole_Topic, expressionType: SQL92, expression: "a > 1", version: 3}, {topic: of-type-fifo}],
		attributes: {priority.factor: "50"}, messageRequestModes: [{topic: of-type-fifo, mode: POP, popShareQueueNum: 2}]`)
	e.apply("ConsumerGroup", "customized", "groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: [1000, 5000, 10000]}}")

	for _, name := range []string{"of-type-normal", "of-type-fifo", "of-type-delay", "of-type-transaction", "of-type-priority", "whole", "tiered"} {
		e.ready("Topic", name)
	}
	for _, name := range []string{"default", "whole", "customized"} {
		e.ready("ConsumerGroup", name)
	}
	e.reports("Topic", "mixed", v1alpha1.ConditionRefused, e.c.Group(0)+" refuses it", "MIXED message type is not supported")

	whole := admin.TopicConfig{
		Name: "Whole_Topic", ReadQueues: 6, WriteQueues: 4, Perm: admin.PermRead, Order: true, FilterType: "MULTI_TAG", SysFlag: 3,
		Attributes: map[string]string{"message.type": "FIFO", "cleanup.policy": "COMPACTION", "queue.type": "SimpleCQ"},
	}
	e.topicIs(master, whole)
	fifo := plainTopic("of-type-fifo", 8)
	fifo.Attributes["message.type"] = "FIFO"
	e.topicIs(master, fifo)

	pod, err := e.c.Master(ctx, 0)
	ok(e.T, err)
	out, err := e.c.Exec(ctx, pod, kit.RocketMQContainer, "sh", "-c",
		`for table in -t -g; do sh "$ROCKETMQ_HOME/bin/mqadmin" exportMetadata -b 127.0.0.1:10911 $table -f /tmp/exported >/tmp/exported.log 2>&1; done; cat /tmp/exported/*.json || cat /tmp/exported.log`)
	ok(e.T, err)
	e.shown(out, whole)
	show(e.T, e.w, e.c.Namespace)
	e.delete("topic/mixed") // the later parts wait for everything to be Ready
}

// shown checks what mqadmin exports of the topic and the consumer group that have every field.
func (e *entities) shown(exported string, topic admin.TopicConfig) {
	e.Helper()
	var shown struct {
		Topics map[string]admin.TopicConfig `json:"topicConfigTable"`
		Groups map[string]map[string]any    `json:"subscriptionGroupTable"`
	}
	for decoder := json.NewDecoder(strings.NewReader(exported)); decoder.More(); {
		ok(e.T, decoder.Decode(&shown))
	}
	if got := shown.Topics[topic.Name]; !got.Equal(topic) {
		e.Errorf("mqadmin shows topic %+v", got)
	}
	got := shown.Groups["Whole_Group"]
	want := map[string]any{
		"groupName": "Whole_Group", "consumeEnable": false, "consumeFromMinEnable": false, "consumeBroadcastEnable": false, "consumeMessageOrderly": true,
		"consumeTimeoutMinute": 7.0, "retryMaxTimes": 5.0, "retryQueueNums": 2.0, "notifyConsumerIdsChangedEnable": false, "brokerId": 1.0,
		"whichBrokerWhenConsumeSlowly": 2.0, "groupSysFlag": 1.0, "attributes": map[string]any{"priority.factor": "50"},
	}
	for field, value := range want {
		if diff := cmp.Diff(value, got[field]); diff != "" {
			e.Errorf("mqadmin shows %s of the consumer group (-want +got):\n%s", field, diff)
		}
	}
	text, err := json.Marshal(got)
	ok(e.T, err)
	for _, part := range []string{`"exponentialRetryPolicy":{"initial":5000,"max":60000,"multiplier":3}`, `"expression":"a \u003e 1"`, `"topic":"of-type-fifo"`} {
		if !strings.Contains(string(text), part) {
			e.Errorf("mqadmin shows no %s in %s", part, text)
		}
	}
	modes, err := e.c.Admin.MessageRequestModes(e.Context(), masterOf(e.T, e.c, 0))
	ok(e.T, err)
	pair := admin.TopicGroup{Topic: "of-type-fifo", Group: "Whole_Group"}
	if diff := cmp.Diff(admin.MessageRequestMode{Topic: pair.Topic, Group: pair.Group, Mode: "POP", PopShareQueues: 2}, modes[pair]); diff != "" {
		e.Errorf("request mode (-want +got):\n%s", diff)
	}
}

// drift: what somebody changes or deletes is put back, and told.
func (e *entities) drift() {
	ctx, master := e.Context(), masterOf(e.T, e.c, 0)
	e.apply("Topic", "drifting", "queues: 4")
	e.apply("ConsumerGroup", "drifting", "retryMaxTimes: 3")
	e.ready("Topic", "drifting")
	e.ready("ConsumerGroup", "drifting")
	want := plainTopic("drifting", 4)
	changed := want
	changed.Perm, changed.WriteQueues, changed.ReadQueues, changed.Order = admin.PermRead, 2, 5, true
	changed.Attributes = map[string]string{"message.type": "FIFO"}
	ok(e.T, e.c.Admin.PutTopic(ctx, master, &want, changed))
	group := admin.NewSubscriptionGroup("drifting")
	group.RetryMaxTimes = 9
	ok(e.T, e.c.Admin.PutGroup(ctx, master, nil, group))
	began := time.Now()
	widened := want
	widened.ReadQueues = 5 // until it is known that nothing is in the fifth
	e.topicIs(master, widened)
	e.c.Log.Printf("a changed topic was put back after %.1f s", time.Since(began).Seconds())
	e.told("PutBack", "drifting", "perm 4 to 6", "writeQueueNums 2 to 4", "message.type FIFO to NORMAL", "order true to false")
	e.told("PutBack", "drifting", "retryMaxTimes 9 to 3")

	ok(e.T, e.c.Admin.DeleteTopic(ctx, master, "drifting"))
	began = time.Now()
	e.topicIs(master, want)
	e.c.Log.Printf("a deleted topic was made anew after %.1f s", time.Since(began).Seconds())
	e.told("PutBack", "drifting", "was missing")
	e.ready("Topic", "drifting")
}

// existing topics are taken over if they fit, and the older one of two objects has the name.
func (e *entities) existing() {
	ctx, master := e.Context(), masterOf(e.T, e.c, 0)
	made := plainTopic("by-client", 3)
	made.Attributes = nil
	ok(e.T, e.c.Admin.PutTopic(ctx, master, nil, made))
	other := plainTopic("of-others", 3)
	other.Attributes = map[string]string{"message.type": "FIFO"}
	ok(e.T, e.c.Admin.PutTopic(ctx, master, nil, other))

	e.apply("Topic", "by-client", "")
	e.apply("Topic", "of-others", "queues: 4, deletionPolicy: Delete")
	e.ready("Topic", "by-client")
	e.topicIs(master, plainTopic("by-client", 3))
	e.told("Adopted", "by-client", "message.type nothing to NORMAL")
	e.reports("Topic", "of-others", v1alpha1.ConditionTypeConflict, "exists with type FIFO, not NORMAL")
	e.delete("topic/of-others")
	e.gone(&v1alpha1.Topic{}, "of-others")
	e.topicIs(master, other)

	time.Sleep(1100 * time.Millisecond) // creation times are whole seconds
	e.apply("Topic", "younger", "topicName: by-client, queues: 5")
	e.reports("Topic", "younger", v1alpha1.ConditionNameConflict, "Topic "+e.c.Name+"/by-client")
	e.delete("topic/by-client")
	e.ready("Topic", "younger")
	e.topicIs(master, plainTopic("by-client", 5))
}

// queues grow and shrink under load, and nothing is lost by it.
func (e *entities) queues() {
	master := masterOf(e.T, e.c, 0)
	e.apply("Topic", "load", "queues: 4")
	e.apply("Topic", "sequence", "type: FIFO, queues: 4")
	e.ready("Topic", "load")
	e.ready("Topic", "sequence")
	ordered, err := e.c.StartLedger(e.Context(), kit.LedgerOptions{NameServers: e.c.Address(), Topic: "sequence", TopicExists: true, Ordered: true, Rate: 20, Duration: time.Hour, Poll: transferPoll})
	ok(e.T, err)
	during(e.T, e.c, kit.LedgerOptions{Topic: "load", TopicExists: true, Poll: transferPoll}, func() {
		time.Sleep(5 * time.Second)
		e.patch("topic/load", `{"queues":8}`)
		e.topicIs(master, plainTopic("load", 8))
		time.Sleep(10 * time.Second)
		began := time.Now()
		e.patch("topic/load", `{"queues":2}`)
		e.patch("topic/sequence", `{"queues":2}`)
		narrow := plainTopic("load", 2)
		narrow.ReadQueues = 8
		e.topicIs(master, narrow)
		_, err := e.c.AwaitCondition(e.Context(), "Topic", "load", v1alpha1.ConditionDraining, metav1.ConditionTrue, entityLimit)
		ok(e.T, err)
		ok(e.T, e.c.AwaitNoCondition(e.Context(), "Topic", "load", v1alpha1.ConditionDraining, shrinkLimit))
		e.topicIs(master, plainTopic("load", 2))
		e.c.Log.Printf("queues that were given up were read to their end after %.1f s", time.Since(began).Seconds())
		ok(e.T, e.c.AwaitNoCondition(e.Context(), "Topic", "sequence", v1alpha1.ConditionDraining, shrinkLimit))
	})
	v, err := ordered.End(e.Context(), ledgerLimit)
	ok(e.T, err)
	e.c.Log.Printf("ledger sequence: %s; %d not in order", v, v.Disordered)
	if v.Lost != 0 || v.Acked == 0 {
		e.Errorf("FIFO: %s", v)
	}
}

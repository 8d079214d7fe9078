// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// twoGroups of a cluster, of one member each. Its brokers refuse what is not signed.
const twoGroups = world.NameService + "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, " +
	"spec: {auth: {enabled: true}, size: 2, replicaPerGroup: 0}}\n---\n"

// object of a kind with a spec.
func object(kind, name, spec string) string {
	return fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: %s, metadata: {name: %s}, spec: {%s}}\n---\n", kind, name, spec)
}

// newWorld has a cluster that is Ready, and an operator.
func newWorld(t *testing.T, manifests string) (*world.World, *world.Operator) {
	t.Helper()
	w := world.New(t)
	w.CreateYAML(manifests)
	o := w.Start()
	o.Until(w.AllReady)
	return w, o
}

// topic as it is by default.
func topic(name string, queues int) admin.TopicConfig {
	return admin.TopicConfig{
		Name: name, ReadQueues: queues, WriteQueues: queues, Perm: 6, FilterType: "SINGLE_TAG", Attributes: map[string]string{"message.type": "NORMAL"},
	}
}

// has reports a difference of a broker group's topic from the one that is wanted.
func has(w *world.World, group string, want admin.TopicConfig) func() string {
	return func() string { return cmp.Diff(want, w.MQ.Tables(group).Topics[want.Name]) }
}

func all(checks ...func() string) func() string {
	return func() string {
		var missing []string
		for _, check := range checks {
			if text := check(); text != "" {
				missing = append(missing, text)
			}
		}
		return strings.Join(missing, "\n")
	}
}

// gone says which topic a broker group still has.
func gone(w *world.World, group, name string) func() string {
	return func() string {
		if _, there := w.MQ.Tables(group).Topics[name]; there {
			return name + " is at " + group
		}
		return ""
	}
}

// TestTopicsAndGroups: what objects say is on every broker group, and stays so whatever somebody does there.
func TestTopicsAndGroups(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, twoGroups)
	w.CreateYAML(object("Topic", "orders", "queues: 4") + object("Topic", "mine", "topicName: Mine, type: FIFO, brokerRef: {name: b}") +
		object("ConsumerGroup", "billing", "retryMaxTimes: 3"))
	o.Until(w.AllReady)
	fifo := topic("Mine", 8)
	fifo.Attributes["message.type"] = "FIFO"
	group := admin.NewSubscriptionGroup("billing")
	group.RetryMaxTimes = 3
	as := all(has(w, "b-0", topic("orders", 4)), has(w, "b-1", topic("orders", 4)), has(w, "b-0", fifo), has(w, "b-1", fifo), func() string {
		return cmp.Diff(group, w.MQ.Tables("b-1").Groups["billing"])
	})
	if text := as(); text != "" {
		t.Error(text)
	}
	got := world.Get[v1alpha1.Topic](w, "orders").Status
	if got.Cluster != "b" || got.Groups != "2/2" || got.WriteQueues != 4 || got.ReadQueues != 4 {
		t.Errorf("status %+v", got)
	}
	o.Finish()
	o.CheckSilence()

	w.MQ.Change("b-1", func(t *fakemq.Tables) {
		changed := t.Topics["orders"]
		changed.Perm, changed.WriteQueues = 4, 2
		t.Topics["orders"] = changed
		delete(t.Topics, "Mine")
		delete(t.Groups, "billing")
	})
	o.Until(as)
	o.Until(w.AllReady)
	o.Finish()
	o.CheckEvent("orders PutBack", "orders was changed at b-1", "perm 4 to 6", "writeQueueNums 2 to 4")
	o.CheckEvent("mine PutBack", "Mine was missing at b-1")
	o.CheckEvent("billing PutBack", "billing was missing at b-1")
	o.CheckSilence()

	world.Edit(w, "orders", func(t *v1alpha1.Topic) { t.Spec.Perm = new(int32(4)) })
	read := topic("orders", 4)
	read.Perm = 4
	o.Until(all(w.AllReady, has(w, "b-0", read), has(w, "b-1", read)))
	if o.Said("orders was changed at b-0") {
		t.Error("a change of the spec is told as if it were somebody else's")
	}
}

// TestDeletionPolicies: what is deleted in RocketMQ is what the policy says, and the metadata guard does not bring it back.
func TestDeletionPolicies(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, twoGroups)
	w.CreateYAML(object("Topic", "kept", "") + object("Topic", "dropped", "deletionPolicy: Delete") + object("Topic", "empty", "deletionPolicy: DeleteIfEmpty") +
		object("Topic", "full", "deletionPolicy: DeleteIfEmpty") + object("Topic", "let-go", "deletionPolicy: DeleteIfEmpty") +
		object("ConsumerGroup", "billing", "deletionPolicy: Delete"))
	o.Until(w.AllReady)
	o.Until(func() string {
		if saved := w.Saved("b-0"); saved == nil || saved.Data["topics"] != "5" {
			return "the metadata guard has not saved the topics"
		}
		return ""
	})
	w.MQ.Change("b-1", func(t *fakemq.Tables) {
		t.Ends["full"], t.Ends["let-go"], t.Ends["dropped"] = map[int]int64{1: 7}, map[int]int64{0: 1}, map[int]int64{0: 9}
	})
	for _, name := range []string{"kept", "dropped", "empty", "full", "let-go"} {
		w.Remove(world.Get[v1alpha1.Topic](w, name))
	}
	w.Remove(world.Get[v1alpha1.ConsumerGroup](w, "billing"))
	for _, name := range []string{"kept", "dropped", "empty"} {
		o.Until(objectGone[v1alpha1.Topic](w, name))
	}
	o.Until(objectGone[v1alpha1.ConsumerGroup](w, "billing"))
	if text := all(has(w, "b-0", topic("kept", 8)), gone(w, "b-0", "dropped"), gone(w, "b-1", "dropped"), gone(w, "b-0", "empty"), gone(w, "b-1", "empty"))(); text != "" {
		t.Error(text)
	}
	if _, there := w.MQ.Tables("b-0").Groups["billing"]; there {
		t.Error("consumer group billing is there")
	}
	if routes := w.MQ.Route("dropped"); len(routes) > 0 {
		t.Errorf("clients are still led to a topic that is deleted: %v", routes)
	}

	o.Reports("Topic full", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNotEmpty, "b-1 has 7 messages", v1alpha1.AnnotationLetGo)
	o.Reports("Topic let-go", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNotEmpty, "b-1 has 1 messages")
	world.Edit(w, "let-go", func(t *v1alpha1.Topic) { t.Annotations = map[string]string{v1alpha1.AnnotationLetGo: "true"} })
	o.Until(objectGone[v1alpha1.Topic](w, "let-go"))
	if text := has(w, "b-0", topic("let-go", 8))(); text != "" {
		t.Error(text)
	}
	w.MQ.Change("b-1", func(t *fakemq.Tables) { delete(t.Ends, "full") })
	o.Until(objectGone[v1alpha1.Topic](w, "full"))
	if text := all(gone(w, "b-0", "full"), gone(w, "b-1", "full"))(); text != "" {
		t.Error(text)
	}
	o.Finish()
	if saved := w.Saved("b-1").Data["topics"]; saved != "2" {
		t.Errorf("%s topics are saved, want 2", saved)
	}
}

func objectGone[T any, P interface {
	*T
	client.Object
}](w *world.World, name string) func() string {
	return func() string {
		if !world.Gone[T, P](w, name) {
			return fmt.Sprintf("%T %s is there", P(nil), name)
		}
		return ""
	}
}

// TestConflicts: whatever keeps an object from being followed is its reason, and nothing is changed in RocketMQ meanwhile.
func TestConflicts(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, twoGroups)
	fifo := topic("theirs", 3)
	fifo.Attributes["message.type"] = "FIFO"
	byClient := topic("by-client", 3)
	byClient.Attributes = map[string]string{}
	for _, group := range []string{"b-0", "b-1"} {
		w.MQ.Change(group, func(t *fakemq.Tables) { t.Topics["theirs"], t.Topics["by-client"] = fifo, byClient })
	}
	w.CreateYAML(object("Topic", "theirs", "deletionPolicy: Delete") + object("Topic", "by-client", "") + object("Topic", "b-0", "") + object("Topic", "lost", "clusterRef: {name: nowhere}") +
		object("Topic", "a-first", "topicName: shared"))
	o.Reports("Topic theirs", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionTypeConflict, "exists with type FIFO, not NORMAL")
	o.Reports("Topic b-0", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionInvalidSpec, "b-0 is a name that RocketMQ itself uses")
	o.Reports("Topic lost", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, "nowhere")
	o.Reports("Topic a-first", v1alpha1.ConditionReady, metav1.ConditionTrue)
	o.Reports("Topic by-client", v1alpha1.ConditionReady, metav1.ConditionTrue)
	o.CheckEvent("by-client Adopted", "message.type nothing to NORMAL")
	if text := all(has(w, "b-0", topic("by-client", 3)), has(w, "b-0", fifo))(); text != "" {
		t.Error(text)
	}

	w.CreateYAML(object("Topic", "second", "topicName: shared, queues: 5"))
	o.Reports("Topic second", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNameConflict, "Topic "+w.Namespace+"/a-first")
	w.Remove(world.Get[v1alpha1.Topic](w, "a-first"))
	o.Shutdown()
	o = w.Start() // nobody tells this one, which has no watches, that an object is gone
	o.Reports("Topic second", v1alpha1.ConditionReady, metav1.ConditionTrue)
	o.Until(has(w, "b-1", topic("shared", 5)))

	var unrouted atomic.Int32
	w.MQ.Inject(func(_ fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		if request.Code == remoting.DeleteTopicInNameServer && request.Fields["topic"] == "theirs" {
			unrouted.Add(1)
		}
		return fakemq.Answer{}, false
	})
	w.Remove(world.Get[v1alpha1.Topic](w, "theirs"))
	o.Until(objectGone[v1alpha1.Topic](w, "theirs"))
	if text := has(w, "b-0", fifo)(); text != "" {
		t.Errorf("somebody else's topic went with an object that never had it:\n%s", text)
	}
	if routes := unrouted.Load(); routes > 0 {
		t.Errorf("%d name servers were told to forget somebody else's topic", routes)
	}
	o.CheckEvent("theirs LetGo", "theirs stays as it is in RocketMQ")

	over := w.MQ.Inject(refuse("refused"))
	w.CreateYAML(object("Topic", "refused", "") + object("Topic", "beside-it", ""))
	o.Reports("Topic refused", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionRefused, "b-0 refuses it")
	o.Reports("Topic beside-it", v1alpha1.ConditionReady, metav1.ConditionTrue)
	over()
	world.Edit(w, "refused", func(t *v1alpha1.Topic) { t.Spec.Order = new(true) })
	o.Reports("Topic refused", v1alpha1.ConditionReady, metav1.ConditionTrue)

	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Paused = true })
	w.CreateYAML(object("Topic", "later", ""))
	o.Reports("Topic later", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPaused, "spec.paused")
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Paused = false })
	o.Reports("Topic later", v1alpha1.ConditionReady, metav1.ConditionTrue)
}

// refuse every request that has a topic of this name in it, as a broker does that does not know an attribute of it.
func refuse(name string) fakemq.Fault {
	return func(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		refused := request.Code == remoting.UpdateAndCreateTopicList && strings.Contains(string(request.Body), `"`+name+`"`)
		return fakemq.Answer{Code: remoting.SystemError}, at.Group != "" && refused
	}
}

// TestConsent: a cluster of another namespace is used if it allows that, and an object that is deleted while its cluster is gone
// does not wait for it.
func TestConsent(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, twoGroups)
	other := w.Neighbour()
	_ = o
	o.Shutdown()
	both := other.Manage(w)
	other.CreateYAML(object("Topic", "orders", fmt.Sprintf("brokerRef: {name: b, namespace: %s}, deletionPolicy: Delete", w.Namespace)))
	both.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, v1alpha1.AnnotationAllowFrom)
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: other.Namespace}
	})
	both.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionTrue)
	both.Until(has(w, "b-1", topic("orders", 8)))
	if got := world.Get[v1alpha1.Topic](other, "orders").Status.Cluster; got != w.Namespace+"/b" {
		t.Errorf("cluster %s", got)
	}

	w.Remove(world.Get[v1alpha1.Broker](w, "b"))
	both.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingReference)
	other.Remove(world.Get[v1alpha1.Topic](other, "orders"))
	both.Until(objectGone[v1alpha1.Topic](other, "orders"))
}

// TestScaleOut: objects that come while a group is being added are on it too, and not made there before it is open.
func TestScaleOut(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, twoGroups+object("Topic", "early", "queues: 2"))
	w.Starting["b-2-0"] = true
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(3)) })
	w.CreateYAML(object("Topic", "late", "queues: 3"))
	o.Reports("Topic late", v1alpha1.ConditionReady, metav1.ConditionTrue)
	w.Starting["b-2-0"] = false
	o.Until(w.AllReady)
	o.Until(all(has(w, "b-2", topic("early", 2)), has(w, "b-2", topic("late", 3)), func() string {
		return cmp.Diff("3/3", world.Get[v1alpha1.Topic](w, "late").Status.Groups)
	}))
	o.Finish()
	o.CheckSilence()
}

// TestTransfer: what a TopicTransfer takes away is not made anew where it was, not even after the transfer's own object is gone;
// what it brings is taken over by the object that waits for it there.
func TestTransfer(t *testing.T) {
	for name, ttl := range map[string]string{"Stays": "", "GoneAtOnce": ", ttlSecondsAfterFinished: 0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testTransfer(t, ttl)
		})
	}
}

func testTransfer(t *testing.T, ttl string) {
	w, o := newWorld(t, world.NameService+world.OneBroker("a", "one")+world.OneBroker("z", "two")+
		object("Topic", "orders", "brokerRef: {name: a}, queues: 3")+object("ConsumerGroup", "billing", "brokerRef: {name: a}, retryMaxTimes: 4"))
	w.MQ.Change("a-0", func(t *fakemq.Tables) {
		t.Offsets["orders@billing"], t.Ends["orders"] = map[string]int64{"0": 5}, map[int]int64{0: 9}
	})
	w.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: move}, spec: {topic: orders, sourceRef: {name: a}, targetRef: {name: z}" + ttl + "}}\n")
	o.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTransferring, "TopicTransfer "+w.Namespace+"/move moves orders to Broker "+w.Namespace+"/z")
	o.Reports("ConsumerGroup billing", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTransferring)
	w.MQ.Change("a-0", func(t *fakemq.Tables) { t.Offsets["orders@billing"] = map[string]int64{"0": 9} })
	o.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionTransferred, "has moved it to another cluster")
	o.Reports("ConsumerGroup billing", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionTransferred)

	if ttl == "" {
		w.Remove(world.Get[v1alpha1.TopicTransfer](w, "move"))
	}
	o.Until(objectGone[v1alpha1.TopicTransfer](w, "move"))
	o.Finish()
	o.Shutdown()
	o = w.Start() // one that remembers nothing
	o.Finish()
	o.CheckSilence()
	if text := gone(w, "a-0", "orders")(); text != "" {
		t.Error(text)
	}
	w.CreateYAML(object("Topic", "there", "topicName: orders, brokerRef: {name: z}, queues: 3"))
	o.Reports("Topic there", v1alpha1.ConditionReady, metav1.ConditionTrue)
	o.Until(has(w, "z-0", topic("orders", 3)))
	o.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionTransferred)
}

// TestLetGoHalfway: a topic that is let go while it takes nothing, because it was about to be deleted as empty, has its queues back.
func TestLetGoHalfway(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, twoGroups)
	w.CreateYAML(object("Topic", "orders", "deletionPolicy: DeleteIfEmpty, queues: 3") + object("Topic", "retained", "deletionPolicy: DeleteIfEmpty"))
	o.Until(w.AllReady)
	for _, name := range []string{"orders", "retained"} {
		w.MQ.Change("b-0", func(t *fakemq.Tables) { t.Ends[name] = map[int]int64{0: 1} })
		w.Remove(world.Get[v1alpha1.Topic](w, name))
		o.Reports("Topic "+name, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNotEmpty)
		for _, group := range []string{"b-0", "b-1"} {
			w.MQ.Change(group, func(t *fakemq.Tables) {
				fenced := t.Topics[name]
				fenced.ReadQueues, fenced.WriteQueues = 0, 0
				t.Topics[name] = fenced
			})
		}
	}
	world.Edit(w, "orders", func(t *v1alpha1.Topic) { t.Annotations = map[string]string{v1alpha1.AnnotationLetGo: "true"} })
	world.Edit(w, "retained", func(t *v1alpha1.Topic) { t.Spec.DeletionPolicy = v1alpha1.Retain })
	o.Until(all(objectGone[v1alpha1.Topic](w, "orders"), objectGone[v1alpha1.Topic](w, "retained")))
	for _, group := range []string{"b-0", "b-1"} {
		if text := all(has(w, group, topic("orders", 3)), has(w, group, topic("retained", 8)))(); text != "" {
			t.Errorf("%s:\n%s", group, text)
		}
	}
}

// TestAnotherCluster: an object that comes to mean another cluster has nothing there yet: what is there may be somebody else's.
func TestAnotherCluster(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, world.NameService+world.OneBroker("a", "one"))
	w.CreateYAML(object("Topic", "orders", "queues: 3"))
	o.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionTrue)
	w.CreateYAML(world.OneBroker("z", "two"))
	o.Until(w.AllReady)
	theirs := topic("orders", 5)
	theirs.Attributes = map[string]string{"message.type": "FIFO"}
	w.MQ.Change("z-0", func(t *fakemq.Tables) { t.Topics["orders"] = theirs })
	world.Edit(w, "orders", func(t *v1alpha1.Topic) { t.Spec.BrokerRef = &v1alpha1.ObjectReference{Name: "z"} })
	o.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionTypeConflict, "exists with type FIFO, not NORMAL")
	if text := has(w, "z-0", theirs)(); text != "" {
		t.Errorf("somebody else's topic is changed:\n%s", text)
	}
}

// TestMasterAway: a group whose master is silent keeps a new object waiting, and the old ones well.
func TestMasterAway(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, twoGroups+object("Topic", "early", ""))
	o.Finish()
	w.MQ.Silence("b-1-0", true)
	w.CreateYAML(object("Topic", "late", ""))
	o.Reports("Topic late", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForBrokers, "b-1")
	if text := has(w, "b-0", topic("late", 8))(); text != "" {
		t.Error(text)
	}
	if text := w.Condition("Topic early", v1alpha1.ConditionReady, metav1.ConditionTrue); text == "" {
		t.Error("a master that is silent for a moment shows at a topic that is as specified")
	}
	w.MQ.Silence("b-1-0", false)
	o.Until(w.AllReady)
	o.Until(has(w, "b-1", topic("late", 8)))
	time.Sleep(100 * time.Millisecond)
	o.CheckSilence()
}

// TestDrainingStays: while a master is away for a moment, what drains there is not taken for drained.
func TestDrainingStays(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, twoGroups)
	w.CreateYAML(object("Topic", "orders", "queues: 4"))
	o.Until(w.AllReady)
	world.Edit(w, "orders", func(topic *v1alpha1.Topic) { topic.Spec.Queues = new(int32(2)) })
	o.Reports("Topic orders", v1alpha1.ConditionDraining, metav1.ConditionTrue, "queues 2 to 3 are read until they are consumed")

	for _, pod := range []string{"b-0-0", "b-1-0"} {
		w.MQ.Silence(pod, true)
	}
	w.CreateYAML(object("Topic", "late", ""))
	o.Reports("Topic late", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForBrokers)
	o.Finish()
	if w.Condition("Topic orders", v1alpha1.ConditionDraining, metav1.ConditionTrue) == "" {
		t.Error("Draining is gone, and nobody could look")
	}
}

// TestNewMaster: a new master that lacks topics gets them back from the metadata guard, and objects wait for that: nobody is told
// of changes that nobody made. What came meanwhile is made afterwards.
func TestNewMaster(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, world.NameService+world.Controllers+strings.Replace(world.Brokers, "size: 2", "size: 1", 1)+
		object("Topic", "early", "queues: 2")+object("ConsumerGroup", "early", "retryMaxTimes: 4"))
	w.Starting["b-0-0"] = true
	w.MQ.Silence("b-0-0", true)
	w.Must(w.Delete(w.Context(), world.Get[corev1.Pod](w, "b-0-0")))
	w.MQ.Change("b-0", func(t *fakemq.Tables) { clear(t.Topics); clear(t.Groups) })
	w.CreateYAML(object("Topic", "late", "queues: 3"))
	o.Until(all(has(w, "b-0", topic("early", 2)), has(w, "b-0", topic("late", 3)), func() string {
		if w.MQ.Tables("b-0").Groups["early"].RetryMaxTimes != 4 {
			return "consumer group early is not back"
		}
		return ""
	}))
	w.MQ.Silence("b-0-0", false)
	w.Starting["b-0-0"] = false
	o.Until(w.AllReady)
	o.Finish()
	if o.Said("PutBack") || !o.Said("Restored") {
		t.Errorf("events %q", o.Events())
	}
	o.CheckSilence()
}

// TestSlaveLags: an object is not gone before the slaves know that its topic is. One that is elected before would bring it back.
func TestSlaveLags(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, world.NameService+world.Controllers+strings.Replace(world.Brokers, "size: 2", "size: 1", 1)+object("Topic", "orders", "deletionPolicy: Delete"))
	slave := "b-0-1"
	if world.Get[v1alpha1.Broker](w, "b").Status.Groups[0].Master == slave {
		slave = "b-0-0"
	}
	w.MQ.Differ(slave, new(w.MQ.Tables("b-0")))
	w.Remove(world.Get[v1alpha1.Topic](w, "orders"))
	o.Reports("Topic orders", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting, "a slave of b-0", "has not taken over yet")
	if text := gone(w, "b-0", "orders")(); text != "" {
		t.Error(text)
	}
	w.MQ.Differ(slave, nil)
	o.Until(objectGone[v1alpha1.Topic](w, "orders"))
}

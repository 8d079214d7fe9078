// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/plugin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// deletion does what the policy says.
func (e *entities) deletion() {
	ctx, master := e.Context(), masterOf(e.T, e.c, 0)
	e.apply("Topic", "kept", "")
	e.apply("Topic", "dropped", "deletionPolicy: Delete")
	e.apply("Topic", "empty", "deletionPolicy: DeleteIfEmpty, queues: 2")
	e.apply("Topic", "full", "deletionPolicy: DeleteIfEmpty, queues: 2")
	e.apply("ConsumerGroup", "dropped", "deletionPolicy: Delete")
	e.apply("ConsumerGroup", "lagging", "deletionPolicy: DeleteIfEmpty")
	for _, name := range []string{"kept", "dropped", "empty", "full"} {
		e.ready("Topic", name)
	}
	e.ready("ConsumerGroup", "dropped")
	e.ready("ConsumerGroup", "lagging")
	for _, topic := range []string{"full", "dropped"} {
		ledger(e.T, e.c, kit.LedgerOptions{Topic: topic, TopicExists: true, Only: "produce", Messages: 20, Poll: transferPoll})
	}
	ok(e.T, e.c.Admin.PutOffset(ctx, master, admin.ConsumerOffset{Topic: "full", Group: "lagging", Queue: 0}))
	awaitSavedTopic(e, "dropped", true)

	for _, name := range []string{"topic/kept", "topic/dropped", "topic/empty", "topic/full", "consumergroup/dropped", "consumergroup/lagging"} {
		e.delete(name)
	}
	e.gone(&v1alpha1.Topic{}, "kept")
	e.gone(&v1alpha1.Topic{}, "dropped")
	e.gone(&v1alpha1.Topic{}, "empty")
	e.gone(&v1alpha1.ConsumerGroup{}, "dropped")
	for topic, want := range map[string]bool{"kept": true, "dropped": false, "empty": false, "full": true} {
		if e.hasTopic(master, topic) != want {
			e.Errorf("topic %s is there: %t", topic, !want)
		}
	}
	for _, topic := range []string{"dropped", "empty"} {
		if _, err := e.c.Admin.TopicRoute(ctx, e.c.NameServers(1)[0]+"."+e.c.Name+":9876", topic); !remoting.IsCode(err, remoting.TopicNotExist) {
			e.Errorf("route of %s: %v", topic, err)
		}
	}
	awaitSavedTopic(e, "dropped", false)
	e.reports("Topic", "full", v1alpha1.ReasonNotEmpty, "has 20 messages", "spec.deletionPolicy", v1alpha1.AnnotationLetGo)
	e.reports("ConsumerGroup", "lagging", v1alpha1.ReasonNotEmpty, "that it has not consumed")
	_, err := e.w.place.Kubectl(ctx, "-n", e.c.Name, "annotate", "topic", "full", v1alpha1.AnnotationLetGo+"=true")
	ok(e.T, err)
	e.gone(&v1alpha1.Topic{}, "full")
	e.patch("consumergroup/lagging", `{"deletionPolicy":"Delete"}`)
	e.gone(&v1alpha1.ConsumerGroup{}, "lagging")
	if !e.hasTopic(master, "full") {
		e.Error("a topic that was let go is deleted")
	}
	groups, _, err := e.c.Admin.Groups(ctx, master)
	ok(e.T, err)
	for _, name := range []string{"dropped", "lagging"} {
		if _, exists := groups[name]; exists {
			e.Errorf("consumer group %s is there", name)
		}
	}
}

// awaitSavedTopic waits until the metadata guard has saved a topic, or has not.
func awaitSavedTopic(e *entities, topic string, want bool) {
	e.Helper()
	ok(e.T, e.c.Await(e.Context(), fmt.Sprintf("topic %s to be saved: %t", topic, want), entityLimit, func(ctx context.Context) error {
		tables, err := savedTables(ctx, e.c, 0)
		if err != nil {
			return err
		}
		if _, is := tables.Topics[topic]; is != want {
			return fmt.Errorf("it is saved: %t", is)
		}
		return nil
	}))
}

// savedTables are those that the metadata guard keeps of a group.
func savedTables(ctx context.Context, c *kit.Installation, group int) (*metadata.Tables, error) {
	var saved corev1.ConfigMap
	if err := c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: c.Group(group) + "-metadata"}, &saved); err != nil {
		return nil, err
	}
	return metadata.Decode(saved.BinaryData)
}

// exported: what the plugin prints of a topic that has no object is an object that fits it.
func (e *entities) exported() {
	ctx, master := e.Context(), masterOf(e.T, e.c, 0)
	foreign := plainTopic("Foreign_Topic", 3)
	foreign.Perm, foreign.Order, foreign.Attributes["message.type"] = admin.PermRead, true, "FIFO"
	ok(e.T, e.c.Admin.PutTopic(ctx, master, nil, foreign))
	export := e.plugin("topics", "export")
	for object := range strings.SplitSeq(export, "---\n") {
		if strings.Contains(object, foreign.Name) {
			e.c.Log.Block(object)
			ok(e.T, e.c.Apply(ctx, object))
		}
	}
	e.ready("Topic", "foreign-topic")
	e.topicIs(master, foreign)
	if told := e.plugin("topics", "describe", foreign.Name); !strings.Contains(told, "Object: Topic "+e.c.Name+"/foreign-topic (Ready)\n") {
		e.Errorf("describe:\n%s", told)
	}
	if export := e.plugin("groups", "export"); !strings.Contains(export, "groupName: Whole_Group\n") {
		e.Errorf("groups export:\n%s", export)
	}
}

// plugin runs kubectl rocketmq and returns what it prints.
func (e *entities) plugin(args ...string) string {
	e.Helper()
	log.SetLogger(logr.Discard()) // else there is a warning after 30 s, which no command of a user's takes
	var out strings.Builder
	cmd := plugin.Command(plugin.Connect)
	cmd.SetArgs(append(args, "--namespace", e.c.Name, "--broker", "mq-broker"))
	cmd.SetOut(&out)
	ok(e.T, cmd.ExecuteContext(e.Context()))
	return out.String()
}

// failover: a master dies while objects come and go, and the operator with it.
func (e *entities) failover() {
	ctx := e.Context()
	before, err := e.c.Master(ctx, 0)
	ok(e.T, err)
	for i := range 30 {
		e.apply("Topic", fmt.Sprintf("early-%02d", i), "queues: 2, deletionPolicy: Delete")
	}
	e.ready("Topic", "early-29")
	for i := range 10 {
		e.delete(fmt.Sprintf("topic/early-%02d", i))
	}
	for i := range 30 {
		e.apply("Topic", fmt.Sprintf("late-%02d", i), "queues: 2")
	}
	e.c.Log.Printf("killing the master %s and the operator", before)
	ok(e.T, e.c.DeletePod(ctx, before, true))
	ok(e.T, killOperator(ctx, e.c))
	_, err = e.c.AwaitNewMaster(ctx, 0, before, time.Minute)
	ok(e.T, err)
	ok(e.T, e.c.AwaitReady(ctx, 4*time.Minute))
	master := masterOf(e.T, e.c, 0)
	for i := range 10 {
		e.gone(&v1alpha1.Topic{}, fmt.Sprintf("early-%02d", i))
	}
	for i := range 30 {
		early, late := fmt.Sprintf("early-%02d", i), fmt.Sprintf("late-%02d", i)
		if has := e.hasTopic(master, early); has != (i >= 10) {
			e.Errorf("topic %s is there: %t", early, has)
		}
		e.topicIs(master, plainTopic(late, 2))
	}
}

// scaleOut: a new broker group has the topics when clients see it, those too that come meanwhile.
func (e *entities) scaleOut() {
	ctx := e.Context()
	_, err := e.w.place.Kubectl(ctx, "-n", e.c.Name, "patch", "rmq", "mq", "--type=json", "-p", `[{"op":"replace","path":"/spec/brokers/0/size","value":2}]`)
	ok(e.T, err)
	var made []string
	ok(e.T, e.c.Await(ctx, "two open groups", smallLimit, func(ctx context.Context) error {
		if len(made) < 40 {
			name := fmt.Sprintf("meanwhile-%02d", len(made))
			e.apply("Topic", name, "queues: 3")
			made = append(made, name)
		}
		b, err := e.c.Status(ctx)
		if err != nil {
			return err
		}
		if len(b.Status.Groups) < 2 || b.Status.Groups[1].State != "open" {
			return fmt.Errorf("groups %+v", b.Status.Groups)
		}
		return nil
	}))
	e.c.Log.Printf("opened; %d topics were made meanwhile", len(made))
	ok(e.T, e.c.AwaitReady(ctx, smallLimit))
	second := masterOf(e.T, e.c, 1)
	for _, name := range append(made, "late-00") {
		want := plainTopic(name, 3)
		if name == "late-00" {
			want = plainTopic(name, 2)
		}
		e.topicIs(second, want)
	}
	ok(e.T, e.c.Await(ctx, "both groups in the status", entityLimit, func(ctx context.Context) error {
		topic := &v1alpha1.Topic{}
		err := e.c.Client.Get(ctx, client.ObjectKey{Namespace: e.c.Name, Name: "late-00"}, topic)
		if err == nil && topic.Status.Groups != "2/2" {
			err = fmt.Errorf("groups %s", topic.Status.Groups)
		}
		return err
	}))
}

// transfer: what a TopicTransfer moves is not made anew where it was.
func (e *entities) transfer() {
	ctx := e.Context()
	e.apply("Topic", "moving", "queues: 3")
	e.apply("ConsumerGroup", "moving", "retryMaxTimes: 4")
	e.ready("Topic", "moving")
	e.ready("ConsumerGroup", "moving")
	for group := range 2 {
		ok(e.T, e.c.Admin.PutOffset(ctx, masterOf(e.T, e.c, group), admin.ConsumerOffset{Topic: "moving", Group: "moving", Queue: 0}))
	}
	s := &transfers{T: e.T, w: e.w, one: e.c}
	ok(e.T, e.c.Apply(ctx, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: moving}, spec: {topic: moving, sourceRef: {name: mq-broker}, "+
		"targetRef: {name: elsewhere}, ttlSecondsAfterFinished: 0}}"))
	e.reports("Topic", "moving", v1alpha1.ReasonTransferring, "TopicTransfer "+e.c.Name+"/moving moves moving to Broker "+e.c.Name+"/elsewhere")
	e.reports("ConsumerGroup", "moving", v1alpha1.ReasonTransferring)
	ok(e.T, e.c.Await(ctx, "the transfer to be over", transferLimit, func(ctx context.Context) error {
		t, err := s.get("moving")
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, fmt.Errorf("it is %s", t.Status.Phase))
	}))
	e.reports("Topic", "moving", v1alpha1.ConditionTransferred, "has moved it to another cluster")
	e.reports("ConsumerGroup", "moving", v1alpha1.ConditionTransferred)
	ok(e.T, killOperator(ctx, e.c))
	time.Sleep(20 * time.Second) // a look or two at the servers by another operator
	for group := range 2 {
		if e.hasTopic(masterOf(e.T, e.c, group), "moving") {
			e.Errorf("the topic is back at group %d", group)
		}
	}
	e.apply("Topic", "moved", "topicName: moving, brokerRef: {name: elsewhere}, queues: 3")
	e.ready("Topic", "moved")
	e.topicIs(brokerOf(e.c, "elsewhere-0-0"), plainTopic("moving", 3))
	e.reports("Topic", "moving", v1alpha1.ConditionTransferred)
}

// clusterGone: objects of a cluster that is deleted are deleted without it.
func (e *entities) clusterGone() {
	ctx := e.Context()
	e.apply("Topic", "bereft", "brokerRef: {name: elsewhere}, deletionPolicy: Delete")
	e.ready("Topic", "bereft")
	e.delete("broker/elsewhere")
	e.reports("Topic", "bereft", v1alpha1.ConditionMissingReference)
	e.delete("topic/bereft")
	e.gone(&v1alpha1.Topic{}, "bereft")
	out, err := e.w.place.Kubectl(ctx, "-n", e.c.Name, "get", "topics,consumergroups", "-o", "wide")
	ok(e.T, err)
	e.c.Log.Block(out)
}

// SPDX-License-Identifier: Apache-2.0

package topictransfer_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

const (
	// twoClusters are secured, with other passwords: each refuses what is not signed with its own.
	twoClusters = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: a}, spec: {auth: {enabled: true}, size: 2, replicaPerGroup: 0}}\n---\n" +
		"{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, spec: {auth: {enabled: true}, replicaPerGroup: 0}}\n---\n"
	move = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: move}, spec: {topic: orders, sourceCluster: a, targetCluster: b}}\n"
)

// orders is the topic on both groups of the source, with two consumer groups that have consumed all.
func orders(w *world.World) {
	for i, name := range []string{"a-0", "a-1"} {
		w.MQ.Change(name, func(t *fakemq.Tables) {
			t.Topics["orders"] = admin.TopicConfig{
				Name: "orders", ReadQueues: 3, WriteQueues: 2, Perm: 6, FilterType: "SINGLE_TAG", Order: true,
				Attributes: map[string]string{"message.type": "FIFO"},
			}
			t.Topics["other"] = admin.TopicConfig{Name: "other", ReadQueues: 1, WriteQueues: 1, Perm: 6}
			for _, g := range []string{"g1", "g2"} {
				group := admin.NewSubscriptionGroup(g)
				group.RetryMaxTimes, group.ConsumeOrderly = 3, true
				t.Groups[g] = group
				t.Offsets["orders@"+g] = map[string]int64{"0": 5, "1": 7}
			}
			t.Ends["orders"] = map[int]int64{0: 5, 1: 7}
			if i == 0 {
				t.Offsets["other@g2"] = map[string]int64{"0": 1}
			}
		})
	}
}

func transferPhase(w *world.World, name string, want v1alpha1.TransferPhase, parts ...string) func() string {
	return func() string {
		t := world.Get[v1alpha1.TopicTransfer](w, name)
		text := transferReady(w, name)
		for _, part := range parts {
			if !strings.Contains(text, part) {
				return fmt.Sprintf("phase %s, %s; want %s, %q", t.Status.Phase, text, want, parts)
			}
		}
		if t.Status.Phase != want {
			return fmt.Sprintf("phase %s, %s; want %s", t.Status.Phase, text, want)
		}
		return ""
	}
}

// transferReady is the condition as "status reason: message".
func transferReady(w *world.World, name string) string {
	c := meta.FindStatusCondition(world.Get[v1alpha1.TopicTransfer](w, name).Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)
}

// dump the tables of a group, as text.
func dump(w *world.World, group string) string {
	t := w.MQ.Tables(group)
	data, err := json.MarshalIndent(map[string]any{"topics": t.Topics, "groups": t.Groups, "offsets": t.Offsets}, "", " ")
	w.Must(err)
	return string(data)
}

func newTransferWorld(t *testing.T) (*world.World, *world.Operator) {
	t.Helper()
	w := world.New(t)
	w.CreateYAML(world.NameService + twoClusters)
	o := w.Start()
	o.Until(w.AllReady)
	orders(w)
	return w, o
}

// bothTopicsSaved says what the guard has yet to save of a group.
func bothTopicsSaved(w *world.World, group string) func() string {
	return func() string {
		if got := w.Saved(group); got == nil || got.Data["topics"] != "2" {
			return "the guard has not saved the topics"
		}
		return ""
	}
}

// TestTopicTransfer moves a topic that is not consumed yet.
func TestTopicTransfer(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	o.Until(bothTopicsSaved(w, "a-0"))
	w.MQ.Change("a-1", func(t *fakemq.Tables) { t.Ends["orders"][1] = 10 })
	w.CreateYAML(move)
	o.Until(transferPhase(w, "move", v1alpha1.TransferDrain, "consumer group g1 lags 3 at a-1 and is offline", "consumer group g2 lags 3"))
	o.Finish()
	o.CheckSilence()
	if got := world.Get[v1alpha1.TopicTransfer](w, "move"); got.Status.Lag == nil || *got.Status.Lag != 6 || len(got.Finalizers) != 1 {
		t.Errorf("status %+v, finalizers %v", got.Status, got.Finalizers)
	}
	w.MQ.Change("a-1", func(t *fakemq.Tables) {
		t.Offsets["orders@g1"]["1"], t.Offsets["orders@g2"]["1"] = 10, 10
	})
	o.Until(transferPhase(w, "move", v1alpha1.TransferCompleted, "True Completed: topic orders with 2 consumer groups is at cluster b; consumer group g2 stays at cluster a too, where it consumes other"))
	checkMoved(w, t)
	if diff := cmp.Diff(map[string]int{"b-0": 6}, w.MQ.Route("orders")); diff != "" {
		t.Errorf("route (-want +got):\n%s", diff)
	}
	for _, phase := range []string{"CreateTarget", "ForbidWrites", "Drain", "CleanSource", "Completed"} {
		if !o.Said("move " + phase + ": ") {
			t.Errorf("no event %s in %q", phase, o.Events())
		}
	}
	o.Until(func() string {
		if got := world.Get[v1alpha1.TopicTransfer](w, "move"); len(got.Finalizers) > 0 {
			return "it still holds its finalizer"
		}
		return w.AllReady()
	})
	o.Finish()
	o.CheckSilence()
}

func checkMoved(w *world.World, t *testing.T) {
	t.Helper()
	w.MQ.Change("b-0", func(tb *fakemq.Tables) {
		want := admin.TopicConfig{Name: "orders", ReadQueues: 3, WriteQueues: 2, Perm: 6, Order: true, Attributes: map[string]string{"message.type": "FIFO"}}
		if got := tb.Topics["orders"]; !got.Equal(want) {
			t.Errorf("topic %+v", got)
		}
		for _, g := range []string{"g1", "g2"} {
			group := admin.NewSubscriptionGroup(g)
			group.RetryMaxTimes, group.ConsumeOrderly = 3, true
			if got := tb.Groups[g]; !got.Equal(group) {
				t.Errorf("group %+v", got)
			}
			if diff := cmp.Diff(map[string]int64{"0": 0, "1": 0, "2": 0}, tb.Offsets["orders@"+g]); diff != "" {
				t.Errorf("offsets of %s (-want +got):\n%s", g, diff)
			}
		}
	})
	for _, group := range []string{"a-0", "a-1"} {
		w.MQ.Change(group, func(tb *fakemq.Tables) {
			if _, has := tb.Topics["orders"]; has {
				t.Errorf("%s has the topic", group)
			}
			if _, has := tb.Groups["g1"]; has {
				t.Errorf("%s has group g1", group)
			}
			if _, has := tb.Groups["g2"]; !has {
				t.Errorf("%s has lost group g2, which consumes more", group)
			}
		})
	}
}

// TestTopicTransferTakenBack: aborted, deleted, timed out or refused, the source is as before and the target too.
func TestTopicTransferTakenBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, spec string
		act        func(w *world.World)
		phase      v1alpha1.TransferPhase // that it is to be in before
		want       string
	}{
		{name: "abort", act: func(w *world.World) {
			world.Edit(w, "move", func(t *v1alpha1.TopicTransfer) { t.Spec.Abort = true })
		}, phase: v1alpha1.TransferDrain, want: "spec.abort is set"},
		{name: "abort at once", spec: ", abort: true", want: "nothing was changed: spec.abort is set"},
		{name: "timeout", spec: ", drainTimeout: 2s", want: "Drain did not end within 2s: consumer group g1 lags 3 at a-1"},
		{name: "target refuses", spec: ", stepTimeout: 2s", act: func(w *world.World) {
			w.MQ.Inject(fakemq.RefuseChanges("b-"))
		}, want: "CreateTarget did not end within 2s"},
		{name: "deleted", act: func(w *world.World) {
			w.Must(w.Delete(w.Context(), world.Get[v1alpha1.TopicTransfer](w, "move")))
		}, phase: v1alpha1.TransferDrain},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, o := newTransferWorld(t)
			w.MQ.Change("a-1", func(t *fakemq.Tables) { t.Ends["orders"][1] = 10 })
			before := dump(w, "a-0") + dump(w, "a-1") + dump(w, "b-0")
			if test.phase == "" && test.act != nil {
				test.act(w)
			}
			w.CreateYAML(strings.Replace(move, "targetCluster: b", "targetCluster: b"+test.spec, 1))
			if test.phase != "" {
				o.Until(transferPhase(w, "move", test.phase))
				test.act(w)
			}
			if test.want != "" {
				o.Until(transferPhase(w, "move", v1alpha1.TransferRolledBack, test.want))
			} else {
				o.Until(gone(w))
			}
			if diff := cmp.Diff(before, dump(w, "a-0")+dump(w, "a-1")+dump(w, "b-0")); diff != "" {
				t.Errorf("tables (-before +after):\n%s", diff)
			}
			o.Finish()
			o.CheckSilence()
		})
	}
}

func gone(w *world.World) func() string {
	return func() string {
		var t v1alpha1.TopicTransfer
		err := w.Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "move"}, &t)
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprintf("it is still there: %v, %+v", err, t.Status)
	}
}

// TestTopicTransferUsed: messages that came to the target stay readable there when everything is taken back.
func TestTopicTransferUsed(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	w.MQ.Change("a-1", func(t *fakemq.Tables) { t.Ends["orders"][1] = 10 })
	w.CreateYAML(move)
	o.Until(transferPhase(w, "move", v1alpha1.TransferDrain))
	w.MQ.Change("b-0", func(t *fakemq.Tables) { t.Ends["orders"] = map[int]int64{1: 3} })
	world.Edit(w, "move", func(t *v1alpha1.TopicTransfer) { t.Spec.Abort = true })
	o.Until(transferPhase(w, "move", v1alpha1.TransferRolledBack, "topic orders at b-0, closed, because it has messages, which consumers can read"))
	w.MQ.Change("b-0", func(tb *fakemq.Tables) {
		if got := tb.Topics["orders"]; got.Perm != admin.PermRead || got.ReadQueues != 3 {
			t.Errorf("topic at the target %+v", got)
		}
	})
	w.MQ.Change("a-0", func(tb *fakemq.Tables) {
		if got := tb.Topics["orders"]; got.Perm != 6 || got.ReadQueues != 3 || got.WriteQueues != 2 {
			t.Errorf("topic at the source %+v", got)
		}
	})
}

// TestTopicTransferNewMaster: what a new master of the source does not know is waited for, not taken for gone.
func TestTopicTransferNewMaster(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	o.Until(bothTopicsSaved(w, "a-1"))
	w.MQ.Change("a-1", func(t *fakemq.Tables) { t.Ends["orders"][1] = 10 })
	w.CreateYAML(move)
	lags := transferPhase(w, "move", v1alpha1.TransferDrain, "consumer group g1 lags 3 at a-1")
	o.Until(lags)
	accept := w.MQ.Inject(fakemq.RefuseChanges("a-1"))
	world.Edit(w, desired.MetadataConfigMap("a-1"), func(saved *corev1.ConfigMap) {
		tables, err := metadata.Decode(saved.BinaryData)
		w.Must(err)
		tables.Topics["lost"] = admin.TopicConfig{Name: "lost", ReadQueues: 1, WriteQueues: 1, Perm: 6}
		saved.Data, saved.BinaryData, err = metadata.Encode(metadata.Mark{Term: "former"}, tables)
		w.Must(err)
	})
	o.Until(transferPhase(w, "move", v1alpha1.TransferDrain, "False Unreachable: a-1 of cluster a: missing topics and consumer groups of its new master are being restored"))
	accept()
	o.Until(lags)
	w.MQ.Change("a-1", func(t *fakemq.Tables) {
		if _, has := t.Topics["lost"]; !has {
			w.Error("it goes on before the guard has given back what was lost")
		}
		t.Offsets["orders@g1"]["1"], t.Offsets["orders@g2"]["1"] = 10, 10
	})
	o.Until(transferPhase(w, "move", v1alpha1.TransferCompleted))
	checkMoved(w, t)
}

// TestTopicTransferSlaveLags: a transfer is not over while a slave of the source would bring the topic back if it were elected now.
func TestTopicTransferSlaveLags(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: a}, spec: {clusterMode: CONTROLLER}}\n---\n" +
		"{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, spec: {replicaPerGroup: 0}}\n---\n")
	o := w.Start()
	o.Until(w.AllReady)
	w.MQ.Change("a-0", func(t *fakemq.Tables) {
		t.Topics["orders"] = admin.TopicConfig{Name: "orders", ReadQueues: 2, WriteQueues: 2, Perm: 6}
	})
	slave := "a-0-1"
	if world.Get[v1alpha1.Broker](w, "a").Status.Groups[0].Master == slave {
		slave = "a-0-0"
	}
	w.MQ.Differ(slave, new(w.MQ.Tables("a-0")))
	w.CreateYAML(move)
	o.Until(transferPhase(w, "move", v1alpha1.TransferCleanSource, "a slave of a-0", "has not taken over yet how topic orders is at its master"))
	if _, has := w.MQ.Tables("a-0").Topics["orders"]; has {
		t.Error("the master has the topic still")
	}
	w.MQ.Differ(slave, nil)
	o.Until(transferPhase(w, "move", v1alpha1.TransferCompleted))
}

// TestTopicTransferStalls: once the source is being cleaned there is no way back; what remains is named.
func TestTopicTransferStalls(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	w.CreateYAML(strings.Replace(move, "targetCluster: b", "targetCluster: b, holdBeforeClean: true, stepTimeout: 30s", 1))
	o.Until(transferPhase(w, "move", v1alpha1.TransferDrain, "False Holding", "cluster a is drained. Repoint"))
	w.CreateYAML(strings.Replace(move, "name: move", "name: late", 1))
	o.Until(transferPhase(w, "late", v1alpha1.TransferPending, "AnotherTransfer", "/move moves topic orders, and goes first"))
	w.Must(w.Delete(w.Context(), world.Get[v1alpha1.TopicTransfer](w, "late")))
	world.Edit(w, "move", func(t *v1alpha1.TopicTransfer) { t.Spec.HoldBeforeClean = false })
	o.Until(transferPhase(w, "move", v1alpha1.TransferCleanSource))
	accept := w.MQ.Inject(fakemq.RefuseChanges("a-1"))
	stalled := func() string {
		c := meta.FindStatusCondition(world.Get[v1alpha1.TopicTransfer](w, "move").Status.Conditions, v1alpha1.ConditionStalled)
		if c == nil || c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "a-1") {
			return fmt.Sprintf("condition Stalled: %+v", c)
		}
		return ""
	}
	o.Until(stalled)
	world.Edit(w, "move", func(t *v1alpha1.TopicTransfer) { t.Spec.Abort = true })
	o.Finish()
	if missing := stalled(); missing != "" {
		t.Error(missing)
	}
	accept()
	o.Until(transferPhase(w, "move", v1alpha1.TransferCompleted))
	checkMoved(w, t)
	if stalled() == "" {
		t.Error("it is still Stalled")
	}
}

// TestTopicTransferEnds: the ways out of a TopicTransfer.
func TestTopicTransferEnds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, spec string
		act        func(w *world.World, o *world.Operator)
	}{
		{name: "its time is over", spec: ", ttlSecondsAfterFinished: 1"},
		{name: "the source is gone", spec: ", holdBeforeClean: true", act: func(w *world.World, o *world.Operator) {
			o.Until(transferPhase(w, "move", v1alpha1.TransferDrain))
			w.Must(w.Delete(w.Context(), world.Get[v1alpha1.Broker](w, "a")))
			w.Must(w.Delete(w.Context(), world.Get[v1alpha1.TopicTransfer](w, "move")))
		}},
		{name: "abandoned", spec: ", holdBeforeClean: true, stepTimeout: 30s", act: func(w *world.World, o *world.Operator) {
			o.Until(transferPhase(w, "move", v1alpha1.TransferDrain))
			w.MQ.Inject(fakemq.RefuseChanges("a-"))
			w.Must(w.Delete(w.Context(), world.Get[v1alpha1.TopicTransfer](w, "move")))
			o.Until(func() string {
				c := meta.FindStatusCondition(world.Get[v1alpha1.TopicTransfer](w, "move").Status.Conditions, v1alpha1.ConditionStalled)
				if c == nil || !strings.Contains(c.Message, "kubectl annotate -n "+w.Namespace+" topictransfer move rocketmq.apache.org/abandon-transfer=true") {
					return fmt.Sprintf("condition %+v", c)
				}
				return ""
			})
			world.Edit(w, "move", func(t *v1alpha1.TopicTransfer) {
				t.Annotations = map[string]string{"rocketmq.apache.org/abandon-transfer": "true"}
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, o := newTransferWorld(t)
			w.CreateYAML(strings.Replace(move, "targetCluster: b", "targetCluster: b"+test.spec, 1))
			if test.act != nil {
				test.act(w, o)
			}
			o.Until(gone(w))
		})
	}
}

// TestTopicTransferRefused: what the resources alone tell.
func TestTopicTransferRefused(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	w.CreateYAML(strings.Replace(twoClusters[strings.Index(twoClusters, "---\n")+4:], "name: b}, spec: {", "name: b2}, spec: {clusterName: b, ", 1))
	for _, test := range []struct{ spec, want string }{
		{"{topic: orders, sourceCluster: a, targetCluster: nowhere}", "MissingCluster: no Broker in namespace"},
		{"{topic: orders, sourceRef: {name: nobody}, targetCluster: b}", "MissingCluster: there is no Broker nobody"},
		{"{topic: orders, sourceCluster: x, sourceRef: {name: a}, targetRef: {name: b}}", "MissingCluster: there is no Broker a in namespace " + w.Namespace + " that makes up cluster x"},
		{"{topic: orders, sourceCluster: a, targetCluster: b}", "AmbiguousCluster: Brokers b, b2"},
		{"{topic: orders, sourceCluster: a, targetRef: {name: a}}", "SameCluster"},
		{"{topic: rmq_sys_x, sourceCluster: a, targetRef: {name: b}}", "SystemTopic"},
		{"{topic: nothing, sourceCluster: a, targetRef: {name: b}}", "TopicMissing"},
	} {
		w.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: move}, spec: " + test.spec + "}")
		o.Until(transferPhase(w, "move", v1alpha1.TransferPending, "False "+test.want))
		w.Must(w.Delete(w.Context(), world.Get[v1alpha1.TopicTransfer](w, "move")))
		o.Until(gone(w))
	}
}

// TestTopicTransferCrashPoints: an operator dies after its k-th write, for every k; the next one ends the same way.
func TestTopicTransferCrashPoints(t *testing.T) {
	t.Parallel()
	for k := 1; k <= 12; k++ {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			w, first := newTransferWorld(t)
			first.Finish()
			first.Shutdown()
			w.CreateYAML(move)
			o := w.StartMortal(k)
			completed := transferPhase(w, "move", v1alpha1.TransferCompleted)
			o.DieAfter(k, completed)
			o = w.Start()
			o.Until(completed)
			checkMoved(w, t)
		})
	}
}

// TestTopicTransfersWatched: with its watches the operator moves many topics at once, without anybody's help.
func TestTopicTransfersWatched(t *testing.T) {
	t.Parallel()
	const many = 20
	w := world.New(t)
	o := w.Manage()
	w.CreateYAML(world.NameService + twoClusters)
	o.Until(w.AllReady)
	orders(w)
	for i := range many {
		name := fmt.Sprintf("t-%d", i)
		w.MQ.Change("a-0", func(t *fakemq.Tables) {
			t.Topics[name] = admin.TopicConfig{Name: name, ReadQueues: 2, WriteQueues: 2, Perm: 6, FilterType: "SINGLE_TAG", Attributes: map[string]string{}}
			t.Groups["of-"+name] = admin.NewSubscriptionGroup("of-" + name)
			t.Offsets[name+"@of-"+name] = map[string]int64{"0": 0}
		})
		w.CreateYAML(strings.NewReplacer("name: move", "name: "+name, "topic: orders", "topic: "+name).Replace(move))
	}
	began := time.Now()
	o.Until(func() string {
		for i := range many {
			if missing := transferPhase(w, fmt.Sprintf("t-%d", i), v1alpha1.TransferCompleted)(); missing != "" {
				return missing
			}
		}
		return ""
	})
	t.Logf("%d transfers in %s", many, time.Since(began))
	w.MQ.Change("b-0", func(tb *fakemq.Tables) {
		if len(tb.Topics) != many || len(tb.Groups) != many {
			t.Errorf("the target has %d topics and %d groups", len(tb.Topics), len(tb.Groups))
		}
	})
}

// TestTransferConsent: nobody takes topics out of a namespace that does not allow it.
func TestTransferConsent(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	other := w.Neighbour()
	w.CreateYAML(world.NameService + world.OneBroker("a", "a") + world.OneBroker("b", "b"))
	o := w.Start()
	o.Until(w.AllReady)
	other.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: steal}, spec: {topic: orders, sourceRef: {name: a, namespace: " +
		w.Namespace + "}, targetRef: {name: b, namespace: " + w.Namespace + "}}}")
	o2 := other.Start(w)
	refused := "False NotAllowed: spec.sourceRef: Broker " + w.Namespace + "/a does not allow"
	o2.Until(transferPhase(other, "steal", v1alpha1.TransferPending, refused))
	for range 5 { // and it stays so
		time.Sleep(100 * time.Millisecond)
		o2.Pass()
	}
	o2.Until(transferPhase(other, "steal", v1alpha1.TransferPending, refused))
	world.Edit(w, "a", func(b *v1alpha1.Broker) {
		b.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: other.Namespace}
	})
	o2.Until(transferPhase(other, "steal", v1alpha1.TransferPending, "False NotAllowed: spec.targetRef: Broker "+w.Namespace+"/b does not allow"))
}

package reconcile

import (
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
)

const (
	twoClusters = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: a}, spec: {size: 2, replicaPerGroup: 0}}\n---\n" +
		"{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, spec: {replicaPerGroup: 0}}\n---\n"
	move = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: move}, spec: {topic: orders, sourceCluster: a, targetCluster: b}}\n"
)

// orders is the topic on both groups of the source, with two consumer groups that have consumed all.
func (w *world) orders() {
	w.mq.mu.Lock()
	defer w.mq.mu.Unlock()
	w.mq.routes["orders"] = route{"a-0": 6, "a-1": 6}
	for i, name := range []string{"a-0", "a-1"} {
		w.mq.clusters[name] = "a"
		t := w.mq.of(name)
		t.topics["orders"] = admin.TopicConfig{Name: "orders", ReadQueues: 3, WriteQueues: 2, Perm: 6, FilterType: "SINGLE_TAG", Order: true, Attributes: map[string]string{"message.type": "FIFO"}}
		t.topics["other"] = admin.TopicConfig{Name: "other", ReadQueues: 1, WriteQueues: 1, Perm: 6}
		for _, g := range []string{"g1", "g2"} {
			group := admin.NewSubscriptionGroup(g)
			group.RetryMaxTimes, group.ConsumeOrderly = 3, true
			t.groups[g] = group
			t.offsets["orders@"+g] = map[string]int64{"0": 5, "1": 7}
		}
		t.ends["orders"] = map[int]int64{0: 5, 1: 7}
		if i == 0 {
			t.offsets["other@g2"] = map[string]int64{"0": 1}
		}
	}
}

func (w *world) transferPhase(name string, want v1alpha1.TransferPhase, parts ...string) func() string {
	return func() string {
		t := get[v1alpha1.TopicTransfer](w, name)
		text := w.transferReady(name)
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
func (w *world) transferReady(name string) string {
	c := meta.FindStatusCondition(get[v1alpha1.TopicTransfer](w, name).Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)
}

func newTransferWorld(t *testing.T) (*world, *operator) {
	t.Helper()
	w := newWorld(t)
	w.create(nameService + twoClusters)
	o := w.start(-1)
	o.until(w.allReady)
	w.orders()
	return w, o
}

// bothTopicsSaved says what the guard has yet to save of a group.
func (w *world) bothTopicsSaved(group string) func() string {
	return func() string {
		if got := w.saved(group); got == nil || got.Data["topics"] != "2" {
			return "the guard has not saved the topics"
		}
		return ""
	}
}

// TestTopicTransfer moves a topic that is not consumed yet.
func TestTopicTransfer(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	o.until(w.bothTopicsSaved("a-0"))
	w.mq.inGroup("a-1", func(t *tables) { t.ends["orders"][1] = 10 })
	w.create(move)
	o.until(w.transferPhase("move", v1alpha1.TransferDrain, "consumer group g1 lags 3 at a-1 and is offline", "consumer group g2 lags 3"))
	o.settle()
	o.checkSilence()
	if got := get[v1alpha1.TopicTransfer](w, "move"); got.Status.Lag == nil || *got.Status.Lag != 6 || len(got.Finalizers) != 1 {
		t.Errorf("status %+v, finalizers %v", got.Status, got.Finalizers)
	}
	w.mq.inGroup("a-1", func(t *tables) {
		t.offsets["orders@g1"]["1"], t.offsets["orders@g2"]["1"] = 10, 10
	})
	o.until(w.transferPhase("move", v1alpha1.TransferCompleted, "True Completed: topic orders with 2 consumer groups is at cluster b; consumer group g2 stays at cluster a too, where it consumes other"))
	w.checkMoved(t)
	w.mq.mu.Lock()
	if diff := cmp.Diff(route{"b-0": 6}, w.mq.routes["orders"]); diff != "" {
		t.Errorf("route (-want +got):\n%s", diff)
	}
	w.mq.mu.Unlock()
	for _, phase := range []string{"CreateTarget", "ForbidWrites", "Drain", "CleanSource", "Completed"} {
		if !o.said("move " + phase + ": ") {
			t.Errorf("no event %s in %q", phase, o.events.all())
		}
	}
	o.until(func() string {
		if got := get[v1alpha1.TopicTransfer](w, "move"); len(got.Finalizers) > 0 {
			return "it still holds its finalizer"
		}
		return w.allReady()
	})
	o.settle()
	o.checkSilence()
}

func (w *world) checkMoved(t *testing.T) {
	t.Helper()
	w.mq.inGroup("b-0", func(tb *tables) {
		want := admin.TopicConfig{Name: "orders", ReadQueues: 3, WriteQueues: 2, Perm: 6, Order: true, Attributes: map[string]string{"message.type": "FIFO"}}
		if got := tb.topics["orders"]; !got.Equal(want) {
			t.Errorf("topic %+v", got)
		}
		for _, g := range []string{"g1", "g2"} {
			group := admin.NewSubscriptionGroup(g)
			group.RetryMaxTimes, group.ConsumeOrderly = 3, true
			if got := tb.groups[g]; !got.Equal(group) {
				t.Errorf("group %+v", got)
			}
			if diff := cmp.Diff(map[string]int64{"0": 0, "1": 0, "2": 0}, tb.offsets["orders@"+g]); diff != "" {
				t.Errorf("offsets of %s (-want +got):\n%s", g, diff)
			}
		}
	})
	for _, group := range []string{"a-0", "a-1"} {
		w.mq.inGroup(group, func(tb *tables) {
			if _, has := tb.topics["orders"]; has {
				t.Errorf("%s has the topic", group)
			}
			if _, has := tb.groups["g1"]; has {
				t.Errorf("%s has group g1", group)
			}
			if _, has := tb.groups["g2"]; !has {
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
		act        func(w *world)
		phase      v1alpha1.TransferPhase // that it is to be in before
		want       string
	}{
		{name: "abort", act: func(w *world) {
			edit(w, "move", func(t *v1alpha1.TopicTransfer) { t.Spec.Abort = true })
		}, phase: v1alpha1.TransferDrain, want: "spec.abort is set"},
		{name: "abort at once", spec: ", abort: true", want: "nothing was changed: spec.abort is set"},
		{name: "timeout", spec: ", drainTimeout: 2s", want: "Drain did not end within 2s: consumer group g1 lags 3 at a-1"},
		{name: "target refuses", spec: ", stepTimeout: 2s", act: func(w *world) {
			w.mq.mu.Lock()
			w.mq.refuse = "b-"
			w.mq.mu.Unlock()
		}, want: "CreateTarget did not end within 2s"},
		{name: "deleted", act: func(w *world) {
			w.must(w.Delete(w.Context(), get[v1alpha1.TopicTransfer](w, "move")))
		}, phase: v1alpha1.TransferDrain},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, o := newTransferWorld(t)
			w.mq.inGroup("a-1", func(t *tables) { t.ends["orders"][1] = 10 })
			before := w.dump("a-0") + w.dump("a-1") + w.dump("b-0")
			if test.phase == "" && test.act != nil {
				test.act(w)
			}
			w.create(strings.Replace(move, "targetCluster: b", "targetCluster: b"+test.spec, 1))
			if test.phase != "" {
				o.until(w.transferPhase("move", test.phase))
				test.act(w)
			}
			if test.want != "" {
				o.until(w.transferPhase("move", v1alpha1.TransferRolledBack, test.want))
			} else {
				o.until(w.gone)
			}
			if diff := cmp.Diff(before, w.dump("a-0")+w.dump("a-1")+w.dump("b-0")); diff != "" {
				t.Errorf("tables (-before +after):\n%s", diff)
			}
			o.settle()
			o.checkSilence()
		})
	}
}

func (w *world) gone() string {
	var t v1alpha1.TopicTransfer
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: "move"}, &t)
	if apierrors.IsNotFound(err) {
		return ""
	}
	return fmt.Sprintf("it is still there: %v, %+v", err, t.Status)
}

// TestTopicTransferUsed: messages that came to the target stay readable there when everything is taken back.
func TestTopicTransferUsed(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	w.mq.inGroup("a-1", func(t *tables) { t.ends["orders"][1] = 10 })
	w.create(move)
	o.until(w.transferPhase("move", v1alpha1.TransferDrain))
	w.mq.inGroup("b-0", func(t *tables) { t.ends["orders"] = map[int]int64{1: 3} })
	edit(w, "move", func(t *v1alpha1.TopicTransfer) { t.Spec.Abort = true })
	o.until(w.transferPhase("move", v1alpha1.TransferRolledBack, "topic orders at b-0, closed, because it has messages, which consumers can read"))
	w.mq.inGroup("b-0", func(tb *tables) {
		if got := tb.topics["orders"]; got.Perm != admin.PermRead || got.ReadQueues != 3 {
			t.Errorf("topic at the target %+v", got)
		}
	})
	w.mq.inGroup("a-0", func(tb *tables) {
		if got := tb.topics["orders"]; got.Perm != 6 || got.ReadQueues != 3 || got.WriteQueues != 2 {
			t.Errorf("topic at the source %+v", got)
		}
	})
}

// TestTopicTransferNewMaster: what a new master of the source does not know is waited for, not taken for gone.
func TestTopicTransferNewMaster(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	o.until(w.bothTopicsSaved("a-1"))
	w.mq.inGroup("a-1", func(t *tables) { t.ends["orders"][1] = 10 })
	w.create(move)
	lags := w.transferPhase("move", v1alpha1.TransferDrain, "consumer group g1 lags 3 at a-1")
	o.until(lags)
	w.mq.mu.Lock()
	w.mq.refuse = "a-1"
	w.mq.mu.Unlock()
	edit(w, desired.MetadataConfigMap("a-1"), func(saved *corev1.ConfigMap) {
		tables, err := metadata.Decode(saved.BinaryData)
		w.must(err)
		tables.Topics["lost"] = admin.TopicConfig{Name: "lost", ReadQueues: 1, WriteQueues: 1, Perm: 6}
		saved.Data, saved.BinaryData, err = metadata.Encode(metadata.Mark{Term: "former"}, tables)
		w.must(err)
	})
	o.until(w.transferPhase("move", v1alpha1.TransferDrain, "False Unreachable: a-1 of cluster a: missing topics and consumer groups of its new master are being restored"))
	w.mq.mu.Lock()
	w.mq.refuse = ""
	w.mq.mu.Unlock()
	o.until(lags)
	w.mq.inGroup("a-1", func(t *tables) {
		if _, has := t.topics["lost"]; !has {
			w.Error("it goes on before the guard has given back what was lost")
		}
		t.offsets["orders@g1"]["1"], t.offsets["orders@g2"]["1"] = 10, 10
	})
	o.until(w.transferPhase("move", v1alpha1.TransferCompleted))
	w.checkMoved(t)
}

// TestTopicTransferStalls: once the source is being cleaned there is no way back; what remains is named.
func TestTopicTransferStalls(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	w.create(strings.Replace(move, "targetCluster: b", "targetCluster: b, holdBeforeClean: true, stepTimeout: 30s", 1))
	o.until(w.transferPhase("move", v1alpha1.TransferDrain, "False Holding", "cluster a is drained. Repoint"))
	w.create(strings.Replace(move, "name: move", "name: late", 1))
	o.until(w.transferPhase("late", v1alpha1.TransferPending, "AnotherTransfer", "/move moves topic orders, and goes first"))
	w.must(w.Delete(w.Context(), get[v1alpha1.TopicTransfer](w, "late")))
	edit(w, "move", func(t *v1alpha1.TopicTransfer) { t.Spec.HoldBeforeClean = false })
	o.until(w.transferPhase("move", v1alpha1.TransferCleanSource))
	w.mq.mu.Lock()
	w.mq.refuse = "a-1"
	w.mq.mu.Unlock()
	stalled := func() string {
		c := meta.FindStatusCondition(get[v1alpha1.TopicTransfer](w, "move").Status.Conditions, v1alpha1.ConditionStalled)
		if c == nil || c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "a-1") {
			return fmt.Sprintf("condition Stalled: %+v", c)
		}
		return ""
	}
	o.until(stalled)
	edit(w, "move", func(t *v1alpha1.TopicTransfer) { t.Spec.Abort = true })
	o.settle()
	if missing := stalled(); missing != "" {
		t.Error(missing)
	}
	w.mq.mu.Lock()
	w.mq.refuse = ""
	w.mq.mu.Unlock()
	o.until(w.transferPhase("move", v1alpha1.TransferCompleted))
	w.checkMoved(t)
	if stalled() == "" {
		t.Error("it is still Stalled")
	}
}

// TestTopicTransferEnds: the ways out of a TopicTransfer.
func TestTopicTransferEnds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, spec string
		act        func(w *world, o *operator)
	}{
		{name: "its time is over", spec: ", ttlSecondsAfterFinished: 1"},
		{name: "the source is gone", spec: ", holdBeforeClean: true", act: func(w *world, o *operator) {
			o.until(w.transferPhase("move", v1alpha1.TransferDrain))
			w.must(w.Delete(w.Context(), get[v1alpha1.Broker](w, "a")))
			w.must(w.Delete(w.Context(), get[v1alpha1.TopicTransfer](w, "move")))
		}},
		{name: "abandoned", spec: ", holdBeforeClean: true, stepTimeout: 30s", act: func(w *world, o *operator) {
			o.until(w.transferPhase("move", v1alpha1.TransferDrain))
			w.mq.mu.Lock()
			w.mq.refuse = "a-"
			w.mq.mu.Unlock()
			w.must(w.Delete(w.Context(), get[v1alpha1.TopicTransfer](w, "move")))
			o.until(func() string {
				c := meta.FindStatusCondition(get[v1alpha1.TopicTransfer](w, "move").Status.Conditions, v1alpha1.ConditionStalled)
				if c == nil || !strings.Contains(c.Message, "kubectl annotate -n "+w.namespace+" topictransfer move rocketmq.apache.org/abandon-transfer=true") {
					return fmt.Sprintf("condition %+v", c)
				}
				return ""
			})
			edit(w, "move", func(t *v1alpha1.TopicTransfer) {
				t.Annotations = map[string]string{"rocketmq.apache.org/abandon-transfer": "true"}
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, o := newTransferWorld(t)
			w.create(strings.Replace(move, "targetCluster: b", "targetCluster: b"+test.spec, 1))
			if test.act != nil {
				test.act(w, o)
			}
			o.until(w.gone)
		})
	}
}

// TestTopicTransferRefused: what the resources alone tell.
func TestTopicTransferRefused(t *testing.T) {
	t.Parallel()
	w, o := newTransferWorld(t)
	w.create(strings.Replace(twoClusters[strings.Index(twoClusters, "---\n")+4:], "name: b}, spec: {", "name: b2}, spec: {clusterName: b, ", 1))
	for _, test := range []struct{ spec, want string }{
		{"{topic: orders, sourceCluster: a, targetCluster: nowhere}", "MissingCluster: no Broker in namespace"},
		{"{topic: orders, sourceRef: {name: nobody}, targetCluster: b}", "MissingCluster: there is no Broker nobody"},
		{"{topic: orders, sourceCluster: x, sourceRef: {name: a}, targetRef: {name: b}}", "MissingCluster: there is no Broker a in namespace " + w.namespace + " that makes up cluster x"},
		{"{topic: orders, sourceCluster: a, targetCluster: b}", "AmbiguousCluster: Brokers b, b2"},
		{"{topic: orders, sourceCluster: a, targetRef: {name: a}}", "SameCluster"},
		{"{topic: rmq_sys_x, sourceCluster: a, targetRef: {name: b}}", "SystemTopic"},
		{"{topic: nothing, sourceCluster: a, targetRef: {name: b}}", "TopicMissing"},
	} {
		w.create("{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: move}, spec: " + test.spec + "}")
		o.until(w.transferPhase("move", v1alpha1.TransferPending, "False "+test.want))
		w.must(w.Delete(w.Context(), get[v1alpha1.TopicTransfer](w, "move")))
		o.until(w.gone)
	}
}

// TestTopicTransferCrashPoints: an operator dies after its k-th write, for every k; the next one ends the same way.
func TestTopicTransferCrashPoints(t *testing.T) {
	t.Parallel()
	for k := 1; k <= 12; k++ {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			w, first := newTransferWorld(t)
			first.settle()
			first.shutdown()
			w.create(move)
			o := w.start(k)
			completed := w.transferPhase("move", v1alpha1.TransferCompleted)
			o.dieAfter(k, completed)
			o = w.start(-1)
			o.until(completed)
			w.checkMoved(t)
		})
	}
}

// TestTopicTransfersWatched: with its watches the operator moves many topics at once, without anybody's help.
func TestTopicTransfersWatched(t *testing.T) {
	t.Parallel()
	const many = 20
	w := newWorld(t)
	manage(t, w.mq, w)
	w.create(nameService + twoClusters)
	w.await(w.allReady)
	w.orders()
	for i := range many {
		name := fmt.Sprintf("t-%d", i)
		w.mq.inGroup("a-0", func(t *tables) {
			t.topics[name] = admin.TopicConfig{Name: name, ReadQueues: 2, WriteQueues: 2, Perm: 6, FilterType: "SINGLE_TAG", Attributes: map[string]string{}}
			t.groups["of-"+name] = admin.NewSubscriptionGroup("of-" + name)
			t.offsets[name+"@of-"+name] = map[string]int64{"0": 0}
		})
		w.create(strings.NewReplacer("name: move", "name: "+name, "topic: orders", "topic: "+name).Replace(move))
	}
	began := time.Now()
	w.await(func() string {
		for i := range many {
			if missing := w.transferPhase(fmt.Sprintf("t-%d", i), v1alpha1.TransferCompleted)(); missing != "" {
				return missing
			}
		}
		return ""
	})
	t.Logf("%d transfers in %s", many, time.Since(began))
	w.mq.inGroup("b-0", func(tb *tables) {
		if len(tb.topics) != many || len(tb.groups) != many {
			t.Errorf("the target has %d topics and %d groups", len(tb.topics), len(tb.groups))
		}
	})
}

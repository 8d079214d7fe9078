package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

const draining = v1alpha1.ConditionDraining

// said reports whether an event holds the text.
func (o *operator) said(text string) bool {
	return slices.ContainsFunc(o.events.all(), func(e string) bool { return strings.Contains(e, text) })
}

// told is a property of a broker as it runs.
func (w *world) told(pod, property string) string {
	w.mq.mu.Lock()
	defer w.mq.mu.Unlock()
	return w.mq.configs[pod][property]
}

// permission of a broker as it runs.
func (w *world) permission(pod string) string { return w.told(pod, "brokerPermission") }

// TestScaleOut: a new group is hidden until it has what the source has, whatever keeps it, and keeps what it has
// otherwise.
func TestScaleOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + static)
	o := w.start(-1)
	o.until(w.allReady)
	topic := admin.TopicConfig{Name: "t", ReadQueues: 3, WriteQueues: 3, Perm: 4, Order: true}
	group := admin.NewSubscriptionGroup("g")
	group.RetryMaxTimes = 5
	w.mq.inGroup("b-0", func(t *tables) {
		t.topics["t"], t.topics["kept"], t.topics["rmq_sys_x"] = topic, admin.TopicConfig{Name: "kept", ReadQueues: 1, WriteQueues: 1, Perm: 6}, admin.TopicConfig{Name: "rmq_sys_x"}
		t.groups["g"] = group
		t.offsets["t@g"], t.offsets["t@gone"] = map[string]int64{"0": 9}, map[string]int64{"0": 9}
	})
	w.mq.inGroup("b-1", func(t *tables) {
		t.topics["kept"], t.topics["old"] = admin.TopicConfig{Name: "kept", ReadQueues: 2, WriteQueues: 2, Perm: 6}, admin.TopicConfig{Name: "old"}
	})
	master := get[corev1.Pod](w, "b-0-0").Status.PodIP
	w.mq.mu.Lock()
	w.mq.silent[master] = true
	w.mq.mu.Unlock()
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size, b.Spec.ScalePodName = new(int32(2)), "c-0-0" })
	o.settled("Broker b", v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, v1alpha1.ReasonSourceUnknown, `"c-0-0"`, "b-0-0")
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ConditionMetadataCopy)
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.ScalePodName = "b-0-master-0" })
	o.settled("Broker b", v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, v1alpha1.ReasonSourceUnreachable, "b-0-0")
	if got := w.permission("b-1-0"); got != "0" {
		t.Errorf("a group that lacks metadata starts with permission %s", got)
	}
	w.mq.mu.Lock()
	delete(w.mq.silent, master)
	w.mq.deaf["b-1-1"] = 1000
	w.mq.fenced["b-1-0"] = true
	w.mq.mu.Unlock()
	w.starting["b-1-0"] = true
	o.settled("Broker b", v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, v1alpha1.ReasonTargetUnreachable, "knows all that b-0-0 knows", "b-1-0 is not ready")
	if got := w.permission("b-1-0"); got != "0" {
		t.Errorf("a group whose master takes no messages has permission %s", got)
	}
	w.starting["b-1-0"] = false
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "clients cannot use b-1-1 yet")
	w.mq.mu.Lock()
	delete(w.mq.deaf, "b-1-1")
	w.mq.mu.Unlock()
	o.until(w.allReady)
	o.settle()
	w.mq.mu.Lock()
	w.mq.overtaken["b-1"] = true
	w.mq.mu.Unlock()
	o.until(func() string {
		w.mq.mu.Lock()
		defer w.mq.mu.Unlock()
		if w.mq.overtaken["b-1"] {
			return "the name servers show b-1 hidden"
		}
		return ""
	})
	o.until(w.allReady)
	if a, b := w.permission("b-1-0"), w.permission("b-1-1"); a != "6" || b != "6" {
		t.Errorf("Ready, with permissions %s and %s", a, b)
	}
	w.mq.inGroup("b-1", func(tb *tables) {
		tb.topics["t"] = admin.TopicConfig{Name: "t", ReadQueues: tb.topics["t"].ReadQueues, WriteQueues: tb.topics["t"].WriteQueues,
			Perm: tb.topics["t"].Perm, Order: tb.topics["t"].Order}
		if diff := cmp.Diff(topic, tb.topics["t"]); diff != "" {
			t.Errorf("topic (-source +copy):\n%s", diff)
		}
		if tb.topics["kept"].ReadQueues != 2 || len(tb.topics) != 3 {
			t.Errorf("topics %v", tb.topics)
		}
		if got := tb.groups["g"]; !got.Equal(group) {
			t.Errorf("group %+v", got)
		}
		if diff := cmp.Diff(map[string]map[string]int64{"t@g": {"0": 0, "1": 0, "2": 0}}, tb.offsets); diff != "" {
			t.Errorf("offsets (-want +got):\n%s", diff)
		}
	})
	for _, text := range []string{"b-1 has other settings than b-0-0 for these, and keeps them: topic kept", "topics from before that b-0-0 does not have", "b-1 goes from hidden to open"} {
		if !o.said(text) {
			t.Errorf("no event %q in %q", text, o.events.all())
		}
	}
	o.settle()
	o.checkSilence()
}

// TestCopyBreaksOff lets each request of a copy fail in turn: the copy goes on, and no group is ever opened half-made.
func TestCopyBreaksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + strings.Replace(static, "replicaPerGroup: 1", "replicaPerGroup: 0, metadataGuard: Disabled", 1)) // whose requests would count
	o := w.start(-1)
	o.until(w.allReady)
	w.mq.inGroup("b-0", func(t *tables) {
		for i := range 3 {
			topic, group := fmt.Sprintf("t%d", i), fmt.Sprintf("g%d", i)
			t.topics[topic] = admin.TopicConfig{Name: topic, ReadQueues: 2, WriteQueues: 2, Perm: 6}
			t.groups[group] = admin.NewSubscriptionGroup(group)
			t.offsets[topic+"@"+group] = map[string]int64{"0": 1, "1": 1}
		}
	})
	const requests = 14 // six that read, one for the topics, one for the groups, one for each of six queues
	for n := 1; n <= requests; n++ {
		w.mq.mu.Lock()
		w.mq.failing = n
		w.mq.mu.Unlock()
		edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(1 + n)) })
		o.until(func() string {
			w.mq.mu.Lock()
			defer w.mq.mu.Unlock()
			if len(w.mq.opened) < n {
				return fmt.Sprintf("opened %q", w.mq.opened)
			}
			if w.mq.failing > 0 {
				t.Errorf("the copy made less than %d requests", n)
			}
			return ""
		})
		o.until(w.allReady)
	}
	for _, had := range w.mq.opened {
		if !strings.HasSuffix(had, ": 3 topics, 3 groups, 3 pairs") {
			t.Errorf("a group was opened half-made: %s", had)
		}
	}
}

// TestScaleIn: a group leaves when everything is consumed; growing again keeps it; who forces it gives up the rest.
func TestScaleIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + strings.Replace(static, "size: 1,", "size: 3, drainSeconds: 0,", 1))
	o := w.start(-1)
	o.until(w.allReady)
	lag := func(group string, n int64) {
		w.mq.inGroup(group, func(t *tables) { t.groups["slow"], t.lags["slow"] = admin.NewSubscriptionGroup("slow"), n })
	}
	lag("b-1", 4321)
	lag("b-2", 12)
	shrinkTo := func(n int32) { edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = &n }) }

	shrinkTo(1)
	o.settled("Broker b", draining, metav1.ConditionTrue, "b-2 takes no new messages", "consumer group slow lags 12", "force-scale-in=b-2")
	o.settled("Broker b", ready, metav1.ConditionTrue)
	if got := w.permission("b-1-0"); got != "6" {
		t.Errorf("b-1 has permission %s before its turn", got)
	}
	if got := w.permission("b-2-1"); got != "4" {
		t.Errorf("b-2 drains with permission %s", got)
	}
	o.settle()
	o.checkSilence()

	shrinkTo(3)
	o.until(w.allReady)
	o.until(func() string {
		if got := w.permission("b-2-0"); got != "6" {
			return "permission " + got
		}
		return ""
	})

	shrinkTo(1)
	o.settled("Broker b", draining, metav1.ConditionTrue, "b-2 takes no new messages")
	slave := map[string]map[string]int64{"t@slow": {"0": 3}}
	refuse := func(group string) {
		w.mq.mu.Lock()
		defer w.mq.mu.Unlock()
		w.mq.refuse = group
	}
	w.mq.inGroup("b-2", func(t *tables) {
		t.topics["t"] = admin.TopicConfig{Name: "t"}
		t.offsets["t@slow"] = map[string]int64{"0": 9, "1": 2}
		w.mq.behind["b-2-1"] = slave
	})
	refuse("b-2")
	lag("b-2", 0)
	o.settled("Broker b", draining, metav1.ConditionTrue, "the consumer offsets are being copied to its slaves", "b-2-1 refuses them", "force-scale-in=b-2")
	o.settle()
	o.checkSilence()
	refuse("")
	o.settled("Broker b", draining, metav1.ConditionTrue, "b-1 takes no new messages", "consumer group slow lags 4300")
	if diff := cmp.Diff(map[string]map[string]int64{"t@slow": {"0": 9, "1": 2}}, slave); diff != "" {
		t.Errorf("offsets of the slave of b-2 (-want +got):\n%s", diff)
	}
	if n := len(w.pods()); n != 2+4 {
		t.Errorf("%d pods, want those of two name servers and two groups", n)
	}
	edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = map[string]string{v1alpha1.AnnotationForceScaleIn: "b-1"} })
	o.until(w.allReady)
	for _, text := range []string{"b-2 goes from draining to closed", "b-2 goes from closed to removing", "b-1 goes from draining to removing: the annotation", "group b-1 is removed"} {
		if !o.said(text) {
			t.Errorf("no event %q in %q", text, o.events.all())
		}
	}
	o.checkSilence()
}

// TestStaleForce: an annotation from before a group leaves does not force it out; removed and set again, it does.
func TestStaleForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + strings.Replace(static, "size: 1,", "size: 2, drainSeconds: 0,", 1))
	o := w.start(-1)
	o.until(w.allReady)
	w.mq.inGroup("b-1", func(t *tables) { t.groups["slow"], t.lags["slow"] = admin.NewSubscriptionGroup("slow"), 12 })
	shrinkTo := func(n int32) { edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = &n }) }
	force := func(group string) {
		edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = map[string]string{v1alpha1.AnnotationForceScaleIn: group} })
	}
	marked := func() bool { return get[appsv1.StatefulSet](w, "b-1").Annotations[v1alpha1.AnnotationForceStale] != "" }
	command := "kubectl annotate -n " + w.namespace + " broker b " + v1alpha1.AnnotationForceScaleIn + "-"
	again := "kubectl annotate --overwrite -n " + w.namespace + " broker b " + v1alpha1.AnnotationForceScaleIn + "=b-1"

	force("b-1")
	o.settle()
	o.checkSilence()
	shrinkTo(1)
	o.settled("Broker b", draining, metav1.ConditionTrue, "consumer group slow lags 12", "before b-1 began to leave", command+" ", again)
	o.settle()
	o.checkSilence()
	o.shutdown()
	o = w.start(-1) // the mark outlives the operator
	o.settle()
	o.settled("Broker b", draining, metav1.ConditionTrue, "before b-1 began to leave")
	o.checkSilence()

	shrinkTo(2)
	o.until(w.allReady)
	o.until(func() string {
		if marked() {
			return "b-1 is open and still marked"
		}
		return ""
	})
	o.checkSilence()
	shrinkTo(1)
	o.settled("Broker b", draining, metav1.ConditionTrue, "before b-1 began to leave", command+" ")

	force("b-0") // names another group now
	o.settled("Broker b", draining, metav1.ConditionTrue, "to give up what is not consumed: "+again)
	if marked() {
		t.Error("b-1 is still marked")
	}
	o.settle()
	o.checkSilence()
	force("b-1")
	o.until(w.allReady)
	if text := "b-1 goes from draining to removing: the annotation"; !o.said(text) {
		t.Errorf("no event %q in %q", text, o.events.all())
	}
	o.checkSilence()
}

// TestRemovedWithDisks: what becomes of volumes, and of the controllers' record, when a group leaves and comes back.
func TestRemovedWithDisks(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"Retain", "Delete"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(nameService + controllers + strings.Replace(brokers, "size: 2,",
				"size: 2, drainSeconds: 0, persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: "+policy+"},", 1))
			o := w.start(-1)
			o.until(w.allReady)
			w.mq.mu.Lock()
			w.mq.dead["b-1"] = []admin.Replica{{ID: 7, Addr: "b-1-9.b-broker-headless." + w.namespace + ".svc.cluster.local:10911"}}
			w.mq.mu.Unlock()
			edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(1)) })
			o.until(func() string {
				var set appsv1.StatefulSet
				err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "b-1"}, &set)
				if err == nil && set.Annotations[v1alpha1.AnnotationState] != "open" {
					got := set.Spec.PersistentVolumeClaimRetentionPolicy
					if string(got.WhenDeleted) != policy && set.Annotations[v1alpha1.AnnotationState] == "removing" && *set.Spec.Replicas == 0 {
						t.Fatalf("volumes of a group that leaves: %+v", got)
					}
				}
				return w.allReady()
			})
			w.mq.mu.Lock()
			defer w.mq.mu.Unlock()
			if kept := len(w.mq.dead["b-1"]) > 0; kept != (policy == "Retain") {
				t.Errorf("the controllers' record is kept: %t", kept)
			}
		})
	}
}

// TestFewerSlaves: the last member leaves, and gives away its mastership first.
func TestFewerSlaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	w.mq.mu.Lock()
	w.mq.groups["b-1"].master = "b-1-1"
	w.mq.mu.Unlock()
	o.until(func() string {
		if b := get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-0 b-1-1" {
			return "masters " + b.Status.Masters
		}
		return ""
	})
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.ReplicaPerGroup = new(int32(0)) })
	o.until(func() string {
		if !o.said("b-1-1 is to leave b-1 and hands over") {
			return fmt.Sprintf("no handover in %q", o.events.all())
		}
		w.starting["b-1-1"] = true // it takes its time to come back, so the other one becomes master
		return ""
	})
	o.until(func() string {
		if b := get[v1alpha1.Broker](w, "b"); b.Status.Masters == "b-0-0 b-1-0" {
			w.starting["b-1-1"] = false
			return ""
		}
		return "b-1-0 is not master"
	})
	o.until(w.allReady)
	if n := len(w.pods()); n != 2+3+2 {
		t.Errorf("%d pods", n)
	}
	if b := get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-0 b-1-0" {
		t.Errorf("masters %s", b.Status.Masters)
	}
	o.checkSilence()
}

// TestRebornMember: a member that came back on an empty disk has a new id, and the old one is cleaned.
func TestRebornMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	addr := fmt.Sprintf("b-0-1.b-broker-headless.%s.svc.cluster.local:10911", w.namespace)
	w.mq.mu.Lock()
	w.mq.dead["b-0"] = []admin.Replica{{ID: 2, Addr: addr}, {ID: 3, Addr: addr, Alive: true}}
	w.mq.dead["b-1"] = []admin.Replica{{ID: 2, Addr: strings.Replace(addr, "b-0-1", "b-1-1", 1)}}
	w.mq.mu.Unlock()
	o.until(func() string {
		w.mq.mu.Lock()
		defer w.mq.mu.Unlock()
		if len(w.mq.dead["b-0"]) > 0 {
			return "the old id of b-0-1 is still listed"
		}
		return ""
	})
	o.settle()
	w.mq.mu.Lock()
	defer w.mq.mu.Unlock()
	if len(w.mq.dead["b-1"]) != 1 {
		t.Error("the record of a member that is down is gone")
	}
}

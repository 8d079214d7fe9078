package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// address that a broker's pod registers with.
func (w *world) address(pod string) string {
	return fmt.Sprintf("%s.b-broker-headless.%s.svc.cluster.local:10911", pod, w.namespace)
}

// strand a group: its first member, the only one in sync, crashes for good, and the second one is not in sync.
func (w *world) strand(group string) {
	w.Helper()
	first, second := group+"-0", group+"-1"
	w.mq.mu.Lock()
	w.mq.groups[group].master = ""
	w.mq.groups[group].stuck = &admin.SyncState{
		MasterEpoch: 2,
		InSync:      []admin.Replica{{ID: 1, Addr: w.address(first)}}, NotInSync: []admin.Replica{{ID: 2, Addr: w.address(second), Alive: true}}}
	w.mq.mu.Unlock()
	w.starting[first] = true
	w.turn()
	pod := get[corev1.Pod](w, first)
	before := pod.DeepCopy()
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "rocketmq", RestartCount: 3, State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	w.must(w.patchStatus(pod, before))
}

// elections by request so far, and whether each controller accepts unclean ones now.
func (w *world) elections() (elected []string, allowed bool) {
	w.mq.mu.Lock()
	defer w.mq.mu.Unlock()
	for _, told := range w.mq.unclean {
		allowed = allowed || told[len(told)-1] != "false"
	}
	return slices.Clone(w.mq.elected), allowed
}

func (w *world) allowUnclean(groups string) {
	w.Helper()
	edit(w, "b", func(b *v1alpha1.Broker) {
		b.Annotations = map[string]string{v1alpha1.AnnotationUncleanElection: groups}
	})
}

// TestNoMaster: a group whose only member in sync is gone is told of, with the choices; nothing unclean is done but
// what the user's annotation names, and that once.
func TestNoMaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	w.strand("b-0")
	noMaster := func(parts ...string) {
		w.Helper()
		o.settled("Broker b", v1alpha1.ConditionNoMaster, metav1.ConditionTrue, parts...)
	}
	untouched := func(want int) {
		w.Helper()
		o.settle()
		if elected, allowed := w.elections(); len(elected) != want || allowed {
			t.Fatalf("elected on request: %q, want %d; controllers still allow it: %t", elected, want, allowed)
		}
	}
	command := "allow-unclean-election=b-0"
	noMaster("b-0 has no master", "nothing is lost: b-0-0 (its pod cannot start: CrashLoopBackOff)", "let b-0-1 take over", "is lost", command)
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ConditionNoMaster)
	w.mq.mu.Lock()
	if len(w.mq.unclean) > 0 {
		t.Errorf("controllers were told %v without being asked", w.mq.unclean)
	}
	w.mq.mu.Unlock()
	for _, other := range []string{"b", "b-0-1", "b-1", "true"} {
		w.allowUnclean(other)
		untouched(0)
	}
	o.checkSilence()

	w.allowUnclean("b-0")
	o.until(func() string {
		if b := get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-1 b-1-0" {
			return "masters " + b.Status.Masters
		}
		if stage := get[appsv1.StatefulSet](w, "b-0").Annotations[v1alpha1.AnnotationUncleanElection]; stage != string(scale.UncleanOver) {
			return "the election is " + stage
		}
		return ""
	})
	untouched(1)
	for _, text := range []string{"UncleanElection: b-0-1 was elected master of b-0", "b-0-0 had all", "MasterChanged: b-0-1 is master of b-0 after b-0-0; the group was without a master for"} {
		if !o.said(text) {
			t.Errorf("no event %q in %q", text, o.events.all())
		}
	}
	w.mq.mu.Lock()
	if len(w.mq.unclean) != 3 {
		t.Errorf("%d of 3 controllers were told that it is over", len(w.mq.unclean))
	}
	w.mq.mu.Unlock()
	if text := w.condition("Broker b", v1alpha1.ConditionNoMaster, metav1.ConditionTrue); text != "" {
		t.Errorf("still told: %s", text)
	}

	// The annotation stays, and is worth no second election. Taken away and set again it is, unless another group that
	// is not named would get one too.
	w.strand("b-0")
	w.strand("b-1")
	noMaster("has been used for one election")
	untouched(1)
	edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = nil })
	noMaster(command, "b-1 has no master")
	untouched(1)
	w.allowUnclean("b-0")
	noMaster("group b-1 of Broker " + w.namespace + "/b has no master either")
	untouched(1)
	w.allowUnclean("b-0,b-1")
	o.until(func() string {
		if b := get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-1 b-1-1" {
			return "masters " + b.Status.Masters
		}
		return ""
	})
	w.starting["b-0-0"], w.starting["b-1-0"] = false, false
	edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = nil })
	o.until(w.allReady)
	untouched(3)
	for _, set := range []string{"b-0", "b-1"} {
		if stage, ok := get[appsv1.StatefulSet](w, set).Annotations[v1alpha1.AnnotationUncleanElection]; ok {
			t.Errorf("%s: the election is still %q", set, stage)
		}
	}
	o.checkSilence()
}

// TestLostDisk: the only copy is gone. The old id is all that the controllers know of the group, so it is not cleaned.
func TestLostDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + strings.Replace(brokers, "size: 2", "size: 1, replicaPerGroup: 0", 1))
	o := w.start(-1)
	o.until(w.allReady)
	w.mq.mu.Lock()
	w.mq.groups["b-0"].master = ""
	w.mq.groups["b-0"].stuck = &admin.SyncState{
		MasterEpoch: 2,
		InSync:      []admin.Replica{{ID: 1, Addr: w.address("b-0-0")}}, NotInSync: []admin.Replica{{ID: 2, Addr: w.address("b-0-0"), Alive: true}}}
	w.mq.mu.Unlock()
	o.settled("Broker b", v1alpha1.ConditionNoMaster, metav1.ConditionTrue, "The disk of b-0-0 was lost", "let b-0-0 take over", "allow-unclean-election=b-0")
	w.mq.mu.Lock()
	if len(w.mq.cleaned) > 0 {
		t.Errorf("cleaned %q", w.mq.cleaned)
	}
	w.mq.mu.Unlock()
	w.allowUnclean("b-0")
	o.until(w.allReady)
}

// TestUnsafeDowngrade: an image that cannot read the disks is not taken, and what runs goes on and is seen.
func TestUnsafeDowngrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	before := map[string]corev1.Pod{}
	for _, pod := range w.pods() {
		before[pod.Name] = pod
	}
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "apache/rocketmq:5.1.0" })
	o.settled("Broker b", v1alpha1.ConditionUnsafeDowngrade, metav1.ConditionTrue, "5.1.0 cannot follow 5.4.0", "Put the image back")
	o.settled("Broker b", upToDate, metav1.ConditionFalse, v1alpha1.ConditionUnsafeDowngrade)
	o.settled("Broker b", ready, metav1.ConditionTrue)
	o.settle()
	o.checkSilence()
	for _, pod := range w.pods() {
		if pod.UID != before[pod.Name].UID {
			t.Errorf("%s was replaced", pod.Name)
		}
	}
	if image := get[appsv1.StatefulSet](w, "b-0").Spec.Template.Spec.Containers[0].Image; image != v1alpha1.DefaultImage {
		t.Errorf("a new pod would run %s", image)
	}
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "apache/rocketmq:5.5.0" })
	o.until(func() string {
		for _, pod := range w.pods() {
			if pod.Labels[desired.LabelComponent] == string(desired.Broker) && pod.UID == before[pod.Name].UID {
				return pod.Name + " is not replaced"
			}
		}
		return w.allReady()
	})
}

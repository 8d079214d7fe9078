// SPDX-License-Identifier: Apache-2.0

package broker_test

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
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// address that a broker's pod registers with.
func address(w *world.World, pod string) string {
	return fmt.Sprintf("%s.b-broker-headless.%s.svc.cluster.local:10911", pod, w.Namespace)
}

// strand a group: its first member, the only one in sync, crashes for good, and the second one is not in sync.
func strand(w *world.World, group string) {
	w.Helper()
	first, second := group+"-0", group+"-1"
	w.MQ.Strand(group, admin.SyncState{
		MasterEpoch: 2,
		InSync:      []admin.Replica{{ID: 1, Addr: address(w, first)}}, NotInSync: []admin.Replica{{ID: 2, Addr: address(w, second), Alive: true}},
	})
	w.Starting[first] = true
	w.Turn()
	pod := world.Get[corev1.Pod](w, first)
	before := pod.DeepCopy()
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "rocketmq", RestartCount: 3, State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	w.Must(w.PatchStatus(pod, before))
}

// elections by request so far, and whether each controller accepts unclean ones now.
func elections(w *world.World) (elected []string, allowed bool) {
	for _, told := range w.MQ.Unclean() {
		allowed = allowed || told[len(told)-1] != "false"
	}
	return w.MQ.Elected(), allowed
}

func allowUnclean(w *world.World, groups string) {
	w.Helper()
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Annotations = map[string]string{v1alpha1.AnnotationUncleanElection: groups}
	})
}

// TestNoMaster: a group whose only member in sync is gone is told of, with the choices; nothing unclean is done but
// what the user's annotation names, and that once.
func TestNoMaster(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	strand(w, "b-0")
	noMaster := func(parts ...string) {
		w.Helper()
		o.Reports("Broker b", v1alpha1.ConditionNoMaster, metav1.ConditionTrue, parts...)
	}
	untouched := func(want int) {
		w.Helper()
		o.Finish()
		if elected, allowed := elections(w); len(elected) != want || allowed {
			t.Fatalf("elected on request: %q, want %d; controllers still allow it: %t", elected, want, allowed)
		}
	}
	command := "allow-unclean-election=b-0"
	noMaster("b-0 has no master", "nothing is lost: b-0-0 (its pod cannot start: CrashLoopBackOff)", "let b-0-1 take over", "is lost", command)
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNoMaster)
	if told := w.MQ.Unclean(); len(told) > 0 {
		t.Errorf("controllers were told %v without being asked", told)
	}
	for _, other := range []string{"b", "b-0-1", "b-1", "true"} {
		allowUnclean(w, other)
		untouched(0)
	}
	o.CheckSilence()

	allowUnclean(w, "b-0")
	o.Until(func() string {
		if b := world.Get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-1 b-1-0" {
			return "masters " + b.Status.Masters
		}
		if stage := world.Get[appsv1.StatefulSet](w, "b-0").Annotations[v1alpha1.AnnotationUncleanElection]; stage != string(scale.UncleanOver) {
			return "the election is " + stage
		}
		return ""
	})
	untouched(1)
	for _, text := range []string{"UncleanElection: b-0-1 was elected master of b-0", "b-0-0 had all", "MasterChanged: b-0-1 is master of b-0 after b-0-0; the group was without a master for"} {
		if !o.Said(text) {
			t.Errorf("no event %q in %q", text, o.Events())
		}
	}
	if told := w.MQ.Unclean(); len(told) != 3 {
		t.Errorf("%d of 3 controllers were told that it is over", len(told))
	}
	if text := w.Condition("Broker b", v1alpha1.ConditionNoMaster, metav1.ConditionTrue); text != "" {
		t.Errorf("still told: %s", text)
	}

	// The annotation stays, and is worth no second election. Taken away and set again it is, unless another group that
	// is not named would get one too.
	strand(w, "b-0")
	strand(w, "b-1")
	noMaster("has been used for one election")
	untouched(1)
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = nil })
	noMaster(command, "b-1 has no master")
	untouched(1)
	allowUnclean(w, "b-0")
	noMaster("group b-1 of Broker " + w.Namespace + "/b has no master either")
	untouched(1)
	allowUnclean(w, "b-0,b-1")
	o.Until(func() string {
		if b := world.Get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-1 b-1-1" {
			return "masters " + b.Status.Masters
		}
		return ""
	})
	w.Starting["b-0-0"], w.Starting["b-1-0"] = false, false
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = nil })
	o.Until(w.AllReady)
	untouched(3)
	for _, set := range []string{"b-0", "b-1"} {
		if stage, ok := world.Get[appsv1.StatefulSet](w, set).Annotations[v1alpha1.AnnotationUncleanElection]; ok {
			t.Errorf("%s: the election is still %q", set, stage)
		}
	}
	o.CheckSilence()
}

// TestLostDisk: the only copy is gone. The old id is all that the controllers know of the group, so it is not cleaned.
func TestLostDisk(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + strings.Replace(world.Brokers, "size: 2", "size: 1, replicaPerGroup: 0", 1))
	o := w.Start()
	o.Until(w.AllReady)
	w.MQ.Strand("b-0", admin.SyncState{
		MasterEpoch: 2,
		InSync:      []admin.Replica{{ID: 1, Addr: address(w, "b-0-0")}}, NotInSync: []admin.Replica{{ID: 2, Addr: address(w, "b-0-0"), Alive: true}},
	})
	o.Reports("Broker b", v1alpha1.ConditionNoMaster, metav1.ConditionTrue, "The disk of b-0-0 was lost", "let b-0-0 take over", "allow-unclean-election=b-0")
	if cleaned := w.MQ.Cleaned(); len(cleaned) > 0 {
		t.Errorf("cleaned %q", cleaned)
	}
	allowUnclean(w, "b-0")
	o.Until(w.AllReady)
}

// TestFailover: a master that dies is replaced; status, labels and events follow.
func TestFailover(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	w.Starting["b-1-0"] = true
	w.Must(w.Delete(t.Context(), world.Get[corev1.Pod](w, "b-1-0")))
	o.Until(func() string {
		if b := world.Get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-0 b-1-1" || b.Status.Members != "3/4" {
			return fmt.Sprintf("masters %s, members %s", b.Status.Masters, b.Status.Members)
		}
		return ""
	})
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "b-1-0 is starting")
	w.Starting["b-1-0"] = false
	o.Until(w.AllReady)
	for pod, want := range map[string]string{"b-1-0": "slave", "b-1-1": "master"} {
		if role := world.Get[corev1.Pod](w, pod).Labels[desired.LabelRole]; role != want {
			t.Errorf("pod %s has role label %q, want %s", pod, role, want)
		}
	}
	if !slices.ContainsFunc(o.Events(), func(e string) bool { return strings.Contains(e, "b-1-1 is master of b-1 after b-1-0") }) {
		t.Errorf("no event of the change in %q", o.Events())
	}
}

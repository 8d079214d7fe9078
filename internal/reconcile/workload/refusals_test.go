// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// events of one namespace, as the API server selects them.
type events []eventsv1.Event

func (events) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return fmt.Errorf("nobody asks for %s", key)
}

func (all events) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var asked client.ListOptions
	asked.ApplyOptions(opts)
	for i := range all {
		e := &all[i]
		if e.Namespace == asked.Namespace && asked.FieldSelector.Matches(fields.Set{
			"reason": e.Reason, "type": e.Type, "regarding.kind": e.Regarding.Kind, "regarding.name": e.Regarding.Name, "regarding.uid": string(e.Regarding.UID),
		}) {
			list.(*eventsv1.EventList).Items = append(list.(*eventsv1.EventList).Items, *e)
		}
	}
	return nil
}

// warningAbout an object, "Kind name", in namespace mq.
func warningAbout(object string, uid types.UID, reason, note string) eventsv1.Event {
	kind, name, _ := strings.Cut(object, " ")
	return eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "mq"}, Type: corev1.EventTypeWarning, Reason: reason, Note: note,
		EventTime: metav1.NowMicro(), Regarding: corev1.ObjectReference{Kind: kind, Name: name, UID: uid},
	}
}

// passWith a Broker b and the events of its namespace.
func passWith(all ...eventsv1.Event) *Pass {
	b := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "b"}}
	return &Pass{Base: pass.Base{
		Env: &pass.Env{Reader: events(all)}, Owner: b, Conditions: kube.NewConditions(1, &b.Status.Conditions),
	}}
}

// TestRefusedPods: why Kubernetes creates no pods is told, whatever refuses them and in whatever words.
func TestRefusedPods(t *testing.T) {
	const set = "StatefulSet b-0"
	invalid := warningAbout(set, "", "FailedCreate", `create Pod b-0-0 failed: pods "b-0-0" is invalid: ValidatingAdmissionPolicy 'gate' denied request`)
	unseen := passWith(invalid)
	unseen.unseen = true
	for _, test := range []struct {
		name   string
		pass   *Pass
		reason string
		says   string
	}{
		{"nothing is known", passWith(), v1alpha1.ReasonMembersNotReady, "2 pods are still to be created"},
		{
			"a webhook does not answer",
			passWith(warningAbout(set, "", "FailedCreate", `Internal error occurred: failed calling webhook "gate.example.com": service "gone" not found`)),
			v1alpha1.ConditionRefused, `failed calling webhook "gate.example.com": service "gone" not found. The webhook of that name must answer`,
		},
		{"a policy denies them", passWith(invalid), v1alpha1.ConditionRefused, "2 pods are not admitted: create Pod b-0-0 failed"},
		{
			"their priority does not exist", passWith(warningAbout(set, "", "FailedCreate", "no PriorityClass with name p was found")),
			v1alpha1.ConditionRefused, "no PriorityClass with name p was found",
		},
		{
			"a quota wants limits", passWith(warningAbout(set, "", "FailedCreate", `pods "b-0-0" is forbidden: failed quota: q: must specify limits.cpu for: agent,rocketmq`)),
			v1alpha1.ConditionRefused, "must specify limits.cpu for: agent,rocketmq. The quota asks every pod for what the message names: set it in spec.resources",
		},
		{
			"a ReplicaSet's are refused", passWith(warningAbout("ReplicaSet b-7d4f", "", "FailedCreate", "is invalid")),
			v1alpha1.ConditionRefused, "is invalid",
		},
		{
			"another resource's are refused", passWith(warningAbout("StatefulSet b2-0", "", "FailedCreate", "is forbidden")),
			v1alpha1.ReasonMembersNotReady, "2 pods are still to be created",
		},
		{"the refusal was of what has been changed since", unseen, v1alpha1.ReasonMembersNotReady, "2 pods are still to be created"},
	} {
		waiting, err := test.pass.NotReady(t.Context(), nil, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		if waiting == nil || waiting.Reason != test.reason || !strings.Contains(waiting.Message, test.says) {
			t.Errorf("%s: %+v", test.name, waiting)
		}
	}
}

// TestCannotStartYet: why a node does not begin with a pod is told by its last warning.
func TestCannotStartYet(t *testing.T) {
	const missing = `MountVolume.SetUp failed for volume "base" : configmap "not-there" not found`
	creating := func(name string, age time.Duration) corev1.Pod {
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(time.Now().Add(-age))}}
		pod.Spec.NodeName = "node1"
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: desired.Container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}},
		}}
		return pod
	}
	unscheduled := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "b-0-0"}}
	unscheduled.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-b-0-0"},
	}}}
	unscheduled.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "pod has unbound immediate PersistentVolumeClaims",
	}}
	failed := func(pod string) eventsv1.Event {
		return warningAbout("Pod "+pod, types.UID(pod), "FailedMount", missing)
	}
	for _, test := range []struct {
		name   string
		pods   []corev1.Pod
		events []eventsv1.Event
		want   string
	}{
		{"a ConfigMap is missing", []corev1.Pod{creating("b-0-0", time.Minute)}, []eventsv1.Event{failed("b-0-0")}, "b-0-0 cannot start yet: " + missing},
		{"it was just made", []corev1.Pod{creating("b-0-0", time.Second)}, []eventsv1.Event{failed("b-0-0")}, "b-0-0 is starting"},
		{"nothing is known", []corev1.Pod{creating("b-0-0", time.Minute)}, nil, "b-0-0 is starting"},
		{
			"the pod before it lacked something", []corev1.Pod{creating("b-0-0", time.Minute)},
			[]eventsv1.Event{warningAbout("Pod b-0-0", "before", "FailedMount", missing)}, "b-0-0 is starting",
		},
		{
			"its volume cannot be made", []corev1.Pod{unscheduled},
			[]eventsv1.Event{warningAbout("PersistentVolumeClaim data-b-0-0", "", "ProvisioningFailed", `storageclass "x" not found`)},
			`b-0-0 cannot start (unschedulable: pod has unbound immediate PersistentVolumeClaims; claim data-b-0-0: storageclass "x" not found)`,
		},
		{
			"many are alike", []corev1.Pod{creating("b-0-0", time.Minute), creating("b-1-0", time.Minute), creating("b-2-0", time.Minute), creating("b-3-0", time.Minute)},
			[]eventsv1.Event{failed("b-0-0"), failed("b-1-0"), failed("b-2-0"), failed("b-3-0")},
			"b-0-0 cannot start yet: " + missing + "; b-1-0 cannot start yet: " + missing + "; b-2-0 cannot start yet: " + missing + "; b-3-0 is starting",
		},
	} {
		waiting, err := passWith(test.events...).NotReady(t.Context(), test.pods, len(test.pods), nil)
		if err != nil {
			t.Fatal(err)
		}
		if waiting == nil || waiting.Reason != v1alpha1.ReasonMembersNotReady || waiting.Message != test.want {
			t.Errorf("%s: %+v", test.name, waiting)
		}
	}
}

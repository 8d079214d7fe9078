// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podOf has been ready, or not, since some time ago.
func podOf(hash string, ready bool, ago time.Duration) *corev1.Pod {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "b-0-0", UID: "12345678-abcd", Annotations: map[string]string{v1alpha1.AnnotationHash: hash}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(time.Now().Add(-ago))},
		}},
	}
}

// TestBlameOldSpec: a pod that does not become ready is blamed on its old spec after a while, one of the current spec never.
func TestBlameOldSpec(t *testing.T) {
	created := podOf("old", false, 0)
	created.Status.Conditions, created.CreationTimestamp = nil, metav1.NewTime(time.Now().Add(-time.Hour))
	for _, test := range []struct {
		name string
		pod  *corev1.Pod
		want bool
	}{
		{"starting", podOf("old", false, overdue-time.Minute), false},
		{"for long", podOf("old", false, overdue+time.Minute), true},
		{"never had a status", created, true},
		{"of the current spec", podOf("new", false, time.Hour), false},
		{"ready for long", podOf("old", true, time.Hour), false},
	} {
		member := ForRollout(test.pod, Revision{Hash: "new"})
		BlameOldSpec(&member, test.pod, time.Now())
		if got := strings.Contains(member.Stuck, "not been ready"); got != test.want {
			t.Errorf("%s: stuck %q", test.name, member.Stuck)
		}
	}
	crashing := podOf("old", false, time.Hour)
	crashing.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	member := ForRollout(crashing, Revision{Hash: "new"})
	BlameOldSpec(&member, crashing, time.Now())
	if member.Stuck != "CrashLoopBackOff" {
		t.Errorf("a known reason becomes %q", member.Stuck)
	}
}

func TestAllReadyFor(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		pods []corev1.Pod
		want time.Duration
	}{
		{[]corev1.Pod{*podOf("", true, time.Minute), *podOf("", true, time.Hour)}, time.Minute},
		{[]corev1.Pod{*podOf("", true, time.Minute), *podOf("", false, time.Hour)}, 0},
	} {
		if got := AllReadyFor(test.pods, now).Round(time.Second); got != test.want {
			t.Errorf("ready for %s, want %s", got, test.want)
		}
	}
	if AllReadyFor(nil, now) < time.Hour {
		t.Error("no pods, and yet clients are to wait for them")
	}
}

// TestOutdated: a pod follows the user's changes and wishes, and a new agent only if it could not come otherwise.
func TestOutdated(t *testing.T) {
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := podOf("hash", true, 0)
		p.Spec.InitContainers = []corev1.Container{{Name: desired.AgentContainer, Image: "operator:1"}}
		change(p)
		return p
	}
	lacksAgent := func(p *corev1.Pod) {
		status := waiting("ImagePullBackOff", "gone")
		status.Name = desired.AgentContainer
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{status}
	}
	template := &corev1.PodTemplateSpec{}
	template.Annotations = map[string]string{v1alpha1.AnnotationHash: "hash"}
	template.Spec.InitContainers = []corev1.Container{{Name: desired.AgentContainer, Image: "operator:2"}}
	wanted := RevisionOf(template)
	restarted := template.DeepCopy()
	restarted.Annotations[RestartAnnotation] = "now"
	for _, test := range []struct {
		name   string
		pod    *corev1.Pod
		wanted Revision
		want   bool
	}{
		{"a new agent", pod(func(*corev1.Pod) {}), wanted, false},
		{"a new agent, and the old one is gone", pod(lacksAgent), wanted, true},
		{"the same agent, which is gone", pod(lacksAgent), Revision{Hash: "hash", Agent: "operator:1"}, false},
		{"another spec", pod(func(p *corev1.Pod) { p.Annotations[v1alpha1.AnnotationHash] = "old" }), wanted, true},
		{"a restart is asked for", pod(func(*corev1.Pod) {}), RevisionOf(restarted), true},
		{"it was restarted", pod(func(p *corev1.Pod) { p.Annotations[RestartAnnotation] = "now" }), RevisionOf(restarted), false},
		{"its StatefulSet was made anew since", pod(func(p *corev1.Pod) { p.Annotations[RestartAnnotation] = "before" }), wanted, false},
	} {
		if got := Outdated(test.pod, test.wanted); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

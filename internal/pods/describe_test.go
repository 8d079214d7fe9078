// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// pod b-0-0 with one container in a state.
func podIn(status corev1.ContainerStatus) *corev1.Pod {
	status.Name = desired.Container
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "b-0-0"}, Spec: corev1.PodSpec{NodeName: "node1"},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{status}},
	}
}

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

func after(status corev1.ContainerStatus, last corev1.ContainerStateTerminated) corev1.ContainerStatus {
	status.LastTerminationState.Terminated = &last
	return status
}

// TestDescribe: the first sentence has the cause.
func TestDescribe(t *testing.T) {
	const springLog = `2026-11-30 12:00:00 INFO starting
org.springframework.context.ApplicationContextException: Unable to start web server
	at org.springframework.boot.web.servlet.context.ServletWebServerApplicationContext.onRefresh
Caused by: java.nio.file.FileSystemException: /tmp/tomcat: Read-only file system
	at java.base/sun.nio.fs.UnixException.translateToIOException
Shutting down`
	running := corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	started := running
	started.Started = new(true)
	unscheduled := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "b-0-0"}, Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available"},
	}}}
	stopping := podIn(running)
	stopping.DeletionTimestamp = &metav1.Time{}

	for _, test := range []struct {
		name  string
		pod   *corev1.Pod
		known string
		want  string
	}{
		{"ready", podOf("", true, 0), "", ""},
		{"stopping", stopping, "", "b-0-0 is stopping"},
		{"unschedulable", unscheduled, "", "b-0-0 cannot start (unschedulable: 0/3 nodes are available)"},
		{"unschedulable for a claim", unscheduled, "claim data-b-0-0: no such class", "b-0-0 cannot start (unschedulable: 0/3 nodes are available; claim data-b-0-0: no such class)"},
		{"no image", podIn(waiting("ImagePullBackOff", "not found")), "", "b-0-0 cannot start (ImagePullBackOff: not found)"},
		{"crashes with a word", podIn(after(waiting("CrashLoopBackOff", "back-off"), corev1.ContainerStateTerminated{ExitCode: 1, Message: "cannot write to /data"})), "",
			"b-0-0 cannot start (CrashLoopBackOff: cannot write to /data)"},
		{"crashes with a log", podIn(after(waiting("CrashLoopBackOff", "back-off"), corev1.ContainerStateTerminated{ExitCode: 1, Message: springLog})), "",
			"b-0-0 cannot start (CrashLoopBackOff: Caused by: java.nio.file.FileSystemException: /tmp/tomcat: Read-only file system (the log has more: kubectl logs --previous))"},
		{"crashes for an option of another java", podIn(after(waiting("CrashLoopBackOff", "back-off"), corev1.ContainerStateTerminated{ExitCode: 1,
			Message: "Unrecognized VM option 'UseConcMarkSweepGC'\nError: Could not create the Java Virtual Machine."})), "",
			"b-0-0 cannot start (CrashLoopBackOff: Unrecognized VM option 'UseConcMarkSweepGC'"},
		{"crashes in silence", podIn(after(waiting("CrashLoopBackOff", "back-off"), corev1.ContainerStateTerminated{ExitCode: 3})), "",
			"b-0-0 cannot start (CrashLoopBackOff: it ended with exit code 3)"},
		{"killed for its memory", podIn(after(waiting("CrashLoopBackOff", "back-off"), corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137, Message: "some INFO line"})), "",
			"it was killed because it used more memory than resources.limits.memory (OOMKilled): raise that"},
		{"starts again", podIn(after(running, corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137})), "", "b-0-0 is starting again (it was killed because it used more memory"},
		{"starts", podIn(running), "", "b-0-0 is starting"},
		{"is created", podIn(waiting("ContainerCreating", "")), "cannot start yet: MountVolume.SetUp failed", "b-0-0 cannot start yet: MountVolume.SetUp failed"},
		{"runs", podIn(started), "", "b-0-0 runs and is not ready"},
		{"copies", podIn(started), "still copies messages of its master", "b-0-0 still copies messages of its master"},
	} {
		said := strings.Join(Describe([]corev1.Pod{*test.pod}, map[string]string{"b-0-0": test.known}), "; ")
		if (said == "") != (test.want == "") || !strings.Contains(said, test.want) {
			t.Errorf("%s: %q, want %q", test.name, said, test.want)
		}
	}
}

// TestDescribeMany: of many pods somebody reads ten sentences.
func TestDescribeMany(t *testing.T) {
	var list []corev1.Pod
	for i := range 12 {
		pod := podIn(waiting("ContainerCreating", ""))
		pod.Name = fmt.Sprintf("b-%d-0", i)
		list = append(list, *pod)
	}
	if said := Describe(list, nil); len(said) != 11 || said[9] != "b-9-0 is starting" || said[10] != "2 more pods are not ready" {
		t.Errorf("%q", said)
	}
	if said := Describe(list[:11], nil); said[len(said)-1] != "1 more pod is not ready" {
		t.Errorf("%q", said)
	}
}

// TestCreating: events are asked for when a node has not begun with a pod for longer than usual.
func TestCreating(t *testing.T) {
	now := time.Now()
	creating := waiting("ContainerCreating", "")
	for _, test := range []struct {
		name   string
		age    time.Duration
		change func(*corev1.Pod)
		want   bool
	}{
		{"just made", 5 * time.Second, func(*corev1.Pod) {}, false},
		{"for long", time.Minute, func(*corev1.Pod) {}, true},
		{"the node says nothing yet", time.Minute, func(pod *corev1.Pod) { pod.Status.ContainerStatuses = nil }, true},
		{"not on a node", time.Minute, func(pod *corev1.Pod) { pod.Spec.NodeName = "" }, false},
		{"being deleted", time.Minute, func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{} }, false},
		{"its image is missing", time.Minute, func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0] = waiting("ErrImagePull", "") }, false},
		{"it runs", time.Minute, func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		}, false},
	} {
		pod := podIn(creating)
		pod.CreationTimestamp = metav1.NewTime(now.Add(-test.age))
		test.change(pod)
		if got := Creating(pod, now); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

func TestUnboundClaims(t *testing.T) {
	claim := corev1.Volume{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-b-0-0"}}}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Volumes: []corev1.Volume{{}, claim}}}
	for message, want := range map[string][]string{
		"pod has unbound immediate PersistentVolumeClaims": {"data-b-0-0"},
		"0/3 nodes are available: 3 Insufficient memory":   nil,
	} {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message}}
		if diff := cmp.Diff(want, UnboundClaims(pod)); diff != "" {
			t.Errorf("%s: %s", message, diff)
		}
	}
}

// TestOutOfMemory: a container that was killed for its memory is told of although it runs again, for a while.
func TestOutOfMemory(t *testing.T) {
	now := time.Now()
	killed := corev1.ContainerStateTerminated{Reason: "OOMKilled", FinishedAt: metav1.NewTime(now.Add(-10 * time.Minute))}
	pod := podIn(after(corev1.ContainerStatus{RestartCount: 2}, killed))
	want := []Killed{{Container: desired.Container, At: killed.FinishedAt.Time, Restarts: 2}}
	if diff := cmp.Diff(want, OutOfMemory(pod, now.Add(-time.Hour))); diff != "" {
		t.Error(diff)
	}
	if got := OutOfMemory(pod, now.Add(-time.Minute)); got != nil {
		t.Errorf("long ago: %v", got)
	}
	killed.Reason = "Error"
	if got := OutOfMemory(podIn(after(corev1.ContainerStatus{}, killed)), now.Add(-time.Hour)); got != nil {
		t.Errorf("ended for another reason: %v", got)
	}
}

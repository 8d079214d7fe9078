// Package pods says what the status of a pod means: whether its server runs, since when, and what keeps it from being
// ready. It is pure.
package pods

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Ended reports whether a pod has run to its end. A Deployment leaves those that were evicted.
func Ended(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// Ready reports whether a pod is ready and is not being deleted.
func Ready(pod *corev1.Pod) bool {
	c := condition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
}

// ReadySince is when a ready pod became ready.
func ReadySince(pod *corev1.Pod) metav1.Time {
	if c := condition(pod, corev1.PodReady); c != nil {
		return c.LastTransitionTime
	}
	return metav1.Time{}
}

// unreadySince is when a pod that is not ready stopped being so, or was created.
func unreadySince(pod *corev1.Pod) metav1.Time {
	if c := condition(pod, corev1.PodReady); c != nil {
		return c.LastTransitionTime
	}
	return pod.CreationTimestamp
}

// AllReadyFor is how long all the pods have been ready, 0 if one is not.
func AllReadyFor(list []corev1.Pod, now time.Time) time.Duration {
	var since time.Time
	for i := range list {
		if !Ready(&list[i]) {
			return 0
		}
		if at := ReadySince(&list[i]).Time; at.After(since) {
			since = at
		}
	}
	return now.Sub(since)
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &pod.Status.Conditions[i]
}

// stuckReasons are what a container waits for when its pod will not become ready by itself.
func stuckReasons() []string {
	return []string{"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull",
		"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
}

// Stuck says why a pod cannot become ready as it is, "" if nothing is known against it.
func Stuck(pod *corev1.Pod) string {
	if c := condition(pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
		return "unschedulable: " + c.Message
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		waiting := status.State.Waiting
		if waiting == nil || !slices.Contains(stuckReasons(), waiting.Reason) {
			continue
		}
		why := waiting.Reason
		if last := status.LastTerminationState.Terminated; last != nil && last.Message != "" {
			why += ": " + strings.TrimSpace(last.Message)
		} else if waiting.Message != "" {
			why += ": " + waiting.Message
		}
		return why
	}
	return ""
}

// server is the status of the container with the pod's server, nil if there is none yet.
func server(pod *corev1.Pod) *corev1.ContainerStatus {
	i := slices.IndexFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == desired.Container })
	if i < 0 {
		return nil
	}
	return &pod.Status.ContainerStatuses[i]
}

// RunningSince is when the pod's server was started, zero if it does not run.
func RunningSince(pod *corev1.Pod) metav1.Time {
	s := server(pod)
	if s == nil || s.State.Running == nil {
		return metav1.Time{}
	}
	return s.State.Running.StartedAt
}

// HasRun reports whether a pod's server has run, so that its disk may hold data.
func HasRun(pod *corev1.Pod) bool {
	s := server(pod)
	if s == nil {
		return Ready(pod)
	}
	return s.RestartCount > 0 || s.State.Running != nil || s.State.Terminated != nil || s.LastTerminationState.Terminated != nil
}

// Started reports whether the pod's server answers, so that it is not ready for another reason.
func Started(pod *corev1.Pod) bool {
	s := server(pod)
	return s != nil && s.Started != nil && *s.Started
}

// Describe says what keeps pods from being ready, one sentence for each.
func Describe(list []corev1.Pod) []string {
	var out []string
	for i := range list {
		pod := &list[i]
		switch why := Stuck(pod); {
		case Ready(pod):
		case pod.DeletionTimestamp != nil:
			out = append(out, pod.Name+" is stopping")
		case why != "":
			out = append(out, fmt.Sprintf("%s cannot start (%s)", pod.Name, why))
		case Started(pod):
			out = append(out, pod.Name+" runs and is not ready")
		default:
			out = append(out, pod.Name+" is starting")
		}
	}
	return out
}

// Outdated reports whether a pod was made from another spec than the one with this hash (see v1alpha1.AnnotationHash).
func Outdated(pod *corev1.Pod, hash string) bool {
	return pod.Annotations[v1alpha1.AnnotationHash] != hash
}

// OlderSpec says that so many pods run an older spec.
func OlderSpec(n int) string { return Count(n, "pod runs", "pods run") + " an older spec" }

// Count puts a number before its noun, and what else depends on it.
func Count[N int | int32](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// NameServerAddr is where the operator reaches the name server in a pod: a pod's IP works before DNS knows its name.
func NameServerAddr(pod *corev1.Pod) string { return addr(pod, settings.NameServerPort) }

// ControllerAddr is where the operator reaches the controller in a pod.
func ControllerAddr(pod *corev1.Pod) string { return addr(pod, settings.ControllerPort) }

// BrokerAddr is where the operator reaches the broker in a pod.
func BrokerAddr(pod *corev1.Pod) string { return addr(pod, settings.BrokerPort) }

func addr(pod *corev1.Pod, port int) string {
	host := pod.Status.PodIP
	if strings.Contains(host, ":") { // IPv6
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s:%d", host, port)
}

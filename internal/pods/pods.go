// SPDX-License-Identifier: Apache-2.0

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
	if why := unschedulable(pod); why != "" {
		return why
	}
	for _, status := range containers(pod) {
		waiting := status.State.Waiting
		if waiting == nil || !slices.Contains(stuckReasons(), waiting.Reason) {
			continue
		}
		if last := ended(status.LastTerminationState.Terminated); last != "" {
			return waiting.Reason + ": " + last
		}
		if waiting.Message != "" {
			return waiting.Reason + ": " + waiting.Message
		}
		return waiting.Reason
	}
	return ""
}

func containers(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

func unschedulable(pod *corev1.Pod) string {
	if c := condition(pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
		return "unschedulable: " + c.Message
	}
	return ""
}

// oomKilled is the reason of a container that the kernel killed for its memory.
const oomKilled = "OOMKilled"

// ended says why a container ended, "" if it did not.
func ended(state *corev1.ContainerStateTerminated) string {
	switch {
	case state == nil:
		return ""
	case state.Reason == oomKilled:
		return "it was killed because it used more memory than resources.limits.memory (OOMKilled): raise that, or lower jvm.heap and jvm.directMemory"
	case strings.TrimSpace(state.Message) != "":
		return cause(state.Message)
	}
	return fmt.Sprintf("it ended with exit code %d", state.ExitCode)
}

// cause is the line that says most of what a program wrote before it ended, which may be the end of a long log.
func cause(message string) string {
	lines := strings.Split(strings.TrimSpace(message), "\n")
	if len(lines) <= 3 {
		return strings.TrimSpace(message)
	}
	has := func(words ...string) func(string) bool {
		return func(line string) bool {
			return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(line, word) })
		}
	}
	said := lines[len(lines)-1]
	if i := slices.IndexFunc(lines, has("Exception", "Error", "ERROR", "error:", "Unrecognized", "refused")); i >= 0 {
		said = lines[i]
	}
	for _, line := range lines { // the last one is the root of all
		if strings.HasPrefix(strings.TrimSpace(line), "Caused by:") {
			said = line
		}
	}
	return strings.TrimSpace(said) + " (the log has more: kubectl logs --previous)"
}

// Killed is a container that the kernel killed for its memory, and has been started again since.
type Killed struct {
	Container string
	At        time.Time
	Restarts  int32
}

// OutOfMemory are the containers of a pod that were killed for their memory since some time.
func OutOfMemory(pod *corev1.Pod, since time.Time) []Killed {
	var out []Killed
	for _, status := range containers(pod) {
		if last := status.LastTerminationState.Terminated; last != nil && last.Reason == oomKilled && last.FinishedAt.After(since) {
			out = append(out, Killed{status.Name, last.FinishedAt.Time, status.RestartCount})
		}
	}
	return out
}

// usual is how long a node takes to begin with a pod's containers when nothing is in the way.
const usual = 10 * time.Second

// Creating reports whether a pod's node has not begun with its containers for longer than is usual. Only events tell why.
func Creating(pod *corev1.Pod, now time.Time) bool {
	if pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil || now.Sub(pod.CreationTimestamp.Time) < usual {
		return false
	}
	return !slices.ContainsFunc(containers(pod), func(s corev1.ContainerStatus) bool {
		return s.State.Waiting == nil || slices.Contains(stuckReasons(), s.State.Waiting.Reason) || s.LastTerminationState.Terminated != nil
	})
}

// UnboundClaims are the claims of a pod that cannot be scheduled because of its volumes. Only their events tell why.
func UnboundClaims(pod *corev1.Pod) []string {
	if !strings.Contains(unschedulable(pod), "PersistentVolumeClaim") {
		return nil
	}
	var out []string
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim != nil {
			out = append(out, volume.PersistentVolumeClaim.ClaimName)
		}
	}
	return out
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

// Restarts is how often the pod's server has been started again in place.
func Restarts(pod *corev1.Pod) int32 {
	if s := server(pod); s != nil {
		return s.RestartCount
	}
	return 0
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

// Starting reports whether the pod's server runs and has not answered yet: it may be recovering its store.
func Starting(pod *corev1.Pod) bool {
	s := server(pod)
	return s != nil && s.State.Running != nil && s.Started != nil && !*s.Started
}

// Describe says what keeps pods from being ready, one sentence for each. Known is what else is known of pods by name: it continues
// the name.
func Describe(list []corev1.Pod, known map[string]string) []string {
	const most = 10 // sentences that somebody reads
	var out []string
	for i := range list {
		pod := &list[i]
		if said := describe(pod, known[pod.Name]); said != "" {
			out = append(out, said)
		}
	}
	if len(out) > most {
		return append(out[:most:most], Count(len(out)-most, "more pod is", "more pods are")+" not ready")
	}
	return out
}

func describe(pod *corev1.Pod, known string) string {
	switch why := Stuck(pod); {
	case Ready(pod):
		return ""
	case pod.DeletionTimestamp != nil:
		return pod.Name + " is stopping"
	case why != "" && known != "":
		return fmt.Sprintf("%s cannot start (%s; %s)", pod.Name, why, known)
	case why != "":
		return fmt.Sprintf("%s cannot start (%s)", pod.Name, why)
	case known != "":
		return pod.Name + " " + known
	case Started(pod):
		return pod.Name + " runs and is not ready"
	}
	for _, status := range containers(pod) {
		if last := status.LastTerminationState.Terminated; last != nil && last.ExitCode != 0 {
			return fmt.Sprintf("%s is starting again (%s)", pod.Name, ended(last))
		}
	}
	return pod.Name + " is starting"
}

// Revision is what pods are compared by with the template that they are to be made from.
type Revision struct {
	// Hash of what the user can change (v1alpha1.AnnotationHash).
	Hash string
	// Restart is when somebody last asked for one (kubectl rollout restart), "" if nobody did.
	Restart string
	// Agent is the image of the agent.
	Agent string
}

// RestartAnnotation is what kubectl rollout restart writes to a template.
const RestartAnnotation = "kubectl.kubernetes.io/restartedAt"

// RevisionOf a template.
func RevisionOf(template *corev1.PodTemplateSpec) Revision {
	return Revision{
		Hash: template.Annotations[v1alpha1.AnnotationHash], Restart: template.Annotations[RestartAnnotation],
		Agent: agentImage(&template.Spec),
	}
}

func agentImage(spec *corev1.PodSpec) string {
	for i := range spec.InitContainers {
		if spec.InitContainers[i].Name == desired.AgentContainer {
			return spec.InitContainers[i].Image
		}
	}
	return ""
}

// Outdated reports whether a pod must make way for one of the revision. Another image of the agent alone is no reason, unless the
// pod has not come because its own is not there any more.
func Outdated(pod *corev1.Pod, wanted Revision) bool {
	restart := wanted.Restart != "" && pod.Annotations[RestartAnnotation] != wanted.Restart
	return restart || pod.Annotations[v1alpha1.AnnotationHash] != wanted.Hash || LacksAgent(pod) && agentImage(&pod.Spec) != wanted.Agent
}

// LacksAgent reports whether the image of a pod's agent cannot be fetched.
func LacksAgent(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.InitContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.Name == desired.AgentContainer && s.State.Waiting != nil && slices.Contains(stuckReasons(), s.State.Waiting.Reason)
	})
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

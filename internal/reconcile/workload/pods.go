package workload

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// Pods of the resource with these labels, in order. One that has ended is none: a Deployment leaves those that were evicted.
func (p *Pass) Pods(ctx context.Context, selector map[string]string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := p.Client.List(ctx, &list, client.InNamespace(p.Owner.GetNamespace()), client.MatchingLabels(selector)); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	pods := slices.DeleteFunc(list.Items, ended)
	sort.Slice(pods, func(i, j int) bool {
		if a, b := pods[i].Labels[desired.LabelGroup], pods[j].Labels[desired.LabelGroup]; a != b {
			return desired.Ordinal(a) < desired.Ordinal(b)
		}
		if a, b := desired.Ordinal(pods[i].Name), desired.Ordinal(pods[j].Name); a != b {
			return a < b
		}
		return pods[i].Name < pods[j].Name // a Deployment's
	})
	return pods, nil
}

func ended(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// ServerAddrs are where the pods of a resource's component answer, by pod.
func ServerAddrs(ctx context.Context, c client.Reader, of client.Object, component desired.Component, port int) (map[string]string, error) {
	var list corev1.PodList
	err := c.List(ctx, &list, client.InNamespace(of.GetNamespace()), client.MatchingLabels(desired.Selector(of.GetName(), component, "")))
	if err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", of.GetName(), err)
	}
	out := map[string]string{}
	for i := range list.Items {
		if pod := &list.Items[i]; pod.Status.PodIP != "" && pod.DeletionTimestamp == nil {
			out[pod.Name] = ServerAddr(pod, port)
		}
	}
	return out, nil
}

// ServerAddr is where a pod's server answers: its IP works before DNS does.
func ServerAddr(pod *corev1.Pod, port int) string {
	return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port))
}

// Ready reports a pod's readiness.
func Ready(pod *corev1.Pod) bool {
	c := condition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
}

// ReadySince is when a ready pod became so.
func ReadySince(pod *corev1.Pod) metav1.Time {
	if c := condition(pod, corev1.PodReady); c != nil {
		return c.LastTransitionTime
	}
	return metav1.Time{}
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

// started reports whether the pod's server answers, so that it is not ready for another reason.
func started(pod *corev1.Pod) bool {
	s := server(pod)
	return s != nil && s.Started != nil && *s.Started
}

// Describe says what keeps pods from being ready, one sentence for each.
func Describe(pods []corev1.Pod) []string {
	var out []string
	for i := range pods {
		pod := &pods[i]
		switch why := Stuck(pod); {
		case Ready(pod):
		case pod.DeletionTimestamp != nil:
			out = append(out, pod.Name+" is stopping")
		case why != "":
			out = append(out, fmt.Sprintf("%s cannot start (%s)", pod.Name, why))
		case started(pod):
			out = append(out, pod.Name+" runs and is not ready")
		default:
			out = append(out, pod.Name+" is starting")
		}
	}
	return out
}

// NotReady waits for pods: nil if expected of them are ready. A refusal to create them is told.
func (p *Pass) NotReady(ctx context.Context, pods []corev1.Pod, expected int) (*kube.Waiting, error) {
	said := Describe(pods)
	if missing := expected - len(pods); missing > 0 {
		refusal, err := p.refusal(ctx)
		if err != nil {
			return nil, err
		}
		if refusal != "" {
			return p.Trouble(v1alpha1.ConditionRefused, "%s not admitted: %s", count(missing, "pod is", "pods are"), refusal), nil
		}
		said = append(said, count(missing, "pod is", "pods are")+" still to be created")
	}
	if len(said) == 0 {
		return nil, nil
	}
	return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s", strings.Join(said, "; ")), nil
}

// refusal is what admission said when a pod was not admitted, with the remedy where it is known.
func (p *Pass) refusal(ctx context.Context) (string, error) {
	var list eventsv1.EventList
	err := p.Reader.List(ctx, &list, client.InNamespace(p.Owner.GetNamespace()), client.MatchingFields{"reason": "FailedCreate"})
	if err != nil {
		return "", fmt.Errorf("list events: %w", err)
	}
	for _, e := range list.Items {
		if !p.owns(e.Regarding.Kind, e.Regarding.Name) || !strings.Contains(e.Note, "forbidden") {
			continue
		}
		if strings.Contains(e.Note, "violates PodSecurity") {
			return e.Note + ". hostNetwork and storageMode HostPath need a namespace that admits such pods: kubectl label namespace " +
				p.Owner.GetNamespace() + " pod-security.kubernetes.io/enforce=privileged --overwrite", nil
		}
		return e.Note, nil
	}
	return "", nil
}

// owns reports whether a StatefulSet of this name, or a Deployment's ReplicaSet, is the resource's.
func (p *Pass) owns(kind, set string) bool {
	name := p.Owner.GetName()
	switch kind {
	case "StatefulSet":
		return set == name || (strings.HasPrefix(set, name+"-") && desired.Group(name, desired.Ordinal(set)) == set)
	case "ReplicaSet": // of one revision of the Deployment: <name>-<hash>
		at := strings.LastIndex(set, "-")
		return at > 0 && set[:at] == name
	}
	return false
}

// LostNodes raises NodeLost for pods on nodes that do not answer.
func (p *Pass) LostNodes(ctx context.Context, pods []corev1.Pod) error {
	for i := range pods {
		pod := &pods[i]
		if pod.Spec.NodeName == "" || Ready(pod) {
			continue
		}
		var node corev1.Node
		err := p.Reader.Get(ctx, client.ObjectKey{Name: pod.Spec.NodeName}, &node)
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			continue // an operator that is confined to namespaces may not see nodes
		}
		if err != nil {
			return fmt.Errorf("read node %s: %w", pod.Spec.NodeName, err)
		}
		if !nodeAnswers(&node) {
			p.Conditions.Raise(v1alpha1.ConditionNodeLost, "pod %s is on node %s, which does not answer. If the node is switched off for good, "+
				"release its pods and volumes: kubectl taint nodes %s node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
				pod.Name, node.Name, node.Name)
		}
	}
	return nil
}

func nodeAnswers(node *corev1.Node) bool {
	i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
	return i < 0 || node.Status.Conditions[i].Status == corev1.ConditionTrue
}

// DeletePod stops a pod, which its StatefulSet makes anew. The preconditions make a decision on stale knowledge fail
// instead of stopping a second pod.
func (p *Pass) DeletePod(ctx context.Context, pod *corev1.Pod) error {
	err := p.Client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID, ResourceVersion: &pod.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("stop pod %s: %w", pod.Name, err)
	}
	return nil
}

// Outdated says that so many pods run an older spec.
func Outdated(n int) string { return count(n, "pod runs", "pods run") + " an older spec" }

// count puts a number before its noun, and what else depends on it.
func count[N int | int32](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

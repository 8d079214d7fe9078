package workload

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Pods of the resource with these labels, in order. One that has ended is none: a Deployment leaves those that were evicted.
func (p *Pass) Pods(ctx context.Context, selector map[string]string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := p.Client.List(ctx, &list, client.InNamespace(p.Owner.GetNamespace()), client.MatchingLabels(selector)); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	out := slices.DeleteFunc(list.Items, pods.Ended)
	slices.SortFunc(out, func(a, b corev1.Pod) int {
		return cmp.Or(
			cmp.Compare(desired.Ordinal(a.Labels[desired.LabelGroup]), desired.Ordinal(b.Labels[desired.LabelGroup])),
			cmp.Compare(desired.Ordinal(a.Name), desired.Ordinal(b.Name)),
			cmp.Compare(a.Name, b.Name), // a Deployment's
		)
	})
	return out, nil
}

// NotReady waits for pods: nil if expected of them are ready. A refusal to create them is told.
func (p *Pass) NotReady(ctx context.Context, list []corev1.Pod, expected int) (*kube.Waiting, error) {
	said := pods.Describe(list)
	if missing := expected - len(list); missing > 0 {
		refusal, err := p.refusal(ctx)
		if err != nil {
			return nil, err
		}
		if refusal != "" {
			return p.Trouble(v1alpha1.ConditionRefused, "%s not admitted: %s", pods.Count(missing, "pod is", "pods are"), refusal).LookAgain(pass.Later), nil
		}
		said = append(said, pods.Count(missing, "pod is", "pods are")+" still to be created")
	}
	if len(said) == 0 {
		return nil, nil
	}
	// That a pod is refused is told by an event of its StatefulSet, which is not watched.
	return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s", strings.Join(said, "; ")).LookAgain(pass.Later), nil
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
		return set == name || (strings.HasPrefix(set, name+"-") && desired.GroupName(name, desired.Ordinal(set)) == set)
	case "ReplicaSet": // of one revision of the Deployment: <name>-<hash>
		at := strings.LastIndex(set, "-")
		return at > 0 && set[:at] == name
	}
	return false
}

// LostNodes raises NodeLost for pods on nodes that do not answer.
func (p *Pass) LostNodes(ctx context.Context, list []corev1.Pod) error {
	for i := range list {
		pod := &list[i]
		if pod.Spec.NodeName == "" || pods.Ready(pod) {
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

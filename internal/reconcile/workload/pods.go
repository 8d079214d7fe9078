// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
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

// NotReady waits for pods: nil if expected of them are ready. Lacks says, by name, what pods that run lack to be ready, as far as
// more is known of them than their status tells. A refusal to create pods is told.
func (p *Pass) NotReady(ctx context.Context, list []corev1.Pod, expected int, lacks map[string]string) (*kube.Waiting, error) {
	said, err := p.describe(ctx, list, lacks)
	if err != nil {
		return nil, err
	}
	if missing := expected - len(list); missing > 0 {
		refusal, err := p.refusal(ctx)
		if err != nil {
			return nil, err
		}
		if refusal != "" {
			return p.Trouble(v1alpha1.ConditionRefused, "%s not admitted: %s", pods.Count(missing, "pod is", "pods are"), remedied(refusal, p.Owner)).LookAgain(pass.Later), nil
		}
		said = append(said, pods.Count(missing, "pod is", "pods are")+" still to be created")
	}
	if len(said) == 0 {
		return nil, nil
	}
	// What keeps a pod away is told by events, which are not watched.
	return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s", strings.Join(said, "; ")).LookAgain(pass.Later), nil
}

// mostAsked is for how many pods a pass reads events at most: when many pods do not start, they usually have the same reason.
const mostAsked = 3

// describe says what keeps pods from being ready. For what their status does not tell it asks for their events.
func (p *Pass) describe(ctx context.Context, list []corev1.Pod, lacks map[string]string) ([]string, error) {
	known, asked := maps.Clone(lacks), 0
	if known == nil {
		known = map[string]string{}
	}
	for i := range list {
		pod := &list[i]
		claims, creating := pods.UnboundClaims(pod), pods.Creating(pod, time.Now())
		if asked == mostAsked || len(claims) == 0 && !creating {
			continue
		}
		asked++
		if creating {
			warning, err := p.warning(ctx, "Pod", pod.Name, pod.UID)
			if err != nil {
				return nil, err
			}
			if warning != "" {
				known[pod.Name] = "cannot start yet: " + warning
			}
		}
		for _, claim := range claims {
			warning, err := p.warning(ctx, "PersistentVolumeClaim", claim, "")
			if err != nil {
				return nil, err
			}
			if warning != "" {
				known[pod.Name] = fmt.Sprintf("claim %s: %s", claim, warning)
			}
		}
	}
	return pods.Describe(list, known), nil
}

// warning is the last one that Kubernetes gave in an event about an object, "" if there is none.
func (p *Pass) warning(ctx context.Context, kind, name string, uid types.UID) (string, error) {
	about := client.MatchingFields{"type": corev1.EventTypeWarning, "regarding.kind": kind, "regarding.name": name}
	if uid != "" {
		about["regarding.uid"] = string(uid)
	}
	var list eventsv1.EventList
	if err := p.Reader.List(ctx, &list, client.InNamespace(p.Owner.GetNamespace()), about); err != nil {
		return "", fmt.Errorf("list events: %w", err)
	}
	if last := latest(list.Items); last != nil {
		return strings.TrimSpace(last.Note), nil
	}
	return "", nil
}

// latest of some events, nil if there are none.
func latest(list []eventsv1.Event) *eventsv1.Event {
	if len(list) == 0 {
		return nil
	}
	last := slices.MaxFunc(list, func(a, b eventsv1.Event) int { return seen(a).Compare(seen(b)) })
	return &last
}

// seen is when an event was seen last.
func seen(e eventsv1.Event) time.Time {
	if e.Series != nil {
		return e.Series.LastObservedTime.Time
	}
	if !e.DeprecatedLastTimestamp.IsZero() {
		return e.DeprecatedLastTimestamp.Time
	}
	return e.EventTime.Time
}

// refusal is what Kubernetes said last when it did not create a pod, "" if nothing.
func (p *Pass) refusal(ctx context.Context) (string, error) {
	if p.unseen {
		return "", nil
	}
	var list eventsv1.EventList
	err := p.Reader.List(ctx, &list, client.InNamespace(p.Owner.GetNamespace()), client.MatchingFields{"reason": "FailedCreate"})
	if err != nil {
		return "", fmt.Errorf("list events: %w", err)
	}
	ours := slices.DeleteFunc(list.Items, func(e eventsv1.Event) bool { return !p.owns(e.Regarding.Kind, e.Regarding.Name) })
	if last := latest(ours); last != nil {
		return last.Note, nil
	}
	return "", nil
}

// remedied adds to a refusal what the user can do about it, where that is known.
func remedied(refusal string, owner client.Object) string {
	has := func(text string) bool { return strings.Contains(refusal, text) }
	remedy := ""
	switch {
	case has("violates PodSecurity") && (has("hostNetwork") || has("hostPath") || has("hostPort")):
		remedy = "hostNetwork and storageMode HostPath need a namespace that admits such pods: kubectl label namespace " + owner.GetNamespace() +
			" pod-security.kubernetes.io/enforce=privileged --overwrite"
	case has("violates PodSecurity"):
		remedy = "Pods have what the level restricted asks for unless the spec changes it: " +
			"remove what the message names from securityContext, containerSecurityContext and podTemplate"
	case has("failed calling webhook"):
		remedy = "The webhook of that name must answer, or be removed by whoever installed it: kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"
	case has("exceeded quota"):
		remedy = "Lower spec.resources, or have the quota raised: kubectl describe quota -n " + owner.GetNamespace()
	case has("failed quota"):
		remedy = "The quota asks every pod for what the message names: set it in spec.resources"
	case has("usage per Container") || has("request ratio per Container"):
		remedy = "Set spec.resources, requests and limits, within the bounds of the LimitRange: kubectl describe limitrange -n " + owner.GetNamespace()
	}
	if remedy == "" {
		return refusal
	}
	return strings.TrimSuffix(refusal, ".") + ". " + remedy
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

// PodTroubles raises what is wrong with pods that may be running all the same.
func (p *Pass) PodTroubles(ctx context.Context, list []corev1.Pod) error {
	p.outOfMemory(list)
	return p.lostNodes(ctx, list)
}

// recently is how long the condition OutOfMemory stays after a container was killed for its memory.
const recently = time.Hour

func (p *Pass) outOfMemory(list []corev1.Pod) {
	for i := range list {
		for _, killed := range pods.OutOfMemory(&list[i], time.Now().Add(-recently)) {
			p.Conditions.Raise(v1alpha1.ConditionOutOfMemory, "container %s of pod %s was killed at %s because it used more memory than resources.limits.memory; "+
				"it has been restarted %s. Raise that limit, or lower jvm.heap and jvm.directMemory", killed.Container, list[i].Name,
				killed.At.UTC().Format(time.RFC3339), pods.Count(killed.Restarts, "time", "times"))
			p.LookAgain(time.Until(killed.At.Add(recently)))
		}
	}
}

// lostNodes raises NodeLost for pods on nodes that do not answer.
func (p *Pass) lostNodes(ctx context.Context, list []corev1.Pod) error {
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

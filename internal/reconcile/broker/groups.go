package broker

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
)

func (p *pass) applyShared(ctx context.Context) (*kube.Waiting, error) {
	p.b.Status.NameServers = p.deps.NameServers
	objects, err := p.Cluster.Broker(p.b, p.deps)
	if err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	return p.Apply(ctx, objects...)
}

// applyGroups brings each group's objects up to date, a changed pod template only when the groups before are done.
func (p *pass) applyGroups(ctx context.Context) (*kube.Waiting, error) {
	var err error
	selector := desired.Selector(p.b.Name, desired.Broker, "")
	if p.pods, err = p.Pods(ctx, selector); err != nil {
		return nil, err
	}
	p.b.Status.Selector = labels.SelectorFromSet(selector).String()
	p.b.Status.Nodes = nil
	for i := range p.pods {
		p.b.Status.Nodes = append(p.b.Status.Nodes, p.pods[i].Name)
	}
	groups := desired.Groups(p.b)
	for g := range p.existing {
		groups = max(groups, g+1)
	}
	busy := false
	for g := range groups {
		members := max(desired.Members(p.b), p.existing[g])
		budget, set, err := p.Cluster.BrokerGroup(p.b, g, members, p.deps)
		if err != nil {
			return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
		}
		wanted := workload.Hash(set)
		pods := p.podsOf(set.Name)
		hold := busy && !slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return outdated(&pod, wanted) && workload.Stuck(&pod) != "" })
		if waiting, err := p.Apply(ctx, budget); waiting != nil || err != nil {
			return waiting, err
		}
		if waiting, err := p.ApplyStatefulSet(ctx, set, hold); waiting != nil || err != nil {
			return waiting, err
		}
		p.hash = wanted
		p.sets = append(p.sets, set)
		p.b.Status.Size = g + 1
		busy = busy || slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return outdated(&pod, wanted) || !workload.Ready(&pod) })
	}
	return nil, nil
}

func outdated(pod *corev1.Pod, hash string) bool {
	return pod.Annotations[desired.AnnotationHash] != hash
}

// readExisting finds the groups that exist and how many members each has. Neither groups nor members are removed by a
// smaller number in the spec: that needs their messages consumed first.
func (p *pass) readExisting(ctx context.Context) (*kube.Waiting, error) {
	var list appsv1.StatefulSetList
	if err := p.Client.List(ctx, &list, client.InNamespace(p.b.Namespace), client.MatchingLabels(desired.Selector(p.b.Name, desired.Broker, ""))); err != nil {
		return nil, fmt.Errorf("list StatefulSets: %w", err)
	}
	p.existing = map[int32]int32{}
	for i := range list.Items {
		set := &list.Items[i]
		if g := desired.Ordinal(set.Name); set.Name == desired.Group(p.b.Name, g) && set.Spec.Replicas != nil {
			p.existing[g] = *set.Spec.Replicas
		}
	}
	return nil, nil
}

func (p *pass) podsOf(group string) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(p.pods), func(pod corev1.Pod) bool { return pod.Labels[desired.LabelGroup] != group })
}

// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/saved"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// readExisting finds the groups that exist, and their states.
func (p *brokerPass) readExisting(ctx context.Context) (*kube.Waiting, error) {
	var list appsv1.StatefulSetList
	if err := p.Client.List(ctx, &list, client.InNamespace(p.broker.Namespace), client.MatchingLabels(desired.Selector(p.broker.Name, desired.Broker, ""))); err != nil {
		return nil, fmt.Errorf("list StatefulSets: %w", err)
	}
	p.existing = map[int32]desired.GroupState{}
	for i := range list.Items {
		set := &list.Items[i]
		if g := desired.Ordinal(set.Name); set.Name == desired.GroupName(p.broker.Name, g) {
			p.readSet(g, set)
		}
	}
	if len(p.existing) == 0 && len(p.broker.Status.Groups) == 0 {
		return nil, nil // one that is there all the same has only been made: kube.ErrBehind
	}
	// The cache may not have seen yet what an earlier pass made, and a group's state must not begin anew.
	for g := range desired.GroupCount(p.broker) {
		if _, known := p.existing[g]; known {
			continue
		}
		var set appsv1.StatefulSet
		err := p.Reader.Get(ctx, client.ObjectKey{Namespace: p.broker.Namespace, Name: desired.GroupName(p.broker.Name, g)}, &set)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read StatefulSet: %w", err)
		}
		if err == nil && metav1.IsControlledBy(&set, p.broker) {
			p.readSet(g, &set)
		}
	}
	return nil, p.readOrphans(ctx)
}

func (p *brokerPass) readSet(g int32, set *appsv1.StatefulSet) {
	p.existing[g], p.images = fleet.Recorded(set), append(p.images, fleet.RunningImage(set))
	p.specs = append(p.specs, &set.Spec.Template.Spec)
}

// readOrphans finds open groups whose pods run on while their StatefulSet is made anew (see desired.Recoverable).
func (p *brokerPass) readOrphans(ctx context.Context) error {
	for _, status := range p.broker.Status.Groups {
		g := desired.Ordinal(status.Name)
		if _, known := p.existing[g]; known || status.State != string(scale.Open) || status.Name != desired.GroupName(p.broker.Name, g) {
			continue
		}
		list, err := p.Pods(ctx, desired.Selector(p.broker.Name, desired.Broker, status.Name))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(pod corev1.Pod) bool { return metav1.GetControllerOf(&pod) == nil && pod.DeletionTimestamp == nil }) {
			p.existing[g] = desired.GroupState{State: scale.Open, Members: int32(len(status.Members)), Since: metav1.Now()}
		}
	}
	return nil
}

func (p *brokerPass) readPods(ctx context.Context) (_ *kube.Waiting, err error) {
	selector := desired.Selector(p.broker.Name, desired.Broker, "")
	if p.pods, err = p.Pods(ctx, selector); err != nil {
		return nil, err
	}
	p.broker.Status.Selector = labels.SelectorFromSet(selector).String()
	p.broker.Status.Nodes = nil
	for i := range p.pods {
		p.broker.Status.Nodes = append(p.broker.Status.Nodes, p.pods[i].Name)
		p.specs = append(p.specs, &p.pods[i].Spec)
	}
	return nil, nil
}

// planGroups says which groups there are to be now.
func (p *brokerPass) planGroups(context.Context) (*kube.Waiting, error) {
	p.groups = fleet.Plan(p.broker, p.existing, time.Now())
	p.broker.Status.Size = int32(len(p.groups))
	p.deps.Groups = map[string]settings.GroupSettings{}
	for _, g := range p.groups {
		p.deps.Groups[g.Name] = g.State().Settings()
	}
	return nil, nil
}

func (p *brokerPass) applyShared(ctx context.Context) (*kube.Waiting, error) {
	p.broker.Status.NameServers = p.deps.NameServers
	objects, err := p.Installation.Broker(p.broker, p.deps)
	if err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	return p.Apply(ctx, objects...)
}

// applyGroups brings each group's objects up to date, a changed pod template only when the groups before are done.
func (p *brokerPass) applyGroups(ctx context.Context) (*kube.Waiting, error) {
	busy := false // a group before is on its way to the wanted spec
	for _, g := range p.groups {
		budget, set, err := p.Installation.BrokerGroup(p.broker, g.Number, g.Record, p.deps)
		if err != nil {
			return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
		}
		if waiting, err := p.Apply(ctx, budget); waiting != nil || err != nil {
			return waiting, err
		}
		g.Set, g.Revision = set, pods.RevisionOf(&set.Spec.Template)
		var waiting *kube.Waiting
		if _, exists := p.existing[g.Number]; exists {
			g.Revision, waiting, err = p.ApplyStatefulSet(ctx, set, busy && !p.anyPod(g, stuckOnOldSpec))
		} else {
			waiting, err = p.CreateStatefulSet(ctx, set)
		}
		if waiting != nil || err != nil {
			return waiting, err
		}
		busy = busy || p.anyPod(g, unsettled)
	}
	return nil, nil
}

func (p *brokerPass) anyPod(g *fleet.Group, is func(pod *corev1.Pod, wanted pods.Revision) bool) bool {
	return slices.ContainsFunc(p.pods, func(pod corev1.Pod) bool { return pod.Labels[desired.LabelGroup] == g.Name && is(&pod, g.Revision) })
}

func stuckOnOldSpec(pod *corev1.Pod, wanted pods.Revision) bool {
	return pods.Outdated(pod, wanted) && pods.Stuck(pod) != ""
}

func unsettled(pod *corev1.Pod, wanted pods.Revision) bool {
	return pods.Outdated(pod, wanted) || !pods.Ready(pod)
}

// removeGroup deletes what a group had when its pods are gone, the StatefulSet last, because it holds the group's record.
func (p *brokerPass) removeGroup(ctx context.Context, g *fleet.Group) error {
	budget, _, err := p.Installation.BrokerGroup(p.broker, g.Number, g.Record, p.deps)
	if err != nil {
		return err
	}
	if err := saved.Tidy(ctx, p.Client, p.broker, g.Name, nil); err != nil {
		return err
	}
	for _, object := range []client.Object{budget, desired.Metadata(p.broker, g.Name, nil, nil), g.Set} {
		if err := p.Client.Delete(ctx, object); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete %s: %w", object.GetName(), err)
		}
	}
	p.Event(g.Set, v1alpha1.EventGroupRemoved, "group %s is removed", g.Name)
	return nil
}

package broker

import (
	"context"
	"fmt"
	"maps"
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
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// group is a broker group that exists or is about to.
type group struct {
	desired.GroupState
	number int32
	name   string
	set    *appsv1.StatefulSet // once it is applied
	saved  *corev1.ConfigMap   // what its master knew, nil if nothing is saved
}

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
			p.existing[g], p.images = stateOf(set), append(p.images, imageOf(set))
		}
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
			p.existing[g], p.images = stateOf(&set), append(p.images, imageOf(&set))
		}
	}
	return nil, p.readOrphans(ctx)
}

// readOrphans finds open groups whose pods run on while their StatefulSet is made anew (see desired.Recoverable).
func (p *brokerPass) readOrphans(ctx context.Context) error {
	for _, status := range p.broker.Status.Groups {
		g := desired.Ordinal(status.Name)
		if _, known := p.existing[g]; known || status.State != string(scale.Open) || status.Name != desired.GroupName(p.broker.Name, g) {
			continue
		}
		pods, err := p.Pods(ctx, desired.Selector(p.broker.Name, desired.Broker, status.Name))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return metav1.GetControllerOf(&pod) == nil && pod.DeletionTimestamp == nil }) {
			p.existing[g] = desired.GroupState{State: scale.Open, Members: int32(len(status.Members)), Since: metav1.Now()}
		}
	}
	return nil
}

// imageOf the broker that a StatefulSet runs.
func imageOf(set *appsv1.StatefulSet) string {
	for _, container := range set.Spec.Template.Spec.Containers {
		if container.Name == desired.Container {
			return container.Image
		}
	}
	return ""
}

// stateOf a group, as its StatefulSet records it.
func stateOf(set *appsv1.StatefulSet) desired.GroupState {
	state := desired.GroupState{
		State: scale.State(set.Annotations[desired.AnnotationState]), Since: set.CreationTimestamp,
		Unclean:    desired.Unclean(set.Annotations[desired.AnnotationUncleanElection]),
		StaleForce: set.Annotations[desired.AnnotationForceStale] == "true",
	}
	if set.Spec.Replicas != nil {
		state.Members = *set.Spec.Replicas
	}
	if since, err := time.Parse(time.RFC3339, set.Annotations[desired.AnnotationStateSince]); err == nil {
		state.Since = metav1.NewTime(since)
	}
	return state
}

// planGroups says which groups there are to be now. Neither groups nor members are taken away here: see shrink and
// advance.
func (p *brokerPass) planGroups(context.Context) (*kube.Waiting, error) {
	first := scale.First(slices.Collect(func(yield func(scale.State) bool) {
		for _, state := range p.existing {
			if !yield(state.State) {
				return
			}
		}
	}))
	numbers := slices.Collect(maps.Keys(p.existing))
	for g := range desired.GroupCount(p.broker) {
		if _, exists := p.existing[g]; !exists {
			numbers = append(numbers, g)
		}
	}
	slices.Sort(numbers)
	p.deps.Groups = map[string]settings.GroupSettings{}
	p.broker.Status.Size = int32(len(numbers))
	for _, g := range numbers {
		state, exists := p.existing[g]
		switch {
		case !exists:
			state = desired.GroupState{Members: desired.MemberCount(p.broker), State: first, Since: metav1.Now()}
		case state.State == scale.Removing:
			state.Members = 0
		case state.State.Leaving(): // no new members
		default:
			state.Members = max(state.Members, desired.MemberCount(p.broker))
		}
		name := desired.GroupName(p.broker.Name, g)
		p.groups = append(p.groups, &group{GroupState: state, number: g, name: name})
		p.deps.Groups[name] = state.State.Settings()
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
	var err error
	selector := desired.Selector(p.broker.Name, desired.Broker, "")
	if p.pods, err = p.Pods(ctx, selector); err != nil {
		return nil, err
	}
	p.broker.Status.Selector = labels.SelectorFromSet(selector).String()
	p.broker.Status.Nodes = nil
	for i := range p.pods {
		p.broker.Status.Nodes = append(p.broker.Status.Nodes, p.pods[i].Name)
	}
	busy := false
	for _, g := range p.groups {
		budget, set, err := p.Installation.BrokerGroup(p.broker, g.number, g.GroupState, p.deps)
		if err != nil {
			return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
		}
		wanted := workload.Hash(set)
		list := p.podsOf(set.Name)
		hold := p.older != "" || busy && !slices.ContainsFunc(list, func(pod corev1.Pod) bool { return outdated(&pod, wanted) && pods.Stuck(&pod) != "" })
		if waiting, err := p.Apply(ctx, budget); waiting != nil || err != nil {
			return waiting, err
		}
		if waiting, err := p.ApplyStatefulSet(ctx, set, hold); waiting != nil || err != nil {
			return waiting, err
		}
		p.hash, g.set = wanted, set
		busy = busy || slices.ContainsFunc(list, func(pod corev1.Pod) bool { return outdated(&pod, wanted) || !pods.Ready(&pod) })
	}
	return nil, nil
}

func outdated(pod *corev1.Pod, hash string) bool {
	return pod.Annotations[desired.AnnotationHash] != hash
}

// removeGroup deletes what a group had when its pods are gone, the StatefulSet last, because it holds the group's state.
func (p *brokerPass) removeGroup(ctx context.Context, g *group) error {
	budget, _, err := p.Installation.BrokerGroup(p.broker, g.number, g.GroupState, p.deps)
	if err != nil {
		return err
	}
	for _, object := range []client.Object{budget, desired.Metadata(p.broker, g.name, nil, nil), g.set} {
		if err := p.Client.Delete(ctx, object); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete %s: %w", object.GetName(), err)
		}
	}
	p.Event(g.set, "GroupRemoved", "Scale", "group %s is removed", g.name)
	return nil
}

func (p *brokerPass) podsOf(group string) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(p.pods), func(pod corev1.Pod) bool { return pod.Labels[desired.LabelGroup] != group })
}

// pod of that name, nil if there is none or it is on its way out.
func (p *brokerPass) pod(name string) *corev1.Pod {
	if pod := p.anyPod(name); pod != nil && pod.DeletionTimestamp == nil {
		return pod
	}
	return nil
}

// anyPod of that name, be it on its way out; nil if there is none.
func (p *brokerPass) anyPod(name string) *corev1.Pod {
	i := slices.IndexFunc(p.pods, func(pod corev1.Pod) bool { return pod.Name == name })
	if i < 0 {
		return nil
	}
	return &p.pods[i]
}

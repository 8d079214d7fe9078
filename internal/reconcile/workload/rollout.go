// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
)

// Roll does what the rollout decided. The condition UpToDate says why, and an event does whenever the reason changes. Choices are what
// the user can do when the rollout is blocked.
func (p *Pass) Roll(ctx context.Context, list []corev1.Pod, decision rollout.Decision, choices string) error {
	if decision.Action == rollout.Replace {
		same, err := p.unchanged(ctx, list)
		if err != nil {
			return err
		}
		if !same {
			decision.Action, decision.Reason = rollout.Wait, "pods changed while this was decided; checking again"
		}
	}
	at := slices.IndexFunc(list, func(pod corev1.Pod) bool { return pod.Name == decision.Pod })
	behind := pods.OlderSpec(decision.Outdated)
	switch decision.Action {
	case rollout.Nothing:
		p.noneOutdated()
	case rollout.Pause:
		p.tell(v1alpha1.ReasonPaused, v1alpha1.EventRolloutPaused, nil, behind+"; "+decision.Reason)
	case rollout.Wait:
		p.LookAgain(pass.Soon)
		p.tell(v1alpha1.ReasonReplacingPods, v1alpha1.EventRolloutWaiting, podAt(list, at), fmt.Sprintf("%s; waiting: %s", behind, decision.Reason))
	case rollout.Blocked:
		p.stop(v1alpha1.ConditionRolloutBlocked, podAt(list, at), fmt.Sprintf("%s; %s. %s", behind, decision.Reason, choices))
	case rollout.Loss:
		p.stop(v1alpha1.ConditionWouldLoseMessages, podAt(list, at), fmt.Sprintf("%s; %s. To replace the pod and lose that data: kubectl annotate --overwrite -n %s %s %s %s=%s", behind,
			decision.Reason, p.Owner.GetNamespace(), strings.ToLower(v1alpha1.KindOf(p.Owner)), p.Owner.GetName(), v1alpha1.AnnotationAllowMessageLoss, lossOf(&list[at])))
	case rollout.Replace:
		p.LookAgain(pass.Soon)
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonReplacingPods,
			fmt.Sprintf("%s; replacing %s: %s", behind, decision.Pod, decision.Reason))
		if err := p.DeletePod(ctx, &list[at]); err != nil {
			return err
		}
		p.Event(&list[at], v1alpha1.EventReplacingPod, "replacing pod %s: %s (%s)", decision.Pod, decision.Reason, behind)
	}
	return nil
}

// noneOutdated sets UpToDate when no pod is to be replaced: True, unless pods are held on the spec that they have.
func (p *Pass) noneOutdated() {
	if p.held != nil {
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, p.held.Reason, p.held.Message)
		return
	}
	p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate, "every pod runs the current spec")
}

func podAt(list []corev1.Pod, at int) client.Object {
	if at < 0 {
		return nil
	}
	return &list[at]
}

// tell why no pod is replaced now: in UpToDate, and in an event if UpToDate said something else before.
func (p *Pass) tell(reason, event string, about client.Object, message string) {
	if news := p.Conditions.Message(v1alpha1.ConditionUpToDate) != message; news {
		if about == nil {
			about = p.Owner
		}
		p.Event(about, event, "%s", message)
	}
	p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, reason, message)
}

// stop raises a condition besides: the rollout goes on only when the user does something.
func (p *Pass) stop(condition string, about client.Object, message string) {
	p.tell(condition, condition, about, message)
	p.Conditions.Raise(condition, "%s", message)
}

// unchanged reports whether the API server has the same pods as the cache that the decision was made on. The cache may not show yet
// that an earlier pass has just deleted one.
func (p *Pass) unchanged(ctx context.Context, list []corev1.Pod) (bool, error) {
	labels := list[0].Labels
	var live corev1.PodList
	err := p.Reader.List(ctx, &live, client.InNamespace(p.Owner.GetNamespace()),
		client.MatchingLabels(desired.Selector(labels[desired.LabelInstance], desired.Component(labels[desired.LabelComponent]), "")))
	if err != nil {
		return false, fmt.Errorf("list pods: %w", err)
	}
	known := map[types.UID]bool{}
	for i := range list {
		known[list[i].UID] = true
	}
	now := slices.DeleteFunc(live.Items, pods.Ended)
	for i := range now {
		if pod := &now[i]; !known[pod.UID] || pod.DeletionTimestamp != nil {
			return false, nil
		}
	}
	return len(now) == len(list), nil
}

// MayLose reports whether the user allows that this very pod is replaced although its data is nowhere else.
// The annotation holds a part of the pod's UID, so that it does not allow the same for the pod that follows.
func (p *Pass) MayLose(pod *corev1.Pod) bool {
	return p.Owner.GetAnnotations()[v1alpha1.AnnotationAllowMessageLoss] == lossOf(pod)
}

// lossOf is what the annotation names a pod by.
func lossOf(pod *corev1.Pod) string { return fmt.Sprintf("%s.%.8s", pod.Name, pod.UID) }

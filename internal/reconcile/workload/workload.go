// Package workload is what the reconcilers of servers and tools share: StatefulSets, Deployments, their pods and volumes, and
// how one pod after the other is replaced.
package workload

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Pass is one reconcile of one resource that runs in pods.
type Pass struct {
	pass.Base

	// remaking: a StatefulSet is being made anew; the next one waits.
	remaking bool
}

// Begin a reconcile of a resource that has just been read.
func Begin(env *pass.Env, owner v1alpha1.Resource) Pass {
	return Pass{Base: pass.Begin(env, owner)}
}

// ApplyStatefulSet writes a StatefulSet and returns it as it then is. The pod template of a live one is kept while
// the user's hash is the same, or while hold says that its turn has not come; its claims cannot change, but see
// growVolumes.
func (p *Pass) ApplyStatefulSet(ctx context.Context, set *appsv1.StatefulSet, hold bool) (*kube.Waiting, error) {
	var live appsv1.StatefulSet
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(set), &live)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read StatefulSet %s: %w", set.Name, err)
	}
	exists := err == nil
	wanted, claims := Hash(set), set.Spec.VolumeClaimTemplates
	if exists && live.DeletionTimestamp != nil {
		set.Spec.Template = live.Spec.Template
		p.remaking = true
		return nil, nil // its end wakes the next pass, which makes it anew
	}
	if exists {
		if hold || Hash(&live) == wanted {
			set.Spec.Template = live.Spec.Template
		}
		set.Spec.VolumeClaimTemplates = live.Spec.VolumeClaimTemplates
	}
	applier := p.Applier()
	wrote, err := applier.Apply(ctx, p.Owner, set)
	if waiting, err := p.Explain(err); waiting != nil || err != nil {
		return waiting, err
	}
	switch {
	case !exists && wrote:
		p.Event(set, v1alpha1.EventCreated, "created StatefulSet %s with %s", set.Name, pods.Count(*set.Spec.Replicas, "pod", "pods"))
	case exists && Hash(&live) != Hash(set):
		p.Event(set, v1alpha1.EventUpdated, "StatefulSet %s has the new spec; its pods follow one at a time", set.Name)
	case exists && *live.Spec.Replicas != *set.Spec.Replicas:
		p.Event(set, v1alpha1.EventScaled, "StatefulSet %s goes from %d to %s", set.Name, *live.Spec.Replicas, pods.Count(*set.Spec.Replicas, "pod", "pods"))
	}
	if exists {
		return nil, p.growVolumes(ctx, &live, set, claims, !hold && Hash(&live) == wanted)
	}
	return nil, nil
}

// Hash of what the user can change, from a StatefulSet's template.
func Hash(set *appsv1.StatefulSet) string {
	return set.Spec.Template.Annotations[v1alpha1.AnnotationHash]
}

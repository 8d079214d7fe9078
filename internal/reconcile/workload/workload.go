// SPDX-License-Identifier: Apache-2.0

// Package workload is what the reconcilers of servers and tools share: StatefulSets, Deployments, their pods and volumes, and
// how one pod after the other is replaced.
package workload

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Pass is one reconcile of one resource that runs in pods.
type Pass struct {
	pass.Base

	// held says why pods keep the spec that they have, nil if they are to follow the resource's spec.
	held *kube.Waiting
	// remaking: a StatefulSet is being made anew; the next one waits.
	remaking bool
	// unseen: Kubernetes has yet to look at what was written, so it has refused no pod of that.
	unseen bool
}

// Begin a reconcile of a resource that has just been read.
func Begin(env *pass.Env, owner v1alpha1.Resource) Pass {
	return Pass{Base: pass.Begin(env, owner)}
}

// Hold raises a condition, and lets pods keep the spec that they have while it lasts. If there are several, UpToDate names the first.
func (p *Pass) Hold(condition, format string, args ...any) {
	trouble := p.Trouble(condition, format, args...)
	if p.held == nil {
		p.held = trouble
	}
}

// ReadReferences reads the ConfigMaps that pods use. While one is missing pods keep their spec: it may be back in a moment, as after
// kubectl replace, and pods that are made meanwhile would hang.
func (p *Pass) ReadReferences(ctx context.Context, refs []kube.ConfigMapRef) (desired.References, *kube.Waiting, error) {
	for _, ref := range refs {
		if why := ref.BadName(); why != "" {
			return nil, p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", why), nil
		}
	}
	contents, missing, err := kube.ReadConfigMaps(ctx, p.Reader, p.Owner.GetNamespace(), refs)
	for _, ref := range missing {
		p.Hold(v1alpha1.ConditionMissingReference, "%s: ConfigMap %s does not exist. Create it, or correct the name", ref.Field, ref.Name)
		p.LookAgain(pass.Later)
	}
	return contents, nil, err
}

// ApplyStatefulSet writes a StatefulSet. Afterwards set is what the API server has. It returns the revision that pods are compared
// with. If hold is set, because other groups come first, a template with another hash is not written yet. A template with the same
// hash is: it may name the agent of a newer operator, which a pod gets when it is next made, and no pod is replaced for it.
func (p *Pass) ApplyStatefulSet(ctx context.Context, set *appsv1.StatefulSet, hold bool) (pods.Revision, *kube.Waiting, error) {
	wanted := pods.RevisionOf(&set.Spec.Template)
	var live appsv1.StatefulSet
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(set), &live)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return wanted, nil, fmt.Errorf("read StatefulSet %s: %w", set.Name, err)
	case err != nil:
		waiting, err := p.CreateStatefulSet(ctx, set)
		return wanted, waiting, err
	case live.DeletionTimestamp != nil:
		set.Spec.Template = live.Spec.Template
		p.remaking = true
		return wanted, nil, nil // its end wakes the next pass, which makes it anew
	}
	same, renamed := Hash(&live) == wanted.Hash, keepClaimName(&live, set)
	if (hold || p.held != nil) && !same {
		set.Spec.Template = live.Spec.Template
	}
	if p.held != nil {
		wanted.Hash = Hash(&live)
	}
	if at, asked := live.Spec.Template.Annotations[pods.RestartAnnotation]; asked {
		wanted.Restart = at
		metav1.SetMetaDataAnnotation(&set.Spec.Template.ObjectMeta, pods.RestartAnnotation, at)
	}
	claims := set.Spec.VolumeClaimTemplates
	set.Spec.VolumeClaimTemplates = live.Spec.VolumeClaimTemplates
	remake, notGrown := p.growVolumes(ctx, &live, claims, same && !hold && !renamed)
	if remake {
		keepClaims(set)
	}
	applier := p.Applier()
	_, err = applier.Apply(ctx, p.Owner, set)
	if waiting, err := p.Explain(err); waiting != nil || err != nil {
		return wanted, waiting, err
	}
	p.unseen = p.unseen || live.Status.ObservedGeneration == 0
	switch {
	case Hash(&live) != Hash(set):
		p.Event(set, v1alpha1.EventUpdated, "StatefulSet %s has the new spec; its pods are replaced one at a time", set.Name)
	case *live.Spec.Replicas != *set.Spec.Replicas:
		p.Event(set, v1alpha1.EventScaled, "StatefulSet %s goes from %d to %s", set.Name, *live.Spec.Replicas, pods.Count(*set.Spec.Replicas, "pod", "pods"))
	}
	if notGrown != nil || !remake {
		return wanted, nil, notGrown
	}
	return wanted, nil, p.remake(ctx, &live, set, claims)
}

// CreateStatefulSet writes a StatefulSet that there was none of when the pass began. One that has come since then is left
// to the next pass, which knows what it records.
func (p *Pass) CreateStatefulSet(ctx context.Context, set *appsv1.StatefulSet) (*kube.Waiting, error) {
	if p.held != nil {
		return p.held, nil
	}
	applier := p.Applier()
	if waiting, err := p.Explain(applier.Create(ctx, p.Owner, set)); waiting != nil || err != nil {
		return waiting, err
	}
	p.unseen = true
	p.Event(set, v1alpha1.EventCreated, "created StatefulSet %s with %s", set.Name, pods.Count(*set.Spec.Replicas, "pod", "pods"))
	return nil, nil
}

// keepClaimName gives the data volume the name that it has in a live StatefulSet, because claims cannot change, and reports whether
// the spec has another name for it by now.
func keepClaimName(live, set *appsv1.StatefulSet) (renamed bool) {
	if len(live.Spec.VolumeClaimTemplates) == 0 || len(set.Spec.VolumeClaimTemplates) == 0 {
		return false
	}
	// The first one holds the data (v1alpha1.StorageSettings).
	was, now := live.Spec.VolumeClaimTemplates[0].Name, set.Spec.VolumeClaimTemplates[0].Name
	if was == now {
		return false
	}
	set.Spec.VolumeClaimTemplates[0].Name = was
	template := &set.Spec.Template.Spec
	for _, containers := range [][]corev1.Container{template.InitContainers, template.Containers} {
		for i := range containers {
			for j := range containers[i].VolumeMounts {
				if mount := &containers[i].VolumeMounts[j]; mount.Name == now {
					mount.Name = was
				}
			}
		}
	}
	return true
}

// Hash of what the user can change, from a StatefulSet's template.
func Hash(set *appsv1.StatefulSet) string {
	return set.Spec.Template.Annotations[v1alpha1.AnnotationHash]
}

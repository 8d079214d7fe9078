// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// DeploymentHash is the hash of what the user can change, from a Deployment's template.
func DeploymentHash(d *appsv1.Deployment) string {
	return d.Spec.Template.Annotations[v1alpha1.AnnotationHash]
}

// ApplyDeployment writes a Deployment, and leaves in d what there is then. Kubernetes replaces its pods as soon as their template is
// another one, so a live one stays while the user's part is the same, and a new operator restarts nothing; unless the image of the
// agent cannot be fetched any more. It stays as well while the pass is paused or held.
func (p *Pass) ApplyDeployment(ctx context.Context, d *appsv1.Deployment, paused bool) (*kube.Waiting, error) {
	var live appsv1.Deployment
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(d), &live)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read Deployment %s: %w", d.Name, err)
	}
	exists := err == nil
	if !exists && p.held != nil {
		return p.held, nil
	}
	if exists {
		stays, err := p.templateStays(ctx, &live, d, paused)
		if err != nil {
			return nil, err
		}
		if stays {
			wanted := d.Spec.Template.Spec.Containers
			live.Spec.Template.DeepCopyInto(&d.Spec.Template)
			if !paused && p.held == nil {
				p.putBackImages(d, wanted)
			}
		}
	}
	if err := p.dropRollingUpdate(ctx, d); err != nil {
		return nil, err
	}
	applier := p.Applier()
	wrote, err := applier.Apply(ctx, p.Owner, d)
	if waiting, err := p.Explain(err); waiting != nil || err != nil {
		return waiting, err
	}
	switch {
	case !exists && wrote:
		p.Event(d, v1alpha1.EventCreated, "created Deployment %s with %s", d.Name, pods.Count(*d.Spec.Replicas, "pod", "pods"))
	case exists && DeploymentHash(&live) != DeploymentHash(d):
		p.Event(d, v1alpha1.EventUpdated, "Deployment %s has the new spec; Kubernetes replaces its pods", d.Name)
	case exists && *live.Spec.Replicas != *d.Spec.Replicas:
		p.Event(d, v1alpha1.EventScaled, "Deployment %s goes from %d to %s", d.Name, *live.Spec.Replicas, pods.Count(*d.Spec.Replicas, "pod", "pods"))
	}
	return nil, nil
}

// putBackImages gives the containers of a template that stays the images that they are to have: somebody may have changed them, as with
// kubectl set image. The resource would not show it, because the annotation with its hash is still there.
func (p *Pass) putBackImages(d *appsv1.Deployment, wanted []corev1.Container) {
	for i := range d.Spec.Template.Spec.Containers {
		c := &d.Spec.Template.Spec.Containers[i]
		j := slices.IndexFunc(wanted, func(w corev1.Container) bool { return w.Name == c.Name })
		if j >= 0 && c.Image != wanted[j].Image {
			p.Event(d, v1alpha1.EventUpdated, "somebody gave Deployment %s the image %s, and the operator put %s back: change it in this resource instead",
				d.Name, c.Image, wanted[j].Image)
			c.Image = wanted[j].Image
		}
	}
}

// templateStays reports whether a live Deployment keeps its template.
func (p *Pass) templateStays(ctx context.Context, live, wanted *appsv1.Deployment, paused bool) (bool, error) {
	if paused || p.held != nil {
		return true, nil
	}
	if DeploymentHash(live) != DeploymentHash(wanted) {
		return false, nil
	}
	if pods.RevisionOf(&live.Spec.Template).Agent == pods.RevisionOf(&wanted.Spec.Template).Agent {
		return true, nil
	}
	list, err := p.Pods(ctx, live.Spec.Selector.MatchLabels)
	return !slices.ContainsFunc(list, func(pod corev1.Pod) bool { return pods.LacksAgent(&pod) }), err
}

// dropRollingUpdate makes way for the strategy Recreate: a live Deployment that was defaulted to, or given by another
// writer, the numbers of a rolling update keeps them under server-side apply, and the API server refuses both together.
func (p *Pass) dropRollingUpdate(ctx context.Context, d *appsv1.Deployment) error {
	if d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		return nil
	}
	var live appsv1.Deployment
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(d), &live)
	if apierrors.IsNotFound(err) { // the predecessor's is in no cache
		err = p.Reader.Get(ctx, client.ObjectKeyFromObject(d), &live)
	}
	if err == nil && live.Spec.Strategy.RollingUpdate != nil && metav1.IsControlledBy(&live, p.Owner) {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}`))
		err = p.Client.Patch(ctx, &live, patch, client.FieldOwner(kube.FieldOwner))
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("change the strategy of Deployment %s: %w", d.Name, err)
	}
	return nil
}

// Remove deletes an owned object that is no longer wanted. One that is not there, or not the owner's, is left alone.
func (p *Pass) Remove(ctx context.Context, object client.Object) error {
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
	if err == nil && metav1.IsControlledBy(object, p.Owner) && object.GetDeletionTimestamp() == nil {
		err = p.Client.Delete(ctx, object, client.Preconditions{UID: new(object.GetUID())})
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove %T %s: %w", object, object.GetName(), err)
	}
	return nil
}

// Rolled sets UpToDate by how many pods of a Deployment have the wanted hash. Kubernetes replaces them, not the operator.
func (p *Pass) Rolled(ctx context.Context, d *appsv1.Deployment, wanted string, list []corev1.Pod) error {
	hash := wanted
	if p.held != nil {
		hash = DeploymentHash(d)
	}
	outdated, current := 0, 0
	var fresh []corev1.Pod
	for i := range list {
		switch pod := &list[i]; {
		case pod.Annotations[v1alpha1.AnnotationHash] != hash:
			outdated++
		case pods.Ready(pod):
			current++
		default:
			fresh = append(fresh, *pod)
		}
	}
	switch {
	case DeploymentHash(d) != hash:
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused,
			pods.OlderSpec(outdated)+"; spec.paused is set")
	case outdated > 0 && d.Spec.Paused:
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused,
			pods.OlderSpec(outdated)+"; the Deployment is paused: kubectl rollout resume -n "+d.Namespace+" deployment "+d.Name)
	case outdated > 0:
		trouble, err := p.describe(ctx, fresh, nil)
		if err != nil {
			return err
		}
		p.LookAgain(pass.Soon)
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonReplacingPods,
			strings.Join(append([]string{fmt.Sprintf("%s, %d the new one", pods.OlderSpec(outdated), current)}, trouble...), "; "))
	default:
		p.noneOutdated()
	}
	return nil
}

// Available waits until as many pods of a Deployment serve as are wanted, of whatever spec. A refusal to create them is
// told.
func (p *Pass) Available(ctx context.Context, d *appsv1.Deployment, list []corev1.Pod) (*kube.Waiting, error) {
	wanted := int(*d.Spec.Replicas)
	serving := 0
	for i := range list {
		if pods.Ready(&list[i]) {
			serving++
		}
	}
	i := slices.IndexFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue
	})
	switch {
	case wanted == 0:
		return kube.Wait(v1alpha1.ReasonMembersNotReady, "no pod runs, because spec.replicas is 0: set it to 1 or more").LookAgain(pass.Later), nil
	case i >= 0 && len(list) < wanted:
		return p.Trouble(v1alpha1.ConditionRefused, "pods are not admitted: %s", remedied(d.Status.Conditions[i].Message, p.Owner)).LookAgain(pass.Later), nil
	case serving >= wanted:
		return nil, nil
	}
	said, err := p.describe(ctx, list, nil)
	if err != nil {
		return nil, err
	}
	if missing := wanted - len(list); missing > 0 {
		said = append(said, pods.Count(missing, "pod is", "pods are")+" still to be created")
	}
	return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s", strings.Join(said, "; ")).LookAgain(pass.Later), nil
}

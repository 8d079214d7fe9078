// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// expansionLimit is how long a driver may take to enlarge a volume before the user is told; most need seconds.
const expansionLimit = 5 * time.Minute

// growVolumes brings the claims of a StatefulSet's pods to the wanted size, which their drivers do while the pods run.
// When all have it, the StatefulSet's own templates are due to follow: see remake. settled says that the StatefulSet has nothing
// else to change: a new spec or a new name of a claim comes first.
func (p *Pass) growVolumes(ctx context.Context, live *appsv1.StatefulSet, wanted []corev1.PersistentVolumeClaim, settled bool) (due bool, err error) {
	same, grown := true, true
	for i := range wanted {
		at := slices.IndexFunc(live.Spec.VolumeClaimTemplates, func(c corev1.PersistentVolumeClaim) bool { return c.Name == wanted[i].Name })
		if at < 0 {
			return false, nil // a claim was added or renamed, which is no growth
		}
		size, now := storage(&wanted[i]), storage(&live.Spec.VolumeClaimTemplates[at])
		same = same && now.Cmp(size) == 0
		for ordinal := range *live.Spec.Replicas {
			done, err := p.growVolume(ctx, wanted[i].Name, desired.PodName(live.Name, ordinal), size)
			if err != nil {
				return false, err
			}
			grown = grown && done
		}
	}
	return !same && grown && settled && !p.remaking && desired.Recoverable(live), nil
}

// keepClaims when a StatefulSet goes, as it does to be made anew. Claims that belong to it (whenDeleted: Delete) would be in danger:
// the garbage collector takes those whose owner it does not find.
func keepClaims(set *appsv1.StatefulSet) {
	if policy := set.Spec.PersistentVolumeClaimRetentionPolicy; policy != nil {
		set.Spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
			WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType, WhenScaled: policy.WhenScaled,
		}
	}
}

// remake a StatefulSet with other claims, if all its pods are well and no claim belongs to it: templates cannot change, so it is deleted
// without its pods, and the next pass makes it anew.
func (p *Pass) remake(ctx context.Context, live, set *appsv1.StatefulSet, claims []corev1.PersistentVolumeClaim) error {
	list, err := p.Pods(ctx, live.Spec.Selector.MatchLabels)
	if err != nil {
		return err
	}
	if len(list) != int(*live.Spec.Replicas) || slices.ContainsFunc(list, func(pod corev1.Pod) bool { return !pods.Ready(&pod) || !metav1.IsControlledBy(&pod, live) }) {
		return nil // a pod that is created at this moment might be left without an owner
	}
	if owned, err := p.ownsClaims(ctx, live); owned || err != nil {
		return err // Kubernetes follows keepClaims soon, and the changed claim wakes the next pass
	}
	err = p.Client.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationOrphan), client.Preconditions{UID: &live.UID})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete StatefulSet %s without its pods: %w", live.Name, err)
	}
	set.Spec.VolumeClaimTemplates, p.remaking = claims, true
	p.Event(set, v1alpha1.EventVolumesGrown, "the volumes of %s have the size of the spec. Its StatefulSet, whose own size cannot be changed, is deleted "+
		"and created again; the pods run on", live.Name)
	return nil
}

func (p *Pass) ownsClaims(ctx context.Context, live *appsv1.StatefulSet) (bool, error) {
	var claims corev1.PersistentVolumeClaimList
	if err := p.Client.List(ctx, &claims, client.InNamespace(live.Namespace), client.MatchingLabels(live.Spec.Selector.MatchLabels)); err != nil {
		return false, fmt.Errorf("list the claims of StatefulSet %s: %w", live.Name, err)
	}
	return slices.ContainsFunc(claims.Items, func(claim corev1.PersistentVolumeClaim) bool {
		return slices.ContainsFunc(claim.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.UID == live.UID })
	}), nil
}

func storage(claim *corev1.PersistentVolumeClaim) resource.Quantity {
	return claim.Spec.Resources.Requests[corev1.ResourceStorage]
}

// growVolume brings one claim of a pod to a size, and reports whether the claim asks for that size now. If it cannot, the condition
// VolumeExpansion says why.
func (p *Pass) growVolume(ctx context.Context, template, pod string, size resource.Quantity) (bool, error) {
	claim, name := &corev1.PersistentVolumeClaim{}, template+"-"+pod
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.Owner.GetNamespace(), Name: name}, claim)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read PersistentVolumeClaim %s: %w", name, err)
	}
	if err != nil || claim.DeletionTimestamp != nil {
		return false, nil // Kubernetes will create it, with the size in the StatefulSet
	}
	has, capacity := storage(claim), claim.Status.Capacity[corev1.ResourceStorage]
	switch {
	case has.Cmp(size) == 0 && capacity.Cmp(size) < 0 && claim.Status.Phase == corev1.ClaimBound:
		p.tellExpanding(claim, pod, size, capacity)
		return true, nil
	case has.Cmp(size) == 0:
		return true, nil
	case claim.Status.Phase != corev1.ClaimBound:
		p.tellVolume(v1alpha1.ReasonExpanding, "PersistentVolumeClaim %s has no volume yet; the operator enlarges it to %s when it has one", name, &size)
		return false, nil
	case capacity.Cmp(size) > 0:
		p.tellVolume(v1alpha1.ReasonCannotShrink, "PersistentVolumeClaim %s keeps its %s: a volume cannot shrink to %s; put the size in the spec back",
			name, &capacity, &size)
		return false, nil
	}
	before := claim.DeepCopy()
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: size}
	err = p.Client.Patch(ctx, claim, client.MergeFrom(before))
	switch {
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		p.tellVolume(v1alpha1.ReasonExpansionRefused, "PersistentVolumeClaim %s stays at %s, because the API server refused to enlarge it: %s. "+
			"If the driver of StorageClass %q can enlarge volumes, set allowVolumeExpansion there; "+
			"otherwise put the size in the spec back", name, &has, strings.TrimSpace(err.Error()), class(claim))
		return false, nil
	case err != nil:
		return false, fmt.Errorf("enlarge PersistentVolumeClaim %s: %w", name, err)
	}
	p.Event(claim, v1alpha1.EventVolumeGrows, "enlarging PersistentVolumeClaim %s from %s to %s", name, &has, &size)
	p.tellExpanding(claim, pod, size, capacity)
	return true, nil
}

func class(claim *corev1.PersistentVolumeClaim) string {
	if claim.Spec.StorageClassName == nil {
		return ""
	}
	return *claim.Spec.StorageClassName
}

// tellExpanding says that a driver enlarges a volume, or that it has not done so in expansionLimit.
func (p *Pass) tellExpanding(claim *corev1.PersistentVolumeClaim, pod string, size, capacity resource.Quantity) {
	var says, remedy string
	for _, c := range claim.Status.Conditions {
		if c.Message != "" {
			says += ": " + c.Message
		}
		if c.Type == corev1.PersistentVolumeClaimFileSystemResizePending {
			remedy = fmt.Sprintf(". Its file system may grow only when the pod restarts: kubectl delete pod -n %s %s", claim.Namespace, pod)
		}
	}
	if since := p.Conditions.Since(v1alpha1.ConditionVolumeExpansion); !since.IsZero() && time.Since(since.Time) > expansionLimit {
		p.tellVolume(v1alpha1.ReasonExpansionStalled, "PersistentVolumeClaim %s still has %s instead of %s; the driver of StorageClass %q has not enlarged it%s%s",
			claim.Name, &capacity, &size, class(claim), says, remedy)
		return
	}
	p.tellVolume(v1alpha1.ReasonExpanding, "PersistentVolumeClaim %s grows from %s to %s%s", claim.Name, &capacity, &size, says)
}

// tellVolume adds a sentence to VolumeExpansion. Of several reasons one that needs the user is kept before Expanding, which does not.
func (p *Pass) tellVolume(reason, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if p.Conditions.Raised(v1alpha1.ConditionVolumeExpansion) {
		message = p.Conditions.Message(v1alpha1.ConditionVolumeExpansion) + "; " + message
		if reason == v1alpha1.ReasonExpanding {
			reason = p.Conditions.Reason(v1alpha1.ConditionVolumeExpansion)
		}
	}
	p.Conditions.Set(v1alpha1.ConditionVolumeExpansion, metav1.ConditionTrue, reason, message)
	p.LookAgain(pass.Later)
}

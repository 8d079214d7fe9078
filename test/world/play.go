// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
)

// Turn plays the StatefulSet and the Deployment controller, the scheduler, the kubelets and RocketMQ for one round.
func (w *World) Turn() {
	w.Helper()
	var sets appsv1.StatefulSetList
	w.Must(w.List(w.Context(), &sets, client.InNamespace(w.Namespace)))
	running := map[string]*corev1.Pod{}
	for _, pod := range w.Pods() {
		running[pod.Name] = &pod
	}
	sets.Items = slices.DeleteFunc(sets.Items, func(set appsv1.StatefulSet) bool { return w.orphan(&set, running) })
	wanted := map[string]bool{}
	for _, set := range sets.Items {
		w.observe(&set)
		for i := range *set.Spec.Replicas {
			name := desired.PodName(set.Name, i)
			w.member(&set, name, running)
			wanted[name] = true
		}
	}
	maps.Copy(wanted, w.turnDeployments(running))
	w.follow(w.end(running, wanted))
}

// observe a StatefulSet of the operator, as its controller does before anything else.
func (w *World) observe(set *appsv1.StatefulSet) {
	w.Helper()
	if set.Status.ObservedGeneration == set.Generation || set.Labels[desired.LabelManagedBy] != desired.ManagedBy {
		return
	}
	before := set.DeepCopy()
	set.Status.ObservedGeneration = set.Generation
	w.Must(client.IgnoreNotFound(w.Status().Patch(w.Context(), set, client.MergeFrom(before))))
}

// member of a StatefulSet: there, and ready if it may be.
func (w *World) member(set *appsv1.StatefulSet, name string, running map[string]*corev1.Pod) {
	w.Helper()
	w.provide(set, name)
	w.adopt(set, running[name])
	pod := running[name]
	if pod == nil {
		owner := *metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
		pod = w.newPod(owner, set.Spec.Template, set.Spec.VolumeClaimTemplates, name)
		running[name] = pod
	}
	if ready := !w.Starting[name] && !w.hangs(pod); ready != pods.Ready(pod) && pod.DeletionTimestamp == nil {
		w.setReady(pod, ready)
	}
}

// end the pods that nobody wants any more. It returns the others, in order.
func (w *World) end(running map[string]*corev1.Pod, wanted map[string]bool) []corev1.Pod {
	w.Helper()
	list := make([]corev1.Pod, 0, len(running))
	for _, name := range slices.Sorted(maps.Keys(running)) {
		if !wanted[name] && metav1.GetControllerOf(running[name]) != nil {
			w.Must(client.IgnoreNotFound(w.Delete(w.Context(), running[name])))
			continue
		}
		list = append(list, *running[name])
	}
	return list
}

// orphan plays the garbage collector for a StatefulSet that is deleted without its pods, and reports whether it is.
func (w *World) orphan(set *appsv1.StatefulSet, running map[string]*corev1.Pod) bool {
	w.Helper()
	if set.DeletionTimestamp == nil || !slices.Contains(set.Finalizers, metav1.FinalizerOrphanDependents) {
		return false
	}
	for _, pod := range running {
		if metav1.IsControlledBy(pod, set) {
			before := pod.DeepCopy()
			pod.OwnerReferences = nil
			w.Must(w.Patch(w.Context(), pod, client.MergeFrom(before)))
		}
	}
	var claims corev1.PersistentVolumeClaimList
	w.Must(w.List(w.Context(), &claims, client.InNamespace(w.Namespace), client.MatchingLabels(set.Spec.Selector.MatchLabels)))
	for _, claim := range claims.Items {
		if len(claim.OwnerReferences) > 0 {
			w.Errorf("%s belongs to a StatefulSet that is deleted without its pods: the garbage collector may take it", claim.Name)
		}
	}
	before := set.DeepCopy()
	set.Finalizers = nil
	w.Must(w.Patch(w.Context(), set, client.MergeFrom(before)))
	return true
}

// adopt a pod that was left behind, as the StatefulSet controller does.
func (w *World) adopt(set *appsv1.StatefulSet, pod *corev1.Pod) {
	w.Helper()
	if pod == nil || metav1.GetControllerOf(pod) != nil {
		return
	}
	before := pod.DeepCopy()
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}
	w.Must(w.Patch(w.Context(), pod, client.MergeFrom(before)))
}

// provide the volumes of a pod, and enlarge those that are to grow.
func (w *World) provide(set *appsv1.StatefulSet, pod string) {
	w.Helper()
	if w.claims == "" {
		return
	}
	for _, template := range set.Spec.VolumeClaimTemplates {
		if template.Spec.StorageClassName == nil || *template.Spec.StorageClassName != w.claims {
			continue
		}
		claim := &corev1.PersistentVolumeClaim{}
		err := w.Get(w.Context(), w.Key(template.Name+"-"+pod), claim)
		if apierrors.IsNotFound(err) {
			claim = &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: template.Name + "-" + pod, Namespace: w.Namespace,
				Labels: set.Spec.Selector.MatchLabels}, Spec: template.Spec}
			err = w.Create(w.Context(), claim)
			claim.Status.Capacity = claim.Spec.Resources.Requests
		}
		w.Must(err)
		if w.Growing {
			claim.Status.Capacity = claim.Spec.Resources.Requests
		}
		claim.Status.Phase = corev1.ClaimBound
		if err := w.Status().Update(w.Context(), claim); !apierrors.IsConflict(err) { // the operator asks for more: the next turn sees it
			w.Must(client.IgnoreNotFound(err))
		}
		w.own(set, claim)
	}
}

// own or give up a claim, as the StatefulSet controller does by whenDeleted.
func (w *World) own(set *appsv1.StatefulSet, claim *corev1.PersistentVolumeClaim) {
	w.Helper()
	policy := set.Spec.PersistentVolumeClaimRetentionPolicy
	owned := policy != nil && policy.WhenDeleted == appsv1.DeletePersistentVolumeClaimRetentionPolicyType
	if owned == (len(claim.OwnerReferences) > 0) {
		return
	}
	before := claim.DeepCopy()
	claim.OwnerReferences = nil
	if owned {
		claim.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}
	}
	w.Must(client.IgnoreNotFound(w.Patch(w.Context(), claim, client.MergeFrom(before))))
}

// hangs reports whether a pod was made when its image was missing, which it still is.
func (w *World) hangs(pod *corev1.Pod) bool { return w.lacksImage(pod) && pods.Stuck(pod) != "" }

func (w *World) lacksImage(pod *corev1.Pod) bool {
	return w.Missing != "" && (pod.Spec.Containers[0].Image == w.Missing || w.lacksAgent(pod))
}

func (w *World) lacksAgent(pod *corev1.Pod) bool {
	return len(pod.Spec.InitContainers) > 0 && pod.Spec.InitContainers[0].Image == w.Missing
}

func (w *World) newPod(owner metav1.OwnerReference, template corev1.PodTemplateSpec, claims []corev1.PersistentVolumeClaim, name string) *corev1.Pod {
	w.Helper()
	pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	pod.Name, pod.Namespace, pod.Spec.NodeName = name, w.Namespace, w.Node
	pod.OwnerReferences = []metav1.OwnerReference{owner}
	pod.Spec.PriorityClassName, pod.Spec.ServiceAccountName = "", "" // nobody made them here
	for _, claim := range claims {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + name}}})
	}
	w.Must(w.Create(w.Context(), pod))
	created := pod.DeepCopy()
	*w.addresses++
	pod.Status.PodIP = fmt.Sprintf("10.0.%d.%d", *w.addresses/250, *w.addresses%250+1)
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	if w.lacksImage(pod) {
		waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}}
		if w.lacksAgent(pod) {
			pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: desired.AgentContainer, State: waiting}}
		} else {
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.Container, State: waiting}}
		}
	}
	w.Must(w.PatchStatus(pod, created))
	return pod
}

// PatchStatus of a pod without a lock, because the operator labels pods meanwhile. One that it deletes is none.
func (w *World) PatchStatus(pod, before *corev1.Pod) error {
	return client.IgnoreNotFound(w.Status().Patch(w.Context(), pod, client.MergeFrom(before)))
}

func (w *World) setReady(pod *corev1.Pod, ready bool) {
	w.Helper()
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	before := pod.DeepCopy()
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.Now()}}
	w.Must(w.PatchStatus(pod, before))
}

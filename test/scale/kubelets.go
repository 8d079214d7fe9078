// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

const (
	// nodes that the pods are on. They exist only as objects.
	nodes          = 100
	kubeletWorkers = 12
)

// kubelets play the scheduler, the kubelets and the driver of the volumes, with the writes that the operator sees of real
// ones: a pod is bound, runs and is ready, one write each; a volume is bound.
type kubelets struct {
	client.Client
	settings client.Reader // without a cache
	servers  *servers
}

// newManager of what this process watches of Kubernetes.
func newManager(p *plane, scheme *runtime.Scheme) (manager.Manager, error) {
	return ctrl.NewManager(p.config, ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject:         map[client.Object]cache.ByObject{&corev1.Pod{}: {Transform: slimPod}},
		},
		Metrics: metricsserver.Options{BindAddress: "0"},
	})
}

// slimPod is what is needed of a pod.
func slimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	pod.ManagedFields = nil
	containers := pod.Spec.Containers
	pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName}
	for _, c := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: c.Name, Image: c.Image})
	}
	return pod, nil
}

func (k *kubelets) setUp(mgr manager.Manager) error {
	// One measurement after the other has controllers of these names.
	options := controller.Options{MaxConcurrentReconciles: kubeletWorkers, SkipNameValidation: new(true)}
	pods := ctrl.NewControllerManagedBy(mgr).Named("kubelet").For(&corev1.Pod{}).WithOptions(options)
	volumes := ctrl.NewControllerManagedBy(mgr).Named("volumes").For(&corev1.PersistentVolumeClaim{}).WithOptions(options)

	return errors.Join(pods.Complete(reconcile.Func(k.pod)), volumes.Complete(reconcile.Func(k.volume)))
}

// volume of a claim is there at once.
func (k *kubelets) volume(ctx context.Context, of reconcile.Request) (reconcile.Result, error) {
	var claim corev1.PersistentVolumeClaim
	if err := k.Get(ctx, of.NamespacedName, &claim); err != nil || claim.Status.Phase == corev1.ClaimBound {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	before := claim.DeepCopy()
	claim.Status.Phase = corev1.ClaimBound
	claim.Status.AccessModes, claim.Status.Capacity = claim.Spec.AccessModes, claim.Spec.Resources.Requests
	return reconcile.Result{}, client.IgnoreNotFound(k.Status().Patch(ctx, &claim, client.MergeFrom(before)))
}

// pod goes one step on.
func (k *kubelets) pod(ctx context.Context, of reconcile.Request) (reconcile.Result, error) {
	var pod corev1.Pod
	if err := k.Get(ctx, of.NamespacedName, &pod); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	step := k.makeReady
	switch {
	case pod.DeletionTimestamp != nil:
		step = k.end
	case pod.Spec.NodeName == "":
		step = k.bind
	case pod.Status.PodIP == "":
		step = k.run
	case isReady(&pod):
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, client.IgnoreNotFound(step(ctx, &pod))
}

func (k *kubelets) end(ctx context.Context, pod *corev1.Pod) error {
	k.servers.stop(pod.UID)
	return k.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
}

func (k *kubelets) bind(ctx context.Context, pod *corev1.Pod) error {
	var sum int
	for _, b := range []byte(pod.UID) {
		sum += int(b)
	}
	node := corev1.ObjectReference{Kind: "Node", Name: nodeName(sum % nodes)}
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID}, Target: node}

	return k.SubResource("binding").Create(ctx, pod, binding)
}

func (k *kubelets) run(ctx context.Context, pod *corev1.Pod) error {
	var config corev1.ConfigMap
	name := desired.ConfigMap(pod.Labels[desired.LabelInstance], desired.Component(pod.Labels[desired.LabelComponent]))
	if err := k.settings.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: name}, &config); err != nil {
		return err
	}
	var given settings.Settings
	if err := json.Unmarshal([]byte(config.Data[settings.File]), &given); err != nil {
		return fmt.Errorf("ConfigMap %s/%s: %w", pod.Namespace, name, err)
	}
	ip, err := k.servers.start(pod, &given)
	if err != nil {
		return err
	}
	before := pod.DeepCopy()
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP, pod.Status.PodIPs = ip.String(), []corev1.PodIP{{IP: ip.String()}}
	pod.Status.HostIP, pod.Status.HostIPs = "10.200.0.1", []corev1.HostIP{{IP: "10.200.0.1"}}
	pod.Status.StartTime = new(metav1.Now())
	setReady(pod, corev1.ConditionFalse)
	return k.Status().Patch(ctx, pod, client.MergeFrom(before))
}

func (k *kubelets) makeReady(ctx context.Context, pod *corev1.Pod) error {
	k.servers.ready(pod.UID)
	before := pod.DeepCopy()
	setReady(pod, corev1.ConditionTrue)
	return k.Status().Patch(ctx, pod, client.MergeFrom(before))
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// setReady makes the status that of a pod whose containers run, and are ready or not.
func setReady(pod *corev1.Pod, ready corev1.ConditionStatus) {
	pod.Status.Conditions, pod.Status.ContainerStatuses = nil, nil
	for _, c := range []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodInitialized, Status: corev1.ConditionTrue},
		{Type: corev1.ContainersReady, Status: ready}, {Type: corev1.PodReady, Status: ready},
	} {
		c.LastTransitionTime = metav1.Now()
		pod.Status.Conditions = append(pod.Status.Conditions, c)
	}
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: ready == corev1.ConditionTrue, Started: new(true),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: *pod.Status.StartTime}},
		})
	}
}

// makeNodes, which the operator looks at for every pod that is not ready.
func makeNodes(ctx context.Context, c client.Client) error {
	return parallel(nodes, func(i int) error {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)}}
		if err := c.Create(ctx, node); err != nil {
			return err
		}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}}
		return c.Status().Update(ctx, node)
	})
}

func nodeName(i int) string { return fmt.Sprintf("node-%02d", i) }

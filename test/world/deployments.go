// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// turnDeployments brings one new pod at a time, and takes an old one when the new one is ready. It returns the names of
// the pods that are to stay.
func (w *World) turnDeployments(running map[string]*corev1.Pod) map[string]bool {
	w.Helper()
	var list appsv1.DeploymentList
	w.Must(w.List(w.Context(), &list, client.InNamespace(w.Namespace)))
	stay := map[string]bool{}
	for _, d := range list.Items {
		if workload.DeploymentHash(&d) != "" { // else it is not ours
			w.turnDeployment(&d, running, stay)
		}
	}
	return stay
}

func (w *World) turnDeployment(d *appsv1.Deployment, running map[string]*corev1.Pod, stay map[string]bool) {
	w.Helper()
	hash, replicas := workload.DeploymentHash(d), int(*d.Spec.Replicas)
	old, fresh := podsOf(d, running)
	for i := 0; len(fresh) < replicas && len(fresh)+len(old) <= replicas; i++ {
		name := fmt.Sprintf("%s-%s-%c", d.Name, hash, 'a'+i)
		if running[name] == nil {
			running[name] = w.newPod(*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment")), d.Spec.Template, nil, name)
			fresh = append(fresh, name)
		}
	}
	ready, serves := 0, false
	for _, name := range fresh {
		if pods.Ready(running[name]) {
			ready++
		} else if !w.Starting[d.Name] && !w.hangs(running[name]) { // one that serves already goes on
			w.setReady(running[name], true)
			serves = true
		}
	}
	for _, name := range fresh[:min(len(fresh), replicas)] {
		stay[name] = true
	}
	for _, name := range old[:max(0, min(len(old), replicas-ready))] {
		stay[name] = true
	}
	if (serves || ready > 0) && d.Labels[desired.LabelComponent] == string(desired.Proxy) {
		w.startProxy()
	}
}

// podsOf a Deployment that are of an older spec, and those of its own.
func podsOf(d *appsv1.Deployment, running map[string]*corev1.Pod) (old, fresh []string) {
	for _, name := range slices.Sorted(maps.Keys(running)) {
		pod := running[name]
		switch {
		case pod.Status.Phase == corev1.PodFailed:
		case pod.Labels[desired.LabelComponent] != d.Labels[desired.LabelComponent] || pod.Labels[desired.LabelInstance] != d.Labels[desired.LabelInstance]:
		case !pods.Outdated(pod, pods.RevisionOf(&d.Spec.Template)):
			fresh = append(fresh, name)
		default:
			old = append(old, name)
		}
	}
	return old, fresh
}

// SystemTopic is the one that proxies make.
const SystemTopic = "DefaultHeartBeatSyncerTopic"

// startProxy does what the first proxy does when it starts: it makes its topic on the brokers that there are.
func (w *World) startProxy() {
	groups := w.MQ.Registered()
	for _, name := range groups {
		if _, has := w.MQ.Tables(name).Topics[SystemTopic]; has {
			return
		}
	}
	for _, name := range groups {
		w.MQ.Change(name, func(t *fakemq.Tables) {
			t.Topics[SystemTopic] = admin.TopicConfig{
				Name: SystemTopic, ReadQueues: 8, WriteQueues: 8, Perm: admin.PermRead | admin.PermWrite, Attributes: map[string]string{},
			}
		})
	}
}

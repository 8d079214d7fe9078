// SPDX-License-Identifier: Apache-2.0

package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestWatches: what happens wakes the operator, so that nothing waits for a chance.
func TestWatches(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Manage()
	w.CreateYAML(world.Brokers) // first, so that it waits for all others
	w.CreateYAML("{apiVersion: v1, kind: ConfigMap, metadata: {name: base}, data: {broker-common.conf: 'a=b'}}\n---\n" + world.NameService + world.Controllers)
	o.Until(w.AllReady)

	// Converged: silent, though servers are asked all the time. The events of the last step are still on their way.
	time.Sleep(2 * time.Second)
	before := len(o.Writes())
	time.Sleep(12 * time.Second)
	if more := o.Writes()[before:]; len(more) > 0 {
		t.Errorf("converged, and wrote %v", more)
	}

	// Rolling changes go on by themselves.
	world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.PodAnnotations = map[string]string{"a": "b"} })
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.PodAnnotations = map[string]string{"a": "b"} })
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.Volumes = []corev1.Volume{{Name: "base", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "base"}}}}}
	})
	o.Until(w.AllReady)

	// A referenced ConfigMap, which is not ours.
	pods := []string{"b-0-0", "b-0-1", "b-1-0", "b-1-1"}
	was := map[string]types.UID{}
	for _, pod := range pods {
		was[pod] = world.Get[corev1.Pod](w, pod).UID
	}
	world.Edit(w, "base", func(c *corev1.ConfigMap) { c.Data["broker-common.conf"] = "a=c" })
	o.Until(func() string {
		for _, pod := range pods { // all, because between two groups everything is ready too
			var now corev1.Pod
			if err := w.Get(t.Context(), w.Key(pod), &now); err != nil || now.UID == was[pod] {
				return pod + " does not follow the ConfigMap"
			}
		}
		return w.AllReady()
	})

	// Hand edits of ours.
	world.Edit(w, "ns-nameserver", func(s *corev1.Service) { s.Spec.Ports[0].Port = 1 })
	world.Edit(w, "b-broker-config", func(c *corev1.ConfigMap) { c.Data[settings.File] = "{}" })
	w.Must(w.Delete(t.Context(), world.Get[policyv1.PodDisruptionBudget](w, "b-1")))
	o.Until(func() string {
		var budget policyv1.PodDisruptionBudget
		err := w.Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "b-1"}, &budget)
		port := world.Get[corev1.Service](w, "ns-nameserver").Spec.Ports[0].Port
		if text := world.Get[corev1.ConfigMap](w, "b-broker-config").Data[settings.File]; err != nil || port != 9876 || text == "{}" {
			return fmt.Sprintf("budget %v, port %d, settings %s", err, port, text)
		}
		return ""
	})

	// A master that dies. Which one it is depends on how many changes a pod's replacement was for.
	dead, others, _ := strings.Cut(world.Get[v1alpha1.Broker](w, "b").Status.Masters, " ")
	heir := map[string]string{"b-0-0": "b-0-1", "b-0-1": "b-0-0"}[dead]
	w.Starting[dead] = true
	w.Must(w.Delete(t.Context(), world.Get[corev1.Pod](w, dead)))
	o.Until(func() string {
		if masters := world.Get[v1alpha1.Broker](w, "b").Status.Masters; masters != heir+" "+others {
			return fmt.Sprintf("masters %s, want %s %s", masters, heir, others)
		}
		return ""
	})
	w.Starting[dead] = false
	o.Until(w.AllReady)
}

// TestRemedies: the operator notices by itself that the user did what a condition asks for, though it watches nothing of
// what was in its way.
func TestRemedies(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Manage()
	w.CreateYAML(world.ForeignService("ns-nameserver") + world.ForeignStatefulSet("b-0-master", "broker_cr: b") + world.NameService + world.Static)
	raised := func(resource, condition string) func() string {
		return func() string {
			if w.Condition(resource, condition, metav1.ConditionTrue) == "" {
				return resource + " has no condition " + condition
			}
			return ""
		}
	}
	o.Until(raised("NameService ns", v1alpha1.ConditionNameConflict))
	o.Until(raised("Broker b", v1alpha1.ConditionLegacyResources))
	time.Sleep(2 * time.Second) // the last wake-up of what happened until now
	w.Must(w.Delete(t.Context(), world.Get[corev1.Service](w, "ns-nameserver")))
	w.Must(w.Delete(t.Context(), world.Get[appsv1.StatefulSet](w, "b-0-master")))
	o.Until(w.AllReady)
}

// TestQuickstart: the example that the README shows.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Manage()
	for _, file := range []string{"brokers", "controllers", "name-servers"} {
		w.CreateFile("../../examples/quickstart/" + file + ".yaml")
	}
	o.Until(w.AllReady)
	if b := world.Get[v1alpha1.Broker](w, "quickstart"); b.Status.Masters != "quickstart-0-0 quickstart-1-0" || b.Status.Members != "4/4" {
		t.Errorf("status %+v", b.Status)
	}
}

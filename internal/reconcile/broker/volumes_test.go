// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestVolumesGrow: a larger size reaches the volumes and the StatefulSets while every pod runs on and every group stays
// open to clients. What the class does not allow, and a smaller size, are told.
func TestVolumesGrow(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	class := w.StorageClass()
	storage := "storage: {className: " + class + ", size: 8Gi}"
	w.CreateYAML(world.NameService + strings.Replace(world.Controllers, "{name: ctl}", "{name: ctl}, spec: {"+storage+"}", 1) +
		strings.Replace(world.Brokers, "size: 2", "size: 2, persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}, "+storage, 1))
	o := w.Start()
	o.Until(w.AllReady)
	pods, sets := map[string]types.UID{}, map[string]types.UID{}
	for _, pod := range w.Pods() {
		pods[pod.Name] = pod.UID
	}
	for _, name := range []string{"ctl", "b-0", "b-1"} {
		sets[name] = world.Get[appsv1.StatefulSet](w, name).UID
	}
	resize := func(size string) {
		w.Helper()
		wanted := resource.MustParse(size)
		world.Edit(w, "ctl", func(c *v1alpha1.Controller) { c.Spec.Storage.Size = &wanted })
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Storage.Size = &wanted })
	}
	undisturbed := func() {
		w.Helper()
		for _, pod := range w.Pods() {
			if pods[pod.Name] != pod.UID {
				t.Fatalf("%s was replaced", pod.Name)
			}
			if pod.Labels[desired.LabelComponent] == string(desired.Broker) && w.Permission(pod.Name) != "6" {
				t.Fatalf("%s was closed to clients: permission %s", pod.Name, w.Permission(pod.Name))
			}
		}
	}
	const growing = v1alpha1.ConditionVolumeExpansion

	resize("9Gi")
	for _, resource := range []string{"Controller ctl", "Broker b"} {
		o.Reports(resource, growing, metav1.ConditionTrue, v1alpha1.ReasonExpanding, "from 8Gi to 9Gi")
		o.Reports(resource, v1alpha1.ConditionReady, metav1.ConditionTrue)
	}
	w.Growing = true
	o.Until(func() string {
		undisturbed()
		for name, uid := range sets {
			var set appsv1.StatefulSet
			if err := w.Get(t.Context(), types.NamespacedName{Namespace: w.Namespace, Name: name}, &set); err != nil {
				return err.Error()
			}
			size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
			if size.String() != "9Gi" || set.UID == uid {
				return fmt.Sprintf("%s makes volumes of %s", name, &size)
			}
		}
		for _, resource := range []string{"Controller ctl", "Broker b"} {
			if text := w.Condition(resource, growing, metav1.ConditionTrue); text != "" {
				return text
			}
		}
		return w.AllReady()
	})
	for _, pod := range w.Pods() {
		if metav1.GetControllerOf(&pod) == nil {
			t.Errorf("nobody cares for %s", pod.Name)
		}
	}
	o.Finish()
	o.CheckSilence()
	for _, claim := range []string{"data-ctl-2", "data-b-1-1"} {
		if size := world.Get[corev1.PersistentVolumeClaim](w, claim).Spec.Resources.Requests[corev1.ResourceStorage]; size.String() != "9Gi" {
			t.Errorf("%s asks for %s", claim, &size)
		}
	}

	resize("8Gi")
	o.Reports("Broker b", growing, metav1.ConditionTrue, v1alpha1.ReasonCannotShrink, "data-b-0-0 keeps its 9Gi", "data-b-1-1 keeps its 9Gi", "8Gi", "back")
	o.Reports("Controller ctl", growing, metav1.ConditionTrue, v1alpha1.ReasonCannotShrink)
	o.Finish()
	o.CheckSilence()

	changed := world.Get[appsv1.StatefulSet](w, "b-0").UID
	setExpansion(w, class, false)
	resize("10Gi")
	o.Reports("Broker b", growing, metav1.ConditionTrue, v1alpha1.ReasonExpansionRefused, "data-b-0-0 stays at 9Gi", "must support resize", `StorageClass "`+class+`"`, "allowVolumeExpansion")
	o.Finish()
	o.CheckSilence()
	if world.Get[appsv1.StatefulSet](w, "b-0").UID != changed {
		t.Error("the StatefulSet was made anew although no volume grew")
	}
	setExpansion(w, class, true)
	o.Until(func() string {
		undisturbed()
		for _, resource := range []string{"Controller ctl", "Broker b"} {
			if text := w.Condition(resource, growing, metav1.ConditionTrue); text != "" {
				return text
			}
		}
		return w.AllReady()
	})
	undisturbed()
}

func setExpansion(w *world.World, class string, allowed bool) {
	w.Helper()
	var object storagev1.StorageClass
	w.Must(w.Get(w.Context(), types.NamespacedName{Name: class}, &object))
	object.AllowVolumeExpansion = &allowed
	w.Must(w.Update(w.Context(), &object))
}

package reconcile

import (
	"errors"
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
)

// storageClass of the world's own whose volumes can grow.
func (w *world) storageClass() string {
	w.Helper()
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}, Provisioner: "example.com/disks", AllowVolumeExpansion: new(true)}
	w.must(w.Create(w.Context(), class))
	w.Cleanup(func() { _ = w.Delete(w.Context(), class) })
	w.claims = class.Name
	return class.Name
}

// TestVolumesGrow: a larger size reaches the volumes and the StatefulSets while every pod runs on and every group stays
// open to clients. What the class does not allow, and a smaller size, are told.
func TestVolumesGrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	class := w.storageClass()
	storage := "storage: {className: " + class + ", size: 8Gi}"
	w.create(nameService + strings.Replace(controllers, "{name: ctl}", "{name: ctl}, spec: {"+storage+"}", 1) +
		strings.Replace(brokers, "size: 2", "size: 2, "+storage, 1))
	o := w.start(-1)
	o.until(w.allReady)
	pods, sets := map[string]types.UID{}, map[string]types.UID{}
	for _, pod := range w.pods() {
		pods[pod.Name] = pod.UID
	}
	for _, name := range []string{"ctl", "b-0", "b-1"} {
		sets[name] = get[appsv1.StatefulSet](w, name).UID
	}
	resize := func(size string) {
		w.Helper()
		wanted := resource.MustParse(size)
		edit(w, "ctl", func(c *v1alpha1.Controller) { c.Spec.Storage.Size = &wanted })
		edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Storage.Size = &wanted })
	}
	undisturbed := func() {
		w.Helper()
		for _, pod := range w.pods() {
			if pods[pod.Name] != pod.UID {
				t.Fatalf("%s was replaced", pod.Name)
			}
			if pod.Labels[desired.LabelComponent] == string(desired.Broker) && w.permission(pod.Name) != "6" {
				t.Fatalf("%s was closed to clients: permission %s", pod.Name, w.permission(pod.Name))
			}
		}
	}
	const growing = v1alpha1.ConditionVolumeExpansion

	resize("9Gi")
	for _, resource := range []string{"Controller ctl", "Broker b"} {
		o.settled(resource, growing, metav1.ConditionTrue, v1alpha1.ReasonExpanding, "from 8Gi to 9Gi")
		o.settled(resource, ready, metav1.ConditionTrue)
	}
	w.growing = true
	o.until(func() string {
		undisturbed()
		for name, uid := range sets {
			var set appsv1.StatefulSet
			if err := w.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, &set); err != nil {
				return err.Error()
			}
			size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
			if size.String() != "9Gi" || set.UID == uid {
				return fmt.Sprintf("%s makes volumes of %s", name, &size)
			}
		}
		for _, resource := range []string{"Controller ctl", "Broker b"} {
			if text := w.condition(resource, growing, metav1.ConditionTrue); text != "" {
				return text
			}
		}
		return w.allReady()
	})
	for _, pod := range w.pods() {
		if metav1.GetControllerOf(&pod) == nil {
			t.Errorf("nobody cares for %s", pod.Name)
		}
	}
	o.settle()
	o.checkSilence()
	for _, claim := range []string{"data-ctl-2", "data-b-1-1"} {
		if size := get[corev1.PersistentVolumeClaim](w, claim).Spec.Resources.Requests[corev1.ResourceStorage]; size.String() != "9Gi" {
			t.Errorf("%s asks for %s", claim, &size)
		}
	}

	resize("8Gi")
	o.settled("Broker b", growing, metav1.ConditionTrue, v1alpha1.ReasonCannotShrink, "data-b-0-0 has 9Gi", "data-b-1-1 has 9Gi", "8Gi", "back")
	o.settled("Controller ctl", growing, metav1.ConditionTrue, v1alpha1.ReasonCannotShrink)
	o.settle()
	o.checkSilence()

	changed := get[appsv1.StatefulSet](w, "b-0").UID
	w.setExpansion(class, false)
	resize("10Gi")
	o.settled("Broker b", growing, metav1.ConditionTrue, v1alpha1.ReasonExpansionRefused, "data-b-0-0 stays at 9Gi", "must support resize", `StorageClass "`+class+`"`, "allowVolumeExpansion")
	o.settle()
	o.checkSilence()
	if get[appsv1.StatefulSet](w, "b-0").UID != changed {
		t.Error("the StatefulSet was made anew although no volume grew")
	}
	w.setExpansion(class, true)
	o.until(func() string {
		undisturbed()
		for _, resource := range []string{"Controller ctl", "Broker b"} {
			if text := w.condition(resource, growing, metav1.ConditionTrue); text != "" {
				return text
			}
		}
		return w.allReady()
	})
	undisturbed()
}

func (w *world) setExpansion(class string, allowed bool) {
	w.Helper()
	var object storagev1.StorageClass
	w.must(w.Get(w.Context(), types.NamespacedName{Name: class}, &object))
	object.AllowVolumeExpansion = &allowed
	w.must(w.Update(w.Context(), &object))
}

// tooSmall says which StatefulSet of a Broker makes, or which pod still has, a smaller volume than the spec asks for.
func (w *world) tooSmall(b *v1alpha1.Broker) string {
	w.Helper()
	if w.claims == "" {
		return ""
	}
	for g := range desired.GroupCount(b) {
		var set appsv1.StatefulSet
		if err := w.Get(w.Context(), types.NamespacedName{Namespace: w.namespace, Name: desired.GroupName(b.Name, g)}, &set); err != nil {
			return err.Error()
		}
		if size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]; size.Cmp(*b.Spec.Storage.Size) != 0 || set.DeletionTimestamp != nil {
			return fmt.Sprintf("%s makes volumes of %s", set.Name, &size)
		}
		for i := range *set.Spec.Replicas {
			var claim corev1.PersistentVolumeClaim
			var pod corev1.Pod
			name := desired.PodName(set.Name, i)
			err := errors.Join(w.Get(w.Context(), types.NamespacedName{Namespace: w.namespace, Name: "data-" + name}, &claim),
				w.Get(w.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, &pod))
			has := claim.Status.Capacity[corev1.ResourceStorage]
			switch {
			case err != nil:
				return err.Error()
			case has.Cmp(*b.Spec.Storage.Size) != 0:
				return fmt.Sprintf("%s has %s", name, &has)
			case !metav1.IsControlledBy(&pod, &set):
				return name + " is nobody's"
			}
		}
	}
	return w.condition("Broker "+b.Name, v1alpha1.ConditionVolumeExpansion, metav1.ConditionTrue)
}

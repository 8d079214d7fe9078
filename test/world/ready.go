// SPDX-License-Identifier: Apache-2.0

package world

import (
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
)

// AllReady says what is missing until every resource is Ready and UpToDate, as its last generation asks for. It is what a
// test waits for after every creation or change.
func (w *World) AllReady() string {
	w.Helper()
	var missing []string
	w.eachResource(func(name string, r v1alpha1.Resource) {
		conditions := []string{v1alpha1.ConditionReady, v1alpha1.ConditionUpToDate}
		if _, isEntity := r.(v1alpha1.Entity); isEntity { // no pod runs for it
			conditions = conditions[:1]
		}
		for _, condition := range conditions {
			c := meta.FindStatusCondition(r.Common().Conditions, condition)
			if c == nil || c.Status != metav1.ConditionTrue || r.Common().ObservedGeneration != r.GetGeneration() {
				missing = append(missing, fmt.Sprintf("%s is not %s: %+v", name, condition, r.Common().Conditions))
				return
			}
		}
	})
	if time.Since(w.MQ.Configured()) < 1500*time.Millisecond { // the operator looks every second, and says it twice until it has seen
		missing = append(missing, "a broker was configured just now")
	}
	var list v1alpha1.BrokerList
	w.listOurs(&list)
	for i := range list.Items {
		missing = append(missing, w.brokerMissing(&list.Items[i])...)
	}
	return strings.Join(missing, "\n")
}

// brokerMissing is what a Broker is yet to have.
func (w *World) brokerMissing(b *v1alpha1.Broker) (missing []string) {
	w.Helper()
	if small := w.tooSmall(b); small != "" {
		missing = append(missing, small)
	}
	if b.Status.Size != desired.GroupCount(b) {
		missing = append(missing, fmt.Sprintf("%d groups exist", b.Status.Size))
	}
	for _, group := range b.Status.Groups {
		if group.State != "open" || len(group.Members) != int(desired.MemberCount(b)) {
			missing = append(missing, fmt.Sprintf("%s is %s with %d members", group.Name, group.State, len(group.Members)))
		}
		if unsaved := w.notSaved(b, group); unsaved != "" {
			missing = append(missing, unsaved)
		}
		for _, m := range group.Members {
			if !m.InSync { // clients can use the brokers before that
				missing = append(missing, m.Pod+" is not in sync")
			}
		}
	}
	return missing
}

// Saved is what the operator keeps of a group's metadata, nil if nothing is.
func (w *World) Saved(group string) *corev1.ConfigMap {
	w.Helper()
	found := &corev1.ConfigMap{}
	err := w.Get(w.Context(), w.Key(desired.MetadataConfigMap(group)), found)
	w.Must(client.IgnoreNotFound(err))
	if err != nil {
		return nil
	}
	return found
}

// notSaved says what is wrong with the metadata that is kept of a group.
func (w *World) notSaved(b *v1alpha1.Broker, group v1alpha1.BrokerGroupStatus) string {
	w.Helper()
	saved := w.Saved(group.Name)
	if !desired.MetadataGuarded(b) {
		if saved != nil {
			return saved.Name + " is still there"
		}
		return ""
	}
	var master corev1.Pod
	if err := w.Get(w.Context(), w.Key(group.Master), &master); err != nil {
		return err.Error()
	}
	if saved == nil || !strings.HasPrefix(saved.Data["term"], string(master.UID)) {
		return "nothing is saved of what " + group.Master + " knows"
	}
	topics, groups := w.MQ.Versions(group.Name)
	if known := (metadata.Version{Topics: topics, Groups: groups}); saved.Data["version"] != known.String() { // a proxy makes a topic when it starts
		return group.Master + " knows more by now than what is saved"
	}
	return ""
}

// StorageClass of the world's own whose volumes can grow.
func (w *World) StorageClass() string {
	w.Helper()
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: w.Namespace}, Provisioner: "example.com/disks", AllowVolumeExpansion: new(true)}
	w.Must(w.Create(w.Context(), class))
	w.Cleanup(func() { _ = w.Delete(w.Context(), class) })
	w.claims = class.Name
	return class.Name
}

// tooSmall says which StatefulSet of a Broker makes, or which pod still has, a smaller volume than the spec asks for.
func (w *World) tooSmall(b *v1alpha1.Broker) string {
	w.Helper()
	if w.claims == "" {
		return ""
	}
	for g := range desired.GroupCount(b) {
		var set appsv1.StatefulSet
		if err := w.Get(w.Context(), w.Key(desired.GroupName(b.Name, g)), &set); err != nil {
			return err.Error()
		}
		if size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]; size.Cmp(*b.Spec.Storage.Size) != 0 || set.DeletionTimestamp != nil {
			return fmt.Sprintf("%s makes volumes of %s", set.Name, &size)
		}
		for i := range *set.Spec.Replicas {
			var claim corev1.PersistentVolumeClaim
			var pod corev1.Pod
			name := desired.PodName(set.Name, i)
			err := errors.Join(w.Get(w.Context(), w.Key("data-"+name), &claim), w.Get(w.Context(), w.Key(name), &pod))
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
	return w.Condition("Broker "+b.Name, v1alpha1.ConditionVolumeExpansion, metav1.ConditionTrue)
}

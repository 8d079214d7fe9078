// SPDX-License-Identifier: Apache-2.0

// Package kube writes to Kubernetes: server-side apply of owned objects that is silent when nothing changed, status
// and conditions.
package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// FieldOwner is the manager name of everything that the operator writes.
const FieldOwner = "rocketmq-operator"

// ConflictError says that an object of the wanted name is not ours. It is never taken over.
type ConflictError struct {
	Kind, Name string
	// Legacy: the predecessor made it.
	Legacy bool
	// Holder is who has it.
	Holder string
	// Free: no resource controls it, so that its owner may give it away.
	Free bool
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s %q exists and belongs to %s", e.Kind, e.Name, e.Holder)
}

// Applier writes the objects that a resource owns.
type Applier struct {
	// Client reads from caches that hold our own labels only.
	Client client.Client
	// Reader reads from the API server.
	Reader client.Reader
	// Adopt is the annotation by which a user gives an object that nobody controls to the owner whose name it holds; empty if
	// nothing is ever taken over.
	Adopt string
}

// ErrBehind says that the cache does not have an object yet that the owner has already. What is known of the owner is as
// old: a pass ends there, and the object wakes the next one when the cache has it.
var ErrBehind = errors.New("the cache does not have an object yet that exists")

// Apply brings obj to the API server and reports whether it had to write. The owner becomes its controller, except of a volume.
// An object of that name that is not the owner's is a *ConflictError.
func (a *Applier) Apply(ctx context.Context, owner, obj client.Object) (bool, error) {
	return a.write(owner, obj, func(desired *unstructured.Unstructured) (bool, error) {
		live, err := a.empty(obj)
		if err != nil {
			return false, err
		}
		err = a.Client.Get(ctx, client.ObjectKeyFromObject(obj), live)
		switch {
		case apierrors.IsNotFound(err):
			return a.create(ctx, owner, obj, desired)
		case err != nil:
			return false, fmt.Errorf("read: %w", err)
		}
		return a.change(ctx, owner, live, desired)
	})
}

// Create is Apply of an object that the cache did not have a moment ago. One that exists by now is not changed.
func (a *Applier) Create(ctx context.Context, owner, obj client.Object) error {
	_, err := a.write(owner, obj, func(desired *unstructured.Unstructured) (bool, error) {
		return a.create(ctx, owner, obj, desired)
	})
	return err
}

// write what obj is to be. Errors tell which object they are about, as conflicts do by themselves.
func (a *Applier) write(owner, obj client.Object, how func(desired *unstructured.Unstructured) (bool, error)) (bool, error) {
	desired, err := a.prepare(owner, obj)
	if err != nil {
		return false, err
	}
	wrote, err := how(desired)
	var conflict *ConflictError
	if err == nil || errors.As(err, &conflict) {
		return wrote, err
	}
	return wrote, fmt.Errorf("apply %s %s: %w", desired.GetKind(), client.ObjectKeyFromObject(obj), err)
}

// create an object that the cache does not have. Caches do not see foreign objects, so there may be one of that name:
// creating fails then, and costs no read.
func (a *Applier) create(ctx context.Context, owner, obj client.Object, desired *unstructured.Unstructured) (bool, error) {
	err := a.Client.Create(ctx, desired.DeepCopy(), client.FieldOwner(FieldOwner))
	if !apierrors.IsAlreadyExists(err) {
		return err == nil, err
	}
	live, err := a.unseen(ctx, obj)
	if err != nil {
		return false, fmt.Errorf("read: %w", err)
	}
	if a.foreign(owner, obj, live) == nil && labelled(live, obj) {
		return false, ErrBehind
	}
	return a.change(ctx, owner, live, desired)
}

// unseen reads an object that is in no cache.
func (a *Applier) unseen(ctx context.Context, obj client.Object) (client.Object, error) {
	live, err := a.empty(obj)
	if err != nil {
		return nil, err
	}
	return live, a.Reader.Get(ctx, client.ObjectKeyFromObject(obj), live)
}

// change a live object to what is desired, and report whether that was needed. One that is not the owner's stays.
func (a *Applier) change(ctx context.Context, owner, live client.Object, desired *unstructured.Unstructured) (bool, error) {
	if conflict := a.foreign(owner, desired, live); conflict != nil {
		conflict.Kind = desired.GetKind()
		return false, conflict
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	switch {
	case err != nil:
		return false, fmt.Errorf("convert: %w", err)
	case live.GetAnnotations()[v1alpha1.AnnotationApplied] != desired.GetAnnotations()[v1alpha1.AnnotationApplied]:
		if err := a.takeFields(ctx, live); err != nil {
			return false, err
		}
		return true, a.force(ctx, desired)
	case !covers(content, desired.Object):
		return true, a.putBack(ctx, desired)
	}
	return false, nil
}

// takeFields makes those fields subject to server-side apply that were set when the object was created, or put back: the API
// server books them under another operation, and would keep what is no longer applied.
func (a *Applier) takeFields(ctx context.Context, live client.Object) error {
	whole, err := a.unseen(ctx, live)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(whole, sets.New(FieldOwner), FieldOwner)
	if err != nil || patch == nil {
		return err
	}
	return a.Client.Patch(ctx, whole, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(FieldOwner))
}

func (a *Applier) force(ctx context.Context, desired *unstructured.Unstructured) error {
	return a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(desired), client.FieldOwner(FieldOwner), client.ForceOwnership)
}

// putBack undoes what somebody else changed. A merge patch replaces lists as a whole: server-side apply would leave the
// elements that others own, such as a port that was given another number. The lists of our own kinds are atomic, and what
// is applied goes again when it is no longer wanted.
func (a *Applier) putBack(ctx context.Context, desired *unstructured.Unstructured) error {
	if desired.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
		return a.force(ctx, desired)
	}
	patch, err := json.Marshal(desired.Object)
	if err != nil {
		return err
	}
	return a.Client.Patch(ctx, desired.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldOwner))
}

// prepare turns a desired object into what is sent: no status, no nulls, owner and hash set.
func (a *Applier) prepare(owner, obj client.Object) (*unstructured.Unstructured, error) {
	// A volume has no owner, because it outlives its resource: what it holds may be nowhere else. Its labels say whose it is.
	if _, claim := obj.(*corev1.PersistentVolumeClaim); !claim {
		if err := controllerutil.SetControllerReference(owner, obj, a.Client.Scheme()); err != nil {
			return nil, fmt.Errorf("own %s: %w", obj.GetName(), err)
		}
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("convert %s: %w", obj.GetName(), err)
	}
	gvk, err := apiutil.GVKForObject(obj, a.Client.Scheme())
	if err != nil {
		return nil, err
	}
	delete(content, "status")
	u := &unstructured.Unstructured{Object: dropEmpty(content).(map[string]any)}
	u.SetGroupVersionKind(gvk)
	hashed, err := json.Marshal(hashedPart(u))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(hashed)
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationApplied] = hex.EncodeToString(sum[:8])
	u.SetAnnotations(annotations)
	return u, nil
}

// hashedPart is what the hash covers. A Deployment's template counts by its own annotation (the hash of what the user can change),
// because it is carried over from the live object while that is equal; a StatefulSet's claims cannot change at all.
func hashedPart(u *unstructured.Unstructured) map[string]any {
	out := u.DeepCopy().Object
	switch u.GetKind() {
	case "StatefulSet":
		unstructured.RemoveNestedField(out, "spec", "volumeClaimTemplates")
	case "Deployment":
		annotations, _, _ := unstructured.NestedMap(out, "spec", "template", "metadata", "annotations")
		unstructured.RemoveNestedField(out, "spec", "template")
		out["template"] = annotations
	}
	return out
}

// empty is an object of the same type to read into. Kinds that are none of ours or Kubernetes' own are unstructured.
func (a *Applier) empty(obj client.Object) (client.Object, error) {
	gvk, err := apiutil.GVKForObject(obj, a.Client.Scheme())
	if err != nil {
		return nil, err
	}
	if _, is := obj.(*unstructured.Unstructured); is {
		out := &unstructured.Unstructured{}
		out.SetGroupVersionKind(gvk)
		return out, nil
	}
	out, err := a.Client.Scheme().New(gvk)
	if err != nil {
		return nil, err
	}
	return out.(client.Object), nil
}

// legacyLabels are those that the predecessor put on its objects.
func legacyLabels() []string { return []string{"broker_cr", "name_service_cr", "controller_cr"} }

// IsLegacy reports whether the predecessor made an object.
func IsLegacy(obj client.Object) bool {
	for _, label := range legacyLabels() {
		if _, ok := obj.GetLabels()[label]; ok {
			return true
		}
	}
	return false
}

// foreign says whose a found object is, nil if it is the owner's. An orphan with all our labels is ours.
func (a *Applier) foreign(owner, desired, found client.Object) *ConflictError {
	conflict := &ConflictError{Name: found.GetName()}
	if IsLegacy(found) {
		conflict.Legacy, conflict.Holder = true, "apache/rocketmq-operator"
		return conflict
	}
	if controller := metav1.GetControllerOf(found); controller != nil {
		if controller.UID == owner.GetUID() {
			return nil
		}
		conflict.Holder = controller.Kind + " " + controller.Name
		return conflict
	}
	if a.Adopt != "" && found.GetAnnotations()[a.Adopt] == owner.GetName() {
		return nil
	}
	if conflict.Free = true; !labelled(found, desired) {
		conflict.Holder = "somebody else (it has none of this resource's labels)"
		return conflict
	}
	return nil
}

// labelled reports whether an object has all labels of another one.
func labelled(found, desired client.Object) bool {
	for key, value := range desired.GetLabels() {
		if found.GetLabels()[key] != value {
			return false
		}
	}
	return true
}

// dropEmpty removes nulls and empty maps, which typed objects produce for unset structs; sending them would own them.
// An empty emptyDir, and any other member of a list element, means something and stays.
func dropEmpty(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k, child := range v {
			child = dropEmpty(child)
			m, isMap := child.(map[string]any)
			if child == nil || (isMap && len(m) == 0 && unsetWhenEmpty(k)) {
				delete(v, k)
				continue
			}
			v[k] = child
		}
	case []any:
		for i := range v {
			v[i] = dropEmpty(v[i])
		}
	}
	return value
}

// unsetWhenEmpty lists the struct fields that Go always writes out.
func unsetWhenEmpty(key string) bool {
	switch key {
	case "resources", "status", "updateStrategy", "strategy", "creationTimestamp":
		return true
	}
	return false
}

// covers reports whether live holds everything that desired asks for. What the API server added by defaulting may be
// there too.
func covers(live, desired any) bool {
	switch want := desired.(type) {
	case map[string]any:
		have, ok := live.(map[string]any)
		if !ok {
			return len(want) == 0 && live == nil
		}
		for key, value := range want {
			if key == "apiVersion" || key == "kind" {
				continue // not filled in by typed reads
			}
			if !covers(have[key], value) {
				return false
			}
		}
		return true
	case []any:
		have, ok := live.([]any)
		if !ok || len(have) != len(want) {
			return false
		}
		for i := range want {
			if !covers(have[i], want[i]) {
				return false
			}
		}
		return true
	default:
		return fmt.Sprint(live) == fmt.Sprint(desired)
	}
}

// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// Reference to another resource.
type Reference struct {
	// Kind of the resource, and the Field of the spec that may name it.
	Kind, Field string
	// Given is what the spec says, nil if it leaves the choice to the operator. By is who says it, the spec's field if empty.
	Given *v1alpha1.ObjectReference
	By    string
	// Resolved is the status field that remembers what was found.
	Resolved **v1alpha1.ObjectReference
	// Object is filled in.
	Object client.Object
	List   client.ObjectList
	// Same says of two candidates that it does not matter which one is taken; nil if it always does.
	Same func(a, b client.Object) bool
}

// Resolve finds the resource: by name, as resolved before if keep says so, or the only candidate of the namespace.
func (p *Base) Resolve(ctx context.Context, ref Reference, keep bool) (*kube.Waiting, error) {
	if ref.Given != nil {
		found, err := p.find(ctx, ref, *ref.Given)
		if err != nil {
			return nil, err
		}
		if found {
			return p.checkAllowed(ref), nil
		}
		by := ref.By
		if by == "" {
			by = "spec." + ref.Field
		}
		*ref.Resolved = nil
		return p.Trouble(v1alpha1.ConditionMissingReference, "%s names the %s %q, which does not exist: create it or correct the reference",
			by, ref.Kind, ref.Given.Name), nil
	}

	// What was resolved stays while it is used, so that a second candidate breaks nothing that runs.
	if *ref.Resolved != nil && keep {
		found, err := p.find(ctx, ref, **ref.Resolved)
		if err != nil {
			return nil, err
		}
		if found {
			return p.checkAllowed(ref), nil
		}
	}
	*ref.Resolved = nil
	names, err := p.candidates(ctx, ref)
	if err != nil {
		return nil, err
	}
	switch len(names) {
	case 0:
		return p.Trouble(v1alpha1.ConditionMissingReference, "there is no %s in namespace %s: create one, or name one of another namespace in spec.%s",
			ref.Kind, p.Owner.GetNamespace(), ref.Field), nil
	case 1:
		_, err := p.find(ctx, ref, v1alpha1.ObjectReference{Name: names[0]})
		return nil, err
	}
	return p.Trouble(v1alpha1.ConditionAmbiguousReference, "several %ss are in namespace %s (%s): name one in spec.%s",
		ref.Kind, p.Owner.GetNamespace(), strings.Join(names, ", "), ref.Field), nil
}

func (p *Base) find(ctx context.Context, ref Reference, name v1alpha1.ObjectReference) (bool, error) {
	if name.Namespace == "" {
		name.Namespace = p.Owner.GetNamespace()
	}
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: name.Namespace, Name: name.Name}, ref.Object)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s %s: %w", ref.Kind, name.Name, err)
	}
	*ref.Resolved = &name
	return true, nil
}

// checkAllowed refuses a resource of another namespace that does not allow references from this one. One that a resource
// refers to which allows it is allowed too.
func (p *Base) checkAllowed(ref Reference) *kube.Waiting {
	if ref.By != "" || Allowed(ref.Object, p.Owner.GetNamespace()) {
		return nil
	}
	return p.Trouble(v1alpha1.ConditionNotAllowed, "spec.%s: %s", ref.Field, NotAllowed(ref.Kind, ref.Object, p.Owner.GetNamespace()))
}

// Allowed reports whether resources of a namespace may refer to an object.
func Allowed(object client.Object, from string) bool {
	if object.GetNamespace() == from {
		return true
	}
	for namespace := range strings.SplitSeq(object.GetAnnotations()[v1alpha1.AnnotationAllowFrom], ",") {
		if namespace = strings.TrimSpace(namespace); namespace == from || namespace == "*" {
			return true
		}
	}
	return false
}

// NotAllowed says who can allow a reference, and how.
func NotAllowed(kind string, object client.Object, from string) string {
	allowed := from
	if others := object.GetAnnotations()[v1alpha1.AnnotationAllowFrom]; others != "" {
		allowed = others + "," + from
	}
	return fmt.Sprintf("%s %s/%s does not allow resources of namespace %s to refer to it. Somebody who may change it can allow that: "+
		"kubectl annotate --overwrite -n %s %s.%s %s %s=%s", kind, object.GetNamespace(), object.GetName(), from,
		object.GetNamespace(), strings.ToLower(kind), v1alpha1.GroupVersion.Group, object.GetName(), v1alpha1.AnnotationAllowFrom, allowed)
}

// candidates of the namespace by name, one of those that are the same.
func (p *Base) candidates(ctx context.Context, ref Reference) ([]string, error) {
	err := p.Client.List(ctx, ref.List, client.InNamespace(p.Owner.GetNamespace()), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", ref.Kind, err)
	}
	var all []client.Object
	err = meta.EachListItem(ref.List, func(item runtime.Object) error {
		all = append(all, item.(client.Object))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", ref.Kind, err)
	}
	slices.SortFunc(all, func(a, b client.Object) int { return strings.Compare(a.GetName(), b.GetName()) })

	var names []string
	for i, object := range all {
		known := ref.Same != nil && slices.ContainsFunc(all[:i], func(other client.Object) bool { return ref.Same(object, other) })
		if !known {
			names = append(names, object.GetName())
		}
	}
	return names, nil
}

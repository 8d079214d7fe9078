package pass

import (
	"context"
	"fmt"
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
	// Kind of the resource, and the Field of the spec that names it.
	Kind, Field string
	Given       *v1alpha1.ObjectReference
	// Resolved is the status field that remembers what was found.
	Resolved **v1alpha1.ObjectReference
	// Object is filled in.
	Object client.Object
	List   client.ObjectList
}

// Resolve finds the resource: by name, as resolved before if keep says so, or the only candidate of the namespace.
func (p *Base) Resolve(ctx context.Context, ref Reference, keep bool) (*kube.Waiting, error) {
	namespace := p.Owner.GetNamespace()
	get := func(to v1alpha1.ObjectReference) (bool, error) {
		if to.Namespace == "" {
			to.Namespace = namespace
		}
		err := p.Client.Get(ctx, client.ObjectKey{Namespace: to.Namespace, Name: to.Name}, ref.Object)
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read %s %s: %w", ref.Kind, to.Name, err)
		}
		*ref.Resolved = &to
		return true, nil
	}
	if ref.Given != nil {
		found, err := get(*ref.Given)
		if !found && err == nil {
			return p.Trouble(v1alpha1.ConditionMissingReference, "spec.%s names the %s %q, which does not exist: create it or correct the reference",
				ref.Field, ref.Kind, ref.Given.Name), nil
		}
		return nil, err
	}
	// What was resolved stays while it is used, so that a second candidate breaks nothing that runs.
	if *ref.Resolved != nil && keep {
		if found, err := get(**ref.Resolved); found || err != nil {
			return nil, err
		}
	}
	*ref.Resolved = nil
	if err := p.Client.List(ctx, ref.List, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list %ss: %w", ref.Kind, err)
	}
	var names []string
	err := meta.EachListItem(ref.List, func(item runtime.Object) error {
		names = append(names, item.(client.Object).GetName())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", ref.Kind, err)
	}
	switch len(names) {
	case 0:
		return p.Trouble(v1alpha1.ConditionMissingReference, "there is no %s in namespace %s: create one, or name one of another namespace in spec.%s",
			ref.Kind, namespace, ref.Field), nil
	case 1:
		_, err := get(v1alpha1.ObjectReference{Name: names[0]})
		return nil, err
	default:
		return p.Trouble(v1alpha1.ConditionAmbiguousReference, "several %ss are in namespace %s (%s): name one in spec.%s",
			ref.Kind, namespace, strings.Join(names, ", "), ref.Field), nil
	}
}

// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"reflect"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// reads are an operator's: each kind is read as a whole, and again only after it has written something, for nobody else
// writes during its pass. To read the same again and again would cost more than all else that the tests do.
type reads struct {
	// namespaces that it sees. The Brokers of all other tests are not for it.
	namespaces []string
	writes     *writes

	mu    sync.Mutex
	known map[listed][]client.Object
	wrote int // as known was read
}

type listed struct {
	kind      schema.GroupVersionKind
	namespace string
}

func (r *reads) funcs() interceptor.Funcs { return interceptor.Funcs{Get: r.get, List: r.list} }

// forget what was read: somebody else may have written.
func (r *reads) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = nil
}

func (r *reads) get(ctx context.Context, whole client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	kind, err := whole.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	list, err := whole.Scheme().New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if key.Namespace == "" || runtime.IsNotRegisteredError(err) {
		return whole.Get(ctx, key, object, options...)
	}
	if err != nil {
		return err
	}
	all, err := r.all(ctx, whole, list.(client.ObjectList), key.Namespace)
	if err != nil {
		return err
	}
	for _, found := range all {
		if found.GetName() == key.Name {
			reflect.ValueOf(object).Elem().Set(reflect.ValueOf(found.DeepCopyObject()).Elem())
			return nil
		}
	}
	mapping, err := whole.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	return apierrors.NewNotFound(mapping.Resource.GroupResource(), key.Name)
}

func (r *reads) list(ctx context.Context, whole client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	asked := &client.ListOptions{}
	asked.ApplyOptions(options)
	if asked.FieldSelector != nil && !strings.HasPrefix(asked.FieldSelector.String(), pass.IndexPrefix) { // who asks an index checks what it finds
		return whole.List(ctx, list, options...)
	}
	selector, namespaces := labels.Everything(), r.namespaces
	if asked.LabelSelector != nil {
		selector = asked.LabelSelector
	}
	if asked.Namespace != "" {
		namespaces = []string{asked.Namespace}
	}
	var items []runtime.Object
	for _, namespace := range namespaces {
		all, err := r.all(ctx, whole, list, namespace)
		if err != nil {
			return err
		}
		for _, found := range all {
			if selector.Matches(labels.Set(found.GetLabels())) {
				items = append(items, found.DeepCopyObject())
			}
		}
	}
	return meta.SetList(list, items)
}

// all objects of a list's kind. They are not the caller's to change.
func (r *reads) all(ctx context.Context, whole client.WithWatch, list client.ObjectList, namespace string) ([]client.Object, error) {
	kind, err := whole.GroupVersionKindFor(list)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if wrote := r.writes.count(); r.known == nil || wrote != r.wrote {
		r.known, r.wrote = map[listed][]client.Object{}, wrote
	}
	key := listed{kind, namespace}
	if found, ok := r.known[key]; ok {
		return found, nil
	}
	list = list.DeepCopyObject().(client.ObjectList)
	if err := whole.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	found := []client.Object{}
	if err := meta.EachListItem(list, func(item runtime.Object) error {
		found = append(found, item.(client.Object))
		return nil
	}); err != nil {
		return nil, err
	}
	r.known[key] = found
	return found, nil
}

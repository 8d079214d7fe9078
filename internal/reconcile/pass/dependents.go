// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Indexes of resources in the cache. Their names begin with IndexPrefix, because no API server knows them.
const (
	IndexPrefix = "index."

	indexDependency = IndexPrefix + "dependency"
)

// Dependency of a resource on another one.
type Dependency struct {
	Kind string
	// Given by the spec, and Resolved by a pass; nil if there is none.
	Given, Resolved *v1alpha1.ObjectReference
}

// values of a resource in the index: what it refers to, and its namespace if it may take whatever there is.
func (d Dependency) values(of client.Object) (out []string) {
	for _, ref := range []*v1alpha1.ObjectReference{d.Given, d.Resolved} {
		if ref != nil {
			out = append(out, RefKey(d.Kind, ref, of.GetNamespace()))
		}
	}
	if d.Given == nil {
		out = append(out, RefKey(d.Kind, &v1alpha1.ObjectReference{}, of.GetNamespace()))
	}
	return out
}

// RefKey names what a resource of a namespace refers to.
func RefKey(kind string, ref *v1alpha1.ObjectReference, from string) string {
	namespace := ref.Namespace
	if namespace == "" {
		namespace = from
	}
	return kind + "/" + namespace + "/" + ref.Name
}

// Depends indexes resources by what they depend on, for Dependents.
func Depends(ctx context.Context, mgr ctrl.Manager, kind client.Object, on func(client.Object) []Dependency) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, kind, indexDependency, func(object client.Object) (out []string) {
		for _, dependency := range on(object) {
			out = append(out, dependency.values(object)...)
		}
		return out
	})
	if err != nil {
		return fmt.Errorf("index %T by dependency: %w", kind, err)
	}
	return nil
}

// DependentOn lists those that refer to a resource, which is named with its namespace.
func DependentOn(kind string, ref *v1alpha1.ObjectReference) client.MatchingFields {
	return client.MatchingFields{indexDependency: RefKey(kind, ref, ref.Namespace)}
}

// Dependents wakes those resources of a list's kind that depend on a changed one, or may come to.
func Dependents(c client.Reader, kind client.ObjectList) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) (out []reconcile.Request) {
		name, namespace := v1alpha1.KindOf(changed.(v1alpha1.Resource)), changed.GetNamespace()
		for _, ref := range []v1alpha1.ObjectReference{{Namespace: namespace, Name: changed.GetName()}, {Namespace: namespace}} {
			out = append(out, dependents(ctx, c, kind, name, &ref)...)
		}
		return out
	})
}

// Neighbours wakes those resources of a list's kind that depend on the NameService of a changed Broker.
func Neighbours(c client.Reader, kind client.ObjectList) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []reconcile.Request {
		ref := changed.(*v1alpha1.Broker).Status.NameServiceRef
		if ref == nil {
			return nil
		}
		return dependents(ctx, c, kind, "NameService", ref)
	})
}

func dependents(ctx context.Context, c client.Reader, list client.ObjectList, kind string, ref *v1alpha1.ObjectReference) []reconcile.Request {
	found, err := indexed(ctx, c, list, DependentOn(kind, ref))
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "resources follow a changed one at their next reconcile", "changed", RefKey(kind, ref, ref.Namespace))
	}
	return found
}

// indexed resources of a list's kind.
func indexed(ctx context.Context, c client.Reader, kind client.ObjectList, options ...client.ListOption) (out []reconcile.Request, err error) {
	list := kind.DeepCopyObject().(client.ObjectList)
	if err := c.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, err
	}
	err = meta.EachListItem(list, func(item runtime.Object) error {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(item.(client.Object))})
		return nil
	})
	return out, err
}

// News are the changes of a NameService, Controller or Broker that matter to those who depend on it: its spec, who may refer
// to it, and what they read of its status. Most of what happens to it they need not know.
func News() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		if e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || !equality.Semantic.DeepEqual(e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()) {
			return true
		}
		switch now := e.ObjectNew.(type) {
		case *v1alpha1.NameService:
			before := e.ObjectOld.(*v1alpha1.NameService)
			return (before.Status.ReadySize > 0) != (now.Status.ReadySize > 0) || !slices.Equal(before.Status.NameServers, now.Status.NameServers)
		case *v1alpha1.Controller:
			before := e.ObjectOld.(*v1alpha1.Controller)
			return before.Status.Leader != now.Status.Leader || before.Status.Members != now.Status.Members
		case *v1alpha1.Broker:
			before := e.ObjectOld.(*v1alpha1.Broker)
			return !equality.Semantic.DeepEqual(before.Status.NameServiceRef, now.Status.NameServiceRef) ||
				!equality.Semantic.DeepEqual(before.Status.Auth, now.Status.Auth)
		}
		return true
	}}
}

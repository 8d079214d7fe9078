// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

const (
	// concurrent writes of status, when a thousand resources become Ready at once.
	concurrent = 8

	// fieldName is the index of resources by their own name; Kind.Field is that by the name in RocketMQ, where it is another
	// one. fieldTarget is that by what they may refer to.
	fieldName   = "metadata.name"
	fieldTarget = "target"
)

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler[E]) SetupWithManager(mgr ctrl.Manager, watch *pass.Watch) error {
	for field, values := range map[string]client.IndexerFunc{
		fieldName: func(o client.Object) []string { return []string{o.GetName()} },
		r.kind.Field: func(o client.Object) []string {
			if name := o.(v1alpha1.Entity).EntityName(); name != o.GetName() {
				return []string{name}
			}
			return nil
		},
		fieldTarget: func(o client.Object) []string { return targets(o.(v1alpha1.Entity)) },
	} {
		if err := mgr.GetFieldIndexer().IndexField(r.keepers.ctx, r.kind.New(), field, values); err != nil {
			return fmt.Errorf("index %ss by %s: %w", r.kind.Name, field, err)
		}
	}
	b := ctrl.NewControllerManagedBy(mgr).
		For(r.kind.New()).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Watches(r.kind.New(), handler.EnqueueRequestsFromMapFunc(r.rivals), builder.WithPredicates(predicate.Funcs{
			CreateFunc: func(event.CreateEvent) bool { return false }, UpdateFunc: func(event.UpdateEvent) bool { return false },
		})).
		Watches(&v1alpha1.RocketMQCluster{}, handler.EnqueueRequestsFromMapFunc(r.meaning), builder.WithPredicates(matters())).
		Watches(&v1alpha1.Broker{}, handler.EnqueueRequestsFromMapFunc(r.meaning), builder.WithPredicates(matters())).
		Watches(&v1alpha1.Broker{}, handler.EnqueueRequestsFromMapFunc(r.nudge)).
		WatchesRawSource(source.Channel(r.keepers.events, &handler.EnqueueRequestForObject{}))
	if r.kind.New().EntityTransfer() != nil {
		b = b.Watches(&v1alpha1.TopicTransfer{}, handler.EnqueueRequestsFromMapFunc(r.moved))
	}
	if r.kind.Secrets != nil {
		secrets, err := watch.Secrets(r.keepers.ctx, mgr, r.kind.New(), r.kind.NewList(), func(o client.Object) []string {
			return r.kind.Secrets(o.(v1alpha1.Entity))
		})
		if err != nil {
			return err
		}
		b = b.WatchesRawSource(secrets)
	}
	return b.Complete(r)
}

// matters are changes of clusters other than those of their status, which keepers follow.
func matters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || !maps.Equal(e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations())
	}}
}

// targets that a resource may refer to. One that names none depends on what there is in its namespace.
func targets(e v1alpha1.Entity) (out []string) {
	spec, status := e.EntitySpec(), e.EntityStatus()
	if spec.ClusterRef == nil && spec.BrokerRef == nil {
		out = append(out, e.GetNamespace())
	}
	if ref := firstRef(spec.ClusterRef, status.ClusterRef); ref != nil {
		out = append(out, "RocketMQCluster/"+keyOf(ref, e.GetNamespace()).String())
	}
	if ref := firstRef(spec.BrokerRef, status.BrokerRef); ref != nil {
		out = append(out, "Broker/"+keyOf(ref, e.GetNamespace()).String())
	}
	return out
}

// meaning are the resources that may mean a RocketMQCluster or Broker.
func (r *Reconciler[E]) meaning(ctx context.Context, changed client.Object) []reconcile.Request {
	key := client.ObjectKeyFromObject(changed).String()
	values := []string{changed.GetNamespace(), v1alpha1.KindOf(changed.(v1alpha1.Resource)) + "/" + key}
	if owner := metav1.GetControllerOf(changed); owner != nil {
		values = append(values, owner.Kind+"/"+changed.GetNamespace()+"/"+owner.Name)
	}
	var out []reconcile.Request
	for _, value := range values {
		list := r.kind.NewList()
		err := r.Client.List(ctx, list, client.MatchingFields{fieldTarget: value}, client.UnsafeDisableDeepCopy)
		if err == nil {
			err = meta.EachListItem(list, func(item runtime.Object) error {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(item.(client.Object))})
				return nil
			})
		}
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "a changed cluster is noticed only later", "cluster", key)
		}
	}
	return out
}

// nudge the keeper of a changed Broker.
func (r *Reconciler[E]) nudge(_ context.Context, changed client.Object) []reconcile.Request { //nolint:unparam // a handler.MapFunc
	r.keepers.nudge(client.ObjectKeyFromObject(changed))
	return nil
}

// rivals of a resource that is gone: one of them may have its name now.
func (r *Reconciler[E]) rivals(ctx context.Context, gone client.Object) []reconcile.Request {
	return r.named(ctx, gone.(v1alpha1.Entity).EntityName())
}

// moved resources of a TopicTransfer, whose Brokers' keepers look at it too.
func (r *Reconciler[E]) moved(ctx context.Context, changed client.Object) (out []reconcile.Request) {
	t := changed.(*v1alpha1.TopicTransfer)
	for _, c := range []*v1alpha1.TransferCluster{t.Status.Source, t.Status.Target} {
		if c != nil {
			r.keepers.nudge(keyOf(&v1alpha1.ObjectReference{Name: c.Name, Namespace: c.Namespace}, ""))
		}
	}
	if r.kind.Topics {
		return r.named(ctx, t.Spec.Topic)
	}
	for _, group := range t.Status.Groups {
		out = append(out, r.named(ctx, group.Name)...)
	}
	return out
}

func (r *Reconciler[E]) named(ctx context.Context, name string) (out []reconcile.Request) {
	found, err := namesakes(ctx, r.Client, r.kind, name)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "resources of a name are woken only later", "name", name)
	}
	for _, e := range found {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e)})
	}
	return out
}

// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"errors"
	"reflect"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// Watch is what wakes resources besides changes of themselves.
type Watch struct {
	*Owned
	References
}

// NewWatch watches owned objects through one cache, and referenced ConfigMaps through another one that holds only names.
func NewWatch(owned, names cache.Cache) *Watch {
	return &Watch{Owned: &Owned{cache: owned, seen: map[reflect.Type]bool{}, queues: map[string]queue{}}, References: References{names}}
}

// Owned wakes resources when objects change that carry their labels. Each type of object has one handler for all kinds of
// resources: a handler for each pair of them, of 30 KB each, would make up a tenth of the operator's heap.
type Owned struct {
	cache  cache.Cache
	mu     sync.Mutex
	seen   map[reflect.Type]bool
	queues map[string]queue // by component
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Owns wakes the resources that a component belongs to. They need not be told of objects that are there when they start,
// because they all begin with a reconcile.
func (o *Owned) Owns(component desired.Component, types ...client.Object) source.SyncingSource {
	return &ownedSource{o, component, types}
}

type ownedSource struct {
	*Owned
	component desired.Component
	types     []client.Object
}

// Start is part of source.Source. It does not block.
func (s *ownedSource) Start(ctx context.Context, q queue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[string(s.component)] = q
	for _, object := range s.types {
		if s.seen[reflect.TypeOf(object)] {
			continue
		}
		informer, err := s.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return err
		}
		if _, err := informer.AddEventHandler(s.handler()); err != nil {
			return err
		}
		s.seen[reflect.TypeOf(object)] = true
	}
	return nil
}

// WaitForSync is part of source.SyncingSource.
func (s *ownedSource) WaitForSync(ctx context.Context) error {
	if !s.cache.WaitForCacheSync(ctx) {
		return errors.New("cannot list the objects that resources own: the log says above which list failed")
	}
	return nil
}

func (o *Owned) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, inInitialList bool) {
			if !inInitialList {
				o.wake(object)
			}
		},
		UpdateFunc: func(before, after any) {
			o.wake(before) // somebody may have changed the labels
			o.wake(after)
		},
		DeleteFunc: func(object any) {
			if unseen, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
				object = unseen.Obj
			}
			o.wake(object)
		},
	}
}

func (o *Owned) wake(object any) {
	changed, ok := object.(client.Object)
	if !ok {
		return
	}
	labels := changed.GetLabels()
	o.mu.Lock()
	q := o.queues[labels[desired.LabelComponent]]
	o.mu.Unlock()
	if q != nil {
		q.Add(reconcile.Request{NamespacedName: client.ObjectKey{Namespace: changed.GetNamespace(), Name: labels[desired.LabelInstance]}})
	}
}

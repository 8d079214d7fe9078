// SPDX-License-Identifier: Apache-2.0

// Package monitor tells the Prometheus Operator, where it is installed, of the metrics that servers serve.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// interval is how soon it is noticed that the Prometheus Operator was installed, or that somebody removed a PodMonitor:
// neither is watched, because that kind need not exist.
const interval = 10 * time.Minute

// Kind is one whose servers have metrics.
type Kind struct {
	Component desired.Component
	// New makes an empty resource.
	New func() v1alpha1.Resource
	// Served says whether a resource's servers serve their metrics.
	Served func(v1alpha1.Resource) bool
}

// Kinds are all that have metrics; name servers have none.
func Kinds() []Kind {
	return []Kind{
		{desired.Controller, func() v1alpha1.Resource { return &v1alpha1.Controller{} }, func(obj v1alpha1.Resource) bool {
			return desired.MetricsServed(obj.(*v1alpha1.Controller).Spec.Config)
		}},
		{desired.Broker, func() v1alpha1.Resource { return &v1alpha1.Broker{} }, func(obj v1alpha1.Resource) bool {
			return desired.MetricsServed(obj.(*v1alpha1.Broker).Spec.Config)
		}},
		{desired.Proxy, func() v1alpha1.Resource { return &v1alpha1.Proxy{} }, func(obj v1alpha1.Resource) bool {
			release, _ := desired.Release(obj)
			return desired.MetricsServed(obj.(*v1alpha1.Proxy).Spec.Config) && len(version.Known(release, version.Topology{Proxy: true})) == 0
		}},
	}
}

// Installed tells whether the Prometheus Operator is installed. Each look for a kind that does not exist asks the API server:
// many resources share what one has found. The zero value is ready.
type Installed struct {
	mu     sync.Mutex
	looked time.Time
	is     bool
}

// lookAgain is how old an answer may be.
const lookAgain = time.Minute

func (i *Installed) look(mapper meta.RESTMapper) (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if time.Since(i.looked) < lookAgain {
		return i.is, nil
	}
	kind := desired.PodMonitorKind()
	_, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil && !meta.IsNoMatchError(err) {
		return false, fmt.Errorf("look for the kind PodMonitor: %w", err)
	}
	i.is, i.looked = err == nil, time.Now()
	return i.is, nil
}

// Reconciler of the PodMonitors of one kind's resources.
type Reconciler struct {
	*pass.Env
	Kind      Kind
	Installed *Installed
}

// SetupWithManager registers the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, _ *pass.Watch) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named(string(r.Kind.Component)+"-metrics").
		For(r.Kind.New(), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(pass.Options(0)).
		Complete(r)
}

// Reconcile makes the PodMonitor of a resource, or removes it when the metrics were switched off.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	owner := r.Kind.New()
	if err := r.Client.Get(ctx, req.NamespacedName, owner); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if owner.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, nil // owner references clean up
	}
	if installed, err := r.Installed.look(r.Client.RESTMapper()); err != nil || !installed {
		return ctrl.Result{RequeueAfter: interval}, err
	}
	wanted := desired.PodMonitor(owner, r.Kind.Component)
	if !r.Kind.Served(owner) {
		return ctrl.Result{RequeueAfter: interval}, r.remove(ctx, owner, wanted)
	}
	applier := kube.Applier{Client: r.Client, Reader: r.Reader}
	_, err := applier.Apply(ctx, owner, wanted)
	var conflict *kube.ConflictError
	if errors.As(err, &conflict) || apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		// Messages flow without it: it is told, and tried again.
		p := pass.Begin(r.Env, owner)
		p.Warn(nil, v1alpha1.EventNoPodMonitor, "the PodMonitor could not be written, so Prometheus does not find the metrics by itself: %s", err)
		err = nil
	}
	return ctrl.Result{RequeueAfter: interval}, err
}

// remove a PodMonitor that is the owner's.
func (r *Reconciler) remove(ctx context.Context, owner client.Object, monitor *unstructured.Unstructured) error {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(monitor.GroupVersionKind())
	err := r.Reader.Get(ctx, client.ObjectKeyFromObject(monitor), found)
	if apierrors.IsNotFound(err) || (err == nil && !metav1.IsControlledBy(found, owner)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read PodMonitor %s: %w", monitor.GetName(), err)
	}
	return client.IgnoreNotFound(r.Client.Delete(ctx, found))
}

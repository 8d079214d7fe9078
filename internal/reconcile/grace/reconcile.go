// SPDX-License-Identifier: Apache-2.0

// Package grace tells the agents of broker pods that are deleted how much time they have. Whoever deletes a pod may give it
// less than its template does, or a node that is shut down has no more; a container cannot see how much. An agent that is
// told nothing counts on little (settings.ShortGraceSeconds), and gives producers less time to leave.
package grace

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/probe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

const (
	// concurrent pods are told at the same time: one that does not answer holds up few others.
	concurrent = 16
	// tellTimeout bounds one telling, tellInterval is how soon one that failed is repeated, for tellTime: later it would make
	// no difference any more.
	tellTimeout  = 2 * time.Second
	tellInterval = 500 * time.Millisecond
	tellTime     = 15 * time.Second
)

// Reconciler of the pods of brokers.
type Reconciler struct {
	*pass.Env
	// Tell an agent; probe.TellGrace in earnest.
	Tell func(ctx context.Context, addr string, left time.Duration) error
}

// New makes a Reconciler.
func New(env *pass.Env) *Reconciler { return &Reconciler{env, probe.TellGrace} }

// SetupWithManager registers the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, _ *pass.Watch) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("grace").
		For(&corev1.Pod{}, builder.WithPredicates(predicate.NewPredicateFuncs(func(object client.Object) bool {
			return object.GetDeletionTimestamp() != nil && object.GetLabels()[desired.LabelComponent] == string(desired.Broker)
		}))).
		WithOptions(pass.Options(concurrent)).
		Complete(r)
}

// Reconcile tells the agent of a pod that is being deleted how much time is left.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	pod := &corev1.Pod{}
	if err := r.Client.Get(ctx, req.NamespacedName, pod); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	running := pods.RunningSince(pod)
	if pod.DeletionTimestamp == nil || pod.DeletionGracePeriodSeconds == nil || pod.Status.PodIP == "" || running.IsZero() {
		return ctrl.Result{}, nil
	}
	left, all := time.Until(pod.DeletionTimestamp.Time), time.Duration(*pod.DeletionGracePeriodSeconds)*time.Second
	if left <= 0 || all-left > tellTime {
		return ctrl.Result{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	if err := r.Tell(ctx, pods.BrokerAddr(pod), left); err != nil {
		// Its agent may be gone already, or be of a release that cannot be told.
		return ctrl.Result{RequeueAfter: tellInterval}, nil //nolint:nilerror // it does well without
	}
	return ctrl.Result{}, nil
}

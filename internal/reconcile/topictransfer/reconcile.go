// SPDX-License-Identifier: Apache-2.0

// Package topictransfer reconciles TopicTransfer resources: it looks, lets package transfer decide, records, and acts.
package topictransfer

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/transfer"
)

const (
	// concurrent transfers ask their clusters at the same time: one that does not answer holds up few others.
	concurrent = 16
	// lookInterval is how soon a transfer that waits for something looks again: nothing in Kubernetes tells that a message
	// was consumed. pendingInterval is for one that the user has to do something for.
	lookInterval    = time.Second
	pendingInterval = 3 * time.Second
	// slowestInterval is for phases that last for long, such as a Drain of hours: a look asks every broker for its offsets.
	slowestInterval = 15 * time.Second
	// atOnce is for what was done; what was recorded wakes the next pass by itself.
	atOnce = time.Millisecond
)

// Reconciler of TopicTransfers.
type Reconciler struct {
	*pass.Env
	asker asker
}

// New makes a Reconciler.
func New(env *pass.Env) *Reconciler {
	return &Reconciler{env, asker{answers: &answers{}}}
}

// indexTopic is the index of TopicTransfers by the topic that they move.
const indexTopic = pass.IndexPrefix + "topic"

// SetupWithManager registers the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, _ *pass.Watch) error {
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.TopicTransfer{}, indexTopic, func(object client.Object) []string {
		return []string{object.(*v1alpha1.TopicTransfer).Spec.Topic}
	})
	if err != nil {
		return fmt.Errorf("index TopicTransfers by topic: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.TopicTransfer{}).
		WithOptions(pass.Options(concurrent)).
		Complete(r)
}

// transferPass is one reconcile of one TopicTransfer.
type transferPass struct {
	pass.Base
	asker    asker
	transfer *v1alpha1.TopicTransfer

	source, target  cluster
	seen            transfer.Seen
	decision        transfer.Decision
	failures        []error
	acted, released bool
}

// Reconcile does the next step of a TopicTransfer.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	t := &v1alpha1.TopicTransfer{}
	if err := r.Client.Get(ctx, req.NamespacedName, t); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p := &transferPass{asker: r.asker, transfer: t, Base: pass.Begin(r.Env, t)}
	if transfer.Finished(t.Status.Phase) || p.abandoned() {
		return p.finish(ctx)
	}
	for _, step := range []func(context.Context) error{p.find, p.look, p.decide, p.hold, p.act} {
		err := step(ctx)
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: lookInterval}, nil // this pass read an old copy
		}
		if err != nil {
			return p.Write(ctx, err)
		}
		if p.released {
			return ctrl.Result{}, nil
		}
	}
	return p.record(ctx)
}

// abandoned: the user wants a deleted TopicTransfer to go as it is.
func (p *transferPass) abandoned() bool {
	return p.transfer.DeletionTimestamp != nil && p.transfer.Annotations[v1alpha1.AnnotationAbandon] != ""
}

// finish lets a TopicTransfer go that has come to its end, when its time is over or the user deletes it.
func (p *transferPass) finish(ctx context.Context) (ctrl.Result, error) {
	if err := p.release(ctx); err != nil || p.transfer.DeletionTimestamp != nil {
		return ctrl.Result{}, err
	}
	ttl := p.transfer.Spec.TTLSecondsAfterFinished
	if ttl == nil || p.transfer.Status.PhaseSince == nil {
		return ctrl.Result{}, nil
	}
	if left := time.Until(p.transfer.Status.PhaseSince.Add(time.Duration(*ttl) * time.Second)); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	err := p.Client.Delete(ctx, p.transfer, client.Preconditions{UID: &p.transfer.UID, ResourceVersion: &p.transfer.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return ctrl.Result{}, fmt.Errorf("delete after %d s: %w", *ttl, err)
	}
	return ctrl.Result{}, nil
}

func (p *transferPass) decide(ctx context.Context) error {
	p.decision = transfer.Next(&p.transfer.Spec, &p.transfer.Status, p.seen)
	if p.transfer.DeletionTimestamp == nil || !p.decision.Release {
		return nil
	}
	p.released = true
	return p.release(ctx)
}

// hold keeps the TopicTransfer until it is finished: nothing is changed before that is so.
func (p *transferPass) hold(ctx context.Context) error {
	if phase := p.decision.Status.Phase; phase == "" || phase == v1alpha1.TransferPending || transfer.Finished(phase) || p.transfer.DeletionTimestamp != nil {
		return nil
	}
	return p.AddFinalizer(ctx, v1alpha1.FinalizerTopicTransfer)
}

func (p *transferPass) release(ctx context.Context) error {
	return p.RemoveFinalizer(ctx, v1alpha1.FinalizerTopicTransfer)
}

// record writes the status if it differs, tells of a step, and says when to look again.
func (p *transferPass) record(ctx context.Context) (ctrl.Result, error) {
	p.Failures.Lasting(p.transfer.UID, nil, time.Now()) // this pass has not failed
	conditions := p.transfer.Status.Conditions
	p.transfer.Status = p.decision.Status
	p.transfer.Status.Conditions = conditions
	p.transfer.Status.ObservedGeneration = p.transfer.Generation
	p.describe()
	if err := kube.PatchStatus(ctx, p.Client, p.Before, p.transfer); err != nil {
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return ctrl.Result{RequeueAfter: lookInterval}, nil // this pass read an old copy
		}
		return ctrl.Result{}, err
	}
	for _, event := range p.decision.Events {
		tell := p.Event
		if event.Warning {
			tell = p.Warn
		}
		tell(nil, event.Reason, "%s", event.Message)
	}
	return ctrl.Result{RequeueAfter: p.again()}, nil
}

// describe sets the conditions.
func (p *transferPass) describe() {
	waiting := p.decision.Waiting
	if len(p.failures) > 0 {
		waiting = transfer.Obstacle{Reason: v1alpha1.ReasonFailed, Message: fmt.Sprintf("%s; it is tried again: %s", waiting.Message, tell(p.failures[0]))}
	}
	status := metav1.ConditionFalse
	if p.decision.Status.Phase == v1alpha1.TransferCompleted {
		status = metav1.ConditionTrue
	}
	stalled := p.decision.Stalled
	if stalled != "" && p.transfer.DeletionTimestamp != nil {
		stalled += fmt.Sprintf(". To give up, and leave everything as it is: kubectl annotate -n %s topictransfer %s %s=true", p.transfer.Namespace, p.transfer.Name, v1alpha1.AnnotationAbandon)
	}
	p.Conditions = kube.NewConditions(p.transfer.Generation, &p.transfer.Status.Conditions)
	p.Conditions.Set(v1alpha1.ConditionReady, status, waiting.Reason, waiting.Message)
	if stalled != "" {
		p.Conditions.Raise(v1alpha1.ConditionStalled, "%s", stalled)
	}
	p.Conditions.Complete()
}

// again is when to look again, unless the resource changes before; 0 for not at all.
func (p *transferPass) again() time.Duration {
	switch phase := p.decision.Status.Phase; {
	case transfer.Finished(phase) && p.transfer.DeletionTimestamp == nil && p.transfer.Spec.TTLSecondsAfterFinished == nil:
		return 0
	case p.decision.Recorded && p.acted && len(p.failures) == 0:
		return atOnce
	case phase == v1alpha1.TransferPending:
		return max(pendingInterval, pace(&p.decision.Status, time.Now()))
	}
	return pace(&p.decision.Status, time.Now())
}

// pace of the looks: the longer a phase lasts already, the less it matters to notice its end at once. While messages are refused, or
// no route leads to the source, it does.
func pace(status *v1alpha1.TopicTransferStatus, now time.Time) time.Duration {
	if status.FencedSince != nil || status.UnroutedSince != nil || status.PhaseSince == nil {
		return lookInterval
	}
	return max(lookInterval, min(slowestInterval, now.Sub(status.PhaseSince.Time)/60))
}

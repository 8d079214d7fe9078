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
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/transfer"
)

const (
	// Finalizer keeps a TopicTransfer that has begun until it is finished or taken back.
	Finalizer = "rocketmq.apache.org/topic-transfer"
	// AnnotationAbandon is the user's way out when a cluster does not come back: a deleted TopicTransfer goes at once.
	AnnotationAbandon = "rocketmq.apache.org/abandon-transfer"

	// concurrent transfers ask their clusters at the same time: one that does not answer holds up few others.
	concurrent = 16
	// lookInterval is how soon a transfer that waits for something looks again: nothing in Kubernetes tells that a message
	// was consumed. pendingInterval is for one that the user has to do something for.
	lookInterval    = time.Second
	pendingInterval = 3 * time.Second
	// atOnce is for what was done; what was recorded wakes the next pass by itself.
	atOnce = time.Millisecond
)

// Reconciler of TopicTransfers.
type Reconciler struct {
	*workload.Env
	asker *asker
}

// New makes a Reconciler.
func New(env *workload.Env) *Reconciler {
	return &Reconciler{env, &asker{Client: env.RocketMQ}}
}

// SetupWithManager registers the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.TopicTransfer{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(r)
}

// pass is one reconcile of one TopicTransfer.
type pass struct {
	workload.Pass
	asker  *asker
	t      *v1alpha1.TopicTransfer
	before *v1alpha1.TopicTransfer

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
	p := &pass{asker: r.asker, t: t, before: t.DeepCopy(),
		Pass: workload.Pass{Env: r.Env, Owner: t, Conditions: kube.NewConditions(t.Generation, &t.Status.Conditions)}}
	if transfer.Finished(t.Status.Phase) || p.abandoned() {
		return p.finish(ctx)
	}
	for _, step := range []func(context.Context) error{p.find, p.look, p.decide, p.hold, p.act} {
		err := step(ctx)
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: lookInterval}, nil // this pass read an old copy
		}
		if err != nil {
			return ctrl.Result{}, err
		}
		if p.released {
			return ctrl.Result{}, nil
		}
	}
	return p.record(ctx)
}

// abandoned: the user wants a deleted TopicTransfer to go as it is.
func (p *pass) abandoned() bool {
	return p.t.DeletionTimestamp != nil && p.t.Annotations[AnnotationAbandon] != ""
}

// finish lets a TopicTransfer go that has come to its end, when its time is over or the user deletes it.
func (p *pass) finish(ctx context.Context) (ctrl.Result, error) {
	if err := p.release(ctx); err != nil || p.t.DeletionTimestamp != nil {
		return ctrl.Result{}, err
	}
	ttl := p.t.Spec.TTLSecondsAfterFinished
	if ttl == nil || p.t.Status.PhaseSince == nil {
		return ctrl.Result{}, nil
	}
	if left := time.Until(p.t.Status.PhaseSince.Add(time.Duration(*ttl) * time.Second)); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	err := p.Client.Delete(ctx, p.t, client.Preconditions{UID: &p.t.UID, ResourceVersion: &p.t.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return ctrl.Result{}, fmt.Errorf("delete after %d s: %w", *ttl, err)
	}
	return ctrl.Result{}, nil
}

func (p *pass) decide(ctx context.Context) error {
	p.decision = transfer.Next(&p.t.Spec, &p.t.Status, p.seen)
	if p.t.DeletionTimestamp == nil || !p.decision.Release {
		return nil
	}
	p.released = true
	return p.release(ctx)
}

// hold keeps the TopicTransfer until it is finished: nothing is changed before that is so.
func (p *pass) hold(ctx context.Context) error {
	if phase := p.decision.Status.Phase; phase == "" || phase == v1alpha1.TransferPending || transfer.Finished(phase) || p.t.DeletionTimestamp != nil {
		return nil
	}
	return p.patchFinalizer(ctx, controllerutil.AddFinalizer)
}

func (p *pass) release(ctx context.Context) error {
	return p.patchFinalizer(ctx, controllerutil.RemoveFinalizer)
}

// patchFinalizer writes if something changes. What was read stays the base of the status.
func (p *pass) patchFinalizer(ctx context.Context, change func(client.Object, string) bool) error {
	changed := p.t.DeepCopy()
	if !change(changed, Finalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(p.t.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, changed, patch, client.FieldOwner(kube.FieldOwner)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("finalizer: %w", err))
	}
	changed.Status = p.t.Status // the answer's is the same
	for _, object := range []*v1alpha1.TopicTransfer{p.t, p.before} {
		object.ObjectMeta = *changed.ObjectMeta.DeepCopy()
	}
	return nil
}

// record writes the status if it differs, tells of a step, and says when to look again.
func (p *pass) record(ctx context.Context) (ctrl.Result, error) {
	conditions := p.t.Status.Conditions
	p.t.Status = p.decision.Status
	p.t.Status.Conditions = conditions
	p.t.Status.ObservedGeneration = p.t.Generation
	p.describe()
	if err := kube.PatchStatus(ctx, p.Client, p.before, p.t); err != nil {
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
		tell(nil, event.Reason, "Transfer", "%s", event.Message)
	}
	return ctrl.Result{RequeueAfter: p.again()}, nil
}

// describe sets the conditions.
func (p *pass) describe() {
	waiting := p.decision.Waiting
	if len(p.failures) > 0 {
		waiting = transfer.Obstacle{Reason: v1alpha1.ReasonFailed, Message: fmt.Sprintf("%s; it is tried again: %s", waiting.Message, tell(p.failures[0]))}
	}
	status := metav1.ConditionFalse
	if p.decision.Status.Phase == v1alpha1.TransferCompleted {
		status = metav1.ConditionTrue
	}
	stalled := p.decision.Stalled
	if stalled != "" && p.t.DeletionTimestamp != nil {
		stalled += fmt.Sprintf(". To give up, and leave everything as it is: kubectl annotate -n %s topictransfer %s %s=true", p.t.Namespace, p.t.Name, AnnotationAbandon)
	}
	p.Conditions = kube.NewConditions(p.t.Generation, &p.t.Status.Conditions)
	p.Conditions.Set(v1alpha1.ConditionReady, status, waiting.Reason, waiting.Message)
	if stalled != "" {
		p.Conditions.Raise(v1alpha1.ConditionStalled, "%s", stalled)
	}
	p.Conditions.Settle()
}

// again is when to look again, unless the resource changes before; 0 for not at all.
func (p *pass) again() time.Duration {
	switch phase := p.decision.Status.Phase; {
	case transfer.Finished(phase) && p.t.DeletionTimestamp == nil && p.t.Spec.TTLSecondsAfterFinished == nil:
		return 0
	case p.decision.Recorded && p.acted && len(p.failures) == 0:
		return atOnce
	case phase == v1alpha1.TransferPending:
		return pendingInterval
	}
	return lookInterval
}

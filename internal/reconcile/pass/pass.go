// SPDX-License-Identifier: Apache-2.0

// Package pass is one reconcile of one resource of any kind: its steps, its events and conditions, and its end.
package pass

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
)

// How soon a resource is looked at again when no watch and no new answer of a server would wake it.
const (
	// Soon is for what goes on by itself, such as a rollout. It waits for an answer that was given after the last pod became ready, and
	// the poller does not wake a pass for an answer that says the same as the one before.
	Soon = 2 * time.Second
	// Later is for obstacles whose end no watch shows: an object of somebody else, a refusal of the API server.
	Later = 15 * time.Second
)

// Env is what every reconciler works with.
type Env struct {
	// Client reads from caches that hold our own objects.
	Client client.Client
	// Reader reads from the API server.
	Reader   client.Reader
	Recorder events.EventRecorder
	// Installation is what the names and images of all objects depend on.
	Installation desired.Installation
	// Reach finds RocketMQ's servers and talks to them.
	Reach *reach.Reach
	// Failures remembers since when a resource cannot be reconciled.
	Failures *Failures
	// Statuses remembers what was written last.
	Statuses Statuses
}

// Old reports whether a resource that was just read is older than what the last pass wrote. A pass would do again what that
// one did; the newer one is on its way and wakes the next.
func (e *Env) Old(resource client.Object) bool {
	return e.Statuses.Old(resource.GetUID(), resource.GetResourceVersion())
}

// Step of a reconcile. A non-nil Waiting ends the pass: something will wake it.
type Step func(ctx context.Context) (*kube.Waiting, error)

// Run goes through the steps until one waits or fails.
func Run(ctx context.Context, steps ...Step) (*kube.Waiting, error) {
	for _, step := range steps {
		if waiting, err := step(ctx); waiting != nil || err != nil {
			return waiting, err
		}
	}
	return nil, nil
}

// Base is what the passes of all kinds have in common.
type Base struct {
	*Env
	Owner v1alpha1.Resource
	// Before is the owner as it was read.
	Before     v1alpha1.Resource
	Conditions *kube.Conditions

	// again is how soon the pass is to be repeated, 0 for not at all.
	again time.Duration
	// unhurried: the status holds nothing that the next pass could not find out again.
	unhurried bool
}

// Begin a reconcile of a resource that has just been read.
func Begin(env *Env, owner v1alpha1.Resource) Base {
	before := owner.DeepCopyObject().(v1alpha1.Resource)
	owner.Common().Image = desired.Image(owner)
	return Base{
		Env: env, Owner: owner, Before: before,
		Conditions: kube.NewConditions(owner.GetGeneration(), &owner.Common().Conditions),
	}
}

// LookAgain repeats the pass after some time, unless something wakes it before. The shortest time counts.
func (p *Base) LookAgain(after time.Duration) {
	if p.again == 0 || after < p.again {
		p.again = after
	}
}

// Unhurried lets the status wait for a moment if all that is new is what the resource waits for. It is for passes that record
// nothing there: what is put off is lost if the operator ends.
func (p *Base) Unhurried() { p.unhurried = true }

// Event tells the user what the operator did, or saw, to which object. Events that differ only in their text are
// counted as one, so the object matters.
func (p *Base) Event(object client.Object, reason v1alpha1.EventReason, format string, args ...any) {
	p.send(object, corev1.EventTypeNormal, reason, format, args...)
}

// Warn tells the user of something that did not work.
func (p *Base) Warn(object client.Object, reason v1alpha1.EventReason, format string, args ...any) {
	p.send(object, corev1.EventTypeWarning, reason, format, args...)
}

// send an event. The API requires an action besides the reason: it is the same word.
func (p *Base) send(object client.Object, kind string, reason v1alpha1.EventReason, format string, args ...any) {
	p.Recorder.Eventf(p.Owner, object, kind, reason, reason, "%s", note(format, args...))
}

// Retry tells the user of something that did not work, and repeats the pass to try it again.
func (p *Base) Retry(object client.Object, reason v1alpha1.EventReason, format string, args ...any) {
	p.LookAgain(Later)
	p.Warn(object, reason, format, args...)
}

// note is the text of an event. The API server refuses longer ones.
func note(format string, args ...any) string {
	const limit, more = 1024, "…" // bytes
	text := fmt.Sprintf(format, args...)
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(more)], "") + more
}

// Apply writes owned objects. A foreign object of a wanted name, or the API server's refusal, ends the pass with a
// condition that says what to do.
func (p *Base) Apply(ctx context.Context, objects ...client.Object) (*kube.Waiting, error) {
	applier := p.Applier()
	for _, object := range objects {
		_, err := applier.Apply(ctx, p.Owner, object)
		if waiting, err := p.Explain(err); waiting != nil || err != nil {
			return waiting, err
		}
	}
	return nil, nil
}

// Applier writes the owner's objects.
func (p *Base) Applier() kube.Applier {
	return kube.Applier{Client: p.Client, Reader: p.Reader}
}

// Explain turns errors that the user has to mend into conditions.
func (p *Base) Explain(err error) (*kube.Waiting, error) {
	var conflict *kube.ConflictError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &conflict) && conflict.Legacy:
		return p.Trouble(v1alpha1.ConditionLegacyResources, "%s. The operator does not touch objects of its predecessor. Move its data to a resource of another "+
			"name, or delete it: kubectl delete -n %s %s %s", conflict, p.Owner.GetNamespace(), conflict.Kind, conflict.Name).LookAgain(Later), nil
	case errors.As(err, &conflict):
		return p.Trouble(v1alpha1.ConditionNameConflict, "%s, and this resource needs that name. Remove the object or create "+
			"this resource under another name", conflict).LookAgain(Later), nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		return p.Trouble(v1alpha1.ConditionRefused, "the API server refused an object of this resource: %s. "+
			"Correct the field of the spec that it comes from, or the rule that forbids it", err).LookAgain(Later), nil
	default:
		return nil, err
	}
}

// Trouble raises a condition that stops the resource.
func (p *Base) Trouble(condition, format string, args ...any) *kube.Waiting {
	p.Conditions.Raise(condition, format, args...)
	return kube.Wait(condition, format, args...)
}

// Finish ends a pass: Ready says what came out, troubles that are over go, and the status is written if it differs.
func (p *Base) Finish(ctx context.Context, waiting *kube.Waiting, failure error) (ctrl.Result, error) {
	switch {
	case failure != nil: // see Write
	case waiting != nil:
		status := metav1.ConditionFalse
		if waiting.Reason == v1alpha1.ReasonUnreachable {
			status = metav1.ConditionUnknown
		}
		p.Conditions.Set(v1alpha1.ConditionReady, status, waiting.Reason, waiting.Message)
		if waiting.Again > 0 {
			p.LookAgain(waiting.Again)
		}
	default:
		p.Conditions.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "every member serves")
	}
	return p.Write(ctx, failure)
}

// Write the status if it differs from what was read, and say when to look again. A pass that failed keeps the conditions of
// what it did not get to look at, and is tried again soon; when that has gone on for a while, Ready says why.
func (p *Base) Write(ctx context.Context, failure error) (ctrl.Result, error) {
	if errors.Is(failure, kube.ErrBehind) || apierrors.IsConflict(failure) {
		return ctrl.Result{RequeueAfter: Soon}, nil // this pass read an old copy: the newer one is on its way and wakes the next
	}
	if failure == nil {
		p.Conditions.Complete()
		p.Owner.Common().ObservedGeneration = p.Owner.GetGeneration()
	}
	if p.Failures.Lasting(p.Owner.GetUID(), failure, time.Now()) {
		p.Conditions.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonFailed, fmt.Sprintf(
			"the operator cannot bring this resource to its spec, and keeps trying: %s. If the error names a field of the spec, correct that "+
				"field; otherwise read the operator's log", failure))
	}
	if failure == nil && p.putOff() {
		// What goes on elsewhere comes first.
		return ctrl.Result{RequeueAfter: p.again, Priority: new(handler.LowPriority)}, nil
	}
	p.logReady(ctx)
	if err := errors.Join(failure, p.patch(ctx)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: p.again}, nil
}

// putOff reports whether the status is to be written later, and repeats the pass then.
func (p *Base) putOff() bool {
	if !p.unhurried || !onlyWaits(p.Before.Common().Conditions, p.Owner.Common().Conditions) || equality.Semantic.DeepEqual(p.Before, p.Owner) {
		return false
	}
	left := p.Statuses.PutOff(p.Owner.GetUID(), time.Now())
	if left > 0 {
		p.LookAgain(left)
	}
	return left > 0
}

// patch the status if it differs from what was read.
func (p *Base) patch(ctx context.Context) error {
	uid, read := p.Owner.GetUID(), p.Before.GetResourceVersion()
	err := kube.PatchStatus(ctx, p.Client, p.Before, p.Owner)
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return nil // this pass read an old copy: the newer one is on its way and wakes the next; or the resource is gone
	case err != nil:
		return err
	case p.Owner.GetResourceVersion() == read:
		p.Statuses.Same(uid)
	default:
		p.Statuses.Wrote(uid, read)
	}
	return nil
}

// logReady logs what Ready says, if that is news.
func (p *Base) logReady(ctx context.Context) {
	before := meta.FindStatusCondition(p.Before.Common().Conditions, v1alpha1.ConditionReady)
	now := meta.FindStatusCondition(p.Owner.Common().Conditions, v1alpha1.ConditionReady)
	if now == nil || before != nil && before.Status == now.Status && before.Reason == now.Reason {
		return
	}
	log.FromContext(ctx).Info("Ready", "status", now.Status, "reason", now.Reason, "message", now.Message)
}

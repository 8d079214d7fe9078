// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Reconciler of one kind.
type Reconciler[E any] struct {
	*pass.Env
	kind    Kind[E]
	keepers *keepers[E]
}

// New makes a Reconciler. Observed is what the servers of each Broker last said; ctx ends what works in the background.
func New[E any](ctx context.Context, env *pass.Env, kind Kind[E], observed *observe.Poller[*observe.Brokers]) *Reconciler[E] {
	k := &keepers[E]{
		Env: env, Kind: kind, ctx: ctx, observed: observed,
		events: make(chan event.GenericEvent, 1024), all: map[types.NamespacedName]*keeper[E]{},
	}
	observed.OnNews(k.nudge)
	return &Reconciler[E]{env, kind, k}
}

// entityPass is one reconcile of one resource.
type entityPass[E any] struct {
	pass.Base
	kind    Kind[E]
	keepers *keepers[E]
	entity  v1alpha1.Entity

	// target is the RocketMQCluster or Broker that the resource means, and brokers are its Brokers.
	target  client.Object
	brokers []v1alpha1.Broker
	// transfer is what TopicTransfers do to it.
	transfer transfer
	password entity.Password
	answer   entity.Answer
	// unanswered: nothing came out yet. That it does wakes the next pass.
	unanswered bool
}

// Reconcile brings what is in RocketMQ, and the status of a resource, to what its spec says.
func (r *Reconciler[E]) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	e := r.kind.New()
	if err := r.Client.Get(ctx, req.NamespacedName, e); err != nil {
		if apierrors.IsNotFound(err) {
			r.keepers.drop(req.NamespacedName, nil)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p := &entityPass[E]{Base: pass.Begin(r.Env, e), kind: r.kind, keepers: r.keepers, entity: e}
	if e.GetDeletionTimestamp() != nil {
		return p.end(ctx)
	}
	waiting, err := pass.Run(ctx, p.resolve, p.checkName, p.checkRivals, p.prepare, p.hold, p.followTransfer)
	switch {
	case err != nil:
	case waiting != nil:
		r.keepers.drop(req.NamespacedName, nil)
	default:
		if p.claim(); p.unanswered {
			return ctrl.Result{}, nil
		}
		waiting = p.judge()
	}
	return p.finish(ctx, waiting, err)
}

// prepare what the claim needs beside the spec.
func (p *entityPass[E]) prepare(ctx context.Context) (waiting *kube.Waiting, err error) {
	if p.kind.Prepare != nil {
		p.password, waiting, err = p.kind.Prepare(ctx, &p.Base, p.entity, Target{p.target, p.brokers})
	}
	return waiting, err
}

// hold keeps the resource until its deletion has been followed, if that asks for anything.
func (p *entityPass[E]) hold(ctx context.Context) (*kube.Waiting, error) { //nolint:unparam // a pass.Step
	if p.entity.EntitySpec().DeletionPolicy == v1alpha1.Retain {
		return nil, p.RemoveFinalizer(ctx, v1alpha1.FinalizerEntity)
	}
	return nil, p.AddFinalizer(ctx, v1alpha1.FinalizerEntity)
}

// claim hands each Broker's keeper what the resource wants, and takes what came out of it.
func (p *entityPass[E]) claim() {
	status := p.entity.EntityStatus()
	c := entity.Claim{
		Object: client.ObjectKeyFromObject(p.entity), UID: p.entity.GetUID(), Created: p.entity.GetCreationTimestamp(),
		Name: p.entity.EntityName(), Generation: p.entity.GetGeneration(), Spec: p.kind.Spec(p.entity),
		Applied: status.AppliedGeneration, Frozen: *p.transferredBy() != "",
		Password: p.password, Abroad: p.entity.GetNamespace() != p.target.GetNamespace(),
	}
	switch e := p.entity.(type) {
	case *v1alpha1.Topic:
		c.ReadQueues, c.WriteQueues = int(e.Status.ReadQueues), int(e.Status.WriteQueues)
	case *v1alpha1.User:
		c.AppliedPassword = e.Status.AppliedPassword
	}
	if p.entity.GetDeletionTimestamp() != nil {
		c.Deletion = p.entity.EntitySpec().DeletionPolicy
		if p.letsGo() != "" {
			c.Deletion = v1alpha1.Retain
		}
	}

	claimed := map[types.NamespacedName]bool{}
	var answers []entity.Answer
	for i := range p.brokers {
		key := client.ObjectKeyFromObject(&p.brokers[i])
		claimed[key] = true
		answer, changes, answered := p.keepers.claim(key, c)
		p.unanswered = p.unanswered || !answered
		answers = append(answers, answer)
		for _, change := range changes {
			p.Event(nil, change.Reason, "%s", change.Text)
		}
	}
	p.keepers.drop(c.Object, claimed)
	p.answer = entity.Sum(answers)
}

// judge writes what came out into the status. It returns why the resource is not as specified, nil if it is.
func (p *entityPass[E]) judge() *kube.Waiting {
	status, a := p.entity.EntityStatus(), p.answer
	*p.entity.EntityCount() = fmt.Sprintf("%d/%d", a.Done, a.Of)
	p.kind.Show(p.entity, a)
	if p.transferred() {
		return p.Trouble(v1alpha1.ConditionTransferred, "TopicTransfer %s has moved it to another cluster, so it is not made anew here. Delete this resource, "+
			"and create one for the other cluster", *p.transferredBy())
	}
	if p.givenBack() {
		*p.transferredBy() = "" // it was taken back; the write wakes the next pass
	}
	if draining := cmp.Or(a.Draining, p.drainingBefore(a)); draining != "" {
		p.Conditions.Raise(v1alpha1.ConditionDraining, "%s", draining)
	}
	switch a.Reason {
	case "":
		status.AppliedGeneration = p.entity.GetGeneration()
		p.passwordApplied()
		return nil
	case v1alpha1.ConditionTypeConflict, v1alpha1.ConditionNameConflict, v1alpha1.ConditionInvalidSpec, v1alpha1.ConditionRefused:
		return p.Trouble(a.Reason, "%s", a.Message)
	}
	return kube.Wait(a.Reason, "%s", a.Message)
}

// drainingBefore is what was draining when all groups could be looked at, "" if they can be now, or nothing was.
func (p *entityPass[E]) drainingBefore(a entity.Answer) string {
	before := meta.FindStatusCondition(p.Before.Common().Conditions, v1alpha1.ConditionDraining)
	if !a.Unseen || before == nil {
		return ""
	}
	return before.Message
}

func (p *entityPass[E]) finish(ctx context.Context, waiting *kube.Waiting, err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{}, nil // this pass read an old copy: the newer one is on its way and wakes the next
	}
	if waiting != nil || err != nil {
		return p.Finish(ctx, waiting, err)
	}
	p.Conditions.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady,
		p.entity.EntityName()+" is as specified on "+p.kind.Everywhere)
	return p.Write(ctx, nil)
}

// end follows the deletion of a resource. Whatever keeps it from reaching the cluster for good lets it go.
func (p *entityPass[E]) end(ctx context.Context) (ctrl.Result, error) {
	why := p.letsGo()
	switch {
	case !controllerutil.ContainsFinalizer(p.entity, v1alpha1.FinalizerEntity):
		p.keepers.drop(client.ObjectKeyFromObject(p.entity), nil)
		return ctrl.Result{}, nil
	case why != "" && p.kind.Fence == nil:
		return ctrl.Result{}, p.letGo(ctx, why)
	}
	waiting, err := pass.Run(ctx, p.resolve, p.checkName, p.checkRivals, p.followTransfer)
	switch {
	case err != nil:
		return p.finish(ctx, nil, err)
	case waiting != nil:
		return ctrl.Result{}, p.letGo(ctx, waiting.Message)
	case p.transferred(): // with what was known before
		return ctrl.Result{}, p.letGo(ctx, "a TopicTransfer has moved it to another cluster")
	}
	switch p.claim(); {
	case p.unanswered:
		return ctrl.Result{}, nil
	case p.answer.Gone && why != "":
		return ctrl.Result{}, p.letGo(ctx, why)
	case p.answer.Gone && p.answer.Kept:
		return ctrl.Result{}, p.letGo(ctx, "it is not what this resource made")
	case p.answer.Gone:
		p.Event(nil, v1alpha1.EventDeleted, "%s is deleted in RocketMQ", p.entity.EntityName())
		return ctrl.Result{}, p.release(ctx)
	}
	if p.givenBack() {
		*p.transferredBy() = ""
	}
	return p.Finish(ctx, kube.Wait(p.answer.Reason, "%s. %s", p.answer.Message, p.waysOut()), nil)
}

// letsGo says why the resource, which is being deleted, leaves what it stands for as it is, "" if it does not.
func (p *entityPass[E]) letsGo() string {
	switch {
	case p.entity.EntitySpec().DeletionPolicy == v1alpha1.Retain:
		return "spec.deletionPolicy is Retain"
	case p.entity.GetAnnotations()[v1alpha1.AnnotationLetGo] != "":
		return "the annotation " + v1alpha1.AnnotationLetGo + " says so"
	}
	return ""
}

// waysOut of a deletion that waits.
func (p *entityPass[E]) waysOut() string {
	command := fmt.Sprintf("kubectl annotate -n %s %s.%s %s %s=true", p.entity.GetNamespace(), strings.ToLower(p.kind.Name), v1alpha1.GroupVersion.Group,
		p.entity.GetName(), v1alpha1.AnnotationLetGo)
	if p.entity.EntitySpec().DeletionPolicy == v1alpha1.DeleteIfEmpty {
		return "To delete it with everything in it set spec.deletionPolicy to Delete; to leave it in RocketMQ: " + command
	}
	return "To leave it in RocketMQ: " + command
}

// letGo of a resource, and leave what it stands for.
func (p *entityPass[E]) letGo(ctx context.Context, why string) error {
	p.Event(nil, v1alpha1.EventLetGo, "%s stays as it is in RocketMQ: %s", p.entity.EntityName(), why)
	return p.release(ctx)
}

func (p *entityPass[E]) release(ctx context.Context) error {
	p.keepers.drop(client.ObjectKeyFromObject(p.entity), nil)
	return p.RemoveFinalizer(ctx, v1alpha1.FinalizerEntity)
}

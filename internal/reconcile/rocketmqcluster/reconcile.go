// SPDX-License-Identifier: Apache-2.0

// Package rocketmqcluster reconciles RocketMQCluster resources: it makes a resource of our other kinds of each part, and
// their reconcilers do the rest.
package rocketmqcluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Reconciler of RocketMQClusters.
type Reconciler struct{ *pass.Env }

// indexOwner is the index of Brokers by the UID of the cluster that made them.
const indexOwner = pass.IndexPrefix + "owner"

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, _ *pass.Watch) error {
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.Broker{}, indexOwner, func(object client.Object) []string {
		if owner := metav1.GetControllerOf(object); owner != nil {
			return []string{string(owner.UID)}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("index Brokers by owner: %w", err)
	}
	b := ctrl.NewControllerManagedBy(mgr).For(&v1alpha1.RocketMQCluster{}).WithOptions(pass.Options(0))
	for _, kind := range v1alpha1.Kinds() {
		if kind.Part {
			b = b.Owns(kind.New())
		}
	}
	return b.Complete(r)
}

// clusterPass is one reconcile of one RocketMQCluster.
type clusterPass struct {
	pass.Base
	cluster *v1alpha1.RocketMQCluster
	parts   []*part
}

// Reconcile brings the parts and the status of a RocketMQCluster to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	c := &v1alpha1.RocketMQCluster{}
	if err := r.Client.Get(ctx, req.NamespacedName, c); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if c.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // owner references clean up
	}
	if r.Old(c) {
		return ctrl.Result{}, nil
	}
	p := &clusterPass{Base: pass.Begin(r.Env, c), cluster: c}
	p.Unhurried()
	_, err := pass.Run(ctx,
		p.readParts,
		p.holdParts,
		p.stageAuth,
		p.stageTLS,
		p.createLogin,
		p.createAccounts,
		p.applyParts,
		p.removeParts,
		p.keepBrokers,
		p.sumUp,
	)
	if slices.ContainsFunc(p.parts, func(part *part) bool { return part.refused != nil }) {
		p.LookAgain(pass.Later)
	}
	return p.Write(ctx, err)
}

// readParts finds the resources that there are. One that the cluster may not change is none.
func (p *clusterPass) readParts(ctx context.Context) (*kube.Waiting, error) {
	for _, wanted := range desired.Parts(p.cluster) {
		found := &part{Part: wanted}
		live := wanted.Object.DeepCopyObject().(v1alpha1.Resource)
		err := p.Client.Get(ctx, client.ObjectKeyFromObject(wanted.Object), live)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read %s: %w", wanted, err)
		}
		if err == nil && (p.owns(live) || p.given(live)) {
			found.live, found.seen = live, stateOf(live)
		}
		if wanted.Err != nil {
			found.refuse(v1alpha1.ConditionInvalidSpec, "spec.%s: %s", wanted.Field, wanted.Err)
		}
		p.parts = append(p.parts, found)
	}
	return nil, nil
}

func (p *clusterPass) owns(object client.Object) bool {
	owner := metav1.GetControllerOf(object)
	return owner != nil && owner.UID == p.cluster.UID
}

// given reports whether a resource that nobody controls is the cluster's to take: by annotation, or because an earlier
// cluster of that name made it.
func (p *clusterPass) given(object client.Object) bool {
	return metav1.GetControllerOf(object) == nil &&
		(object.GetAnnotations()[v1alpha1.AnnotationAdopt] == p.cluster.Name || object.GetLabels()[desired.LabelCluster] == p.cluster.Name)
}

func (p *part) refuse(condition, format string, args ...any) {
	p.refused = &metav1.Condition{Type: condition, Status: metav1.ConditionTrue, Reason: condition, Message: fmt.Sprintf(format, args...)}
}

func (p *clusterPass) holdParts(context.Context) (*kube.Waiting, error) {
	holdParts(p.parts)
	return nil, nil
}

// createLogin makes the Secret with the dashboard's password once. The operator does not read it, so it tries while the dashboard,
// which needs it, does not run as it should.
func (p *clusterPass) createLogin(ctx context.Context) (*kube.Waiting, error) {
	name := desired.ConsoleLogin(p.cluster.Name)
	for _, part := range p.parts {
		console, ok := part.Object.(*v1alpha1.Console)
		if !ok || console.Spec.Login == nil || console.Spec.Login.SecretRef.Name != name || part.refused != nil ||
			(part.live != nil && part.condition(v1alpha1.ConditionReady).Status == metav1.ConditionTrue &&
				part.condition(v1alpha1.ConditionUpToDate).Status == metav1.ConditionTrue) {
			continue
		}
		secret := desired.ConsoleLoginSecret(p.cluster, rand.Text())
		if err := controllerutil.SetControllerReference(p.cluster, secret, p.Client.Scheme()); err != nil {
			return nil, fmt.Errorf("own Secret %s: %w", name, err)
		}
		err := p.Client.Create(ctx, secret, client.FieldOwner(kube.FieldOwner))
		switch {
		case err == nil:
			p.Event(secret, v1alpha1.EventCreated, "created Secret %s with the dashboard's password", name)
		case !apierrors.IsAlreadyExists(err) && !part.explain(p.cluster, err):
			return nil, fmt.Errorf("create Secret %s: %w", name, err)
		}
	}
	return nil, nil
}

// applyParts writes each part by itself: one that is refused keeps no other from following.
func (p *clusterPass) applyParts(ctx context.Context) (*kube.Waiting, error) {
	applier := kube.Applier{Client: p.Client, Reader: p.Reader, Adopt: v1alpha1.AnnotationAdopt}
	var errs []error
	for _, part := range p.parts {
		if part.refused != nil || part.waits != nil {
			continue
		}
		wrote, err := applier.Apply(ctx, p.Owner, part.Object)
		if err != nil && !part.explain(p.cluster, err) {
			errs = append(errs, err)
		}
		if part.wrote = wrote; wrote {
			p.tell(part)
		}
	}
	p.tellCreated()
	return nil, errors.Join(errs...)
}

// tellCreated in one event, because a cluster begins with many parts.
func (p *clusterPass) tellCreated() {
	var names []string
	var first client.Object
	for _, part := range p.parts {
		if part.wrote && part.live == nil {
			names = append(names, part.String())
			if first == nil {
				first = part.Object
			}
		}
	}
	switch len(names) {
	case 0:
	case 1:
		p.Event(first, v1alpha1.EventCreated, "%s is now part of this cluster", names[0])
	default:
		p.Event(first, v1alpha1.EventCreated, "%s are now parts of this cluster", strings.Join(names, ", "))
	}
}

// tell the user what was changed.
func (p *clusterPass) tell(part *part) {
	image := *part.Image
	switch {
	case part.live == nil: // tellCreated
	case image != "" && image != part.seen.image:
		p.Event(part.Object, v1alpha1.EventChangingVersion, "%s goes from %s to %s", part, part.seen.image, image)
	default:
		p.Event(part.Object, v1alpha1.EventUpdated, "changed %s to what the cluster's spec says", part)
	}
}

// explain keeps an error that the user has to mend, and reports whether it is one.
func (p *part) explain(c *v1alpha1.RocketMQCluster, err error) bool {
	var conflict *kube.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Free:
		p.refuse(v1alpha1.ConditionNameConflict, "it was not made by this cluster. To let the cluster take it over: "+
			"kubectl annotate -n %s %s.%s %s %s=%s. Otherwise create the cluster under another name", c.Namespace, p.Kind, v1alpha1.GroupVersion.Group,
			conflict.Name, v1alpha1.AnnotationAdopt, c.Name)
	case errors.As(err, &conflict):
		p.refuse(v1alpha1.ConditionNameConflict, "it belongs to %s. Remove it, or create this cluster under another name", conflict.Holder)
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		p.refuse(v1alpha1.ConditionRefused, "the API server refused it: %s", err)
	default:
		return false
	}
	return true
}

// removeParts deletes what the spec no longer has and nobody's messages are in.
func (p *clusterPass) removeParts(ctx context.Context) (*kube.Waiting, error) {
	for name, object := range map[string]client.Object{
		desired.PartProxy: &v1alpha1.Proxy{}, desired.PartConsole: &v1alpha1.Console{},
		desired.PartExporter: &v1alpha1.Exporter{}, desired.PartSchemaRegistry: &v1alpha1.SchemaRegistry{},
	} {
		name = desired.PartName(p.cluster.Name, name)
		if slices.ContainsFunc(p.parts, func(part *part) bool { return part.Object.GetName() == name }) {
			continue
		}
		err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.cluster.Namespace, Name: name}, object)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if err != nil || !p.owns(object) || object.GetDeletionTimestamp() != nil {
			continue
		}
		uid := object.GetUID()
		if err := p.Client.Delete(ctx, object, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("delete %s: %w", name, err)
		}
		p.Event(object, v1alpha1.EventRemoved, "deleted %s: the cluster's spec no longer asks for it", name)
	}
	return nil, nil
}

// keepBrokers tells of pools that the spec no longer has: messages may be in them, so only the user deletes them.
func (p *clusterPass) keepBrokers(ctx context.Context) (*kube.Waiting, error) {
	var list v1alpha1.BrokerList
	err := p.Client.List(ctx, &list, client.InNamespace(p.cluster.Namespace), client.MatchingFields{indexOwner: string(p.cluster.UID)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list Brokers: %w", err)
	}
	for i := range list.Items {
		b := &list.Items[i]
		wanted := slices.ContainsFunc(p.parts, func(part *part) bool { return part.Kind == "Broker" && part.Object.GetName() == b.Name })
		if wanted || !p.owns(b) || b.DeletionTimestamp != nil {
			continue
		}
		p.Conditions.Raise(v1alpha1.ConditionRemainingBroker, "Broker %s is in no pool of spec.brokers any more. It goes on as it is, because "+
			"there may be messages in it. When nobody needs them: kubectl delete -n %s broker.%s %s", b.Name, b.Namespace, v1alpha1.GroupVersion.Group, b.Name)
	}
	return nil, nil
}

// SPDX-License-Identifier: Apache-2.0

// Package tool reconciles Console, Exporter and SchemaRegistry resources: programs beside the RocketMQ servers that run
// in Deployments and ask the name servers.
package tool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
)

// Reconciler of one kind of tool.
type Reconciler struct {
	*pass.Env
	Kind Kind
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, watch *pass.Watch) error {
	ctx := context.Background()
	err := pass.Depends(ctx, mgr, r.Kind.New(), func(object client.Object) []pass.Dependency {
		tool := r.Kind.look(object)
		return []pass.Dependency{{Kind: "NameService", Given: tool.nameServers.NameServiceRef, Resolved: tool.status.NameServiceRef}}
	})
	if err != nil {
		return err
	}
	configMaps, err := watch.ConfigMaps(ctx, mgr, r.Kind.New(), r.Kind.List(), func(object client.Object) []kube.ConfigMapRef {
		return r.Kind.look(object).configMaps()
	})
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(r.Kind.New()).
		WithOptions(pass.Options(0)).
		WatchesRawSource(watch.Owns(r.Kind.component,
			append(r.Kind.owned, &appsv1.Deployment{}, &corev1.Service{}, &networkingv1.NetworkPolicy{}, &corev1.Pod{})...)).
		Watches(&v1alpha1.NameService{}, pass.Dependents(r.Client, r.Kind.List()), builder.WithPredicates(pass.News())).
		Watches(&v1alpha1.Broker{}, pass.Neighbours(r.Client, r.Kind.List()), builder.WithPredicates(pass.News())).
		WatchesRawSource(configMaps).
		Complete(r)
}

// toolPass is one reconcile of one tool.
type toolPass struct {
	workload.Pass
	resource

	nameService *v1alpha1.NameService // nil for name servers given by hand
	backend     desired.ToolBackend
	live        *appsv1.Deployment // nil before the first one
	tool        *desired.Tool
	hash        string // of the wanted spec
	pods        []corev1.Pod
}

// Reconcile brings the objects and the status of a tool to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	object := r.Kind.New()
	if err := r.Client.Get(ctx, req.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if object.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, nil // owner references clean up
	}
	if r.Old(object) {
		return ctrl.Result{}, nil
	}
	p := &toolPass{resource: r.Kind.look(object)}
	p.Pass = workload.Begin(r.Env, object)
	waiting, err := pass.Run(ctx,
		p.readExisting,
		p.resolveNameService,
		p.resolveAuth,
		p.resolveTLS,
		p.readReferences,
		p.render,
		p.ApplyNetworkPolicy,
		p.awaitNameServers,
		p.apply,
		p.applyIngress,
		p.observe,
		p.awaitReady,
	)
	return p.Finish(ctx, waiting, err)
}

func (p *toolPass) readExisting(ctx context.Context) (*kube.Waiting, error) {
	live := &appsv1.Deployment{}
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(p.Owner), live)
	if err == nil {
		p.live = live
	}
	return nil, client.IgnoreNotFound(err)
}

// resolveNameService finds the name servers: by hand, by reference, as resolved before, or the only candidate.
func (p *toolPass) resolveNameService(ctx context.Context) (*kube.Waiting, error) {
	if given := desired.GivenNameServers(p.nameServers); len(given) > 0 {
		p.status.NameServiceRef, p.backend.NameServers = nil, given
		return nil, nil
	}
	ns := &v1alpha1.NameService{}
	waiting, err := p.Resolve(ctx, pass.Reference{
		Kind: "NameService", Field: "nameServiceRef", Given: p.nameServers.NameServiceRef, Resolved: &p.status.NameServiceRef,
		Object: ns, List: &v1alpha1.NameServiceList{},
	}, p.live != nil)
	if waiting != nil || err != nil {
		return waiting, err
	}
	p.nameService, p.backend.NameServers = ns, p.Installation.NameServerAddresses(ns)
	return nil, nil
}

func (p *toolPass) readReferences(ctx context.Context) (waiting *kube.Waiting, err error) {
	p.backend.References, waiting, err = p.ReadReferences(ctx, p.configMaps())
	return waiting, err
}

func (p *toolPass) render(context.Context) (*kube.Waiting, error) {
	var err error
	if p.tool, err = p.build(p.Installation, p.backend); err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	p.hash = workload.DeploymentHash(p.tool.Deployment)
	return nil, nil
}

// awaitNameServers holds back the creation of a tool, not the care for one that exists.
func (p *toolPass) awaitNameServers(context.Context) (*kube.Waiting, error) {
	if p.nameService == nil || p.live != nil || p.nameService.Status.ReadySize > 0 {
		return nil, nil
	}
	return kube.Wait(v1alpha1.ReasonWaitingForNameServers, "NameService %s has no name server that answers yet", p.nameService.Name), nil
}

func (p *toolPass) apply(ctx context.Context) (*kube.Waiting, error) {
	if waiting, err := p.Apply(ctx, p.tool.Objects...); waiting != nil || err != nil {
		return waiting, err
	}
	return p.ApplyDeployment(ctx, p.tool.Deployment, p.settings.Paused)
}

// applyIngress follows the spec both ways.
func (p *toolPass) applyIngress(ctx context.Context) (*kube.Waiting, error) {
	switch {
	case p.tool.Ingress != nil:
		return p.Apply(ctx, p.tool.Ingress)
	case p.ingress:
		ingress := &networkingv1.Ingress{}
		ingress.Name, ingress.Namespace = p.Owner.GetName(), p.Owner.GetNamespace()
		return nil, p.Remove(ctx, ingress)
	}
	return nil, nil
}

func (p *toolPass) observe(ctx context.Context) (*kube.Waiting, error) {
	var err error
	if p.pods, err = p.Pods(ctx, desired.Selector(p.Owner.GetName(), p.component, "")); err != nil {
		return nil, err
	}
	slices.SortFunc(p.pods, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	status := p.status
	status.Size, status.ReadySize, status.Address = int32(len(p.pods)), 0, p.tool.Address
	for i := range p.pods {
		if pods.Ready(&p.pods[i]) {
			status.ReadySize++
		}
	}
	status.Members = fmt.Sprintf("%d/%d", status.ReadySize, *p.tool.Deployment.Spec.Replicas)
	if workload.DeploymentHash(p.tool.Deployment) == p.hash {
		status.NameServers = p.backend.NameServers
	}
	status.ServersTLS = p.backend.TLS != nil // together with UpToDate, which says whether all pods do
	if err := p.Rolled(ctx, p.tool.Deployment, p.hash, p.pods); err != nil {
		return nil, err
	}
	return nil, p.PodTroubles(ctx, p.pods)
}

func (p *toolPass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	if p.live != nil {
		p.tool.Deployment.Status = p.live.Status
	}
	waiting, err := p.Available(ctx, p.tool.Deployment, p.pods)
	if waiting != nil && waiting.Reason == v1alpha1.ReasonMembersNotReady && len(p.needs) > 0 {
		// The operator does not read these Secrets, so it cannot tell whether one is the reason.
		waiting.Message += "; pods start only with " + strings.Join(p.needs, ", and ")
	}
	return waiting, err
}

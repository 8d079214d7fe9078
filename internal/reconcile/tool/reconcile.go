// Package tool reconciles Console, Exporter and SchemaRegistry resources: programs beside the RocketMQ servers that run
// in Deployments and ask the name servers.
package tool

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
)

// Reconciler of one kind of tool.
type Reconciler struct {
	*workload.Env
	Kind Kind
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, owned *workload.Owned, refs workload.References) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(r.Kind.New()).
		WatchesRawSource(owned.Source(r.Kind.component, append(r.Kind.owned, &appsv1.Deployment{}, &corev1.Service{}, &corev1.Pod{})...)).
		Watches(&v1alpha1.NameService{}, handler.EnqueueRequestsFromMapFunc(r.all)).
		WatchesRawSource(refs.Source(r.Client, r.Kind.List(), func(resource client.Object, configMap string) bool {
			return slices.Contains(r.Kind.look(resource).configMaps(), configMap)
		})).
		Complete(r)
}

// all tools of the changed NameService's namespace, and those that refer to it across namespaces, may depend on it.
func (r *Reconciler) all(ctx context.Context, changed client.Object) []reconcile.Request {
	list := r.Kind.List()
	var out []reconcile.Request
	err := r.Client.List(ctx, list)
	if err == nil {
		err = apimeta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			ref := r.Kind.look(object).nameServers.NameServiceRef
			if object.GetNamespace() == changed.GetNamespace() ||
				ref != nil && ref.Name == changed.GetName() && ref.Namespace == changed.GetNamespace() {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)})
			}
			return nil
		})
	}
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "a changed NameService is noticed only later", "kind", r.Kind.component)
		return nil
	}
	return out
}

// pass is one reconcile of one tool.
type pass struct {
	workload.Pass
	resource

	nameService *v1alpha1.NameService // nil for name servers given by hand
	addresses   []string
	live        *appsv1.Deployment // nil before the first one
	refs        desired.References
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
	before := object.DeepCopyObject().(client.Object)
	p := &pass{resource: r.Kind.look(object)}
	p.Pass = workload.Pass{Env: r.Env, Owner: object, Conditions: kube.NewConditions(object.GetGeneration(), &p.status.Conditions)}
	waiting, err := workload.Run(ctx,
		p.readExisting,
		p.resolveNameService,
		p.readReferences,
		p.render,
		p.awaitNameServers,
		p.apply,
		p.applyIngress,
		p.observe,
		p.awaitReady,
	)
	return p.Finish(ctx, before, &p.status.ObservedGeneration, waiting, err)
}

func (p *pass) readExisting(ctx context.Context) (*kube.Waiting, error) {
	live := &appsv1.Deployment{}
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(p.Owner), live)
	if err == nil {
		p.live = live
	}
	return nil, client.IgnoreNotFound(err)
}

// resolveNameService finds the name servers: by hand, by reference, as resolved before, or the only candidate.
func (p *pass) resolveNameService(ctx context.Context) (*kube.Waiting, error) {
	if given := desired.GivenNameServers(p.nameServers); len(given) > 0 {
		p.status.NameServiceRef, p.addresses = nil, given
		return nil, nil
	}
	ns := &v1alpha1.NameService{}
	waiting, err := p.Resolve(ctx, workload.Reference{
		Kind: "NameService", Field: "nameServiceRef", Given: p.nameServers.NameServiceRef, Resolved: &p.status.NameServiceRef,
		Object: ns, List: &v1alpha1.NameServiceList{},
	}, p.live != nil)
	if waiting != nil || err != nil {
		return waiting, err
	}
	p.nameService, p.addresses = ns, p.Cluster.NameServerAddresses(ns)
	return nil, nil
}

func (p *pass) readReferences(ctx context.Context) (*kube.Waiting, error) {
	var err error
	p.refs, err = kube.ReadConfigMaps(ctx, p.Reader, p.Owner.GetNamespace(), p.configMaps())
	return nil, err
}

func (p *pass) render(context.Context) (*kube.Waiting, error) {
	var err error
	if p.tool, err = p.build(p.Cluster, p.addresses, p.refs); err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	p.hash = workload.DeploymentHash(p.tool.Deployment)
	return nil, nil
}

// awaitNameServers holds back the creation of a tool, not the care for one that exists.
func (p *pass) awaitNameServers(context.Context) (*kube.Waiting, error) {
	if p.nameService == nil || p.live != nil || p.nameService.Status.ReadySize > 0 {
		return nil, nil
	}
	return kube.Wait(v1alpha1.ReasonWaitingForNameServers, "NameService %s has no name server that answers yet", p.nameService.Name), nil
}

func (p *pass) apply(ctx context.Context) (*kube.Waiting, error) {
	if waiting, err := p.Apply(ctx, p.tool.Objects...); waiting != nil || err != nil {
		return waiting, err
	}
	return p.ApplyDeployment(ctx, p.tool.Deployment, p.settings.Paused)
}

// applyIngress follows the spec both ways.
func (p *pass) applyIngress(ctx context.Context) (*kube.Waiting, error) {
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

func (p *pass) observe(ctx context.Context) (*kube.Waiting, error) {
	var err error
	if p.pods, err = p.Pods(ctx, desired.Selector(p.Owner.GetName(), p.component, "")); err != nil {
		return nil, err
	}
	slices.SortFunc(p.pods, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	status := p.status
	status.Size, status.ReadySize, status.Address = int32(len(p.pods)), 0, p.tool.Address
	for i := range p.pods {
		if workload.Ready(&p.pods[i]) {
			status.ReadySize++
		}
	}
	status.Members = fmt.Sprintf("%d/%d", status.ReadySize, *p.tool.Deployment.Spec.Replicas)
	if workload.DeploymentHash(p.tool.Deployment) == p.hash {
		status.NameServers = p.addresses
	}
	p.Rolled(p.tool.Deployment, p.hash, p.pods)
	return nil, p.LostNodes(ctx, p.pods)
}

func (p *pass) awaitReady(context.Context) (*kube.Waiting, error) {
	if p.live != nil {
		p.tool.Deployment.Status = p.live.Status
	}
	waiting := p.Available(p.tool.Deployment, p.pods)
	if waiting != nil && waiting.Reason == v1alpha1.ReasonMembersNotReady && p.needs != "" {
		waiting.Message += "; " + p.needs // the operator reads no Secrets, so it cannot tell whether that is the reason
	}
	return waiting, nil
}

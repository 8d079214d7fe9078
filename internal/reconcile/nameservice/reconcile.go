// Package nameservice reconciles NameService resources.
package nameservice

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// Reconciler of NameServices.
type Reconciler struct {
	*workload.Env
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, owned *workload.Owned, refs workload.References) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.NameService{}).
		WatchesRawSource(owned.Source(desired.NameServer, &appsv1.StatefulSet{}, &corev1.Service{}, &corev1.ConfigMap{},
			&policyv1.PodDisruptionBudget{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{})).
		WatchesRawSource(refs.Source(r.Client, &v1alpha1.NameServiceList{}, func(resource client.Object, configMap string) bool {
			return workload.Refers(&resource.(*v1alpha1.NameService).Spec.PodSettings, nil, configMap)
		})).
		Complete(r)
}

// pass is one reconcile of one NameService.
type pass struct {
	workload.Pass
	ns   *v1alpha1.NameService
	set  *appsv1.StatefulSet
	refs desired.References
	pods []corev1.Pod
}

// Reconcile brings the objects and the status of a NameService to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ns := &v1alpha1.NameService{}
	if err := r.Client.Get(ctx, req.NamespacedName, ns); err != nil || ns.DeletionTimestamp != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // owner references clean up
	}
	before := ns.DeepCopy()
	p := &pass{ns: ns, Pass: workload.Pass{Env: r.Env, Owner: ns, Conditions: kube.NewConditions(ns.Generation, &ns.Status.Conditions)}}
	waiting, err := workload.Run(ctx,
		p.checkImage,
		p.readReferences,
		p.applyObjects,
		p.observePods,
		p.replaceOutdated,
		p.awaitReady,
	)
	return p.Finish(ctx, before, &ns.Status.ObservedGeneration, waiting, err)
}

func (p *pass) checkImage(context.Context) (*kube.Waiting, error) {
	if why := version.Unsupported(p.ns.Spec.NameServiceImage); why != "" {
		return p.Trouble(v1alpha1.ConditionUnsupportedImage, "spec.nameServiceImage: %s", why), nil
	}
	return nil, nil
}

func (p *pass) readReferences(ctx context.Context) (*kube.Waiting, error) {
	var err error
	p.refs, err = kube.ReadConfigMaps(ctx, p.Reader, p.ns.Namespace, kube.ReferencedConfigMaps(&p.ns.Spec.PodSettings, nil))
	return nil, err
}

func (p *pass) applyObjects(ctx context.Context) (*kube.Waiting, error) {
	objects, set, err := p.Cluster.NameService(p.ns, p.refs)
	if err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	p.set = set
	if waiting, err := p.Apply(ctx, objects...); waiting != nil || err != nil {
		return waiting, err
	}
	return p.ApplyStatefulSet(ctx, set, false)
}

func (p *pass) observePods(ctx context.Context) (*kube.Waiting, error) {
	selector := p.set.Spec.Selector.MatchLabels
	var err error
	if p.pods, err = p.Pods(ctx, selector); err != nil {
		return nil, err
	}
	status := &p.ns.Status
	status.Size, status.ReadySize, status.NameServers = int32(len(p.pods)), 0, nil
	for i := range p.pods {
		if workload.Ready(&p.pods[i]) {
			status.ReadySize++
		}
		if ip := p.pods[i].Status.PodIP; ip != "" {
			status.NameServers = append(status.NameServers, ip)
		}
	}
	status.Members = fmt.Sprintf("%d/%d", status.ReadySize, desired.NameServers(p.ns))
	status.Addresses = p.Cluster.NameServerAddresses(p.ns)
	status.Selector = labels.SelectorFromSet(selector).String()
	return nil, p.LostNodes(ctx, p.pods)
}

// replaceOutdated moves the name servers to the current spec, one at a time: the next when the one before is ready, which
// it is when it knows the brokers.
func (p *pass) replaceOutdated(ctx context.Context) (*kube.Waiting, error) {
	group := rollout.Group{Name: p.set.Name, Expected: int(desired.NameServers(p.ns))}
	for i := range p.pods {
		member := workload.Member(&p.pods[i], workload.Hash(p.set))
		workload.Hangs(&member, &p.pods[i])
		group.Pods = append(group.Pods, member)
	}
	snapshot := rollout.Snapshot{Groups: []rollout.Group{group}, Paused: p.ns.Spec.Paused}
	return nil, p.Roll(ctx, p.pods, rollout.Next(snapshot), "")
}

func (p *pass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	return p.NotReady(ctx, p.pods, int(desired.NameServers(p.ns)))
}

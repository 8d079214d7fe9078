// SPDX-License-Identifier: Apache-2.0

// Package nameservice reconciles NameService resources.
package nameservice

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Reconciler of NameServices.
type Reconciler struct {
	*pass.Env
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, watch *pass.Watch) error {
	configMaps, err := watch.ConfigMaps(context.Background(), mgr, &v1alpha1.NameService{}, &v1alpha1.NameServiceList{}, func(object client.Object) []kube.ConfigMapRef {
		return kube.ConfigMapRefs(&object.(*v1alpha1.NameService).Spec.PodSettings, nil)
	})
	if err != nil {
		return err
	}
	secrets, err := watch.Secrets(context.Background(), mgr, &v1alpha1.NameService{}, &v1alpha1.NameServiceList{}, func(object client.Object) []string {
		return object.(*v1alpha1.NameService).Spec.TLS.Secrets()
	})
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.NameService{}).
		WithOptions(pass.Options(0)).
		WatchesRawSource(watch.Owns(desired.NameServer, &appsv1.StatefulSet{}, &corev1.Service{}, &corev1.ConfigMap{},
			&policyv1.PodDisruptionBudget{}, &networkingv1.NetworkPolicy{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{})).
		WatchesRawSource(configMaps).
		WatchesRawSource(secrets).
		Complete(r)
}

// nameServicePass is one reconcile of one NameService.
type nameServicePass struct {
	workload.Pass
	nameService *v1alpha1.NameService
	set         *appsv1.StatefulSet
	revision    pods.Revision // that its pods are made from
	tls         desired.TLS
	refs        desired.References
	pods        []corev1.Pod
}

// Reconcile brings the objects and the status of a NameService to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ns := &v1alpha1.NameService{}
	if err := r.Client.Get(ctx, req.NamespacedName, ns); err != nil || ns.DeletionTimestamp != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // owner references clean up
	}
	if r.Old(ns) {
		return ctrl.Result{}, nil
	}
	p := &nameServicePass{Pass: workload.Begin(r.Env, ns), nameService: ns}
	p.Unhurried()
	waiting, err := pass.Run(ctx,
		p.checkImage,
		p.checkConfig,
		p.readReferences,
		p.planTLS,
		p.ApplyNetworkPolicy,
		p.applyObjects,
		p.observePods,
		p.replaceOutdated,
		p.awaitReady,
	)
	return p.Finish(ctx, waiting, err)
}

func (p *nameServicePass) checkImage(context.Context) (*kube.Waiting, error) {
	return p.CheckImage("spec.nameServiceImage"), nil
}

func (p *nameServicePass) checkConfig(context.Context) (*kube.Waiting, error) {
	config := workload.InSpec(p.nameService.Spec.Config)
	p.CheckAccess(config, &p.nameService.Spec.PodSettings, p.nameService.Spec.TLS)
	p.CheckProperties(settings.NameServer, config)
	return nil, nil
}

func (p *nameServicePass) readReferences(ctx context.Context) (waiting *kube.Waiting, err error) {
	p.refs, waiting, err = p.ReadReferences(ctx, kube.ConfigMapRefs(&p.nameService.Spec.PodSettings, nil))
	return waiting, err
}

// planTLS says what the name servers are to do about TLS now.
func (p *nameServicePass) planTLS(ctx context.Context) (waiting *kube.Waiting, err error) {
	p.tls, p.nameService.Status.TLS, waiting, err = p.PlanSetTLS(ctx, p.nameService.Name, desired.NameServer, workload.Servers{
		Settings: p.nameService.Spec.TLS, Names: p.Installation.NameServerNames(p.nameService),
	})
	return waiting, err
}

func (p *nameServicePass) applyObjects(ctx context.Context) (*kube.Waiting, error) {
	objects, set, err := p.Installation.NameService(p.nameService, p.refs, p.tls)
	if err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	p.set = set
	if waiting, err := p.Apply(ctx, objects...); waiting != nil || err != nil {
		return waiting, err
	}
	var waiting *kube.Waiting
	p.revision, waiting, err = p.ApplyStatefulSet(ctx, set, false)
	return waiting, err
}

func (p *nameServicePass) observePods(ctx context.Context) (*kube.Waiting, error) {
	selector := p.set.Spec.Selector.MatchLabels
	var err error
	if p.pods, err = p.Pods(ctx, selector); err != nil {
		return nil, err
	}
	status := &p.nameService.Status
	status.Size, status.ReadySize, status.NameServers = int32(len(p.pods)), 0, nil
	for i := range p.pods {
		if pods.Ready(&p.pods[i]) {
			status.ReadySize++
		}
		if ip := p.pods[i].Status.PodIP; ip != "" {
			status.NameServers = append(status.NameServers, ip)
		}
	}
	status.Members = fmt.Sprintf("%d/%d", status.ReadySize, desired.NameServerCount(p.nameService))
	status.Addresses = p.Installation.NameServerAddresses(p.nameService)
	status.Selector = labels.SelectorFromSet(selector).String()
	return nil, p.PodTroubles(ctx, p.pods)
}

// replaceOutdated moves the name servers to the current spec, one at a time: the next when the one before is ready, which
// it is when it knows the brokers.
func (p *nameServicePass) replaceOutdated(ctx context.Context) (*kube.Waiting, error) {
	group := rollout.Group{Name: p.set.Name, Expected: int(desired.NameServerCount(p.nameService))}
	for i := range p.pods {
		member := pods.ForRollout(&p.pods[i], p.revision)
		pods.BlameOldSpec(&member, &p.pods[i], time.Now())
		group.Pods = append(group.Pods, member)
	}
	snapshot := rollout.Snapshot{Groups: []rollout.Group{group}, Paused: p.nameService.Spec.Paused}
	return nil, p.Roll(ctx, p.pods, rollout.Next(snapshot), "")
}

func (p *nameServicePass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	return p.NotReady(ctx, p.pods, int(desired.NameServerCount(p.nameService)), nil)
}

// SPDX-License-Identifier: Apache-2.0

// Package controller reconciles Controller resources.
package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Reconciler of Controllers.
type Reconciler struct {
	*pass.Env
	// Quorums keeps what the controllers of each quorum last said of each other.
	Quorums *observe.Poller[*observe.Quorum]
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, watch *pass.Watch) error {
	configMaps, err := watch.ConfigMaps(context.Background(), mgr, &v1alpha1.Controller{}, &v1alpha1.ControllerList{}, func(object client.Object) []kube.ConfigMapRef {
		return kube.ConfigMapRefs(&object.(*v1alpha1.Controller).Spec.PodSettings, nil)
	})
	if err != nil {
		return err
	}
	secrets, err := watch.Secrets(context.Background(), mgr, &v1alpha1.Controller{}, &v1alpha1.ControllerList{}, func(object client.Object) []string {
		return object.(*v1alpha1.Controller).Spec.TLS.Secrets()
	})
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Controller{}).
		WithOptions(pass.Options(0)).
		WatchesRawSource(watch.Owns(desired.Controller, &appsv1.StatefulSet{}, &corev1.Service{}, &corev1.ConfigMap{},
			&policyv1.PodDisruptionBudget{}, &networkingv1.NetworkPolicy{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{})).
		WatchesRawSource(source.Channel(r.Quorums.Events(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(configMaps).
		WatchesRawSource(secrets).
		Complete(r)
}

// controllerPass is one reconcile of one Controller.
type controllerPass struct {
	workload.Pass
	quorums    *observe.Poller[*observe.Quorum]
	controller *v1alpha1.Controller
	set        *appsv1.StatefulSet
	revision   pods.Revision // that its pods are made from
	tls        desired.TLS
	refs       desired.References
	pods       []corev1.Pod
	// seen is what the controllers last said, fresh whether that was after the last pod became ready.
	seen  *observe.Quorum
	fresh bool
}

// Reconcile brings the objects and the status of a Controller to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctl := &v1alpha1.Controller{}
	if err := r.Client.Get(ctx, req.NamespacedName, ctl); err != nil || ctl.DeletionTimestamp != nil {
		r.Quorums.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.Old(ctl) {
		return ctrl.Result{}, nil
	}
	p := &controllerPass{quorums: r.Quorums, controller: ctl, Pass: workload.Begin(r.Env, ctl)}
	before := ctl.Status.Leader
	waiting, err := pass.Run(ctx,
		p.checkImage,
		p.checkConfig,
		p.readReferences,
		p.planTLS,
		p.ApplyNetworkPolicy,
		p.applyObjects,
		p.observePods,
		p.observeLeader,
		p.forbidUnclean,
		p.replaceOutdated,
		p.awaitReady,
		p.applyService,
	)
	if ctl.Status.Leader == before {
		p.Unhurried()
	}
	return p.Finish(ctx, waiting, err)
}

func (p *controllerPass) checkImage(context.Context) (*kube.Waiting, error) {
	return p.CheckImage("spec.controllerImage"), nil
}

func (p *controllerPass) checkConfig(context.Context) (*kube.Waiting, error) {
	config := workload.InSpec(p.controller.Spec.Config)
	p.CheckAccess(config, &p.controller.Spec.PodSettings, p.controller.Spec.TLS)
	p.CheckProperties(settings.Controller, config)
	return nil, nil
}

func (p *controllerPass) readReferences(ctx context.Context) (waiting *kube.Waiting, err error) {
	p.refs, waiting, err = p.ReadReferences(ctx, kube.ConfigMapRefs(&p.controller.Spec.PodSettings, nil))
	return waiting, err
}

// planTLS says what the controllers are to do about TLS now. Controllers never read a certificate again (there is no FileWatchService in ControllerStartup).
func (p *controllerPass) planTLS(ctx context.Context) (waiting *kube.Waiting, err error) {
	p.tls, p.controller.Status.TLS, waiting, err = p.PlanSetTLS(ctx, p.controller.Name, desired.Controller, workload.Servers{
		Settings: p.controller.Spec.TLS, Names: p.Installation.ControllerNames(p.controller), Fixed: true,
	})
	return waiting, err
}

func (p *controllerPass) applyObjects(ctx context.Context) (*kube.Waiting, error) {
	objects, set, err := p.Installation.Controller(p.controller, p.refs, p.tls)
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

func (p *controllerPass) observePods(ctx context.Context) (*kube.Waiting, error) {
	var err error
	if p.pods, err = p.Pods(ctx, p.set.Spec.Selector.MatchLabels); err != nil {
		return nil, err
	}
	status := &p.controller.Status
	status.Size, status.Nodes = int32(len(p.pods)), nil
	ready := 0
	for i := range p.pods {
		status.Nodes = append(status.Nodes, p.pods[i].Name)
		if pods.Ready(&p.pods[i]) {
			ready++
		}
	}
	status.Members = fmt.Sprintf("%d/%d", ready, desired.ControllerCount(p.controller))
	status.Addresses = p.Installation.ControllerAddresses(p.controller)
	return nil, p.PodTroubles(ctx, p.pods)
}

// observeLeader follows the quorum: closely until it is complete and up to date, then at leisure.
func (p *controllerPass) observeLeader(context.Context) (*kube.Waiting, error) {
	key := client.ObjectKeyFromObject(p.controller)
	byAddress := map[string]string{}
	var targets []string
	eager := len(p.pods) < int(desired.ControllerCount(p.controller))
	var readySince metav1.Time
	for i := range p.pods {
		pod := &p.pods[i]
		if pod.Status.PodIP == "" {
			eager = true
			continue
		}
		addr := pods.ControllerAddr(pod)
		byAddress[addr] = pod.Name
		targets = append(targets, addr)
		eager = eager || !pods.Ready(pod) || pods.Outdated(pod, p.revision)
		if since := pods.ReadySince(pod); readySince.Before(&since) {
			readySince = since
		}
	}
	answer, age, seen := p.quorums.Latest(key)
	if !seen {
		answer = &observe.Quorum{}
	}
	p.seen = answer
	leader := answer.Leader
	eager = eager || byAddress[leader] == "" || len(answer.Unclean) > 0
	p.quorums.Watch(key, observe.ProbeQuorum(p.Reach.Client, targets, !fleet.MayElectUnclean(p.controller)), eager)
	p.fresh = seen && time.Now().Add(-age).After(readySince.Add(time.Second))
	if was := p.controller.Status.Leader; seen && was != byAddress[leader] {
		p.controller.Status.Leader = byAddress[leader]
		if i := slices.IndexFunc(p.pods, func(pod corev1.Pod) bool { return pod.Name == byAddress[leader] }); i >= 0 {
			p.Event(&p.pods[i], v1alpha1.EventLeaderElected, "%s was elected leader of the controllers", byAddress[leader])
		}
	}
	return nil, nil
}

// forbidTimeout bounds what one pass asks of controllers that accept unclean elections.
const forbidTimeout = 2 * time.Second

// forbidUnclean elections where a controller accepts them and the spec does not. A Broker's own pass forbids them again after the one that
// its user allowed, but cannot once the Broker is deleted.
func (p *controllerPass) forbidUnclean(ctx context.Context) (*kube.Waiting, error) {
	if fleet.MayElectUnclean(p.controller) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, forbidTimeout)
	defer cancel()
	for _, target := range p.EndUnclean(ctx, p.controller, p.seen.Unclean, false) {
		p.Warn(p.controller, v1alpha1.EventUncleanElectionForbidden, "controller %s accepted unclean elections, which spec.config does not allow, and "+
			"does not any more. The spec of before, an election that a user allowed, or somebody by hand had set %s", target, admin.ElectUncleanMaster)
	}
	return nil, nil
}

// replaceOutdated moves the controllers to the current spec, the leader last.
func (p *controllerPass) replaceOutdated(ctx context.Context) (*kube.Waiting, error) {
	snapshot := rollout.Snapshot{Groups: []rollout.Group{p.group(time.Now())}, Paused: p.controller.Spec.Paused}
	return nil, p.Roll(ctx, p.pods, rollout.Next(snapshot), "")
}

// group is the quorum as the rollout sees it.
func (p *controllerPass) group(now time.Time) rollout.Group {
	group := rollout.Group{Name: p.controller.Name, Expected: int(desired.ControllerCount(p.controller))}
	for i := range p.pods {
		pod := &p.pods[i]
		member := pods.ForRollout(pod, p.revision)
		if !pods.Started(pod) { // one that answers lacks only a leader, and may be the last that knows anything
			pods.BlameOldSpec(&member, pod, now)
		}
		member.Apart, member.Leading = p.apart(pod, now), member.Name == p.controller.Status.Leader
		if pods.HasRun(pod) && !p.MayLose(pod) {
			member.Keep = p.keep(pod)
		}
		group.Pods = append(group.Pods, member)
	}
	return group
}

// settled is how long a controller that came back on an empty disk gets to copy the log of the others. Controllers cannot be asked how
// much of it they have.
const settled = 10 * time.Second

// apart says what a controller lacks to be one of the quorum.
func (p *controllerPass) apart(pod *corev1.Pod, now time.Time) string {
	switch {
	case !p.fresh:
		return "has not been checked since all controllers became ready"
	case p.controller.Status.Leader == "":
		return "has no leader"
	case !slices.Contains(p.seen.Agreed, pods.ControllerAddr(pod)):
		return "does not follow " + p.controller.Status.Leader + " yet"
	case p.controller.Spec.StorageMode == v1alpha1.EmptyDir && now.Sub(pods.ReadySince(pod).Time) < settled:
		return "has been ready for less than " + settled.String() + ", and may lack a part of the others' log"
	}
	return ""
}

// keep says why a controller must not be replaced, "" if it may be: its disk goes with it, and no majority of others has the log.
func (p *controllerPass) keep(pod *corev1.Pod) string {
	if p.controller.Spec.StorageMode != v1alpha1.EmptyDir {
		return ""
	}
	others := 0
	for _, addr := range p.seen.Agreed {
		if addr != pods.ControllerAddr(pod) {
			others++
		}
	}
	if others > int(desired.ControllerCount(p.controller))/2 {
		return ""
	}
	return "storageMode is EmptyDir, and too few other controllers have its data: bring the others back first"
}

func (p *controllerPass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	lacks := map[string]string{}
	for i := range p.pods {
		if p.controller.Status.Leader == "" && pods.Started(&p.pods[i]) {
			lacks[p.pods[i].Name] = "runs, but the controllers have no leader: more than half of them must run for that"
		}
	}
	waiting, err := p.NotReady(ctx, p.pods, int(desired.ControllerCount(p.controller)), lacks)
	if waiting == nil && err == nil && p.controller.Status.Leader == "" {
		waiting = kube.Wait(v1alpha1.ReasonNoLeader, "the controllers have not elected a leader yet")
	}
	return waiting, err
}

// applyService comes last: one address for all is right only when all are there.
func (p *controllerPass) applyService(ctx context.Context) (*kube.Waiting, error) {
	return p.Apply(ctx, p.Installation.ControllerService(p.controller))
}

// Package controller reconciles Controller resources.
package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// Reconciler of Controllers.
type Reconciler struct {
	*workload.Env
	// Quorums keeps what the controllers of each quorum last said of each other.
	Quorums *observe.Poller[*observe.Quorum]
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, owned *workload.Owned, refs workload.References) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Controller{}).
		WatchesRawSource(owned.Source(desired.Controller, &appsv1.StatefulSet{}, &corev1.Service{}, &corev1.ConfigMap{},
			&policyv1.PodDisruptionBudget{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{})).
		WatchesRawSource(source.Channel(r.Quorums.Events(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(refs.Source(r.Client, &v1alpha1.ControllerList{}, func(resource client.Object, configMap string) bool {
			return workload.Refers(&resource.(*v1alpha1.Controller).Spec.PodSettings, nil, configMap)
		})).
		Complete(r)
}

// pass is one reconcile of one Controller.
type pass struct {
	workload.Pass
	quorums *observe.Poller[*observe.Quorum]
	ctl     *v1alpha1.Controller
	set     *appsv1.StatefulSet
	refs    desired.References
	pods    []corev1.Pod
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
	before := ctl.DeepCopy()
	p := &pass{quorums: r.Quorums, ctl: ctl,
		Pass: workload.Pass{Env: r.Env, Owner: ctl, Conditions: kube.NewConditions(ctl.Generation, &ctl.Status.Conditions)}}
	waiting, err := workload.Run(ctx,
		p.checkImage,
		p.readReferences,
		p.applyObjects,
		p.observePods,
		p.observeLeader,
		p.replaceOutdated,
		p.awaitReady,
		p.applyService,
	)
	return p.Finish(ctx, before, &ctl.Status.ObservedGeneration, waiting, err)
}

func (p *pass) checkImage(context.Context) (*kube.Waiting, error) {
	if why := version.Unsupported(p.ctl.Spec.ControllerImage); why != "" {
		return p.Trouble(v1alpha1.ConditionUnsupportedImage, "spec.controllerImage: %s", why), nil
	}
	return nil, nil
}

func (p *pass) readReferences(ctx context.Context) (*kube.Waiting, error) {
	var err error
	p.refs, err = kube.ReadConfigMaps(ctx, p.Reader, p.ctl.Namespace, kube.ReferencedConfigMaps(&p.ctl.Spec.PodSettings, nil))
	return nil, err
}

func (p *pass) applyObjects(ctx context.Context) (*kube.Waiting, error) {
	objects, set, err := p.Cluster.Controller(p.ctl, p.refs)
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
	var err error
	if p.pods, err = p.Pods(ctx, p.set.Spec.Selector.MatchLabels); err != nil {
		return nil, err
	}
	status := &p.ctl.Status
	status.Size, status.Nodes = int32(len(p.pods)), nil
	ready := 0
	for i := range p.pods {
		status.Nodes = append(status.Nodes, p.pods[i].Name)
		if workload.Ready(&p.pods[i]) {
			ready++
		}
	}
	status.Members = fmt.Sprintf("%d/%d", ready, desired.Controllers(p.ctl))
	status.Addresses = p.Cluster.ControllerAddresses(p.ctl)
	return nil, p.LostNodes(ctx, p.pods)
}

// observeLeader follows the quorum: closely until it is complete and up to date, then at leisure.
func (p *pass) observeLeader(context.Context) (*kube.Waiting, error) {
	key := client.ObjectKeyFromObject(p.ctl)
	pods := map[string]string{}
	var targets []string
	eager := len(p.pods) < int(desired.Controllers(p.ctl))
	var readySince metav1.Time
	for i := range p.pods {
		pod := &p.pods[i]
		if pod.Status.PodIP == "" {
			eager = true
			continue
		}
		addr := address(pod)
		pods[addr] = pod.Name
		targets = append(targets, addr)
		eager = eager || !workload.Ready(pod) || pod.Annotations[desired.AnnotationHash] != workload.Hash(p.set)
		if since := workload.ReadySince(pod); readySince.Before(&since) {
			readySince = since
		}
	}
	answer, age, seen := p.quorums.Latest(key)
	if !seen {
		answer = &observe.Quorum{}
	}
	p.seen = answer
	leader := answer.Leader
	p.quorums.Watch(key, observe.ProbeQuorum(p.RocketMQ, targets), eager || pods[leader] == "")
	p.fresh = seen && time.Now().Add(-age).After(readySince.Add(time.Second))
	if was := p.ctl.Status.Leader; seen && was != pods[leader] {
		p.ctl.Status.Leader = pods[leader]
		if i := slices.IndexFunc(p.pods, func(pod corev1.Pod) bool { return pod.Name == pods[leader] }); i >= 0 {
			p.Event(&p.pods[i], "LeaderElected", "Observe", "%s leads the controllers", pods[leader])
		}
	}
	return nil, nil
}

func address(pod *corev1.Pod) string { return workload.ServerAddr(pod, settings.ControllerPort) }

// replaceOutdated moves the controllers to the current spec, the leader last.
func (p *pass) replaceOutdated(ctx context.Context) (*kube.Waiting, error) {
	group := rollout.Group{Name: p.set.Name, Expected: int(desired.Controllers(p.ctl))}
	for i := range p.pods {
		pod := &p.pods[i]
		member := workload.Member(pod, workload.Hash(p.set))
		workload.Hangs(&member, pod)
		member.Apart, member.Leading = p.apart(pod), member.Name == p.ctl.Status.Leader
		if p.ctl.Spec.StorageMode == v1alpha1.EmptyDir && desired.Controllers(p.ctl) < 3 && workload.HasRun(pod) && !p.MayLose(pod) {
			member.Keep = "storageMode is EmptyDir and no other controller has its data"
		}
		group.Pods = append(group.Pods, member)
	}
	snapshot := rollout.Snapshot{Groups: []rollout.Group{group}, Paused: p.ctl.Spec.Paused}
	return nil, p.Roll(ctx, p.pods, rollout.Next(snapshot), "")
}

// apart says what a controller lacks to be one of the quorum.
func (p *pass) apart(pod *corev1.Pod) string {
	switch {
	case !p.fresh:
		return "has not been looked at since all are ready"
	case p.ctl.Status.Leader == "":
		return "has no leader"
	case !slices.Contains(p.seen.Agreed, address(pod)):
		return "does not follow " + p.ctl.Status.Leader + " yet"
	}
	return ""
}

func (p *pass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	waiting, err := p.NotReady(ctx, p.pods, int(desired.Controllers(p.ctl)))
	if waiting == nil && err == nil && p.ctl.Status.Leader == "" {
		waiting = kube.Wait(v1alpha1.ReasonNoLeader, "the controllers have not elected a leader yet")
	}
	return waiting, err
}

// applyService comes last: one address for all is right only when all are there.
func (p *pass) applyService(ctx context.Context) (*kube.Waiting, error) {
	return p.Apply(ctx, p.Cluster.ControllerService(p.ctl))
}

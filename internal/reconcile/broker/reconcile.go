// SPDX-License-Identifier: Apache-2.0

// Package broker reconciles Broker resources.
package broker

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
)

// Reconciler of Brokers.
type Reconciler struct {
	*pass.Env
	// Observed keeps what name servers, controllers and masters last said of each Broker.
	Observed *observe.Poller[*observe.Brokers]
	// Backlogs keeps what leaving groups still hold.
	Backlogs *observe.Poller[observe.Backlogs]
	// Jobs copy, compare and restore what brokers know.
	Jobs *pass.Jobs
}

// brokerPass is one reconcile of one Broker.
type brokerPass struct {
	workload.Pass
	observed *observe.Poller[*observe.Brokers]
	backlogs *observe.Poller[observe.Backlogs]
	jobs     *pass.Jobs
	broker   *v1alpha1.Broker

	client      *admin.Client         // for the brokers, which may ask for credentials
	nameService *v1alpha1.NameService // nil for name servers given by hand
	controller  *v1alpha1.Controller  // nil in STATIC mode
	deps        desired.Dependencies

	existing map[int32]desired.GroupState // by number
	images   []string                     // that the groups run
	specs    []*corev1.PodSpec            // of the pods, and of what StatefulSets would make
	noLegacy bool                         // the predecessor has no StatefulSets of this name
	groups   []*fleet.Group               // that there are to be now, by number
	pods     []corev1.Pod
	saved    map[string]*corev1.ConfigMap // tables that the metadata guard has saved, by group

	// fleet is what is known of the groups, from the step observe on.
	fleet *fleet.Fleet
	// unasked: this operator has just started and its first answer is yet to come; the status stays as it was left.
	unasked bool
	copied  []*fleet.Group // hidden groups that know all they need
	unsure  bool           // what a master's tables lack is being found out
}

// Reconcile brings the objects and the status of a Broker to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	b := &v1alpha1.Broker{}
	if err := r.Client.Get(ctx, req.NamespacedName, b); err != nil || b.DeletionTimestamp != nil {
		r.Observed.Forget(req.NamespacedName)
		r.Backlogs.Forget(req.NamespacedName)
		r.Jobs.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.Old(b) {
		return ctrl.Result{}, nil
	}
	p := &brokerPass{Pass: workload.Begin(r.Env, b), observed: r.Observed, backlogs: r.Backlogs, jobs: r.Jobs, broker: b, saved: map[string]*corev1.ConfigMap{}}
	waiting, err := pass.Run(ctx, p.prepare, p.look, p.act)
	if p.unasked && err == nil {
		return ctrl.Result{}, nil // the first answer wakes the next pass
	}
	if !fleet.Records(&p.Before.(*v1alpha1.Broker).Status, &b.Status) {
		p.Unhurried()
	}
	return p.Finish(ctx, waiting, err)
}

// prepare checks the spec, finds what it refers to, and brings the objects up to date. It needs no answer of a server.
func (p *brokerPass) prepare(ctx context.Context) (*kube.Waiting, error) {
	return pass.Run(ctx,
		p.checkImage,
		p.checkAuth,
		p.checkConfig,
		p.readExisting,
		p.checkDowngrade,
		p.resolveNameService,
		p.resolveController,
		p.checkLegacy,
		p.checkNames,
		p.readReferences,
		p.checkBaseFile,
		p.planGroups,
		p.readPods,
		p.planAuth,
		p.planTLS,
		p.signIn,
		p.ApplyNetworkPolicy,
		p.applyShared,
		p.awaitNameServers,
		p.awaitControllers,
		p.refuseLegacy,
		p.applyGroups,
	)
}

// look takes in what the servers said, writes it into the status, and names what is wrong.
func (p *brokerPass) look(ctx context.Context) (*kube.Waiting, error) {
	return pass.Run(ctx,
		p.readSaved,
		p.observe,
		p.labelRoles,
		p.raiseTroubles,
	)
}

// act does what follows from that: in running brokers first, then to groups and members, at last to outdated pods. Each step
// sees the fleet as it was looked at, and leaves what it changed to the next pass.
func (p *brokerPass) act(ctx context.Context) (*kube.Waiting, error) {
	return pass.Run(ctx,
		p.configureLive,
		p.electUnclean,
		p.guardMetadata,
		p.copyMetadata,
		p.advance,
		p.shrink,
		p.cleanRecords,
		p.replaceOutdated,
		p.awaitReady,
	)
}

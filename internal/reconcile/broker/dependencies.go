// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

func (p *brokerPass) checkImage(context.Context) (*kube.Waiting, error) {
	waiting := p.CheckImage("spec.brokerImage")
	p.RaiseDefects(version.Topology{
		Slaves: desired.MemberCount(p.broker) > 1, ControllerMode: desired.Mode(p.broker) == settings.ControllerMode,
		AllAck: desired.Properties(p.broker.Spec.Config)["allAckInSyncStateSet"] == "true",
		Auth:   p.broker.Spec.Auth.On(), TLS: p.broker.Spec.TLS.Wanted() == v1alpha1.TLSEnforcing,
	})
	return waiting, nil
}

// checkDowngrade keeps an image away from disks that it could not read. The brokers go on as they are.
func (p *brokerPass) checkDowngrade(context.Context) (*kube.Waiting, error) {
	if why := fleet.Downgrade(p.broker, p.images); why != "" {
		p.Hold(v1alpha1.ConditionUnsafeDowngrade, "spec.brokerImage is not used, and brokers keep the image that they have: %s. "+
			"Put the image back, or create another Broker and move the topics to it", why)
	}
	return nil, nil
}

// resolveNameService finds the NameService: by hand, by reference, as resolved before, or the only candidate.
func (p *brokerPass) resolveNameService(ctx context.Context) (*kube.Waiting, error) {
	if external := desired.ExternalNameServers(p.broker); len(external) > 0 {
		p.broker.Status.NameServiceRef = nil
		p.deps.NameServers, p.deps.NameServerService = external, strings.Join(external, ";")
		return nil, nil
	}
	ns := &v1alpha1.NameService{}
	waiting, err := p.Resolve(ctx, pass.Reference{
		Kind: "NameService", Field: "nameServiceRef", Given: p.broker.Spec.NameServiceRef, Resolved: &p.broker.Status.NameServiceRef,
		Object: ns, List: &v1alpha1.NameServiceList{},
	}, len(p.existing) > 0)
	if waiting != nil || err != nil {
		return waiting, err
	}
	p.nameService = ns
	p.deps.NameServers = p.Installation.NameServerAddresses(ns)
	p.deps.NameServerService = p.Installation.NameServerService(ns.Name, ns.Namespace)
	return nil, nil
}

func (p *brokerPass) resolveController(ctx context.Context) (*kube.Waiting, error) {
	if desired.Mode(p.broker) != settings.ControllerMode {
		p.broker.Status.ControllerRef = nil
		return nil, nil
	}
	ctl := &v1alpha1.Controller{}
	waiting, err := p.Resolve(ctx, pass.Reference{
		Kind: "Controller", Field: "controllerRef", Given: p.broker.Spec.ControllerRef, Resolved: &p.broker.Status.ControllerRef,
		Object: ctl, List: &v1alpha1.ControllerList{},
	}, len(p.existing) > 0)
	if waiting != nil || err != nil {
		return waiting, err
	}
	p.controller = ctl
	p.deps.Controllers = p.Installation.ControllerAddresses(ctl)
	return nil, nil
}

// checkLegacy looks for the predecessor's StatefulSets when the Broker is new or changed, so that the user learns of them at
// once, and as long as there are some.
func (p *brokerPass) checkLegacy(ctx context.Context) (*kube.Waiting, error) {
	if p.broker.Status.ObservedGeneration == p.broker.Generation && !p.Conditions.Had(v1alpha1.ConditionLegacyResources) {
		return nil, nil
	}
	return p.refuseLegacy(ctx)
}

// refuseLegacy keeps ours from being made beside the predecessor's StatefulSets: their brokers have the same names.
func (p *brokerPass) refuseLegacy(ctx context.Context) (*kube.Waiting, error) {
	if len(p.existing) > 0 || p.noLegacy {
		return nil, nil
	}
	var list appsv1.StatefulSetList
	if err := p.Reader.List(ctx, &list, client.InNamespace(p.broker.Namespace), client.MatchingLabels{"broker_cr": p.broker.Name}); err != nil {
		return nil, fmt.Errorf("list the predecessor's StatefulSets: %w", err)
	}
	if p.noLegacy = len(list.Items) == 0; p.noLegacy {
		return nil, nil
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return p.Trouble(v1alpha1.ConditionLegacyResources, "apache/rocketmq-operator's StatefulSets %s still run brokers of this name. They are "+
		"never touched: migrate to a Broker of another name, or stop and delete them: kubectl delete statefulset -n %s %s",
		strings.Join(names, ", "), p.broker.Namespace, strings.Join(names, " ")).LookAgain(pass.Later), nil
}

// checkNames refuses broker names that another Broker registers at the same name servers or controllers; the older one keeps
// them.
func (p *brokerPass) checkNames(ctx context.Context) (*kube.Waiting, error) {
	var others []v1alpha1.Broker
	for _, at := range namesAt(p.broker) {
		var list v1alpha1.BrokerList
		if err := p.Client.List(ctx, &list, client.MatchingFields{indexNames: at}, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list Brokers: %w", err)
		}
		others = append(others, list.Items...)
	}
	other, shared := fleet.Namesake(p.broker, p.deps.NameServers, others)
	if other == nil {
		return nil, nil
	}
	return p.Trouble(v1alpha1.ConditionBrokerNameConflict, "Broker %s/%s registers the same broker names (%s, …) at the same %s: "+
		"use another metadata.name, or other %s", other.Namespace, other.Name, desired.GroupName(other.Name, 0), shared, shared).LookAgain(pass.Later), nil
}

func (p *brokerPass) readReferences(ctx context.Context) (waiting *kube.Waiting, err error) {
	p.deps.References, waiting, err = p.ReadReferences(ctx, kube.ConfigMapRefs(&p.broker.Spec.PodSettings, p.broker.Spec.Volumes))
	return waiting, err
}

// checkBaseFile tells what in the user's file has no effect. What spec.config says otherwise does not count.
func (p *brokerPass) checkBaseFile(context.Context) (*kube.Waiting, error) {
	where, base, err := desired.BaseFile(p.broker, p.deps.References)
	if err != nil {
		p.Conditions.Raise(v1alpha1.ConditionInvalidSpec, "%s: %s. Brokers do not start with it", where, err)
		return nil, nil
	}
	maps.DeleteFunc(base, func(key, _ string) bool { _, given := p.broker.Spec.Config[key]; return given })
	config := workload.Config{Where: where + ", ", Properties: base}
	p.CheckAccess(config, &v1alpha1.PodSettings{}, nil) // its options were looked at with spec.config
	p.CheckFrames(config, &p.broker.Spec.PodSettings)
	p.CheckProperties(settings.Broker, config)
	p.CheckOwned(settings.Broker, config)
	return nil, nil
}

// awaitNameServers and awaitControllers hold back the creation of brokers, not the care for those that exist.
func (p *brokerPass) awaitNameServers(context.Context) (*kube.Waiting, error) {
	if p.nameService == nil || len(p.existing) > 0 || p.nameService.Status.ReadySize > 0 {
		return nil, nil
	}
	return kube.Wait(v1alpha1.ReasonWaitingForNameServers, "NameService %s has no name server that answers yet", p.nameService.Name), nil
}

func (p *brokerPass) awaitControllers(context.Context) (*kube.Waiting, error) {
	if p.controller == nil || len(p.existing) > 0 || p.controller.Status.Leader != "" {
		return nil, nil
	}
	return kube.Wait(v1alpha1.ReasonWaitingForControllers, "Controller %s has no leader yet", p.controller.Name), nil
}

// checkConfig refuses values of live properties that a broker would ignore without a word.
func (p *brokerPass) checkConfig(context.Context) (*kube.Waiting, error) {
	config := workload.InSpec(p.broker.Spec.Config)
	p.CheckAccess(config, &p.broker.Spec.PodSettings, p.broker.Spec.TLS)
	p.CheckFrames(config, &p.broker.Spec.PodSettings)
	p.CheckProperties(settings.Broker, config)
	if _, err := desired.LiveConfig(p.broker); err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	return nil, nil
}

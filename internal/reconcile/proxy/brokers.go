// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// resolveBroker finds the cluster to serve: by name, by a Broker of it, as resolved before, or the only one that the
// namespace's Brokers belong to.
func (p *proxyPass) resolveBroker(ctx context.Context) (*kube.Waiting, error) {
	status := &p.proxy.Status
	if name := p.proxy.Spec.ClusterName; name != "" {
		status.BrokerRef = nil
		p.backend.ClusterName, status.ClusterName = name, name
		return nil, nil
	}
	broker := &v1alpha1.Broker{}
	waiting, err := p.Resolve(ctx, pass.Reference{
		Kind: "Broker", Field: "brokerRef", Given: p.proxy.Spec.BrokerRef, Resolved: &status.BrokerRef,
		Object: broker, List: &v1alpha1.BrokerList{},
		Same: func(a, b client.Object) bool {
			return desired.ClusterName(a.(*v1alpha1.Broker)) == desired.ClusterName(b.(*v1alpha1.Broker))
		},
	}, p.exists)
	if waiting != nil || err != nil {
		return waiting, err
	}
	p.broker = broker
	p.backend.ClusterName, status.ClusterName = desired.ClusterName(broker), desired.ClusterName(broker)
	return nil, nil
}

// resolveNameServers takes those that the user names, else the brokers' own, else the namespace's only ones.
func (p *proxyPass) resolveNameServers(ctx context.Context) (*kube.Waiting, error) {
	status := &p.proxy.Status
	given, by := p.proxy.Spec.NameServiceRef, ""
	if given == nil && p.broker != nil {
		if external := desired.ExternalNameServers(p.broker); len(external) > 0 {
			status.NameServiceRef = nil
			p.backend.NameServers, status.NameServers = external, external
			return nil, nil
		}
		given, by = p.broker.Status.NameServiceRef, "Broker "+p.broker.Name
		if given == nil && p.exists { // a Broker that has just lost its own
			given = status.NameServiceRef
		}
		if given == nil {
			return kube.Wait(v1alpha1.ReasonWaitingForNameServers, "Broker %s has no name servers yet", p.broker.Name), nil
		}
	}

	status.NameServers = nil
	ns := &v1alpha1.NameService{}
	waiting, err := p.Resolve(ctx, pass.Reference{
		Kind: "NameService", Field: "nameServiceRef", Given: given, By: by, Resolved: &status.NameServiceRef,
		Object: ns, List: &v1alpha1.NameServiceList{},
	}, p.exists)
	if waiting != nil || err != nil {
		return waiting, err
	}
	p.backend.NameService, p.nameService = status.NameServiceRef, ns
	p.backend.NameServers = []string{p.Installation.NameServerService(ns.Name, ns.Namespace)}
	status.NameServers = p.backend.NameServers
	return nil, nil
}

// observeBrokers takes in what the name servers last said and says what to ask next.
func (p *proxyPass) observeBrokers(ctx context.Context) (*kube.Waiting, error) {
	targets, err := p.Reach.NameServers(ctx, p.proxy.Status.NameServiceRef, p.backend.NameServers)
	if err != nil {
		return nil, err
	}
	key := client.ObjectKeyFromObject(p.proxy)
	answer, age, seen := p.observed.Latest(key)
	if p.routes = answer; !seen || age > observe.MaxAge {
		p.routes = &observe.Routes{}
	}
	p.observed.Watch(key, observe.ProbeRoutes(p.Reach.Client, observe.RouteTargets{
		NameServers: targets, Cluster: p.backend.ClusterName, SystemTopic: p.systemTopic(),
	}), !p.exists || len(p.lacking()) > 0)
	return nil, nil
}

// awaitBrokers holds back the creation of proxies, not the care for those that exist.
func (p *proxyPass) awaitBrokers(context.Context) (*kube.Waiting, error) {
	switch {
	case p.exists || len(p.routes.Masters) > 0:
		return nil, nil
	case !p.routes.Answered:
		return kube.Wait(v1alpha1.ReasonWaitingForNameServers, "no name server has answered yet: %s", strings.Join(p.backend.NameServers, ", ")), nil
	default:
		return kube.Wait(v1alpha1.ReasonWaitingForBrokers, "cluster %s has no broker that takes messages yet", p.backend.ClusterName), nil
	}
}

// systemTopic is where proxies tell each other of their clients.
func (p *proxyPass) systemTopic() string {
	if name := string(p.proxy.Spec.Config["heartbeatSyncerTopicName"]); name != "" {
		return name
	}
	return admin.ProxyTopic
}

// lacking are the groups without the system topic. The first proxy makes it when it starts, on the brokers that there
// are then.
func (p *proxyPass) lacking() []string {
	if len(p.routes.SystemTopic) == 0 {
		return nil
	}
	var out []string
	for _, group := range slices.Sorted(maps.Keys(p.routes.Masters)) {
		if _, has := p.routes.SystemTopic[group]; !has {
			out = append(out, group)
		}
	}
	return out
}

// spreadSystemTopic gives brokers that came later the proxies' topic, so that it outlives the first ones. Brokers that the
// operator does not run are left to their owners.
func (p *proxyPass) spreadSystemTopic(ctx context.Context) (*kube.Waiting, error) {
	groups := p.lacking()
	if len(groups) == 0 {
		return nil, nil
	}
	model := p.routes.SystemTopic[slices.Min(slices.Collect(maps.Keys(p.routes.SystemTopic)))]
	for _, group := range groups {
		master, asked, err := p.Reach.Dialable(ctx, p.routes.Masters[group], p.brokerNamespaces()...)
		if err != nil {
			return nil, err
		}
		if master == "" {
			continue
		}
		err = asked.PutTopic(ctx, master, nil, admin.TopicConfig{
			Name: p.systemTopic(), ReadQueues: model.ReadQueues, WriteQueues: model.WriteQueues, Perm: admin.PermRead | admin.PermWrite,
		})
		if err != nil {
			return nil, fmt.Errorf("system topic for broker %s: %w", group, err)
		}
		p.Event(p.proxy, v1alpha1.EventSystemTopicCreated, "gave broker %s the proxies' own topic %s", group, p.systemTopic())
	}
	return nil, nil
}

// brokerNamespaces are those in which the cluster's brokers may be: the proxy's own, and those of what it refers to.
func (p *proxyPass) brokerNamespaces() []string {
	out := []string{p.proxy.Namespace}
	for _, ref := range []*v1alpha1.ObjectReference{p.proxy.Status.BrokerRef, p.proxy.Status.NameServiceRef} {
		if ref != nil && !slices.Contains(out, ref.Namespace) {
			out = append(out, ref.Namespace)
		}
	}
	return out
}

package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
)

// maxAge is how old an answer may be before it is no longer acted on.
const maxAge = 45 * time.Second

// resolveBroker finds the cluster to serve: by name, by a Broker of it, as resolved before, or the only one that the
// namespace's Brokers belong to.
func (p *proxyPass) resolveBroker(ctx context.Context) (*kube.Waiting, error) {
	spec, status := &p.proxy.Spec, &p.proxy.Status
	switch {
	case spec.ClusterName != "":
		status.BrokerRef = nil
		return p.serve(spec.ClusterName)
	case spec.BrokerRef != nil:
		found, err := p.getBroker(ctx, *spec.BrokerRef)
		if err != nil {
			return nil, err
		}
		if !found {
			status.BrokerRef = nil
			return p.Trouble(v1alpha1.ConditionMissingReference, "spec.brokerRef names the Broker %q, which does not exist: create it or correct the reference",
				spec.BrokerRef.Name), nil
		}
		return p.serve(desired.ClusterName(p.broker))
	}
	// What was resolved stays while proxies use it, so that a second cluster breaks nothing that runs.
	if status.BrokerRef != nil && p.exists {
		if found, err := p.getBroker(ctx, *status.BrokerRef); err != nil {
			return nil, err
		} else if found {
			return p.serve(desired.ClusterName(p.broker))
		}
	}
	status.BrokerRef = nil
	var list v1alpha1.BrokerList
	if err := p.Client.List(ctx, &list, client.InNamespace(p.proxy.Namespace)); err != nil {
		return nil, fmt.Errorf("list Brokers: %w", err)
	}
	clusters := map[string]string{} // a Broker of each, the first by name
	for i := range list.Items {
		b := &list.Items[i]
		if first, known := clusters[desired.ClusterName(b)]; !known || b.Name < first {
			clusters[desired.ClusterName(b)] = b.Name
		}
	}
	switch names := slices.Sorted(maps.Keys(clusters)); len(names) {
	case 0:
		return p.Trouble(v1alpha1.ConditionMissingReference, "there is no Broker in namespace %s: create one, or set spec.brokerRef or spec.clusterName",
			p.proxy.Namespace), nil
	case 1:
		if _, err := p.getBroker(ctx, v1alpha1.ObjectReference{Name: clusters[names[0]]}); err != nil {
			return nil, err
		}
		return p.serve(names[0])
	default:
		return p.Trouble(v1alpha1.ConditionAmbiguousReference, "the Brokers in namespace %s are of several clusters (%s): name a Broker in spec.brokerRef",
			p.proxy.Namespace, strings.Join(names, ", ")), nil
	}
}

func (p *proxyPass) serve(cluster string) (*kube.Waiting, error) {
	p.backend.ClusterName, p.proxy.Status.ClusterName = cluster, cluster
	return nil, nil
}

func (p *proxyPass) getBroker(ctx context.Context, ref v1alpha1.ObjectReference) (bool, error) {
	if ref.Namespace == "" {
		ref.Namespace = p.proxy.Namespace
	}
	broker := &v1alpha1.Broker{}
	found, err := p.get(ctx, "Broker", ref, broker)
	if found {
		p.broker, p.proxy.Status.BrokerRef = broker, &ref
	}
	return found, err
}

func (p *proxyPass) get(ctx context.Context, kind string, ref v1alpha1.ObjectReference, into client.Object) (bool, error) {
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s %s: %w", kind, ref.Name, err)
	}
	return true, nil
}

// resolveNameServers takes those that the user names, else the brokers' own, else the namespace's only ones.
func (p *proxyPass) resolveNameServers(ctx context.Context) (*kube.Waiting, error) {
	status := &p.proxy.Status
	was := status.NameServiceRef
	status.NameServiceRef, status.NameServers = nil, nil
	use := func(ref v1alpha1.ObjectReference, missing string, args ...any) (*kube.Waiting, error) {
		if ref.Namespace == "" {
			ref.Namespace = p.proxy.Namespace
		}
		ns := &v1alpha1.NameService{}
		found, err := p.get(ctx, "NameService", ref, ns)
		if err != nil {
			return nil, err
		}
		if !found {
			return p.Trouble(v1alpha1.ConditionMissingReference, missing, args...), nil
		}
		p.nameService = ns
		p.backend.NameService, status.NameServiceRef = &ref, &ref
		p.backend.NameServers = []string{p.Installation.NameServerService(ns.Name, ns.Namespace)}
		status.NameServers = p.backend.NameServers
		return nil, nil
	}
	switch given := p.proxy.Spec.NameServiceRef; {
	case given != nil:
		return use(*given, "spec.nameServiceRef names the NameService %q, which does not exist: create it or correct the reference", given.Name)
	case p.broker != nil && len(desired.ExternalNameServers(p.broker)) > 0:
		p.backend.NameServers = desired.ExternalNameServers(p.broker)
		status.NameServers = p.backend.NameServers
		return nil, nil
	case p.broker != nil && p.broker.Status.NameServiceRef != nil:
		ref := *p.broker.Status.NameServiceRef
		return use(ref, "the NameService %q of Broker %s does not exist: create it", ref.Name, p.broker.Name)
	case p.broker != nil && was != nil && p.exists: // a Broker that has just lost its own
		return use(*was, "the NameService %q does not exist: create it", was.Name)
	case p.broker != nil:
		return kube.Wait(v1alpha1.ReasonWaitingForNameServers, "Broker %s has no name servers yet", p.broker.Name), nil
	}
	var list v1alpha1.NameServiceList
	if err := p.Client.List(ctx, &list, client.InNamespace(p.proxy.Namespace)); err != nil {
		return nil, fmt.Errorf("list NameServices: %w", err)
	}
	if was != nil && p.exists && slices.ContainsFunc(list.Items, func(ns v1alpha1.NameService) bool { return ns.Name == was.Name && ns.Namespace == was.Namespace }) {
		return use(*was, "the NameService %q does not exist: create it", was.Name)
	}
	switch len(list.Items) {
	case 0:
		return p.Trouble(v1alpha1.ConditionMissingReference, "there is no NameService in namespace %s: create one, or name one of another namespace in spec.nameServiceRef",
			p.proxy.Namespace), nil
	case 1:
		name := list.Items[0].Name
		return use(v1alpha1.ObjectReference{Name: name}, "the NameService %q does not exist: create it", name)
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	slices.Sort(names)
	return p.Trouble(v1alpha1.ConditionAmbiguousReference, "several NameServices are in namespace %s (%s): name one in spec.nameServiceRef",
		p.proxy.Namespace, strings.Join(names, ", ")), nil
}

// observeBrokers takes in what the name servers last said and says what to ask next.
func (p *proxyPass) observeBrokers(ctx context.Context) (*kube.Waiting, error) {
	targets, err := p.Reach.NameServers(ctx, p.proxy.Status.NameServiceRef, p.backend.NameServers)
	if err != nil {
		return nil, err
	}
	key := client.ObjectKeyFromObject(p.proxy)
	answer, age, seen := p.observed.Latest(key)
	if p.routes = answer; !seen || age > maxAge {
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
	return "DefaultHeartBeatSyncerTopic"
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

// spreadSystemTopic gives brokers that came later the proxies' topic, so that it outlives the first ones.
func (p *proxyPass) spreadSystemTopic(ctx context.Context) (*kube.Waiting, error) {
	groups := p.lacking()
	if len(groups) == 0 {
		return nil, nil
	}
	model := p.routes.SystemTopic[slices.Min(slices.Collect(maps.Keys(p.routes.SystemTopic)))]
	for _, group := range groups {
		master, err := p.Reach.Dialable(ctx, p.routes.Masters[group])
		if err != nil {
			return nil, err
		}
		err = p.Reach.Client.PutTopic(ctx, master, nil, admin.TopicConfig{
			Name: p.systemTopic(), ReadQueues: model.ReadQueues, WriteQueues: model.WriteQueues, Perm: admin.PermRead | admin.PermWrite,
		})
		if err != nil {
			return nil, fmt.Errorf("system topic for broker %s: %w", group, err)
		}
		p.Event(p.proxy, v1alpha1.EventSystemTopicCreated, "broker %s has the proxies' topic %s now", group, p.systemTopic())
	}
	return nil, nil
}

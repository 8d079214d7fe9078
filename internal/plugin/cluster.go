package plugin

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// clusterStatus is a RocketMQCluster with the resources that it is made of.
type clusterStatus struct {
	resourceStatus
	// Phase is Creating, Running, Updating or Degraded.
	Phase     string                    `json:"phase,omitempty"`
	Version   string                    `json:"version,omitempty"`
	Endpoints v1alpha1.ClusterEndpoints `json:"endpoints"`
	// Brokers are the pools.
	Brokers []brokerStatus `json:"brokers"`
	// Parts are all others.
	Parts []resourceStatus `json:"parts"`
}

// resources are what status shows, as the operator wrote them.
type resources struct {
	clusters     v1alpha1.RocketMQClusterList
	nameServices v1alpha1.NameServiceList
	controllers  v1alpha1.ControllerList
	brokers      v1alpha1.BrokerList
	proxies      v1alpha1.ProxyList
	consoles     v1alpha1.ConsoleList
	exporters    v1alpha1.ExporterList
	registries   v1alpha1.SchemaRegistryList
}

// read all of a namespace, or of all namespaces if it is "".
func (r *resources) read(ctx context.Context, a *Access, namespace string) error {
	for _, list := range []client.ObjectList{
		&r.clusters, &r.nameServices, &r.controllers, &r.brokers, &r.proxies, &r.consoles, &r.exporters, &r.registries,
	} {
		if err := a.list(ctx, namespace, list); err != nil {
			return err
		}
	}
	return nil
}

// part is a resource other than a Broker, and whose it is.
type part struct {
	resourceStatus
	owner *metav1.OwnerReference
}

func (p part) of(c *v1alpha1.RocketMQCluster) bool { return p.owner != nil && p.owner.UID == c.UID }

// parts in the order in which they depend on each other.
func (r *resources) parts() []part {
	var out []part
	add := func(object client.Object, status resourceStatus) {
		out = append(out, part{status, metav1.GetControllerOf(object)})
	}
	for i := range r.nameServices.Items {
		add(&r.nameServices.Items[i], nameServiceStatus(&r.nameServices.Items[i]))
	}
	for i := range r.controllers.Items {
		add(&r.controllers.Items[i], controllerStatus(&r.controllers.Items[i]))
	}
	for i := range r.proxies.Items {
		p := &r.proxies.Items[i]
		status := newStatus("Proxy", p, p.Status.Conditions, p.Status.ObservedGeneration, p.Status.Members)
		status.Address = p.Status.GRPCAddress
		add(p, status)
	}
	tool := func(kind string, object client.Object, s v1alpha1.ToolStatus) {
		status := newStatus(kind, object, s.Conditions, s.ObservedGeneration, s.Members)
		status.Address = s.Address
		add(object, status)
	}
	for i := range r.consoles.Items {
		tool("Console", &r.consoles.Items[i], r.consoles.Items[i].Status)
	}
	for i := range r.exporters.Items {
		tool("Exporter", &r.exporters.Items[i], r.exporters.Items[i].Status)
	}
	for i := range r.registries.Items {
		tool("SchemaRegistry", &r.registries.Items[i], r.registries.Items[i].Status)
	}
	return out
}

// clusterStatus of a cluster, of the parts that are its own and of its Brokers.
func (r *resources) clusterStatus(ctx context.Context, a *Access, c *v1alpha1.RocketMQCluster) (clusterStatus, error) {
	out := clusterStatus{
		resourceStatus: newStatus("RocketMQCluster", c, c.Status.Conditions, c.Status.ObservedGeneration, c.Status.Brokers),
		Phase:          string(c.Status.Phase), Version: c.Status.Version, Endpoints: c.Status.Endpoints,
		Brokers: []brokerStatus{}, Parts: []resourceStatus{},
	}
	told := map[string]bool{}
	for _, p := range r.parts() {
		if p.of(c) {
			out.Parts = append(out.Parts, p.resourceStatus)
			for _, problem := range p.Problems {
				told[problem.Condition] = true
			}
		}
	}
	for i := range r.brokers.Items {
		b := &r.brokers.Items[i]
		if owner := metav1.GetControllerOf(b); owner == nil || owner.UID != c.UID {
			continue
		}
		status, err := a.brokerStatus(ctx, b)
		if err != nil {
			return out, err
		}
		out.Brokers = append(out.Brokers, status)
		for _, problem := range status.Problems {
			told[problem.Condition] = true
		}
	}
	// What a part says by itself need not be said twice.
	out.Problems = slices.DeleteFunc(out.Problems, func(p problem) bool { return p.Condition != "" && told[p.Condition] })
	return out, nil
}

// all resources of the cluster, itself first.
func (c clusterStatus) all() []resourceStatus {
	all := append([]resourceStatus{c.resourceStatus}, c.Parts...)
	for _, b := range c.Brokers {
		all = append(all, b.resourceStatus)
	}
	return all
}

func (c clusterStatus) node() node {
	details := strings.TrimPrefix(c.Phase+", "+c.Version, ", ")
	n := node{name: c.String(), cells: []any{c.State, c.Members, "", "", "", strings.TrimSuffix(details, ", ")}}
	server := func(p resourceStatus) bool { return p.Kind == "NameService" || p.Kind == "Controller" }
	for _, p := range c.Parts {
		if server(p) {
			n.children = append(n.children, p.node())
		}
	}
	for _, b := range c.Brokers {
		b.NameService, b.Controller, b.NameServers = nil, nil, nil // they stand beside it
		n.children = append(n.children, b.node())
	}
	for _, p := range c.Parts {
		if !server(p) {
			n.children = append(n.children, p.node())
		}
	}
	return n
}

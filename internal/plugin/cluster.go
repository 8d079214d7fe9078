// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

// resources are those that status shows, as the operator wrote them.
type resources struct {
	clusters v1alpha1.RocketMQClusterList
	brokers  v1alpha1.BrokerList
	// others are the kinds that can also be parts of clusters, in the order in which they depend on each other.
	others []v1alpha1.Resource
}

// read all of a namespace, or of all namespaces if it is "".
func (r *resources) read(ctx context.Context, a *Access, namespace string) error {
	for _, list := range []client.ObjectList{&r.clusters, &r.brokers} {
		if err := a.list(ctx, namespace, list); err != nil {
			return err
		}
	}
	for _, kind := range v1alpha1.Kinds() {
		if !kind.Part || kind.Name == "Broker" {
			continue
		}
		list := kind.NewList()
		if err := a.list(ctx, namespace, list); err != nil {
			return err
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			r.others = append(r.others, item.(v1alpha1.Resource))
			return nil
		})
		if err != nil {
			return fmt.Errorf("list %s: %w", kind.Name, err)
		}
	}
	return nil
}

func isPart(r v1alpha1.Resource, of *v1alpha1.RocketMQCluster) bool {
	owner := metav1.GetControllerOf(r)
	return owner != nil && owner.UID == of.UID
}

// clusterStatus of a cluster, of the parts that are its own and of its Brokers.
func (r *resources) clusterStatus(ctx context.Context, a *Access, c *v1alpha1.RocketMQCluster) (clusterStatus, error) {
	out := clusterStatus{
		resourceStatus: newStatus(c),
		Phase:          string(c.Status.Phase), Version: c.Status.Version, Endpoints: c.Status.Endpoints,
		Brokers: []brokerStatus{}, Parts: []resourceStatus{},
	}
	told := map[string]bool{}
	for _, part := range r.others {
		if !isPart(part, c) {
			continue
		}
		status := newStatus(part)
		out.Parts = append(out.Parts, status)
		for _, problem := range status.Problems {
			told[problem.Condition] = true
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
	// A condition that a part has itself is not repeated for the cluster.
	out.Problems = slices.DeleteFunc(out.Problems, func(p problem) bool { return p.Condition != "" && told[p.Condition] })
	return out, nil
}

// all resources of the cluster, the cluster first.
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
		b.NameService, b.Controller, b.NameServers = nil, nil, nil // they are shown as parts of the cluster
		n.children = append(n.children, b.node())
	}
	for _, p := range c.Parts {
		if !server(p) {
			n.children = append(n.children, p.node())
		}
	}
	return n
}

// SPDX-License-Identifier: Apache-2.0

// Package metrics has the operator's own metrics for Prometheus. Nearly all are computed when Prometheus asks, from what the operator
// has in memory anyway, so they cannot drift from the truth as counters can.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"
)

const namespace = "rocketmq_operator"

// readTimeout bounds the reading of all resources, which come from a cache.
const readTimeout = 5 * time.Second

// Looks are the counts of a poller, for one kind of resource.
type Looks interface {
	// Counts of the looks that learned all they need, and of those that did not.
	Counts() (complete, incomplete uint64)
	// LastComplete is the time of each resource's last look that learned all it needs; the zero time if there was none.
	LastComplete() map[types.NamespacedName]time.Time
}

// Metrics of the operator. It is a prometheus.Collector.
type Metrics struct {
	resources client.Reader
	looks     map[string]Looks // by kind
	events    *prometheus.CounterVec
	replaced  replacements

	build, count, condition, idle, replacedPods, master, lookCount, lastLook *prometheus.Desc
}

// New metrics of the resources that a reader finds.
func New(resources client.Reader) *Metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &Metrics{
		resources: resources, looks: map[string]Looks{},
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "events_total", Help: "What the operator did or saw, by the reason of its events.",
		}, []string{"kind", "reason"}),
		build:     desc("build_info", "1, with the version of the operator.", "version"),
		count:     desc("resources", "Resources by kind and by the status of their condition Ready.", "kind", "ready"),
		condition: desc("resource_condition", "1 for each condition of a resource that is not as it should be, with its reason.", "kind", "namespace", "name", "condition", "reason"),
		idle: desc("resource_scaled_to_zero",
			"1 for a resource whose replicas are 0, and for a RocketMQCluster of which nothing but such parts is not Ready.", "kind", "namespace", "name"),
		replacedPods: desc("replaced_pods_total",
			"Pods that the operator replaced so that they run the current spec; of a RocketMQCluster those of its parts.", "kind", "namespace", "name"),
		master: desc("broker_group_master",
			"1 with the pod that is master of a broker group; 0 without a pod for a group that has lost its master.", "namespace", "name", "group", "pod"),
		lookCount: desc("looks_total", "Looks at the servers of resources; an incomplete one got no answer that it needs.", "kind", "result"),
		lastLook:  desc("last_complete_look_timestamp_seconds", "When the servers of a resource last told all that the operator needs to know; 0 for never.", "kind", "namespace", "name"),
	}
}

// Observe adds the poller of a kind. It must be called before the metrics are registered.
func (m *Metrics) Observe(kind string, looks Looks) { m.looks[kind] = looks }

// Describe is part of prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	m.events.Describe(out)
	for _, desc := range []*prometheus.Desc{
		m.build, m.count, m.condition, m.idle, m.replacedPods, m.master, m.lookCount, m.lastLook,
	} {
		out <- desc
	}
}

// Collect is part of prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	m.events.Collect(out)
	out <- prometheus.MustNewConstMetric(m.build, prometheus.GaugeValue, 1, buildinfo.Version())
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	for _, kind := range v1alpha1.Kinds() {
		m.collectResources(ctx, kind, out)
	}
	for kind, looks := range m.looks {
		complete, incomplete := looks.Counts()
		out <- prometheus.MustNewConstMetric(m.lookCount, prometheus.CounterValue, float64(complete), kind, "complete")
		out <- prometheus.MustNewConstMetric(m.lookCount, prometheus.CounterValue, float64(incomplete), kind, "incomplete")
		for key, at := range looks.LastComplete() {
			seconds := 0.0
			if !at.IsZero() {
				seconds = float64(at.UnixMilli()) / 1000
			}
			out <- prometheus.MustNewConstMetric(m.lastLook, prometheus.GaugeValue, seconds, kind, key.Namespace, key.Name)
		}
	}
}

func (m *Metrics) collectResources(ctx context.Context, kind v1alpha1.Kind, out chan<- prometheus.Metric) {
	list := kind.NewList()
	if err := m.resources.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		out <- prometheus.NewInvalidMetric(m.count, err)
		return
	}
	counts := map[metav1.ConditionStatus]int{metav1.ConditionTrue: 0, metav1.ConditionFalse: 0, metav1.ConditionUnknown: 0}
	err := meta.EachListItem(list, func(item runtime.Object) error {
		resource := item.(v1alpha1.Resource)
		ready := metav1.ConditionUnknown
		for _, condition := range resource.Common().Conditions {
			if condition.Type == v1alpha1.ConditionReady {
				ready = condition.Status
			}
			if !fine(condition) {
				out <- prometheus.MustNewConstMetric(m.condition, prometheus.GaugeValue, 1, kind.Name, resource.GetNamespace(),
					resource.GetName(), condition.Type, condition.Reason)
			}
		}
		counts[ready]++
		m.collectRollout(resource, out)
		if broker, ok := item.(*v1alpha1.Broker); ok {
			m.collectMasters(broker, out)
		}
		return nil
	})
	if err != nil {
		out <- prometheus.NewInvalidMetric(m.count, err)
		return
	}
	for status, n := range counts {
		out <- prometheus.MustNewConstMetric(m.count, prometheus.GaugeValue, float64(n), kind.Name, string(status))
	}
}

// collectRollout says nothing of kinds without pods, of which there may be thousands. A counter begins at 0, so that Prometheus sees
// the first replacement as an increase.
func (m *Metrics) collectRollout(resource v1alpha1.Resource, out chan<- prometheus.Metric) {
	cluster, isCluster := resource.(*v1alpha1.RocketMQCluster)
	if !isCluster && resource.GetMembers() == "" {
		return
	}

	of := []string{v1alpha1.KindOf(resource), resource.GetNamespace(), resource.GetName()}
	out <- prometheus.MustNewConstMetric(m.replacedPods, prometheus.CounterValue, m.replaced.of(resource.GetUID()), of...)
	if wantsNone(v1alpha1.KindOf(resource), resource.GetMembers()) || isCluster && lacksOnlyUnwanted(cluster) {
		out <- prometheus.MustNewConstMetric(m.idle, prometheus.GaugeValue, 1, of...)
	}
}

// wantsNone reports whether replicas are 0, which only tools can have. A Broker has no members, too, when its StatefulSets are refused.
func wantsNone(kind, members string) bool {
	switch kind {
	case "Console", "Exporter", "SchemaRegistry":
		return members == "0/0"
	}
	return false
}

// lacksOnlyUnwanted reports whether a cluster has parts that are not Ready, and all of them have 0 replicas.
func lacksOnlyUnwanted(cluster *v1alpha1.RocketMQCluster) bool {
	lacks := false
	for _, part := range cluster.Status.Components {
		if part.Ready == metav1.ConditionTrue {
			continue
		}
		if !wantsNone(part.Kind, part.Members) {
			return false
		}
		lacks = true
	}
	return lacks
}

// collectMasters says nothing of groups that never had a master, and of those whose servers do not answer.
func (m *Metrics) collectMasters(broker *v1alpha1.Broker, out chan<- prometheus.Metric) {
	for _, group := range broker.Status.Groups {
		lost := group.FormerMaster != "" && group.MasterSince != nil
		if group.Master == "" && !lost {
			continue
		}
		there := 0.0
		if group.Master != "" {
			there = 1
		}
		out <- prometheus.MustNewConstMetric(m.master, prometheus.GaugeValue, there, broker.Namespace, broker.Name, group.Name, group.Master)
	}
}

// fine reports whether a condition says that all is well. Conditions other than Ready and UpToDate exist only while something is wrong.
func fine(condition metav1.Condition) bool {
	answer := condition.Type == v1alpha1.ConditionReady || condition.Type == v1alpha1.ConditionUpToDate
	return answer && condition.Status == metav1.ConditionTrue
}

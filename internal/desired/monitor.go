// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// PodMonitorKind is the Prometheus Operator's, which need not be installed.
func PodMonitorKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "PodMonitor"}
}

// MetricsServed reports whether a server with these properties of the user serves metrics at the port that a PodMonitor names.
func MetricsServed(config map[string]v1alpha1.ConfigValue) bool {
	exporter, port := string(config["metricsExporterType"]), string(config["metricsPromExporterPort"])
	return (exporter == "" || strings.EqualFold(exporter, "PROM")) && (port == "" || port == strconv.Itoa(settings.MetricsPort))
}

// PodMonitor lets Prometheus scrape a resource's pods. All members of a broker group have the same node_id in their metrics, so
// only Prometheus' label pod tells them apart.
func PodMonitor(obj client.Object, component Component) *unstructured.Unstructured {
	texts := func(m map[string]string) map[string]any {
		out := make(map[string]any, len(m))
		for key, value := range m {
			out[key] = value
		}
		return out
	}
	out := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"selector":            map[string]any{"matchLabels": texts(Selector(obj.GetName(), component, ""))},
		"podMetricsEndpoints": []any{map[string]any{"port": "metrics"}},
		"podTargetLabels":     []any{LabelCluster, LabelRocketMQComponent, LabelGroup},
	}}}
	out.SetGroupVersionKind(PodMonitorKind())
	m := meta(obj, ClientService(obj.GetName(), component), Labels(obj, component))
	out.SetName(m.Name)
	out.SetNamespace(m.Namespace)
	out.SetLabels(m.Labels)
	return out
}

// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// telemetryPath is the property that moves the exporter's metrics.
const telemetryPath = "rocketmq.config.webTelemetryPath"

// Exporter objects: Service and Deployment of an exporter.
func (in Installation) Exporter(e *v1alpha1.Exporter, backend ToolBackend) (*Tool, error) {
	spec := &e.Spec
	t := toolSpec{
		obj: e, component: Exporter, container: "exporter", image: Image(e),
		port: settings.MetricsPort, portName: "metrics", health: "/metrics",
		replicas: spec.Replicas, backend: backend, service: spec.Service, settings: &spec.PodSettings,
	}
	if path := string(spec.Config[telemetryPath]); path != "" {
		t.health = path // it has no other page
	}
	own := map[string]any{"server.port": t.port, "rocketmq.config.namesrvAddr": strings.Join(backend.NameServers, ";")}
	if backend.AuthSecret != "" {
		own["rocketmq.config.enableACL"] = true
	}
	t.volumes, t.mounts = t.access(spec.Config, own)
	t.properties = springProperties(map[string]any{telemetryPath: t.health}, spec.Config, own)
	t.health = below(spec.Config, t.health)
	err := checkSpring(spec.Config)
	if err != nil {
		return nil, err
	}
	if t.hash, err = t.sum(spec.Config, restartRelevant(t.settings)); err != nil {
		return nil, err
	}
	deployment, err := t.deployment()
	if err != nil {
		return nil, err
	}
	return in.tool(t, deployment), nil
}

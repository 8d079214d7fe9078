// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Where the schema registry finds the settings of its storage, and keeps its copy of what is stored.
const (
	registryConfig = "/etc/rocketmq-schema-registry"
	registryCache  = "/var/lib/rocketmq-schema-registry"
	registryFile   = "rocketmq.properties"
	volumeStorage  = "storage"
)

// The paths that the probes ask. Registry 0.1.0 always says OUT_OF_SERVICE at /actuator/health (it never sets the state that this
// page shows), so the readiness probe asks for Spring Boot's own readiness. But that is UP even if the registry could not open its
// storage; it tries that once, and answers nothing without it. So the startup probe asks for the list of schemas. Only the startup
// probe does, because each such list costs the registry memory that it does not give back.
const (
	registryReady   = "/actuator/health/readiness"
	registryStarted = "/schema-registry/v1/cluster/default/tenant/default/subjects"
)

// SchemaRegistry objects: settings, Service, volume and Deployment of a registry that stores in the cluster of these
// name servers.
func (in Installation) SchemaRegistry(sr *v1alpha1.SchemaRegistry, backend ToolBackend) (*Tool, error) {
	spec := &sr.Spec
	if spec.Image == "" {
		return nil, errors.New("spec.image is not set, and there is no official image of the schema registry")
	}
	if err := checkSpring(spec.Config); err != nil {
		return nil, err
	}
	t := toolSpec{
		obj: sr, component: SchemaRegistry, container: "schema-registry", image: spec.Image,
		port: settings.SchemaRegistryPort, portName: "http", health: below(spec.Config, registryReady), started: below(spec.Config, registryStarted),
		replicas: spec.Replicas, backend: backend, service: spec.Service, settings: &spec.PodSettings,
	}
	t.properties = springProperties(map[string]any{"logging.file.name": tmp + "/schema-registry.log"}, spec.Config, map[string]any{
		"server.port": t.port, "schema.storage.type": "rocketmq", "schema.storage.config-path": registryConfig + "/" + registryFile,
		"management.endpoint.health.probes.enabled": true, // makes registryReady
	})
	config := &corev1.ConfigMap{
		ObjectMeta: metaOf(sr, ConfigMap(sr.Name, SchemaRegistry), SchemaRegistry),
		Data:       map[string]string{registryFile: storageProperties(spec.StorageConfig, backend.NameServers)},
	}
	t.volumes = []corev1.Volume{
		{Name: volumeStorage, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: config.Name}, DefaultMode: new(int32(0o444))}}},
		toolVolume(sr.Name, spec.Storage),
	}
	t.mounts = []corev1.VolumeMount{
		{Name: volumeStorage, MountPath: registryConfig, ReadOnly: true},
		{Name: volumeData, MountPath: registryCache},
	}
	volumes, mounts := backend.TLS.volume()
	t.volumes, t.mounts = append(t.volumes, volumes...), append(t.mounts, mounts...)
	restarts := []any{t.image, spec.Config, spec.StorageConfig, backend.NameServers, spec.Storage != nil, restartRelevant(t.settings), backend.References}
	var err error
	if t.hash, err = hash(append(restarts, backend.TLS.restarts()...)...); err != nil {
		return nil, err
	}
	deployment, err := t.deployment()
	if err != nil {
		return nil, err
	}
	return in.tool(t, deployment, append(toolClaim(sr, SchemaRegistry, spec.Storage), config)...), nil
}

// storageProperties is the file that tells the registry's storage where RocketMQ is.
func storageProperties(config map[string]v1alpha1.ConfigValue, nameServers []string) string {
	all := Properties(config)
	if all == nil {
		all = map[string]string{}
	}
	all["storage.type"] = "rocketmq"
	all["storage.rocketmq.namesrv"] = strings.Join(nameServers, ";")
	all["storage.local.cache.path"] = registryCache + "/cache"
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&out, "%s=%s\n", key, all[key])
	}
	return out.String()
}

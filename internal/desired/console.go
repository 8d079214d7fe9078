// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// The dashboard's container, and where it keeps its data and the file of its users.
const (
	consoleContainer = "console"
	consoleData      = "/var/lib/rocketmq-console"
	consoleUsers     = "users.properties"
	volumeUsers      = "users"
)

// Console objects: Service, volume, Ingress and Deployment of a dashboard.
func (in Installation) Console(console *v1alpha1.Console, backend ToolBackend) (*Tool, error) {
	spec := &console.Spec
	t := toolSpec{
		obj: console, component: Console, container: consoleContainer, image: Image(console),
		port: settings.ConsolePort, portName: "http", health: below(spec.Config, "/actuator/health"), sticky: true,
		replicas: spec.Replicas, backend: backend, service: spec.Service, settings: &spec.PodSettings,
	}
	var deployment *appsv1.Deployment
	var objects []client.Object
	var err error
	if given := spec.ConsoleDeployment; given != nil {
		deployment, err = t.givenConsole(spec)
	} else {
		objects = toolClaim(console, Console, spec.Storage)
		deployment, err = t.console(spec)
	}
	if err != nil {
		return nil, err
	}
	if deployment.Spec.Template.Spec.Containers[0].Ports != nil {
		t.port = deployment.Spec.Template.Spec.Containers[0].Ports[0].ContainerPort
	}
	tool := in.tool(t, deployment, objects...)
	if spec.Ingress != nil {
		tool.Ingress = consoleIngress(console)
	}
	return tool, nil
}

// clusterOf are the properties that make the dashboard show these name servers as one cluster. Its 2.x releases read a list with
// an entry for each cluster, its 1.x releases a single value.
func clusterOf(nameServers []string) map[string]any {
	list := strings.Join(nameServers, ";")
	return map[string]any{"rocketmq.config.namesrvAddrs": []string{list}, "rocketmq.config.namesrvAddr": list}
}

// console is the Deployment of the short form.
func (t toolSpec) console(spec *v1alpha1.ConsoleSpec) (*appsv1.Deployment, error) {
	if err := checkSpring(spec.Config); err != nil {
		return nil, err
	}
	own := clusterOf(t.backend.NameServers)
	own["server.port"] = t.port
	own["rocketmq.config.dataPath"] = consoleData
	// Set in both cases, so that nobody can log in as one of the users that the dashboard is packaged with.
	own["rocketmq.config.loginRequired"] = spec.Login != nil
	own["rocketmq.config.authMode"] = "file"
	volumes, mounts := t.access(spec.Config, own)
	t.properties = springProperties(map[string]any{
		"management.endpoints.web.exposure.include": "health",
		// Behind an Ingress that ends TLS, redirects (to the login) go to https, as the browser came.
		"server.forward-headers-strategy": "framework",
	}, spec.Config, own)

	t.volumes = []corev1.Volume{toolVolume(t.obj.GetName(), spec.Storage)}
	if spec.Login != nil {
		// The whole directory is mounted, not the file: only then a change of the Secret reaches the dashboard, which reads the file
		// again. Without the Secret or the key the pod must not start, because the dashboard would fall back to its packaged users.
		t.volumes = append(t.volumes, corev1.Volume{Name: volumeUsers, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: spec.Login.SecretRef.Name, DefaultMode: new(int32(0o444)),
			Items: []corev1.KeyToPath{{Key: consoleUsers, Path: consoleUsers}}}}})
		t.mounts = []corev1.VolumeMount{{Name: volumeUsers, MountPath: consoleData, ReadOnly: true}}
	}
	for _, directory := range []string{"dashboard", "monitor"} {
		t.mounts = append(t.mounts, corev1.VolumeMount{Name: volumeData, MountPath: consoleData + "/" + directory, SubPath: directory})
	}
	t.volumes, t.mounts = append(t.volumes, volumes...), append(t.mounts, mounts...)
	var err error
	t.hash, err = t.sum(spec.Config, spec.Login, spec.Storage != nil, restartRelevant(t.settings))
	if err != nil {
		return nil, err
	}
	return t.deployment()
}

// ParseConsole reads spec.consoleDeployment, the form of apache/rocketmq-operator. A field that a Deployment does not have is an
// error.
func ParseConsole(spec *v1alpha1.ConsoleSpec) (*appsv1.Deployment, error) {
	given := &appsv1.Deployment{}
	if spec.ConsoleDeployment == nil {
		return given, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(spec.ConsoleDeployment.Raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(given); err != nil {
		return nil, fmt.Errorf("spec.consoleDeployment is no apps/v1 Deployment: %w", err)
	}
	if given.Kind != "" && given.Kind != "Deployment" || given.APIVersion != "" && given.APIVersion != "apps/v1" {
		return nil, fmt.Errorf("spec.consoleDeployment is %s %s, not an apps/v1 Deployment", given.APIVersion, given.Kind)
	}
	return given, nil
}

// givenConsole is the user's whole Deployment, completed.
func (t toolSpec) givenConsole(spec *v1alpha1.ConsoleSpec) (*appsv1.Deployment, error) {
	given, err := ParseConsole(spec)
	if err != nil {
		return nil, err
	}
	if stray, err := setFields(restartRelevant(t.settings)); err != nil || len(stray) > 0 {
		return nil, fmt.Errorf("spec.consoleDeployment is the whole Deployment: move %s into it, or leave it out and use the short fields",
			strings.Join(stray, ", "))
	}
	t.hash, err = t.sum(spec.Config, given.Spec.Template)
	if err != nil {
		return nil, err
	}
	pod := &given.Spec.Template.Spec
	if len(pod.Containers) == 0 {
		pod.Containers = []corev1.Container{{}}
	}
	for i := range pod.Containers[1:] {
		pod.Containers[i+1].Env = lastOfEach(pod.Containers[i+1].Env)
	}
	for i := range pod.InitContainers {
		pod.InitContainers[i].Env = lastOfEach(pod.InitContainers[i].Env)
	}
	container := &pod.Containers[0]
	if container.Name == "" {
		container.Name = t.container
	}
	if container.Image == "" {
		container.Image = t.image
	}
	if len(container.Ports) == 0 {
		container.Ports = []corev1.ContainerPort{{Name: t.portName, ContainerPort: t.port, Protocol: corev1.ProtocolTCP}}
	}
	t.port = container.Ports[0].ContainerPort
	own := clusterOf(t.backend.NameServers)
	own["server.port"] = t.port // releases differ in their default
	volumes, mounts := t.access(spec.Config, own)
	pod.Volumes, container.VolumeMounts = append(pod.Volumes, volumes...), append(container.VolumeMounts, mounts...)
	t.properties = springProperties(map[string]any{}, spec.Config, own)
	if container.Env, err = t.env(container.Env); err != nil {
		return nil, fmt.Errorf("spec.consoleDeployment: %w", err)
	}
	if container.ReadinessProbe == nil {
		container.ReadinessProbe = t.probe(t.connect(), 5, 3)
	}
	if given.Spec.Replicas == nil && spec.Replicas != nil {
		given.Spec.Replicas = spec.Replicas
	}
	if given.Spec.Strategy.Type == "" && given.Spec.Strategy.RollingUpdate == nil {
		t.volumes = pod.Volumes
		given.Spec.Strategy = t.strategy()
	}
	deployment, err := t.finish(given.Spec)
	if err != nil {
		return nil, err
	}
	deployment.Labels, deployment.Annotations = t.labels(given.Labels), given.Annotations
	return deployment, nil
}

// setFields are the names of the settings that have a value.
func setFields(pod v1alpha1.PodSettings) ([]string, error) {
	text, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	var out []string
	for name, value := range fields {
		if !slices.Contains([]string{"{}", "[]", `""`, "null", "false"}, string(value)) {
			out = append(out, "spec."+name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func consoleIngress(console *v1alpha1.Console) *networkingv1.Ingress {
	spec := console.Spec.Ingress
	out := &networkingv1.Ingress{
		ObjectMeta: metaOf(console, console.Name, Console),
		Spec: networkingv1.IngressSpec{
			IngressClassName: spec.ClassName,
			Rules: []networkingv1.IngressRule{{Host: spec.Host, IngressRuleValue: networkingv1.IngressRuleValue{
				HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
					Path: below(console.Spec.Config, "/"), PathType: new(networkingv1.PathTypePrefix),
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: console.Name, Port: networkingv1.ServiceBackendPort{Name: "http"}}},
				}}},
			}}},
		},
	}
	out.Annotations = maps.Clone(spec.Annotations)
	if spec.TLSSecretName != "" {
		out.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{spec.Host}, SecretName: spec.TLSSecretName}}
	}
	return out
}

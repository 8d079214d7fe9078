// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestContextPath: probes, and the path of an Ingress, follow the application's pages.
func TestContextPath(t *testing.T) {
	path := func(p *corev1.Probe) string { return p.HTTPGet.Path }
	for _, key := range []string{"server.servlet.context-path", "server.servlet.contextPath", "server.servlet.context_path"} {
		console := parse[v1alpha1.Console](t, "metadata: {name: ui}\nspec: {config: {"+key+": /mq}, ingress: {host: ops.example.com}}")
		tool, err := installation().Console(console, ToolBackend{})
		if err != nil {
			t.Fatal(err)
		}
		container := tool.Deployment.Spec.Template.Spec.Containers[0]
		if got := path(container.StartupProbe); got != "/mq/actuator/health" || path(container.ReadinessProbe) != got {
			t.Errorf("%s: the probes ask %s", key, got)
		}
		if got := tool.Ingress.(*networkingv1.Ingress).Spec.Rules[0].HTTP.Paths[0].Path; got != "/mq" {
			t.Errorf("%s: the Ingress sends %s", key, got)
		}
	}

	registry := parse[v1alpha1.SchemaRegistry](t, "metadata: {name: sr}\nspec: {image: 'r:1', config: {server.servlet.context-path: /schemas/}}")
	tool, err := installation().SchemaRegistry(registry, ToolBackend{})
	if err != nil {
		t.Fatal(err)
	}
	container := tool.Deployment.Spec.Template.Spec.Containers[0]
	if path(container.StartupProbe) != "/schemas"+registryStarted || path(container.ReadinessProbe) != "/schemas"+registryReady {
		t.Errorf("the registry is asked at %s and %s", path(container.StartupProbe), path(container.ReadinessProbe))
	}

	exporter := parse[v1alpha1.Exporter](t, "metadata: {name: e}\nspec: {config: {server.servlet.context-path: /mq, rocketmq.config.webTelemetryPath: /m}}")
	if tool, err = installation().Exporter(exporter, ToolBackend{}); err != nil {
		t.Fatal(err)
	}
	if got := path(tool.Deployment.Spec.Template.Spec.Containers[0].ReadinessProbe); got != "/mq/m" {
		t.Errorf("the exporter is asked at %s", got)
	}
}

// TestRefusedSpring: what would leave the probes without an answer for ever is refused, with what to do instead.
func TestRefusedSpring(t *testing.T) {
	for key, value := range map[string]string{
		"management.server.port":                       "8081",
		"management.server.basePath":                   "/x",
		"management.endpoints.web.base-path":           "/manage",
		"management.endpoints.web.basePath":            "/manage",
		"management.endpoints.web.path-mapping.health": "/up",
		"management.endpoints.web.exposure.include":    "info,metrics",
		"management.endpoint.health.enabled":           "false",
		"server.ssl.key-store":                         "/x.p12",
		"server.address":                               "127.0.0.1",
	} {
		if err := checkSpring(map[string]v1alpha1.ConfigValue{key: v1alpha1.ConfigValue(value)}); err == nil || !strings.Contains(err.Error(), "spec.config."+key) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
	for key, value := range map[string]string{
		"rocketmq.config.timeoutMillis":             "9000",
		"server.servlet.context-path":               "/mq",
		"management.endpoints.web.exposure.include": "info, health",
		"management.endpoint.health.show-details":   "always",
	} {
		if err := checkSpring(map[string]v1alpha1.ConfigValue{key: v1alpha1.ConfigValue(value)}); err != nil {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
}

// TestForwardedRequests: behind an Ingress that ends TLS, the dashboard sends browsers back to https, unless its user wants it otherwise.
func TestForwardedRequests(t *testing.T) {
	for config, want := range map[string]string{"": "framework", "server.forward-headers-strategy: none": "none"} {
		console := parse[v1alpha1.Console](t, "metadata: {name: ui}\nspec: {login: {secretRef: {name: users}}, config: {"+config+
			"}, ingress: {host: ops.example.com, tlsSecretName: ops-tls}}")
		tool, err := installation().Console(console, ToolBackend{})
		if err != nil {
			t.Fatal(err)
		}
		env := tool.Deployment.Spec.Template.Spec.Containers[0].Env
		i := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == envProperties })
		var given map[string]any
		if err := json.Unmarshal([]byte(env[i].Value), &given); err != nil {
			t.Fatal(err)
		}
		if got := given["server.forward-headers-strategy"]; got != want {
			t.Errorf("config {%s} gives %v", config, got)
		}
	}
}

// TestSignsAsAnother: an account that the user gives is found however it is written.
func TestSignsAsAnother(t *testing.T) {
	for _, test := range []struct {
		config map[string]v1alpha1.ConfigValue
		env    []corev1.EnvVar
		want   bool
	}{
		{nil, nil, false},
		{map[string]v1alpha1.ConfigValue{"rocketmq.config.timeoutMillis": "1"}, []corev1.EnvVar{{Name: "ACCESSKEY"}}, false},
		{map[string]v1alpha1.ConfigValue{"rocketmq.config.access-key": "a"}, nil, true},
		{nil, []corev1.EnvVar{{Name: "TZ"}, {Name: "ROCKETMQ_CONFIG_ACCESSKEY"}}, true},
		{nil, []corev1.EnvVar{{Name: "rocketmq_config_accessKey"}}, true},
	} {
		if got := SignsAsAnother(test.config, test.env); got != test.want {
			t.Errorf("%v, %v: %t", test.config, test.env, got)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestToolsWithTLS: whatever the tool, java is told to speak TLS and finds the CA, and its user's options come after ours.
func TestToolsWithTLS(t *testing.T) {
	const header = "metadata: {name: x, namespace: mq}\nspec: "
	const deployment = `{consoleDeployment: {spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}}`
	tools := map[string]func(ToolBackend) (*Tool, error){
		"console": func(b ToolBackend) (*Tool, error) {
			return installation().Console(parse[v1alpha1.Console](t, header+"{jvm: {extraOptions: [-Dmine=1]}}"), b)
		},
		"given console": func(b ToolBackend) (*Tool, error) {
			return installation().Console(parse[v1alpha1.Console](t, header+deployment), b)
		},
		"exporter": func(b ToolBackend) (*Tool, error) {
			return installation().Exporter(parse[v1alpha1.Exporter](t, header+"{jvm: {extraOptions: [-Dmine=1]}}"), b)
		},
		"schema registry": func(b ToolBackend) (*Tool, error) {
			return installation().SchemaRegistry(parse[v1alpha1.SchemaRegistry](t, header+"{image: 'r:1', jvm: {extraOptions: [-Dmine=1]}}"), b)
		},
	}
	const speak = "-Dtls.enable=true -Dtls.test.mode.enable=false"
	const trust = " -Dtls.client.authServer=true -Dtls.client.trustCertPath=/etc/rocketmq-tls/ca.crt"
	for name, tool := range tools {
		hashes := map[string]bool{}
		for _, test := range []struct {
			tls     *ToolTLS
			options string
			secrets []string
		}{
			{nil, "", nil},
			{&ToolTLS{}, speak, nil},
			{&ToolTLS{CASecret: "ca", Loaded: "1"}, speak + trust, []string{"ca"}},
			{&ToolTLS{CASecret: "ca", Loaded: "2"}, speak + trust, []string{"ca"}},
			{&ToolTLS{CASecret: "ca", PairSecret: "pair"}, speak + trust + " -Dtls.client.certPath=/etc/rocketmq-tls/tls.crt -Dtls.client.keyPath=/etc/rocketmq-tls/tls.key", []string{"ca", "pair"}},
		} {
			made, err := tool(ToolBackend{NameServers: []string{"ns:9876"}, TLS: test.tls})
			if err != nil {
				t.Fatal(err)
			}
			pod := made.Deployment.Spec.Template
			i := slices.IndexFunc(pod.Spec.Containers[0].Env, func(e corev1.EnvVar) bool { return e.Name == envJVM })
			options := ""
			if i >= 0 {
				options, _, _ = strings.Cut(pod.Spec.Containers[0].Env[i].Value, "-Duser.home=/tmp -Dmine=1")
				options = strings.TrimSpace(options)
			}
			if options != test.options {
				t.Errorf("%s with %+v: options %q, want %q", name, test.tls, options, test.options)
			}
			if got := secretsAt(pod.Spec, "/etc/rocketmq-tls"); !slices.Equal(got, test.secrets) {
				t.Errorf("%s with %+v: Secrets %v are mounted, want %v", name, test.tls, got, test.secrets)
			}
			hashes[pod.Annotations[v1alpha1.AnnotationHash]] = true
		}
		if len(hashes) != 5 {
			t.Errorf("%s: not each change restarts pods", name)
		}
	}
}

// secretsAt are those of the projected volume that is mounted at a path.
func secretsAt(pod corev1.PodSpec, path string) (names []string) {
	for _, mount := range pod.Containers[0].VolumeMounts {
		for _, volume := range pod.Volumes {
			if mount.MountPath != path || volume.Name != mount.Name {
				continue
			}
			for _, source := range volume.Projected.Sources {
				names = append(names, source.Secret.Name)
			}
		}
	}
	return names
}

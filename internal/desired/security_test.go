// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestSecurity: what the user does not say keeps the defaults, unless the API server or the kubelet would refuse both together.
func TestSecurity(t *testing.T) {
	const restricted = "runAsUser: 3000, runAsGroup: 3000, fsGroup: 3000, fsGroupChangePolicy: OnRootMismatch, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}"
	for _, test := range []struct {
		name, given    string
		pod, container string
	}{
		{"nothing", "{}", "{" + restricted + "}", "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"},
		{"empty ones", "{securityContext: {}, containerSecurityContext: {}}", "{" + restricted + "}", "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"},
		{"another group", "{securityContext: {supplementalGroups: [2000]}}", "{" + restricted + ", supplementalGroups: [2000]}", "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"},
		{"a read-only root", "{containerSecurityContext: {readOnlyRootFilesystem: true}}", "{" + restricted + "}",
			"{readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"},
		{"a capability", "{containerSecurityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}", "{" + restricted + "}",
			"{allowPrivilegeEscalation: false, capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}}"},
		{"another uid", "{securityContext: {runAsUser: 7}}", "{runAsUser: 7, runAsGroup: 3000, fsGroup: 3000, fsGroupChangePolicy: OnRootMismatch, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}",
			"{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"},
		{"root", "{securityContext: {runAsUser: 0}}", "{runAsUser: 0, runAsGroup: 3000, fsGroup: 3000, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}",
			"{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"},
		{"a container's root", "{containerSecurityContext: {runAsUser: 0}}", "{" + restricted + "}",
			"{runAsUser: 0, runAsNonRoot: false, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"},
		{"all privileges", "{containerSecurityContext: {privileged: true}}", "{" + restricted + "}", "{privileged: true}"},
		{"nearly all", "{containerSecurityContext: {capabilities: {add: [SYS_ADMIN]}}}", "{" + restricted + "}", "{capabilities: {add: [SYS_ADMIN], drop: [ALL]}}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := parse[v1alpha1.Broker](t, "metadata: {name: b, namespace: mq}\nspec: "+test.given)
			_, set, err := installation().BrokerGroup(b, 0, GroupState{Members: 1}, dependencies())
			if err != nil {
				t.Fatal(err)
			}
			var pod corev1.PodSecurityContext
			var container corev1.SecurityContext
			for text, out := range map[string]any{test.pod: &pod, test.container: &container} {
				if err := yaml.UnmarshalStrict([]byte(text), out); err != nil {
					t.Fatal(err)
				}
			}
			spec := set.Spec.Template.Spec
			if diff := cmp.Diff(&pod, spec.SecurityContext); diff != "" {
				t.Errorf("the pod's (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&container, spec.Containers[0].SecurityContext); diff != "" {
				t.Errorf("the container's (-want +got):\n%s", diff)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestTheAgentComesFromTheImageThatTheOperatorRunsFrom(t *testing.T) {
	pod := func(name string, containers ...corev1.Container) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: name}, Spec: corev1.PodSpec{Containers: containers}}
	}
	reader := fake.NewClientBuilder().WithObjects(
		pod("operator-1", corev1.Container{Name: "mesh", Image: "mesh:1"}, corev1.Container{Name: "operator", Image: "mirror/operator:v2"}),
		pod("other-1", corev1.Container{Name: "other", Image: "other:1"}),
	).Build()
	for _, c := range []struct{ name, given, pod, image, problem string }{
		{"beside a sidecar", "", "operator-1", "mirror/operator:v2", ""},
		{"unless another one is given", "mirror/agent:v1", "operator-1", "mirror/agent:v1", ""},
		{"a pod without the operator's container", "", "other-1", "", `no container "operator"`},
		{"a pod that may not be read", "", "gone-1", "", "give --agent-image"},
		{"a pod that does not know its name", "", "", "", "POD_NAME"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("POD_NAMESPACE", "system")
			t.Setenv("POD_NAME", c.pod)
			o := options{agentImage: c.given}
			err := o.findImage(t.Context(), reader)
			switch {
			case c.problem == "" && err != nil:
				t.Error(err)
			case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
				t.Errorf("error %v, want one with %q", err, c.problem)
			case o.agentImage != c.image:
				t.Errorf("image %q, want %q", o.agentImage, c.image)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package world

import (
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Trouble is what stops a resource.
type Trouble struct {
	Name      string
	Objects   string // YAML
	Resource  string // that is stopped, "Kind name"
	Condition string
	Says      []string
	// Untouched object, "Kind name", "" for none.
	Untouched string
}

// Run the trouble as a test of its own: a condition says what to do, and what was found is not touched.
func (trouble Trouble) Run(t *testing.T) {
	t.Run(trouble.Name, func(t *testing.T) {
		t.Parallel()
		if os.Getenv(managed) != "" && strings.Contains(trouble.Name, "another namespace") {
			t.Skip("a managed operator sees the test's own namespace only")
		}
		w := New(t)
		w.CreateYAML(trouble.Objects)
		o := w.Start()
		before := ""
		if !strings.Contains(trouble.Name, "two resources") { // one of which makes the object
			before = w.version(trouble.Untouched)
		}
		o.Reports(trouble.Resource, trouble.Condition, metav1.ConditionTrue, trouble.Says...)
		o.Reports(trouble.Resource, v1alpha1.ConditionReady, metav1.ConditionFalse, append(trouble.Says, trouble.Condition+": ")...)
		if before != "" && w.version(trouble.Untouched) != before {
			t.Errorf("%s was written to", trouble.Untouched)
		}
		// Whatever else is in the namespace gets ready, and then all are silent.
		o.Finish()
		o.CheckSilence()
	})
}

// version of an object, "Kind name".
func (w *World) version(object string) string {
	w.Helper()
	switch kind, name, _ := strings.Cut(object, " "); kind {
	case "Service":
		return Get[corev1.Service](w, name).ResourceVersion
	case "ConfigMap":
		return Get[corev1.ConfigMap](w, name).ResourceVersion
	case "NetworkPolicy":
		return Get[networkingv1.NetworkPolicy](w, name).ResourceVersion
	case "Secret":
		return Get[corev1.Secret](w, name).ResourceVersion
	case "StatefulSet":
		return Get[appsv1.StatefulSet](w, name).ResourceVersion
	}
	return ""
}

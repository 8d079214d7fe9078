// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestKindsAreInstalled: each kind has a CRD that the manifests install, and the operator may read it, write its status and own
// what it makes of it.
func TestKindsAreInstalled(t *testing.T) {
	all := definitions(t)
	if got, want := len(all), len(v1alpha1.Kinds()); got != want {
		t.Errorf("config/crd has %d kinds, api/v1alpha1 has %d: run make generate, and remove the file of a kind that is gone", got, want)
	}

	var installed struct{ Resources []string }
	readYAML(t, "config/crd/kustomization.yaml", &installed)
	var role rbacv1.ClusterRole
	readYAML(t, "config/rbac/cluster-role.yaml", &role)

	for _, kind := range v1alpha1.Kinds() {
		d, ok := all[kind.Name]
		if !ok {
			t.Errorf("%s has no CRD: run make generate", kind.Name)
			continue
		}
		if !slices.Contains(installed.Resources, d.file) {
			t.Errorf("config/crd/kustomization.yaml does not install %s", d.file)
		}
		plural := d.crd.Spec.Names.Plural
		for resource, verbs := range map[string][]string{
			plural: {"get", "list", "watch"}, plural + "/status": {"patch"}, plural + "/finalizers": {"update"},
		} {
			for _, verb := range verbs {
				if !grants(role.Rules, resource, verb) {
					t.Errorf("config/rbac/cluster-role.yaml does not let the operator %s %s", verb, resource)
				}
			}
		}
	}
}

func grants(rules []rbacv1.PolicyRule, resource, verb string) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.APIGroups, v1alpha1.GroupVersion.Group) && slices.Contains(rule.Resources, resource) && slices.Contains(rule.Verbs, verb)
	})
}

// readYAML reads a file whose fields must all be known, and which may have only one document.
func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

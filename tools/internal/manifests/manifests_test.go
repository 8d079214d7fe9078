// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestRightsThatNoRoleCanGrantAreApart(t *testing.T) {
	mixed := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "nodes"}, Verbs: []string{"get"}}
	namespaced, cluster := split([]rbacv1.PolicyRule{mixed})
	for _, c := range []struct {
		name     string
		got      []rbacv1.PolicyRule
		resource string
	}{{"in a namespace", namespaced, "pods"}, {"in none", cluster, "nodes"}} {
		want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{c.resource}, Verbs: []string{"get"}}}
		if diff := cmp.Diff(want, c.got); diff != "" {
			t.Errorf("rights on what lies %s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestTheManifestsOfThisRepositoryAreUnderstood(t *testing.T) {
	const root = "../../.."
	rights, err := ReadRights(root)
	if err != nil || len(rights.Namespaced) == 0 || len(rights.Cluster) == 0 || len(rights.Own) == 0 {
		t.Errorf("rights %+v: %v", rights, err)
	}
	kinds, err := Kinds(root)
	if err != nil || len(kinds) < 9 {
		t.Errorf("%d kinds: %v", len(kinds), err)
	}
	deployment, err := Deployment(root)
	if err != nil || len(deployment.Spec.Template.Spec.Containers) != 1 {
		t.Errorf("Deployment %+v: %v", deployment, err)
	}
}

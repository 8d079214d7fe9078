// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Whoever installs the chart gets the pod that config/manager describes, except for what the chart adds on purpose.
func TestTheChartRunsThePodOfTheManifests(t *testing.T) {
	objects := mustRender(t, nil)
	var want, got appsv1.Deployment
	decode(t, manifest(t, "manager/deployment.yaml"), &want)
	decode(t, find(t, objects, "Deployment", operator), &got)

	got.Spec.Template.Spec.TopologySpreadConstraints = nil // the manifests' one replica has nothing to spread
	if diff := cmp.Diff(want.Spec.Template.Spec, got.Spec.Template.Spec); diff != "" {
		t.Errorf("config/manager/deployment.yaml and the chart's templates/deployment.yaml or values.yaml say different things"+
			" (-manifest +chart):\n%s", diff)
	}
	if want.Namespace != got.Namespace || want.Name != got.Name {
		t.Errorf("Deployment %s/%s, in the manifests %s/%s", got.Namespace, got.Name, want.Namespace, want.Name)
	}
}

func TestTheChartGrantsTheRightsOfTheManifests(t *testing.T) {
	all := mustRender(t, nil)
	few := mustRender(t, map[string]any{"watchNamespaces": []any{"shop", "bank"}})
	for _, c := range []struct {
		manifest string
		objects  []unstructured.Unstructured
		kind     string
		name     string
		cluster  bool // rights on what lies in no namespace too
	}{
		{"rbac/cluster-role.yaml", all, "ClusterRole", operator, true},
		{"rbac/cluster-role.yaml", few, "Role", operator, false},
		{"rbac/leader-election.yaml", all, "Role", operator + "-leader-election", true},
		{"rbac/leader-election.yaml", few, "Role", operator + "-leader-election", true},
	} {
		var want, got rbacv1.ClusterRole
		decode(t, manifest(t, c.manifest), &want)
		decode(t, find(t, c.objects, c.kind, c.name), &got)
		wanted, granted := rights(want.Rules), rights(got.Rules)
		if !c.cluster {
			delete(wanted, "get nodes ")
		}
		if diff := cmp.Diff(wanted, granted); diff != "" {
			t.Errorf("%s and the chart's %s %s grant different rights, run make generate (-manifest +chart):\n%s", c.manifest, c.kind, c.name, diff)
		}
	}
	for _, o := range few {
		if o.GetKind() == "ClusterRole" || o.GetKind() == "ClusterRoleBinding" {
			t.Errorf("an operator of two namespaces has a %s", o.GetKind())
		}
	}
}

func TestTheChartHoldsTheKinds(t *testing.T) {
	kinds, err := filepath.Glob(filepath.Join(root, "config/crd/rocketmq.apache.org_*.yaml"))
	if err != nil || len(kinds) == 0 {
		t.Fatalf("no kinds: %v", err)
	}
	for _, c := range []struct {
		name, values, policy string
		count                int
	}{
		{"kept by default", "", "keep", len(kinds)},
		{"removed with the chart where that is wanted", "crds: {keep: false}", "", len(kinds)},
		{"left to others", "crds: {install: false}", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var values map[string]any
			decode(t, []byte(c.values), &values)
			objects, found := mustRender(t, values), 0
			for _, o := range objects {
				if o.GetKind() != "CustomResourceDefinition" {
					continue
				}
				found++
				if policy := o.GetAnnotations()["helm.sh/resource-policy"]; policy != c.policy {
					t.Errorf("%s has the resource policy %q, want %q", o.GetName(), policy, c.policy)
				}
				var want unstructured.Unstructured
				decode(t, manifest(t, "crd/rocketmq.apache.org_"+plural(o)+".yaml"), &want.Object)
				var got unstructured.Unstructured
				decode(t, encode(t, o.Object), &got.Object) // the same types of numbers
				if !cmp.Equal(want.Object["spec"], got.Object["spec"]) {
					t.Errorf("%s is not that of config/crd: run make generate", o.GetName())
				}
			}
			if found != c.count {
				t.Errorf("%d kinds, want %d", found, c.count)
			}
		})
	}
}

// Whoever installs the chart is woken by the same alerts as whoever takes them from config/monitoring, and sees the same dashboards.
func TestTheChartHoldsAlertsAndDashboards(t *testing.T) {
	var values map[string]any
	decode(t, []byte("{metrics: {podMonitor: {enabled: true}}, alerts: {enabled: true}, dashboards: {enabled: true}}"), &values)
	objects := mustRender(t, values)

	var alerts map[string]any
	decode(t, manifest(t, "monitoring/alerts.yaml"), &alerts)
	for _, source := range [][]byte{manifest(t, "monitoring/prometheus-rule.yaml"), find(t, objects, "PrometheusRule", operator)} {
		var rule unstructured.Unstructured
		decode(t, source, &rule.Object)
		if diff := cmp.Diff(alerts, rule.Object["spec"]); diff != "" {
			t.Errorf("the PrometheusRule does not hold the alerts of config/monitoring/alerts.yaml, run make generate:\n%s", diff)
		}
	}

	dashboards, err := filepath.Glob(filepath.Join(root, "config/monitoring/dashboards/*.json"))
	if err != nil || len(dashboards) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, path := range dashboards {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		var configMap corev1.ConfigMap
		decode(t, find(t, objects, "ConfigMap", operator+"-dashboard-"+name), &configMap)
		var want, got map[string]any
		decode(t, manifest(t, "monitoring/dashboards/"+name+".json"), &want)
		decode(t, []byte(configMap.Data["rocketmq-"+name+".json"]), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("dashboard %s is not that of config/monitoring, run make generate:\n%s", name, diff)
		}
	}

	var wanted, monitor unstructured.Unstructured
	decode(t, manifest(t, "monitoring/pod-monitor.yaml"), &wanted.Object)
	decode(t, find(t, objects, "PodMonitor", operator), &monitor.Object)
	unstructured.RemoveNestedField(monitor.Object, "spec", "selector", "matchLabels", "app.kubernetes.io/instance") // the release's
	if diff := cmp.Diff(wanted.Object["spec"], monitor.Object["spec"]); diff != "" {
		t.Errorf("config/monitoring/pod-monitor.yaml and the chart's templates/monitors.yaml differ (-manifest +chart):\n%s", diff)
	}
}

// rights are all single ones that the rules grant, "verb resource name".
func rights(rules []rbacv1.PolicyRule) map[string]bool {
	out := map[string]bool{}
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						if group != "" {
							out[verb+" "+resource+"."+group+" "+name] = true
						} else {
							out[verb+" "+resource+" "+name] = true
						}
					}
				}
			}
		}
	}
	return out
}

func mustRender(t *testing.T, values map[string]any) []unstructured.Unstructured {
	t.Helper()
	objects, err := render(t, operator, values)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func find(t *testing.T, objects []unstructured.Unstructured, kind, name string) []byte {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return encode(t, o.Object)
		}
	}
	t.Fatalf("the chart renders no %s %s", kind, name)
	return nil
}

func plural(crd unstructured.Unstructured) string {
	name, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	return name
}

// manifest is the first document of a file of config/.
func manifest(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "config", path))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(content, []byte("\n---\n"))
	return first
}

func encode(t *testing.T, object any) []byte {
	t.Helper()
	content, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decode(t *testing.T, content []byte, into any) {
	t.Helper()
	if err := yaml.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package charts tests the Helm charts as Helm sees them: what they render for the values of real installations, which
// values they refuse, and that they say the same as the manifests in config/.
package charts

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	root     = "../.."
	operator = "rocketmq-operator"
	cluster  = "rocketmq-cluster"
)

// release is the name and the namespace that the documentation recommends.
var release = common.ReleaseOptions{Name: operator, Namespace: operator + "-system", Revision: 1, IsInstall: true}

// TestTheChartsRender compares what Helm sends for testdata/<chart>/<case>/values.yaml with the golden file beside it.
// The kinds, the rules of roles, alerts and dashboards are left out, which config_test.go compares with config/.
func TestTheChartsRender(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/*/values.yaml")
	if err != nil || len(cases) < 12 {
		t.Fatalf("%d cases found (%v)", len(cases), err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(strings.TrimPrefix(dir, "testdata/"), func(t *testing.T) {
			rendered, err := render(t, filepath.Base(filepath.Dir(dir)), readValues(t, path))
			if err != nil {
				t.Fatal(err)
			}
			rendered = slices.DeleteFunc(rendered, func(o unstructured.Unstructured) bool {
				delete(o.Object, "rules")
				switch o.GetKind() {
				case "ConfigMap":
					delete(o.Object, "data")
				case "PrometheusRule":
					delete(o.Object, "spec")
				}
				return o.GetKind() == "CustomResourceDefinition"
			})
			got := text(t, rendered)
			golden := filepath.Join(dir, "golden.yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s is no longer rendered so (-golden +now); if that is meant: go test -C test/charts . -update\n%s", dir, diff)
			}
		})
	}
}

func TestTheChartsRefuseWhatCannotBeMeant(t *testing.T) {
	for _, c := range []struct{ name, chart, values, problem string }{
		{"a value of the wrong name", operator, "watchNamespace: [shop]", "watchNamespace"},
		{"a namespace that cannot exist", operator, "watchNamespaces: [Shop]", "watchNamespaces"},
		{"a digest that is none", operator, "image: {digest: latest}", "digest"},
		{"a number of pods below 0", operator, "podDisruptionBudget: {maxUnavailable: -1}", "maxUnavailable"},
		{"a part of the pods that is none", operator, "podDisruptionBudget: {maxUnavailable: some}", "maxUnavailable"},
		{"a domain with an empty label", operator, "clusterDomain: cluster..local", "clusterDomain"},
		{"a domain with a label that ends with a hyphen", operator, "clusterDomain: cluster-.local", "clusterDomain"},
		{"a monitor of metrics that are off", operator, "metrics: {enabled: false, podMonitor: {enabled: true}}", "need metrics.enabled"},
		{"alerts about metrics that are off", operator, "{metrics: {enabled: false}, alerts: {enabled: true}}", "needs metrics.enabled"},
		{"a field that no cluster has", cluster, "cluster: {nameServer: {size: 3}}", "nameServer"},
		{"a size that is no number", cluster, "cluster: {controllers: {size: three}}", "size"},
		{"a name that is too long", cluster, "name: a-name-of-twenty-five-chars", "name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var values map[string]any
			if err := yaml.Unmarshal([]byte(c.values), &values); err != nil {
				t.Fatal(err)
			}
			if _, err := render(t, c.chart, values); err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("error %v, want one about %s", err, c.problem)
			}
		})
	}
}

// Whoever installs alerts or dashboards, and nothing that brings the operator's metrics to Prometheus, is told.
func TestTheNotesWarnOfAlertsWithoutMetrics(t *testing.T) {
	const alerts, dashboards = "the alert RocketMQOperatorDown fires", "its dashboard stays empty"
	for _, c := range []struct{ name, values, warning string }{
		{"neither", "{}", ""},
		{"alerts alone", "alerts: {enabled: true}", alerts},
		{"dashboards alone", "dashboards: {enabled: true}", dashboards},
		{"both", "{alerts: {enabled: true}, dashboards: {enabled: true}}", alerts},
		{"alerts with a PodMonitor", "{alerts: {enabled: true}, metrics: {podMonitor: {enabled: true}}}", ""},
		{"alerts with a ServiceMonitor", "{alerts: {enabled: true}, metrics: {serviceMonitor: {enabled: true}}}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var values map[string]any
			decode(t, []byte(c.values), &values)
			files, err := rendering{release, true}.files(t, load(t, operator), values)
			if err != nil {
				t.Fatal(err)
			}
			notes := files[operator+"/templates/NOTES.txt"]
			if warns := strings.Contains(notes, "Careful: "); warns != (c.warning != "") || !strings.Contains(notes, c.warning) {
				t.Errorf("the notes should warn of %q:\n%s", c.warning, notes)
			}
		})
	}
}

// What the examples say of a cluster can be given as values, and comes out as it went in.
func TestTheExamplesCanBeValues(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(root, "examples/*/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(content), "\n---\n") {
			var want unstructured.Unstructured
			decode(t, []byte(document), &want.Object)
			if want.GetKind() != "RocketMQCluster" {
				continue
			}
			found++
			c := load(t, cluster)
			delete(c.Values, "cluster")
			got, err := renderChart(t, c, map[string]any{"name": want.GetName(), "cluster": want.Object["spec"]})
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if diff := cmp.Diff(want.Object["spec"], got[0].Object["spec"]); diff != "" || got[0].GetName() != want.GetName() {
				t.Errorf("%s comes out as another cluster (-example +chart):\n%s", path, diff)
			}
		}
	}
	if found == 0 {
		t.Error("no example has a RocketMQCluster")
	}
}

// TestTheChartsPassHelmLint looks as `helm lint --strict` does.
func TestTheChartsPassHelmLint(t *testing.T) {
	for _, name := range []string{operator, cluster} {
		for _, message := range lint.RunAll(filepath.Join(root, "charts", name), nil, release.Namespace).Messages {
			if message.Severity >= support.WarningSev {
				t.Errorf("%s: %v", name, message)
			}
		}
	}
}

// render renders a chart as `helm install` does before it asks a cluster.
func render(t *testing.T, name string, values map[string]any) ([]unstructured.Unstructured, error) {
	t.Helper()
	return renderChart(t, load(t, name), values)
}

func load(t *testing.T, name string) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(filepath.Join(root, "charts", name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func renderChart(t *testing.T, c *chart.Chart, values map[string]any) ([]unstructured.Unstructured, error) {
	t.Helper()
	return rendering{release, true}.objects(t, c, values)
}

// rendering is how a chart is rendered.
type rendering struct {
	release common.ReleaseOptions
	strict  bool // as `helm lint --strict`: a template that asks for a value that is not there is an error
}

// files that the templates of a chart give, by their paths.
func (r rendering) files(t *testing.T, c *chart.Chart, values map[string]any) (map[string]string, error) {
	t.Helper()
	top, err := util.ToRenderValues(c, values, r.release, nil)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: r.strict}.RenderWithContext(t.Context(), c, top)
}

func (r rendering) objects(t *testing.T, c *chart.Chart, values map[string]any) ([]unstructured.Unstructured, error) {
	t.Helper()
	files, err := r.files(t, c, values)
	if err != nil {
		return nil, err
	}
	var objects []unstructured.Unstructured
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(path, ".yaml") {
			continue
		}
		for _, document := range strings.Split(files[path], "\n---\n") {
			var o unstructured.Unstructured
			if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
				t.Fatalf("%s: %v\n%s", path, err, document)
			}
			if len(o.Object) > 0 {
				objects = append(objects, o)
			}
		}
	}
	return objects, nil
}

func readValues(t *testing.T, path string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(content, &values); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return values
}

func text(t *testing.T, objects []unstructured.Unstructured) string {
	t.Helper()
	var out strings.Builder
	for _, o := range objects {
		content, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n" + string(content))
	}
	return out.String()
}

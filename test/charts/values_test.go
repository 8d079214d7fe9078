// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Whoever takes a value away, by null, gets what an empty value gives, or is told which value must be there.
func TestNullEmptiesAValueOrIsRefused(t *testing.T) {
	for _, name := range []string{operator, cluster} {
		c := load(t, name)
		paths := valuePaths(c.Values)
		if len(paths) < 3 {
			t.Fatalf("the values of %s are %v", name, paths)
		}
		for _, path := range paths {
			t.Run(name+"/"+strings.Join(path, "."), func(t *testing.T) {
				checkNull(t, c, path)
			})
		}
	}
}

func checkNull(t *testing.T, c *chart.Chart, path []string) {
	t.Helper()
	set := func(value any) ([]unstructured.Unstructured, error) {
		values := nested(path, value)
		if c.Name() == operator && path[0] != "crds" {
			values["crds"] = map[string]any{"install": false} // takes the time of all others
		}
		return rendering{release, false}.objects(t, c, values)
	}
	last := path[len(path)-1]
	got, err := set(nil)
	if err != nil {
		if !strings.Contains(err.Error(), "missing property '"+last+"'") {
			t.Fatalf("the error does not say that %s is missing: %v", last, err)
		}
		return
	}

	for _, o := range got {
		if where := null("", o.Object); where != "" {
			t.Errorf("%s %s says nothing at %s", o.GetKind(), o.GetName(), where)
		}
	}
	if len(path) > 1 && (path[0] == "cluster" || path[0] == "resources" || path[len(path)-2] == "labels") {
		return // what stands in these is the user's, and an entry that is empty is still one
	}
	empty, err := set(emptied(valueAt(c.Values, path)))
	if err != nil {
		t.Fatalf("null is taken, but an empty value is not: %v", err)
	}
	if diff := cmp.Diff(text(t, empty), text(t, got)); diff != "" {
		t.Errorf("null is not the same as empty (-empty +null):\n%s", diff)
	}
}

// valuePaths are the ways to all values of a chart, those of maps and of what they hold.
func valuePaths(values map[string]any) [][]string {
	var paths [][]string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		paths = append(paths, []string{key})
		if inner, ok := values[key].(map[string]any); ok {
			for _, path := range valuePaths(inner) {
				paths = append(paths, append([]string{key}, path...))
			}
		}
	}
	return paths
}

func valueAt(values map[string]any, path []string) any {
	for _, key := range path[:len(path)-1] {
		values = values[key].(map[string]any)
	}
	return values[path[len(path)-1]]
}

// nested are values that say one thing.
func nested(path []string, value any) map[string]any {
	for _, key := range slices.Backward(path) {
		value = map[string]any{key: value}
	}
	return value.(map[string]any)
}

// emptied is the empty value of the same type, as it stands in a file of values: maps are emptied key by key.
func emptied(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key := range value {
			out[key] = nil
		}
		return out
	case []any:
		return []any{}
	case bool:
		return false
	default:
		return ""
	}
}

// null is the path of a value that is null, "" if there is none.
func null(path string, value any) string {
	switch value := value.(type) {
	case nil:
		return path
	case map[string]any:
		for key, inner := range value {
			if where := null(path+"."+key, inner); where != "" {
				return where
			}
		}
	case []any:
		for _, inner := range value {
			if where := null(path+"[]", inner); where != "" {
				return where
			}
		}
	}
	return ""
}

// A release may have any name that Helm allows: of 53 characters, with dots, of digits alone.
func TestReleasesOfAnyNameGetNamesOfTheirOwn(t *testing.T) {
	long := strings.Repeat("a-very-long-name-", 3)[:50]
	values := map[string]any{
		"metrics":    map[string]any{"serviceMonitor": map[string]any{"enabled": true}},
		"dashboards": map[string]any{"enabled": true},
		"crds":       map[string]any{"install": false},
	}
	taken, leases := map[string]string{}, map[string]string{}
	for _, name := range []string{
		"mq", "rocketmq-operator", "123", "1e3", "mq.test", "mq-test", "true",
		long, long + "-1", long + "-2", long + "a", strings.Repeat("x", 35) + "-rocketmq-operator",
	} {
		options := release
		options.Name, options.Namespace = name, "1e3"
		objects, err := rendering{options, true}.objects(t, load(t, operator), values)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, o := range objects {
			checkName(t, name, o)
			full := o.GetKind() + " " + o.GetName()
			if other, found := taken[full]; found {
				t.Errorf("the releases %s and %s both have the %s", other, name, full)
			}
			taken[full] = name
			if o.GetKind() != "Deployment" {
				continue
			}
			lease := leaseOf(t, o)
			if other, found := leases[lease]; found {
				t.Errorf("the releases %s and %s both have the Lease %q, so one of them does nothing", name, other, lease)
			}
			leases[lease] = name
		}
	}
	if leases[""] != operator {
		t.Errorf("the release %q has the Lease of the manifests", leases[""])
	}
}

// leaseOf a Deployment; "" for the one of the manifests.
func leaseOf(t *testing.T, o unstructured.Unstructured) (name string) {
	t.Helper()
	var d appsv1.Deployment
	decode(t, encode(t, o.Object), &d)
	for _, argument := range d.Spec.Template.Spec.Containers[0].Args {
		if id, found := strings.CutPrefix(argument, "--leader-election-id="); found {
			name = id
		}
	}
	return name
}

// checkName as an API server does; Services, Deployments and what is made of them are held to labels of DNS.
func checkName(t *testing.T, release string, o unstructured.Unstructured) {
	t.Helper()
	if problems := validation.IsDNS1123Label(o.GetName()); o.GetKind() == "Service" && len(problems) > 0 {
		t.Errorf("release %s: %s %q: %v", release, o.GetKind(), o.GetName(), problems)
	}
	if problems := validation.IsDNS1123Subdomain(o.GetName()); len(problems) > 0 {
		t.Errorf("release %s: %s %q: %v", release, o.GetKind(), o.GetName(), problems)
	}
	if instance := o.GetLabels()["app.kubernetes.io/instance"]; instance != release {
		t.Errorf("release %s: %s %s belongs to the instance %q", release, o.GetKind(), o.GetName(), instance)
	}
	for label, value := range o.GetLabels() {
		if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
			t.Errorf("release %s: %s %s has the label %s=%s: %v", release, o.GetKind(), o.GetName(), label, value, problems)
		}
	}
}

func TestReleasesThatNoClusterCanBeNamedAfter(t *testing.T) {
	for _, c := range []struct {
		release string
		refused bool
	}{
		{"shop", false},
		{"a-name-of-24-characters-", true},
		{"a-name-of-24-characters1", false},
		{"a-name-of-25-characters-1", true},
		{"shop.eu", true},
		{"1shop", true},
	} {
		options := release
		options.Name = c.release
		objects, err := rendering{options, true}.objects(t, load(t, cluster), nil)
		switch {
		case !c.refused && (err != nil || objects[0].GetName() != c.release):
			t.Errorf("release %s: %v %v", c.release, objects, err)
		case c.refused && (err == nil || !strings.Contains(err.Error(), "--set name=")):
			t.Errorf("release %s: error %v, want one that says how to name the cluster", c.release, err)
		}
		if _, err := (rendering{options, true}).objects(t, load(t, cluster), map[string]any{"name": "shop"}); err != nil {
			t.Errorf("release %s, with a name of the cluster's own: %v", c.release, err)
		}
	}
}

// The Deployment finds its pods, and Helm its objects, whatever labels are added. What the objects say counts more than what all say.
func TestLabelsOfUsersDoNotReplaceTheCharts(t *testing.T) {
	for _, label := range []string{
		"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "helm.sh/chart",
	} {
		for _, c := range []struct{ chart, value string }{
			{operator, "commonLabels"},
			{operator, "podLabels"},
			{operator, "metrics.podMonitor.labels"},
			{operator, "alerts.labels"},
			{cluster, "labels"},
		} {
			if c.chart == cluster && label != "helm.sh/chart" && label != "app.kubernetes.io/managed-by" {
				continue
			}
			values := nested(append(strings.Split(c.value, "."), label), "mine")
			enable(values, "metrics", "podMonitor")
			enable(values, "alerts")
			if c.chart == cluster {
				values = nested([]string{"labels", label}, "mine")
			}
			if _, err := render(t, c.chart, values); err == nil || !strings.Contains(err.Error(), "the chart itself sets the label "+label) {
				t.Errorf("%s: {%s: mine} in %s: error %v, want one that names the label", c.value, label, c.chart, err)
			}
		}
	}

	objects := mustRender(t, map[string]any{
		"commonLabels": map[string]any{"team": "all", "tier": "infra"}, "podLabels": map[string]any{"team": "pods"},
		"commonAnnotations": map[string]any{"kubectl.kubernetes.io/default-container": "sidecar"},
	})
	var deployment unstructured.Unstructured
	decode(t, find(t, objects, "Deployment", operator), &deployment.Object)
	template, _, _ := unstructured.NestedStringMap(deployment.Object, "spec", "template", "metadata", "labels")
	if template["team"] != "pods" || template["tier"] != "infra" || deployment.GetLabels()["team"] != "all" {
		t.Errorf("labels %v, of the pods %v", deployment.GetLabels(), template)
	}
}

// enable what lies at a path of values.
func enable(values map[string]any, path ...string) {
	for _, key := range path {
		if values[key] == nil {
			values[key] = map[string]any{}
		}
		values = values[key].(map[string]any)
	}
	values["enabled"] = true
}

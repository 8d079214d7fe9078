// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// deployments of a cluster, for the function lookup of templates.
type deployments []runtime.Object

func (d deployments) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	kinds := fake.NewSimpleDynamicClient(clientscheme.Scheme, d...)
	return kinds.Resource(schema.FromAPIVersionAndKind(apiVersion, kind).GroupVersion().WithResource(strings.ToLower(kind) + "s")), true, nil
}

func running(namespace, name, image string, args ...string) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	d.Spec.Replicas = new(int32(1))
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "operator", Image: image, Args: args}}
	return d
}

func labelled(d *appsv1.Deployment) *appsv1.Deployment {
	d.Labels = map[string]string{"app.kubernetes.io/name": operator}
	return d
}

func stopped(d *appsv1.Deployment) *appsv1.Deployment {
	d.Spec.Replicas = new(int32(0))
	return d
}

// TestTheChartRefusesASecondOperator of the same namespaces, and says how to have both.
func TestTheChartRefusesASecondOperator(t *testing.T) {
	const stop = "kubectl --namespace mq scale deployment mine --replicas=0"
	all := labelled(running("mq", "mine", "op:v1", "--leader-elect"))
	few := labelled(running("mq", "mine", "op:v1", "--watch-namespaces=bank,shop"))
	for _, c := range []struct {
		name, values string
		other        *appsv1.Deployment
		problem      string // none if it is installed
	}{
		{"both for all", "", all, "Deployment mine in namespace mq is an operator that would manage the same resources, in all namespaces"},
		{"both for all, with a way out", "", all, stop},
		{"that for all", "watchNamespaces: [shop]", all, "in namespace shop"},
		{"this for all", "", few, "in namespace bank, shop"},
		{"one namespace of two", "watchNamespaces: [shop, till]", few, "in namespace shop. Give each operator watchNamespaces of its own"},
		{"namespaces of their own", "watchNamespaces: [till]", few, ""},
		{"both for all, and meant", "allowSecondOperator: true", all, ""},
		{"a stopped one", "", stopped(labelled(running("mq", "mine", "op:v1"))), ""},
		{"itself, at an upgrade", "", labelled(running(release.Namespace, operator, "op:v1")), ""},
		{"another one in its namespace", "", labelled(running(release.Namespace, "mine", "op:v1")), "Deployment mine"},
		{"another namespace without the right to look there", "{watchNamespaces: [shop], crds: {install: false}}", all, ""},
		{"its namespace without the right to look elsewhere", "{watchNamespaces: [shop], crds: {install: false}}",
			labelled(running(release.Namespace, "mine", "op:v1")), "Deployment mine"},
		{"the predecessor", "", running("mq", "mine", "docker.io/apache/rocketmq-operator:0.3.0"), "apache/rocketmq-operator runs in namespace mq"},
		{"the stopped predecessor", "", stopped(running("mq", "mine", "apache/rocketmq-operator:0.3.0")), ""},
		{"somebody else's Deployment", "", running("mq", "mine", "nginx"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var values map[string]any
			must(t, yaml.Unmarshal([]byte(c.values), &values))
			chart := load(t, operator)
			top, err := util.ToRenderValues(chart, values, release, nil)
			must(t, err)
			_, err = engine.RenderWithClientProvider(chart, top, deployments{c.other})
			if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("error %v, want %q", err, c.problem)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package monitor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/monitor"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

const podMonitors = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: PodMonitor, plural: podmonitors}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// TestPodMonitors: they come with the Prometheus Operator, follow the settings, and are nobody else's.
func TestPodMonitors(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	c, said := w.NewClient(), &world.Events{}
	env := &pass.Env{Client: c, Reader: c, Recorder: said, Installation: desired.Installation{Domain: "cluster.local"}}
	w.CreateYAML(world.Controllers + world.Static + world.Proxies)
	names := map[desired.Component]string{desired.Controller: "ctl", desired.Broker: "b", desired.Proxy: "p"}
	installed := &monitor.Installed{}
	pass := func() {
		t.Helper()
		for _, kind := range monitor.Kinds() {
			result, err := (&monitor.Reconciler{Env: env, Kind: kind, Installed: installed}).Reconcile(t.Context(),
				ctrl.Request{NamespacedName: w.Key(names[kind.Component])})
			if err != nil || result.RequeueAfter == 0 {
				t.Fatalf("%s: %v, again after %s", kind.Component, err, result.RequeueAfter)
			}
		}
	}
	monitors := func() map[string]unstructured.Unstructured {
		t.Helper()
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(desired.PodMonitorKind())
		err := c.List(t.Context(), list, client.InNamespace(w.Namespace))
		if meta.IsNoMatchError(err) {
			return nil
		}
		w.Must(err)
		out := map[string]unstructured.Unstructured{}
		for _, item := range list.Items {
			out[item.GetName()] = item
		}
		return out
	}
	pass()
	if got := monitors(); len(got) > 0 {
		t.Errorf("without the kind: %v", got)
	}

	crd := &unstructured.Unstructured{}
	w.Must(utilyaml.Unmarshal([]byte(podMonitors), &crd.Object))
	w.Must(w.Create(t.Context(), crd))
	t.Cleanup(func() { _ = w.Delete(context.WithoutCancel(t.Context()), crd) })
	installed = &monitor.Installed{} // a minute later
	for deadline := time.Now().Add(time.Minute); monitors() == nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the kind is not served")
		}
	}
	w.Must(c.Create(t.Context(), func() client.Object { // somebody else's
		theirs := desired.PodMonitor(world.Get[v1alpha1.Controller](w, "ctl"), desired.Controller)
		theirs.SetLabels(nil)
		return theirs
	}()))
	pass()
	got := monitors()
	if _, has := got["p-proxy"]; has || len(got) != 2 {
		t.Errorf("monitors %v, want those of the brokers and the stranger: a 5.4.0 proxy has no metrics", got)
	}
	if text := strings.Join(said.All(), "\n"); !strings.Contains(text, `ctl NoPodMonitor`) || !strings.Contains(text, "somebody else") {
		t.Errorf("the stranger is not told of: %s", text)
	}
	mine := got["b-broker"]
	selector, _, _ := unstructured.NestedStringMap(mine.Object, "spec", "selector", "matchLabels")
	if selector[desired.LabelInstance] != "b" || selector[desired.LabelComponent] != "broker" || !metav1.IsControlledBy(&mine, world.Get[v1alpha1.Broker](w, "b")) {
		t.Errorf("monitor %v", mine.Object)
	}
	pass()
	if again := monitors()["b-broker"]; again.GetResourceVersion() != mine.GetResourceVersion() {
		t.Error("an equal PodMonitor was written again")
	}

	world.Edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Image = "apache/rocketmq:5.5.0" })
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.Config = map[string]v1alpha1.ConfigValue{"metricsExporterType": "DISABLE"}
	})
	world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) {
		ctl.Spec.Config = map[string]v1alpha1.ConfigValue{"metricsPromExporterPort": "5558"}
	})
	pass()
	got = monitors()
	_, proxy := got["p-proxy"]
	_, stranger := got["ctl-controller"]
	if len(got) != 2 || !proxy || !stranger {
		t.Errorf("monitors %v, want those of the proxy and the stranger", got)
	}
}

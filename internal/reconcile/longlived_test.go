// SPDX-License-Identifier: Apache-2.0

package reconcile_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestNewOperator: a newer operator restarts nothing. Pods that are made after it came have its agent.
func TestNewOperator(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers + world.Proxies + world.Exporter)
	old := w.Start()
	old.Until(w.AllReady)
	old.Shutdown()
	before := w.UIDs()

	w.Agent = "agent:2"
	o := w.Start()
	o.Until(w.AllReady)
	o.Finish()
	o.CheckSilence()
	w.CheckReplaced(before)
	for _, set := range []string{"ns", "ctl", "b-0", "b-1"} {
		if agent := agentOf(&world.Get[appsv1.StatefulSet](w, set).Spec.Template.Spec); agent != "agent:2" {
			t.Errorf("the next pod of %s gets agent %s", set, agent)
		}
	}
	if agent := agentOf(&world.Get[appsv1.Deployment](w, "p").Spec.Template.Spec); agent != "agent:1" {
		t.Errorf("the proxies were changed to agent %s, and so restarted", agent)
	}

	w.Must(w.Delete(t.Context(), world.Get[corev1.Pod](w, "b-0-1")))
	o.Until(w.AllReady)
	if agent := agentOf(&world.Get[corev1.Pod](w, "b-0-1").Spec); agent != "agent:2" {
		t.Errorf("b-0-1 came back with agent %s", agent)
	}
}

// TestAgentGone: the image that pods were made with is in no registry any more, and their nodes are gone.
func TestAgentGone(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers + world.Proxies)
	old := w.Start()
	old.Until(w.AllReady)
	w.Missing = "agent:1"
	var proxy string
	for _, pod := range w.Pods() {
		if pod.Labels[desired.LabelComponent] == string(desired.Proxy) {
			proxy = pod.Name
		}
	}
	for _, pod := range []string{"b-1-1", proxy} {
		w.Must(w.Delete(t.Context(), world.Get[corev1.Pod](w, pod)))
	}
	old.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, "b-1-1 cannot start (ImagePullBackOff")
	old.Shutdown()

	w.Agent = "agent:2"
	w.Start().Until(w.AllReady)
}

func agentOf(spec *corev1.PodSpec) string { return spec.InitContainers[0].Image }

// TestRestartOnRequest: kubectl rollout restart replaces every pod once, one after the other.
func TestRestartOnRequest(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	before := w.UIDs()
	set := world.Get[appsv1.StatefulSet](w, "b-0")
	restart := client.RawPatch("application/merge-patch+json",
		[]byte(`{"spec": {"template": {"metadata": {"annotations": {"`+pods.RestartAnnotation+`": "2026-01-01T00:00:00Z"}}}}}`))
	w.Must(w.Patch(t.Context(), set, restart, client.FieldOwner("kubectl-rollout")))
	o.Until(func() string {
		now := w.UIDs()
		if now["b-0-0"] == before["b-0-0"] || now["b-0-1"] == before["b-0-1"] {
			return "not every pod of b-0 was restarted"
		}
		return w.AllReady()
	})
	w.CheckReplaced(before, "b-0-0", "b-0-1")
	o.Finish()
	o.CheckSilence()
}

// TestMissingConfigMap: one that is away for a moment stops no pod, of no kind, and its name is told meanwhile.
func TestMissingConfigMap(t *testing.T) {
	t.Parallel()
	const configMap = "{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}, data: {k: v}}\n---\n"
	env := "env: [{name: EXTRA, valueFrom: {configMapKeyRef: {name: extra, key: k}}}]"
	using := func(manifest string) string {
		if strings.Contains(manifest, "spec: {") {
			return strings.Replace(manifest, "spec: {", "spec: {"+env+", ", 1)
		}
		return strings.Replace(manifest, "}}\n", "}, spec: {"+env+"}}\n", 1)
	}
	w := world.New(t)
	var all string
	for _, manifest := range []string{world.NameService, world.Controllers, world.Brokers, world.ProxyOf("p", "{replicas: 1}"), world.Exporter} {
		all += using(manifest)
	}
	w.CreateYAML(all)
	o := w.Start()
	resources := []string{"NameService ns", "Controller ctl", "Broker b", "Proxy p", "Exporter exp"}
	missing := "spec.env[0].valueFrom.configMapKeyRef.name: ConfigMap extra does not exist. Create it, or correct the name"
	o.Reports("NameService ns", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingReference+": "+missing)
	o.Finish()
	if made := w.Pods(); len(made) > 0 {
		t.Fatalf("made %d pods that cannot start", len(made))
	}
	w.CreateYAML(configMap)
	o.Until(w.AllReady)
	before := w.UIDs()

	var away corev1.ConfigMap
	away.Name, away.Namespace = "extra", w.Namespace
	w.Must(w.Delete(t.Context(), &away))
	for _, resource := range resources {
		o.Reports(resource, v1alpha1.ConditionMissingReference, metav1.ConditionTrue, missing)
		o.Reports(resource, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, missing)
		o.Reports(resource, v1alpha1.ConditionReady, metav1.ConditionTrue)
	}
	w.CreateYAML(configMap)
	o.Until(w.AllReady)
	w.CheckReplaced(before)
	for _, resource := range resources {
		if said := w.Condition(resource, v1alpha1.ConditionMissingReference, metav1.ConditionTrue); said != "" {
			t.Errorf("%s still says %s", resource, said)
		}
	}

	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Env[0].ValueFrom.ConfigMapKeyRef.Name = "Extra.." })
	o.Reports("NameService ns", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionInvalidSpec,
		`spec.env[0].valueFrom.configMapKeyRef.name: "Extra.." is no name of a ConfigMap`)
}

// TestClaimName: the data volume keeps its name when the spec gives it another one, or none.
func TestClaimName(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + strings.Replace(world.Brokers, "spec: {", "spec: {storageMode: StorageClass, "+
		"volumeClaimTemplates: [{metadata: {name: broker-storage}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}], ", 1))
	o := w.Start()
	o.Until(w.AllReady)
	before := w.UIDs()
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.VolumeClaimTemplates, b.Spec.Storage = nil, &v1alpha1.Storage{}
		b.Spec.DrainSeconds = new(int32(7))
	})
	o.Until(func() string {
		for name, uid := range w.UIDs() {
			if strings.HasPrefix(name, "b-") && before[name] == uid {
				return name + " was not replaced"
			}
		}
		return w.AllReady()
	})
	for _, pod := range w.Pods() {
		if pod.Labels[desired.LabelComponent] != string(desired.Broker) {
			continue
		}
		volumes := map[string]bool{}
		for _, volume := range pod.Spec.Volumes {
			volumes[volume.Name] = true
		}
		for _, mount := range pod.Spec.Containers[0].VolumeMounts {
			if !volumes[mount.Name] {
				t.Errorf("%s mounts %s, which it does not have", pod.Name, mount.Name)
			}
		}
	}
	o.CheckSilenceFor(time.Second)
}

// TestDefaultImageStays: what names no image keeps the one that it got, whatever a new operator's default is.
func TestDefaultImageStays(t *testing.T) {
	t.Parallel()
	const other = "apache/rocketmq:5.5.0"
	w := world.New(t)
	w.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: ns}, spec: {nameServiceImage: ''}}")
	o := w.Start()
	o.Until(w.AllReady)
	ns := world.Get[v1alpha1.NameService](w, "ns")
	if ns.Status.Image != v1alpha1.DefaultImage {
		t.Fatalf("status.image is %q", ns.Status.Image)
	}
	ns.Status.Image = other // as if an operator of another default had made it
	w.Must(w.Status().Update(t.Context(), ns))
	o.Until(func() string {
		if image := world.Get[appsv1.StatefulSet](w, "ns").Spec.Template.Spec.Containers[0].Image; image != other {
			return "the name server is to run " + image
		}
		return w.AllReady()
	})
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.NameServiceImage = v1alpha1.DefaultImage })
	o.Until(func() string {
		if image := world.Get[appsv1.StatefulSet](w, "ns").Spec.Template.Spec.Containers[0].Image; image != v1alpha1.DefaultImage {
			return "the name server is to run " + image
		}
		return w.AllReady()
	})
}

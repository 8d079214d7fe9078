// SPDX-License-Identifier: Apache-2.0

package tool_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// given are the properties that the tool's first container gets.
func given(w *world.World, deployment string) map[string]any {
	w.Helper()
	container := world.Get[appsv1.Deployment](w, deployment).Spec.Template.Spec.Containers[0]
	for _, e := range container.Env {
		if e.Name == "SPRING_APPLICATION_JSON" {
			var out map[string]any
			w.Must(json.Unmarshal([]byte(e.Value), &out))
			return out
		}
	}
	w.Fatalf("no properties in %+v", container.Env)
	return nil
}

// TestForeignImages: an image that somebody gave to a Deployment or StatefulSet is put back, and the resource goes on as it is.
func TestForeignImages(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Exporter)
	o := w.Start()
	o.Until(w.AllReady)
	image := world.Get[appsv1.Deployment](w, "exp").Spec.Template.Spec.Containers[0].Image
	server := world.Get[appsv1.StatefulSet](w, "ns").Spec.Template.Spec.Containers[0].Image
	world.Edit(w, "exp", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "example.com/x:1" })
	world.Edit(w, "ns", func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = "apache/rocketmq:5.3.0" })
	o.Until(func() string {
		d, s := world.Get[appsv1.Deployment](w, "exp").Spec.Template.Spec.Containers[0], world.Get[appsv1.StatefulSet](w, "ns").Spec.Template.Spec.Containers[0]
		if d.Image != image || s.Image != server {
			return "the images are " + d.Image + " and " + s.Image
		}
		return w.AllReady()
	})
	o.CheckEvent("Updated", "somebody gave Deployment exp the image example.com/x:1, and the operator put "+image+" back")
	o.CheckSilence()
}

// TestToolsFollowNameServers: another number of name servers rolls every tool, and nothing else about them does.
func TestToolsFollowNameServers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Console + world.Exporter + world.Registry)
	o := w.Start()
	o.Until(w.AllReady)
	before := map[string]types.UID{}
	for _, pod := range w.Pods() {
		before[pod.Name] = pod.UID
	}
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(3)) })
	o.Until(w.AllReady)
	o.Finish()
	domain := ".ns-nameserver-headless." + w.Namespace + ".svc.cluster.local:9876"
	want := "ns-0" + domain + ";ns-1" + domain + ";ns-2" + domain
	if got := given(w, "con")["rocketmq.config.namesrvAddrs"]; !cmp.Equal(got, any([]any{want})) {
		t.Errorf("the dashboard asks %v", got)
	}
	if got := given(w, "exp")["rocketmq.config.namesrvAddr"]; got != want {
		t.Errorf("the exporter asks %v", got)
	}
	if got := world.Get[corev1.ConfigMap](w, "sr-schemaregistry-config").Data["rocketmq.properties"]; !strings.Contains(got, "storage.rocketmq.namesrv="+want+"\n") {
		t.Errorf("the schema registry stores in:\n%s", got)
	}
	for _, pod := range w.Pods() {
		if !strings.HasPrefix(pod.Name, "ns-") && before[pod.Name] == pod.UID {
			t.Errorf("%s still has the old name servers", pod.Name)
		}
	}
	if got := world.Get[v1alpha1.Console](w, "con").Status.NameServers; strings.Join(got, ";") != want {
		t.Errorf("status.nameServers %v", got)
	}

	// A second NameService breaks nothing that runs.
	w.CreateYAML(strings.Replace(world.NameService, "name: ns", "name: ns2", 1))
	o.Until(w.AllReady)
	o.CheckSilence()
}

// TestToolRollout: the old pod serves until the new one does; paused keeps it for good.
func TestToolRollout(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Console + world.Exporter)
	o := w.Start()
	o.Until(w.AllReady)

	// One that was evicted stays where it is, and is nobody's business any more.
	for _, pod := range w.Pods() {
		if pod.Labels[desired.LabelInstance] == "exp" {
			pod.ObjectMeta = metav1.ObjectMeta{Namespace: pod.Namespace, Name: "exp-evicted", Labels: pod.Labels, Annotations: pod.Annotations}
			w.Must(w.Create(t.Context(), &pod))
			pod.Status.Phase = corev1.PodFailed
			w.Must(w.Status().Update(t.Context(), &pod))
		}
	}
	w.Starting["exp"] = true
	world.Edit(w, "exp", func(e *v1alpha1.Exporter) { e.Spec.Image = "exporter:2" })
	o.Reports("Exporter exp", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonReplacingPods, "1 pod runs an older spec", "is starting")
	w.Starting["exp"] = false
	o.Until(w.AllReady)

	world.Edit(w, "con", func(c *v1alpha1.Console) { c.Spec.Paused, c.Spec.Image = true, "dashboard:2" })
	o.Reports("Console con", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused, "spec.paused")
	if image := world.Get[appsv1.Deployment](w, "con").Spec.Template.Spec.Containers[0].Image; image == "dashboard:2" {
		t.Error("paused, and the Deployment was given the new image")
	}
	world.Edit(w, "con", func(c *v1alpha1.Console) { c.Spec.Paused = false })
	o.Until(w.AllReady)
	if image := world.Get[appsv1.Deployment](w, "con").Spec.Template.Spec.Containers[0].Image; image != "dashboard:2" {
		t.Errorf("the image is %s", image)
	}

	// Not wanted any more: the Ingress goes, what is stored stays.
	world.Edit(w, "con", func(c *v1alpha1.Console) { c.Spec.Ingress, c.Spec.Storage = nil, nil })
	o.Until(w.AllReady)
	o.Finish()
	err := w.Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "con"}, &networkingv1.Ingress{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the Ingress is still there: %v", err)
	}
	world.Get[corev1.PersistentVolumeClaim](w, "con-data")
	o.CheckSilence()
	world.Edit(w, "con", func(c *v1alpha1.Console) { c.Spec.Replicas = new(int32(0)) })
	o.Reports("Console con", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "replicas is 0")
}

// TestToolHandEdits: what others change or delete is put back.
func TestToolHandEdits(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Console)
	o := w.Start()
	o.Until(w.AllReady)
	world.Edit(w, "con", func(s *corev1.Service) { s.Spec.Ports[0].Port = 1 })
	world.Edit(w, "con", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(5)) })
	w.Must(w.Delete(t.Context(), world.Get[networkingv1.Ingress](w, "con")))
	o.Until(func() string {
		if world.Get[corev1.Service](w, "con").Spec.Ports[0].Port != 8082 || *world.Get[appsv1.Deployment](w, "con").Spec.Replicas != 1 {
			return "Service or Deployment is not as it was"
		}
		return w.AllReady()
	})
	world.Get[networkingv1.Ingress](w, "con")
	w.Must(w.Delete(t.Context(), world.Get[appsv1.Deployment](w, "con")))
	o.Until(w.AllReady)
	o.CheckSilence()

	// The volume outlives the resource, and one of the same name takes it up again, whatever cluster it is of.
	claim := world.Get[corev1.PersistentVolumeClaim](w, "con-data")
	if len(claim.OwnerReferences) > 0 {
		t.Errorf("the volume would go with %v", claim.OwnerReferences)
	}
	w.Must(w.Delete(t.Context(), world.Get[v1alpha1.Console](w, "con")))
	for _, object := range []client.Object{world.Get[appsv1.Deployment](w, "con"), world.Get[corev1.Service](w, "con"), world.Get[networkingv1.Ingress](w, "con")} {
		w.Must(w.Delete(t.Context(), object)) // as the garbage collector does
	}
	w.Starting["con"] = true
	w.CreateYAML(strings.Replace(world.Console, "{name: con}", "{name: con, labels: {rocketmq.apache.org/cluster: prod}}", 1))
	o.Reports("Console con", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "is starting", `Secret "users"`, "users.properties")
	w.Starting["con"] = false
	o.Until(w.AllReady)
	if again := world.Get[corev1.PersistentVolumeClaim](w, "con-data"); again.UID != claim.UID {
		t.Error("the volume is another one")
	}
	o.CheckSilence()
}

// TestConsoleDeployment: the predecessor's Deployment, which is there already, is taken on as it is and follows every field
// of the resource.
func TestConsoleDeployment(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateFile("../../desired/testdata/console-predecessor.in.yaml")
	owner := metav1.NewControllerRef(world.Get[v1alpha1.Console](w, "console"), v1alpha1.GroupVersion.WithKind("Console"))
	old := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "console", Namespace: w.Namespace, OwnerReferences: []metav1.OwnerReference{*owner}}}
	labels := map[string]string{"app": "rocketmq-console"}
	old.Spec.Replicas, old.Spec.Selector = new(int32(1)), &metav1.LabelSelector{MatchLabels: labels}
	old.Spec.Template.Labels = labels
	old.Spec.Template.Spec.Containers = []corev1.Container{{Name: "console", Image: "old", Env: []corev1.EnvVar{{Name: "JAVA_OPTS", Value: "-Drocketmq.namesrv.addr=gone:9876"}}}}
	w.Must(w.Create(t.Context(), old, client.FieldOwner("predecessor")))
	w.CreateYAML(world.NameService)
	o := w.Start()
	o.Until(w.AllReady)
	o.Finish()
	d := world.Get[appsv1.Deployment](w, "console")
	if d.UID != old.UID || *d.Spec.Replicas != 2 || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType || len(d.Spec.Template.Spec.Containers) != 2 {
		t.Errorf("the Deployment is not what the resource asks for: %+v", d.Spec)
	}
	o.CheckSilence()

	deployment := func(change func(d *appsv1.Deployment)) {
		world.Edit(w, "console", func(c *v1alpha1.Console) {
			var d appsv1.Deployment
			w.Must(json.Unmarshal(c.Spec.ConsoleDeployment.Raw, &d))
			change(&d)
			text, err := json.Marshal(d)
			w.Must(err)
			c.Spec.ConsoleDeployment = world.Raw(string(text))
		})
	}
	deployment(func(d *appsv1.Deployment) {
		d.Spec.Strategy, d.Spec.MinReadySeconds = appsv1.DeploymentStrategy{}, 3
		d.Spec.Template.Spec.Tolerations = nil
		d.Spec.Template.Spec.Containers[0].LivenessProbe = nil
		d.Spec.Template.Spec.Containers = d.Spec.Template.Spec.Containers[:1]
	})
	o.Until(func() string {
		d := world.Get[appsv1.Deployment](w, "console")
		pod := d.Spec.Template.Spec
		if d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || d.Spec.MinReadySeconds != 3 || len(pod.Tolerations) > 0 ||
			len(pod.Containers) != 1 || pod.Containers[0].LivenessProbe != nil {
			return "the Deployment does not follow"
		}
		return w.AllReady()
	})
	deployment(func(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType })
	o.Until(func() string {
		if world.Get[appsv1.Deployment](w, "console").Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			return "the strategy does not follow"
		}
		return w.AllReady()
	})
	o.CheckSilence()
}

// TestToolConfigMap: a ConfigMap that a tool reads rolls it.
func TestToolConfigMap(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML("{apiVersion: v1, kind: ConfigMap, metadata: {name: mine}, data: {k: v}}\n---\n" + world.NameService +
		strings.Replace(world.Exporter, "{name: exp}", "{name: exp}, spec: {env: [{name: E, valueFrom: {configMapKeyRef: {name: mine, key: k}}}]}", 1) +
		"{apiVersion: rocketmq.apache.org/v1alpha1, kind: Console, metadata: {name: con}, spec: {consoleDeployment: " +
		"{spec: {template: {spec: {containers: [{name: c, envFrom: [{configMapRef: {name: mine}}]}]}}}}}}")
	o := w.Manage()
	o.Until(w.AllReady)
	was := map[string]types.UID{}
	for _, pod := range w.Pods() {
		was[pod.Name] = pod.UID
	}
	world.Edit(w, "mine", func(c *corev1.ConfigMap) { c.Data["k"] = "w" })
	o.Until(func() string {
		for _, pod := range w.Pods() {
			if !strings.HasPrefix(pod.Name, "ns-") && was[pod.Name] == pod.UID {
				return pod.Name + " does not follow the ConfigMap"
			}
		}
		return w.AllReady()
	})

	// A changed or deleted object of ours wakes the operator, and so does a new name server.
	world.Edit(w, "con", func(s *corev1.Service) { s.Spec.Ports[0].Port = 1 })
	w.Must(w.Delete(t.Context(), world.Get[appsv1.Deployment](w, "exp")))
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(1)) })
	o.Until(func() string {
		var d appsv1.Deployment
		err := w.Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "exp"}, &d)
		if err != nil || world.Get[corev1.Service](w, "con").Spec.Ports[0].Port != 8082 || strings.Contains(given(w, "con")["rocketmq.config.namesrvAddr"].(string), "ns-1") {
			return "not put back"
		}
		return w.AllReady()
	})
}

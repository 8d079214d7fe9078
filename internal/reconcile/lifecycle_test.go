package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

const (
	ready    = v1alpha1.ConditionReady
	upToDate = v1alpha1.ConditionUpToDate
)

// names of the operator's objects in the namespace, as "Kind name".
func (w *world) names() []string {
	w.Helper()
	var out []string
	for key := range w.snapshot() {
		kind, name, _ := strings.Cut(key[strings.LastIndex(key, ".")+1:], " ")
		if kind != "Pod" {
			out = append(out, kind+" "+name)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(out, func(s string) bool { return s == "ConfigMap kube-root-ca.crt" })
}

// TestStages follows a cluster from nothing to ready: what exists and what is said at each stage.
func TestStages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, pod := range []string{"ns-0", "ns-1", "ctl-0", "ctl-1", "ctl-2", "b-0-0", "b-0-1", "b-1-0", "b-1-1"} {
		w.starting[pod] = true
	}
	o := w.start(-1)
	w.create(brokers)
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, "no NameService", "nameServiceRef")
	w.create(nameService)
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, "no Controller", "controllerRef")
	w.create(controllers)
	o.settled("NameService ns", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "ns-0 is starting", "ns-1 is starting")
	o.settled("Controller ctl", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "ctl-2 is starting")
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ReasonWaitingForNameServers, "NameService ns")
	if text := w.condition("Broker b", v1alpha1.ConditionMissingReference, metav1.ConditionTrue); text != "" {
		t.Errorf("a trouble that is over is still told: %s", text)
	}
	waiting := []string{
		"Broker b", "ConfigMap b-broker-config", "ConfigMap ctl-controller-config", "ConfigMap ns-nameserver-config", "Controller ctl",
		"NameService ns", "PodDisruptionBudget ctl-controller", "PodDisruptionBudget ns-nameserver", "Service b-broker-headless",
		"Service ctl-controller-headless", "Service ns-nameserver", "Service ns-nameserver-headless", "StatefulSet ctl", "StatefulSet ns",
	}
	if got := w.names(); !slices.Equal(got, waiting) {
		t.Errorf("while name servers start: %q", got)
	}
	w.starting["ns-1"] = false
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ReasonWaitingForControllers, "Controller ctl")
	o.settled("NameService ns", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "ns-0 is starting")
	ns := get[v1alpha1.NameService](w, "ns")
	if ns.Status.Size != 2 || ns.Status.ReadySize != 1 || ns.Status.Members != "1/2" || len(ns.Status.NameServers) != 2 || ns.Status.Selector == "" {
		t.Errorf("NameService status %+v", ns.Status)
	}
	w.starting["ns-0"], w.starting["ctl-1"] = false, false
	o.settled("NameService ns", ready, metav1.ConditionTrue)
	o.settled("Controller ctl", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady)
	o.until(func() string {
		if leader := get[v1alpha1.Controller](w, "ctl").Status.Leader; leader != "ctl-1" {
			return "leader " + leader
		}
		return ""
	})
	if slices.Contains(w.names(), "Service ctl-controller") {
		t.Error("the controllers' Service exists before all controllers are there")
	}
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "b-0-0 is starting", "b-1-1 is starting")
	w.starting["ctl-0"], w.starting["ctl-2"], w.starting["b-0-0"], w.starting["b-0-1"], w.starting["b-1-0"] = false, false, false, false, false
	o.settled("Controller ctl", ready, metav1.ConditionTrue)
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "b-1-1 is starting")
	o.until(func() string {
		if b := get[v1alpha1.Broker](w, "b"); b.Status.Members != "3/4" || b.Status.Masters != "b-0-0 b-1-0" {
			return fmt.Sprintf("status %+v", b.Status)
		}
		return ""
	})
	w.starting["b-1-1"] = false
	o.until(w.allReady)
	all := append(waiting, "Service ctl-controller", "StatefulSet b-0", "StatefulSet b-1", "PodDisruptionBudget b-0", "PodDisruptionBudget b-1",
		"ConfigMap b-0-metadata", "ConfigMap b-1-metadata")
	slices.Sort(all)
	if got := w.names(); !slices.Equal(got, all) {
		t.Errorf("in the end: %q", got)
	}

	b := get[v1alpha1.Broker](w, "b")
	if b.Status.Size != 2 || b.Status.Members != "4/4" || b.Status.NameServiceRef.Name != "ns" || b.Status.ControllerRef.Name != "ctl" || len(b.Status.Nodes) != 4 {
		t.Errorf("Broker status %+v", b.Status)
	}
	for g, group := range b.Status.Groups {
		for i, m := range group.Members {
			pod := fmt.Sprintf("b-%d-%d", g, i)
			wantRole, wantID := v1alpha1.RoleMaster, int64(0)
			if i > 0 {
				wantRole, wantID = v1alpha1.RoleSlave, int64(i)+1
			}
			if m.Pod != pod || m.Role != wantRole || m.BrokerID == nil || *m.BrokerID != wantID || !m.InSync ||
				m.Address != pod+".b-broker-headless."+w.namespace+".svc.cluster.local:10911" {
				t.Errorf("member %+v", m)
			}
			if role := get[corev1.Pod](w, pod).Labels[desired.LabelRole]; role != string(wantRole) {
				t.Errorf("pod %s has role label %q", pod, role)
			}
		}
	}
	config := get[corev1.ConfigMap](w, "b-broker-config").Data[settings.File]
	for _, want := range append(ns.Status.Addresses, get[v1alpha1.Controller](w, "ctl").Status.Addresses...) {
		if !strings.Contains(config, want) {
			t.Errorf("the brokers' settings lack %s:\n%s", want, config)
		}
	}
	for _, want := range []string{"b MasterElected: b-0-0", "ctl LeaderElected: ctl-1", "b Created: created StatefulSet b-1 with 2 pods"} {
		if !slices.ContainsFunc(o.events.all(), func(e string) bool { return strings.Contains(e, want) }) {
			t.Errorf("no event %q in %q", want, o.events.all())
		}
	}
	w.checkOwners()
	o.checkSilence()
}

// checkOwners: everything goes when its resource is deleted.
func (w *world) checkOwners() {
	w.Helper()
	owned := client.MatchingLabels{desired.LabelManagedBy: desired.ManagedBy}
	var services corev1.ServiceList
	var configs corev1.ConfigMapList
	var budgets policyv1.PodDisruptionBudgetList
	var sets appsv1.StatefulSetList
	for _, list := range []client.ObjectList{&services, &configs, &budgets, &sets} {
		w.must(w.List(w.Context(), list, client.InNamespace(w.namespace), owned))
	}
	check := func(object client.Object) {
		owner := metav1.GetControllerOf(object)
		if owner == nil || owner.APIVersion != v1alpha1.GroupVersion.String() || owner.Name != object.GetLabels()[desired.LabelInstance] {
			w.Errorf("%T %s belongs to %+v", object, object.GetName(), owner)
		}
	}
	for i := range services.Items {
		check(&services.Items[i])
	}
	for i := range configs.Items {
		check(&configs.Items[i])
	}
	for i := range budgets.Items {
		check(&budgets.Items[i])
	}
	for i := range sets.Items {
		check(&sets.Items[i])
	}
}

// TestChanges: each change of a spec reaches the objects, and the pods where it must, one at a time.
func TestChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	uids := func() map[string]string {
		out := map[string]string{}
		for _, pod := range w.pods() {
			out[pod.Name] = string(pod.UID)
		}
		return out
	}
	before := uids()

	// Sizes restart nobody.
	edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(3)) })
	o.until(func() string {
		if text := get[corev1.ConfigMap](w, "b-broker-config").Data[settings.File]; !strings.Contains(text, "ns-2.") {
			return "the brokers' settings lack the new name server"
		}
		for _, pod := range w.pods() {
			if told := w.told(pod.Name, "namesrvAddr"); pod.Labels[desired.LabelComponent] == string(desired.Broker) && !strings.Contains(told, "ns-2.") {
				return pod.Name + " was not told the new name server"
			}
		}
		return w.allReady()
	})
	edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(2)) })
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.ReplicaPerGroup = new(int32(2)) })
	o.until(func() string {
		if members := get[v1alpha1.Broker](w, "b").Status.Members; members != "6/6" {
			return "members " + members
		}
		if replicas := *get[appsv1.StatefulSet](w, "ns").Spec.Replicas; replicas != 2 {
			return fmt.Sprint(replicas, " name servers")
		}
		for _, pod := range w.pods() {
			if pod.Name == "ns-2" {
				w.must(w.Delete(t.Context(), &pod)) // as the StatefulSet controller would
			}
		}
		return w.allReady()
	})
	after := uids()
	for name, uid := range before {
		if after[name] != uid {
			t.Errorf("%s was replaced for nothing", name)
		}
	}

	// An image, for each kind; a property; a podTemplate. Slaves go before masters, and one group after the other.
	for _, change := range []struct {
		name   string
		change func()
		order  []string
	}{
		{"NameService image", func() {
			edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.NameServiceImage = "apache/rocketmq:5.5.0" })
		}, []string{"ns-1", "ns-0"}},
		{"Controller config", func() {
			edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.Config = map[string]v1alpha1.ConfigValue{"a": "b"} })
		}, []string{"ctl-2", "ctl-1", "ctl-0"}},
		{"Broker podTemplate", func() {
			edit(w, "b", func(b *v1alpha1.Broker) {
				b.Spec.PodTemplate = raw(`{"spec":{"terminationGracePeriodSeconds":500}}`)
			})
		}, []string{"b-0-2", "b-0-1", "b-0-0", "b-1-2", "b-1-1", "b-1-0"}},
	} {
		said := len(o.events.all())
		change.change()
		o.until(func() string { w.checkOneDown(); return w.allReady() })
		var order []string
		for _, event := range o.events.all()[said:] {
			if words := strings.Fields(event); words[1] == "ReplacingPod:" {
				order = append(order, strings.Trim(strings.Fields(event[strings.Index(event, "replacing pod "):])[2], ":"))
			}
		}
		if !slices.Equal(order, change.order) {
			t.Errorf("%s: order %v, want %v", change.name, order, change.order)
		}
	}
	if image := get[corev1.Pod](w, "ns-0").Spec.Containers[0].Image; image != "apache/rocketmq:5.5.0" {
		t.Errorf("image %s", image)
	}
	if grace := *get[corev1.Pod](w, "b-1-0").Spec.TerminationGracePeriodSeconds; grace != 500 {
		t.Errorf("grace period %d", grace)
	}
	o.checkSilence()
}

// checkOneDown: the pods of a component that are not there or not ready, at most one.
func (w *world) checkOneDown() {
	w.Helper()
	running := map[string]int{}
	for _, pod := range w.pods() {
		if pod.DeletionTimestamp == nil {
			running[pod.Labels[desired.LabelComponent]]++
		}
	}
	var sets appsv1.StatefulSetList
	w.must(w.List(w.Context(), &sets, client.InNamespace(w.namespace)))
	wanted := map[string]int{}
	for _, set := range sets.Items {
		wanted[set.Labels[desired.LabelComponent]] += int(*set.Spec.Replicas)
	}
	for component, n := range wanted {
		if running[component] < n-1 {
			w.Errorf("%d of %d pods of component %s run", running[component], n, component)
		}
	}
}

// TestPaused: objects follow the spec, pods do not, until the pause is over.
func TestPaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + static)
	o := w.start(-1)
	o.until(w.allReady)
	before := w.uids()
	set := func(paused bool) {
		env := []corev1.EnvVar{{Name: "A", Value: "b"}}
		edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Paused, ns.Spec.Env = paused, env })
		edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.Paused, ctl.Spec.Env = paused, env })
		edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Paused, b.Spec.Env = paused, env })
	}
	set(true)
	for resource, pods := range map[string]string{"NameService ns": "2 pods", "Controller ctl": "3 pods", "Broker b": "2 pods"} {
		o.settled(resource, upToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused, pods, "spec.paused is set")
		o.checkEvent(resource[strings.Index(resource, " ")+1:]+" RolloutPaused", pods)
	}
	o.checkSilence()
	w.checkReplaced(before)
	set(false)
	o.until(w.allReady)
	w.checkReplaced(before, "b-0-0", "b-0-1", "ctl-0", "ctl-1", "ctl-2", "ns-0", "ns-1")
}

// TestFailover: a master that dies is replaced; status, labels and events follow.
func TestFailover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	w.starting["b-1-0"] = true
	w.must(w.Delete(t.Context(), get[corev1.Pod](w, "b-1-0")))
	o.until(func() string {
		if b := get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-0 b-1-1" || b.Status.Members != "3/4" {
			return fmt.Sprintf("masters %s, members %s", b.Status.Masters, b.Status.Members)
		}
		return ""
	})
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "b-1-0 is starting")
	w.starting["b-1-0"] = false
	o.until(w.allReady)
	for pod, want := range map[string]string{"b-1-0": "slave", "b-1-1": "master"} {
		if role := get[corev1.Pod](w, pod).Labels[desired.LabelRole]; role != want {
			t.Errorf("pod %s has role label %q, want %s", pod, role, want)
		}
	}
	if !slices.ContainsFunc(o.events.all(), func(e string) bool { return strings.Contains(e, "b-1-1 is master of b-1 after b-1-0") }) {
		t.Errorf("no event of the change in %q", o.events.all())
	}
}

// TestDelete: a resource that is gone, or going, is left alone.
func TestDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + static)
	o := w.start(-1)
	o.until(w.allReady)
	for _, object := range []client.Object{get[v1alpha1.Broker](w, "b"), get[v1alpha1.Controller](w, "ctl"), get[v1alpha1.NameService](w, "ns")} {
		object.SetFinalizers([]string{"example.com/hold"})
		w.must(w.Update(t.Context(), object))
		w.must(w.Delete(t.Context(), object))
	}
	w.must(w.Delete(t.Context(), get[corev1.Service](w, "b-broker-headless")))
	o.checkSilence()
}

// TestHandEdits are put back.
func TestHandEdits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService)
	o := w.start(-1)
	o.until(w.allReady)
	edit(w, "ns-nameserver", func(s *corev1.Service) {
		s.Spec.Ports[0].Port, s.Spec.Selector[desired.LabelInstance] = 1234, "other"
	})
	edit(w, "ns-nameserver-config", func(c *corev1.ConfigMap) { c.Data[settings.File] = "{}" })
	edit(w, "ns", func(s *appsv1.StatefulSet) {
		s.Spec.Replicas, s.Spec.UpdateStrategy.Type = new(int32(5)), appsv1.RollingUpdateStatefulSetStrategyType
	})
	w.must(w.Delete(t.Context(), get[policyv1.PodDisruptionBudget](w, "ns-nameserver")))
	w.must(o.pass())
	service, set := get[corev1.Service](w, "ns-nameserver"), get[appsv1.StatefulSet](w, "ns")
	if service.Spec.Ports[0].Port != 9876 || len(service.Spec.Ports) != 1 || service.Spec.Selector[desired.LabelInstance] != "ns" {
		t.Errorf("Service %+v", service.Spec)
	}
	if *set.Spec.Replicas != 2 || set.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType {
		t.Errorf("StatefulSet %d %s", *set.Spec.Replicas, set.Spec.UpdateStrategy.Type)
	}
	if text := get[corev1.ConfigMap](w, "ns-nameserver-config").Data[settings.File]; text == "{}" {
		t.Error("ConfigMap as edited")
	}
	get[policyv1.PodDisruptionBudget](w, "ns-nameserver")
	o.until(w.allReady)
	o.checkSilence()
}

// TestConfigMapContent: what a referenced ConfigMap holds is part of the spec.
func TestConfigMapContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + `
{apiVersion: v1, kind: ConfigMap, metadata: {name: env}, data: {BROKER_MEM: "-Xmx1g"}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: base}, data: {broker-common.conf: "a=b"}}
---
apiVersion: rocketmq.apache.org/v1alpha1
kind: Broker
metadata: {name: b}
spec:
  replicaPerGroup: 0
  env: [{name: BROKER_MEM, valueFrom: {configMapKeyRef: {name: env, key: BROKER_MEM}}}]
  volumes: [{name: base, configMap: {name: base}}]
`)
	o := w.start(-1)
	o.until(w.allReady)
	for name, key := range map[string]string{"env": "BROKER_MEM", "base": "broker-common.conf"} {
		before := get[corev1.Pod](w, "b-0-0").UID
		edit(w, name, func(c *corev1.ConfigMap) { c.Data[key] += " " })
		o.until(func() string {
			if get[appsv1.StatefulSet](w, "b-0").Spec.Template.Annotations[v1alpha1.AnnotationHash] == "" {
				return "no hash"
			}
			var pod corev1.Pod
			err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "b-0-0"}, &pod)
			if err != nil || pod.UID == before {
				return "the pod was not replaced after a change of ConfigMap " + name
			}
			return w.allReady()
		})
	}
}

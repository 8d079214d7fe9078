// SPDX-License-Identifier: Apache-2.0

package reconcile_test

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
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestStages follows a cluster from nothing to ready: what exists and what is said at each stage.
func TestStages(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for _, pod := range []string{"ns-0", "ns-1", "ctl-0", "ctl-1", "ctl-2", "b-0-0", "b-0-1", "b-1-0", "b-1-1"} {
		w.Starting[pod] = true
	}
	o := w.Start()
	w.CreateYAML(world.Brokers)
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, "no NameService", "nameServiceRef")
	w.CreateYAML(world.NameService)
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, "no Controller", "controllerRef")
	w.CreateYAML(world.Controllers)
	o.Reports("NameService ns", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "ns-0 is starting", "ns-1 is starting")
	o.Reports("Controller ctl", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "ctl-2 is starting")
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForNameServers, "NameService ns")
	if text := w.Condition("Broker b", v1alpha1.ConditionMissingReference, metav1.ConditionTrue); text != "" {
		t.Errorf("a trouble that is over is still told: %s", text)
	}
	waiting := []string{
		"Broker b", "ConfigMap b-broker-config", "ConfigMap ctl-controller-config", "ConfigMap ns-nameserver-config", "Controller ctl",
		"NameService ns", "PodDisruptionBudget ctl-controller", "PodDisruptionBudget ns-nameserver", "Service b-broker-headless",
		"Service ctl-controller-headless", "Service ns-nameserver", "Service ns-nameserver-headless", "StatefulSet ctl", "StatefulSet ns",
	}
	if got := w.Names(); !slices.Equal(got, waiting) {
		t.Errorf("while name servers start: %q", got)
	}
	w.Starting["ns-1"] = false
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForControllers, "Controller ctl")
	o.Reports("NameService ns", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "ns-0 is starting")
	ns := world.Get[v1alpha1.NameService](w, "ns")
	if ns.Status.Size != 2 || ns.Status.ReadySize != 1 || ns.Status.Members != "1/2" || len(ns.Status.NameServers) != 2 || ns.Status.Selector == "" {
		t.Errorf("NameService status %+v", ns.Status)
	}
	w.Starting["ns-0"], w.Starting["ctl-1"] = false, false
	o.Reports("NameService ns", v1alpha1.ConditionReady, metav1.ConditionTrue)
	o.Reports("Controller ctl", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady)
	o.Until(func() string {
		if leader := world.Get[v1alpha1.Controller](w, "ctl").Status.Leader; leader != "ctl-1" {
			return "leader " + leader
		}
		return ""
	})
	if slices.Contains(w.Names(), "Service ctl-controller") {
		t.Error("the controllers' Service exists before all controllers are there")
	}
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "b-0-0 is starting", "b-1-1 is starting")
	w.Starting["ctl-0"], w.Starting["ctl-2"], w.Starting["b-0-0"], w.Starting["b-0-1"], w.Starting["b-1-0"] = false, false, false, false, false
	o.Reports("Controller ctl", v1alpha1.ConditionReady, metav1.ConditionTrue)
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "b-1-1 is starting")
	o.Until(func() string {
		if b := world.Get[v1alpha1.Broker](w, "b"); b.Status.Members != "3/4" || b.Status.Masters != "b-0-0 b-1-0" {
			return fmt.Sprintf("status %+v", b.Status)
		}
		return ""
	})
	w.Starting["b-1-1"] = false
	o.Until(w.AllReady)
	all := append(waiting, "Service ctl-controller", "StatefulSet b-0", "StatefulSet b-1", "PodDisruptionBudget b-0", "PodDisruptionBudget b-1",
		"ConfigMap b-0-metadata", "ConfigMap b-1-metadata")
	slices.Sort(all)
	if got := w.Names(); !slices.Equal(got, all) {
		t.Errorf("in the end: %q", got)
	}

	b := world.Get[v1alpha1.Broker](w, "b")
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
				m.Address != pod+".b-broker-headless."+w.Namespace+".svc.cluster.local:10911" {
				t.Errorf("member %+v", m)
			}
			if role := world.Get[corev1.Pod](w, pod).Labels[desired.LabelRole]; role != string(wantRole) {
				t.Errorf("pod %s has role label %q", pod, role)
			}
		}
	}
	config := world.Get[corev1.ConfigMap](w, "b-broker-config").Data[settings.File]
	for _, want := range append(ns.Status.Addresses, world.Get[v1alpha1.Controller](w, "ctl").Status.Addresses...) {
		if !strings.Contains(config, want) {
			t.Errorf("the brokers' settings lack %s:\n%s", want, config)
		}
	}
	for _, want := range []string{"b MasterElected: b-0-0", "ctl LeaderElected: ctl-1", "b Created: created StatefulSet b-1 with 2 pods"} {
		if !slices.ContainsFunc(o.Events(), func(e string) bool { return strings.Contains(e, want) }) {
			t.Errorf("no event %q in %q", want, o.Events())
		}
	}
	checkOwners(w)
	o.CheckSilence()
}

// checkOwners: everything goes when its resource is deleted.
func checkOwners(w *world.World) {
	w.Helper()
	owned := client.MatchingLabels{desired.LabelManagedBy: desired.ManagedBy}
	var services corev1.ServiceList
	var configs corev1.ConfigMapList
	var budgets policyv1.PodDisruptionBudgetList
	var sets appsv1.StatefulSetList
	for _, list := range []client.ObjectList{&services, &configs, &budgets, &sets} {
		w.Must(w.List(w.Context(), list, client.InNamespace(w.Namespace), owned))
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
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	uids := func() map[string]string {
		out := map[string]string{}
		for _, pod := range w.Pods() {
			out[pod.Name] = string(pod.UID)
		}
		return out
	}
	before := uids()

	// Sizes restart nobody.
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(3)) })
	o.Until(func() string {
		if text := world.Get[corev1.ConfigMap](w, "b-broker-config").Data[settings.File]; !strings.Contains(text, "ns-2.") {
			return "the brokers' settings lack the new name server"
		}
		for _, pod := range w.Pods() {
			if told := w.MQ.Property(pod.Name, "namesrvAddr"); pod.Labels[desired.LabelComponent] == string(desired.Broker) && !strings.Contains(told, "ns-2.") {
				return pod.Name + " was not told the new name server"
			}
		}
		return w.AllReady()
	})
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(2)) })
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.ReplicaPerGroup = new(int32(2)) })
	o.Until(func() string {
		if members := world.Get[v1alpha1.Broker](w, "b").Status.Members; members != "6/6" {
			return "members " + members
		}
		if replicas := *world.Get[appsv1.StatefulSet](w, "ns").Spec.Replicas; replicas != 2 {
			return fmt.Sprint(replicas, " name servers")
		}
		for _, pod := range w.Pods() {
			if pod.Name == "ns-2" {
				w.Must(w.Delete(t.Context(), &pod)) // as the StatefulSet controller would
			}
		}
		return w.AllReady()
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
			world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.NameServiceImage = "apache/rocketmq:5.5.0" })
		}, []string{"ns-1", "ns-0"}},
		{"Controller config", func() {
			world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.Config = map[string]v1alpha1.ConfigValue{"a": "b"} })
		}, []string{"ctl-2", "ctl-1", "ctl-0"}},
		{"Broker podTemplate", func() {
			world.Edit(w, "b", func(b *v1alpha1.Broker) {
				b.Spec.PodTemplate = world.Raw(`{"spec":{"terminationGracePeriodSeconds":500}}`)
			})
		}, []string{"b-0-2", "b-0-1", "b-0-0", "b-1-2", "b-1-1", "b-1-0"}},
	} {
		said := len(o.Events())
		change.change()
		o.Until(func() string { checkOneDown(w); return w.AllReady() })
		var order []string
		for _, event := range o.Events()[said:] {
			if words := strings.Fields(event); words[1] == "ReplacingPod:" {
				order = append(order, strings.Trim(strings.Fields(event[strings.Index(event, "replacing pod "):])[2], ":"))
			}
		}
		if !slices.Equal(order, change.order) {
			t.Errorf("%s: order %v, want %v", change.name, order, change.order)
		}
	}
	if image := world.Get[corev1.Pod](w, "ns-0").Spec.Containers[0].Image; image != "apache/rocketmq:5.5.0" {
		t.Errorf("image %s", image)
	}
	if grace := *world.Get[corev1.Pod](w, "b-1-0").Spec.TerminationGracePeriodSeconds; grace != 500 {
		t.Errorf("grace period %d", grace)
	}
	o.CheckSilence()
}

// checkOneDown: the pods of a component that are not there or not ready, at most one.
func checkOneDown(w *world.World) {
	w.Helper()
	running := map[string]int{}
	for _, pod := range w.Pods() {
		if pod.DeletionTimestamp == nil {
			running[pod.Labels[desired.LabelComponent]]++
		}
	}
	var sets appsv1.StatefulSetList
	w.Must(w.List(w.Context(), &sets, client.InNamespace(w.Namespace)))
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
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Static)
	o := w.Start()
	o.Until(w.AllReady)
	before := w.UIDs()
	set := func(paused bool) {
		env := []corev1.EnvVar{{Name: "A", Value: "b"}}
		world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Paused, ns.Spec.Env = paused, env })
		world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.Paused, ctl.Spec.Env = paused, env })
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Paused, b.Spec.Env = paused, env })
	}
	set(true)
	for resource, pods := range map[string]string{"NameService ns": "2 pods", "Controller ctl": "3 pods", "Broker b": "2 pods"} {
		o.Reports(resource, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused, pods, "spec.paused is set")
		o.CheckEvent(resource[strings.Index(resource, " ")+1:]+" RolloutPaused", pods)
	}
	o.CheckSilence()
	w.CheckReplaced(before)
	set(false)
	o.Until(w.AllReady)
	w.CheckReplaced(before, "b-0-0", "b-0-1", "ctl-0", "ctl-1", "ctl-2", "ns-0", "ns-1")
}

// TestDelete: a resource that is gone, or going, is left alone.
func TestDelete(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Static)
	o := w.Start()
	o.Until(w.AllReady)
	for _, object := range []client.Object{world.Get[v1alpha1.Broker](w, "b"), world.Get[v1alpha1.Controller](w, "ctl"), world.Get[v1alpha1.NameService](w, "ns")} {
		object.SetFinalizers([]string{"example.com/hold"})
		w.Must(w.Update(t.Context(), object))
		w.Must(w.Delete(t.Context(), object))
	}
	w.Must(w.Delete(t.Context(), world.Get[corev1.Service](w, "b-broker-headless")))
	o.CheckSilence()
}

// TestNodeLost: pods on a node that does not answer.
func TestNodeLost(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"}}
	w.Must(w.Create(t.Context(), node))
	setNode := func(status corev1.ConditionStatus) {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}
		w.Must(w.Status().Update(t.Context(), node))
	}
	setNode(corev1.ConditionTrue)
	w.Node = node.Name
	w.CreateYAML(world.NameService + world.Controllers + strings.Replace(world.Brokers, "size: 2", "size: 1", 1))
	o := w.Start()
	o.Until(w.AllReady)
	setNode(corev1.ConditionUnknown)
	o.CheckSilence() // as long as the pods answer, the node's word does not count
	w.Starting["ns-1"], w.Starting["ctl-1"], w.Starting["b-0-1"] = true, true, true
	for resource, pod := range map[string]string{"NameService ns": "ns-1", "Controller ctl": "ctl-1", "Broker b": "b-0-1"} {
		o.Reports(resource, v1alpha1.ConditionNodeLost, metav1.ConditionTrue, pod, node.Name, "node.kubernetes.io/out-of-service")
	}
	o.CheckSilence()
	setNode(corev1.ConditionTrue)
	clear(w.Starting)
	o.Until(w.AllReady)
	if text := w.Condition("Broker b", v1alpha1.ConditionNodeLost, metav1.ConditionTrue); text != "" {
		t.Errorf("still NodeLost %q", text)
	}
}

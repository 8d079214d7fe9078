// SPDX-License-Identifier: Apache-2.0

package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestProxyStages follows a proxy that came before everything else.
func TestProxyStages(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for _, name := range []string{"ns-0", "ns-1", "b-0-0", "b-0-1", "p"} {
		w.Starting[name] = true
	}
	o := w.Start()
	w.CreateYAML(world.Proxies)
	o.Reports("Proxy p", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, "no Broker", "brokerRef")
	w.CreateYAML(world.Static)
	o.Reports("Proxy p", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForNameServers, "Broker b has no name servers yet")
	w.CreateYAML(world.NameService)
	o.Reports("Proxy p", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForNameServers, "no name server has answered yet: ns-nameserver")
	w.Starting["ns-0"], w.Starting["ns-1"] = false, false
	o.Reports("Proxy p", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForBrokers, "cluster b has no broker")
	for _, name := range w.Names() {
		if strings.HasSuffix(name, " p") && !strings.HasPrefix(name, "Proxy") || strings.Contains(name, "p-proxy") {
			t.Errorf("without brokers there is %s", name)
		}
	}
	w.Starting["b-0-0"], w.Starting["b-0-1"] = false, false
	o.Reports("Proxy p", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "is starting")
	w.Starting["p"] = false
	o.Until(w.AllReady)
	for _, want := range []string{"Deployment p", "Service p-proxy", "ConfigMap p-proxy-config", "PodDisruptionBudget p-proxy"} {
		if !slices.Contains(w.Names(), want) {
			t.Errorf("there is no %s: %q", want, w.Names())
		}
	}
	host := "p-proxy." + w.Namespace + ".svc.cluster.local"
	s := world.Get[v1alpha1.Proxy](w, "p").Status
	if s.Members != "1/1" || s.Replicas != 1 || s.ReadyReplicas != 1 || s.Selector == "" || s.ClusterName != "b" || s.BrokerRef.Name != "b" ||
		s.NameServiceRef.Name != "ns" || s.GRPCAddress != host+":8081" || s.RemotingAddress != host+":8080" || s.ExternalAddress != "" ||
		!slices.Equal(s.NameServers, []string{"ns-nameserver." + w.Namespace + ".svc.cluster.local:9876"}) {
		t.Errorf("status %+v", s)
	}
	if text := w.Condition("Proxy p", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue); !strings.Contains(text, "metrics") {
		t.Errorf("nothing says that there are no metrics: %q", text)
	}

	// Brokers and name servers that go and come are no business of a proxy that runs.
	was := world.Get[appsv1.Deployment](w, "p").Generation
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(1)) })
	w.Starting["b-0-0"], w.Starting["b-0-1"] = true, true
	o.Until(func() string {
		if w.Condition("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse) == "" {
			return "the brokers are still there"
		}
		return ""
	})
	if text := w.Condition("Proxy p", v1alpha1.ConditionReady, metav1.ConditionTrue); text == "" || world.Get[appsv1.Deployment](w, "p").Generation != was {
		t.Errorf("the proxies are disturbed: %q", text)
	}
}

// TestProxyReferences: which cluster a proxy serves.
func TestProxyReferences(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Start()
	w.CreateYAML(world.NameService + world.OneBroker("b", "main") + world.OneBroker("c", "main") + world.ProxyOf("p", "{}"))
	o.Until(w.AllReady)
	if ref := world.Get[v1alpha1.Proxy](w, "p").Status.BrokerRef; ref == nil || ref.Name != "b" {
		t.Errorf("two pools of one cluster: %v", ref)
	}

	// A second cluster breaks nothing that runs, and makes newcomers ask.
	w.CreateYAML(world.OneBroker("d", "other") + world.ProxyOf("q", "{}"))
	o.Reports("Proxy q", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionAmbiguousReference, "(b, d)", "spec.brokerRef")
	if text := w.Condition("Proxy p", v1alpha1.ConditionReady, metav1.ConditionTrue); text == "" {
		t.Error("the first proxy follows another cluster now")
	}
	world.Edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.BrokerRef = &v1alpha1.ObjectReference{Name: "d"} })
	o.Until(w.AllReady)
	if s := world.Get[v1alpha1.Proxy](w, "q").Status; s.ClusterName != "other" {
		t.Errorf("cluster %q by a reference to its Broker", s.ClusterName)
	}
	world.Edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.BrokerRef = &v1alpha1.ObjectReference{Name: "e"} })
	o.Reports("Proxy q", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, `the Broker "e"`)
	world.Edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.BrokerRef, p.Spec.ClusterName = nil, "main" })
	o.Until(w.AllReady)
	if s := world.Get[v1alpha1.Proxy](w, "q").Status; s.ClusterName != "main" || s.BrokerRef != nil || s.NameServiceRef == nil || s.NameServiceRef.Name != "ns" {
		t.Errorf("status by the cluster's name: %+v", s)
	}

	// Name servers: those of the reference, the brokers' own, also if they were given by hand.
	world.Edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.NameServiceRef = &v1alpha1.ObjectReference{Name: "nobody"} })
	o.Reports("Proxy q", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, `the NameService "nobody"`)
	world.Edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.NameServiceRef = nil })
	o.Until(w.AllReady)
	ip := world.Get[corev1.Pod](w, "ns-0").Status.PodIP
	world.Edit(w, "c", func(b *v1alpha1.Broker) { b.Spec.NameServers = ip + ":9876" })
	w.CreateYAML(world.ProxyOf("r", "{brokerRef: {name: c}}"))
	o.Until(w.AllReady)
	if s := world.Get[v1alpha1.Proxy](w, "r").Status; !slices.Equal(s.NameServers, []string{ip + ":9876"}) || s.NameServiceRef != nil {
		t.Errorf("status with name servers given by hand: %+v", s)
	}

	w.Must(w.Delete(t.Context(), world.Get[v1alpha1.Proxy](w, "r")))
	w.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: second}}\n---\n" + world.ProxyOf("s", "{clusterName: main}"))
	o.Reports("Proxy s", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionAmbiguousReference, "ns, second", "spec.nameServiceRef")
}

// TestProxyChanges: new pods come before old ones go, and only where the spec asks for other ones.
func TestProxyChanges(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Start()
	w.CreateYAML(world.NameService + world.Static + world.ProxyOf("p", "{replicas: 2}"))
	o.Until(w.AllReady)
	pods := func() []string {
		var names []string
		for _, pod := range w.Pods() {
			if pod.Labels[desired.LabelComponent] == string(desired.Proxy) {
				names = append(names, pod.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	first := pods()

	// Without a restart: the Service, the number.
	world.Edit(w, "p", func(p *v1alpha1.Proxy) {
		p.Spec.Replicas = new(int32(3))
		p.Spec.Service = &v1alpha1.ProxyService{Type: corev1.ServiceTypeNodePort, Annotations: map[string]string{"a": "b"}}
	})
	o.Until(w.AllReady)
	if now := pods(); len(now) != 3 || !slices.Equal(now[:2], first) {
		t.Errorf("pods %q, were %q", now, first)
	}
	service := world.Get[corev1.Service](w, "p-proxy")
	if s := world.Get[v1alpha1.Proxy](w, "p").Status; s.ExternalAddress != fmt.Sprintf("<node>:%d", service.Spec.Ports[0].NodePort) || service.Annotations["a"] != "b" {
		t.Errorf("status %+v, Service %+v", s, service)
	}
	world.Edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Service.Type = corev1.ServiceTypeLoadBalancer })
	o.Until(func() string {
		if service := world.Get[corev1.Service](w, "p-proxy"); service.Spec.Type != corev1.ServiceTypeLoadBalancer {
			return "no load balancer"
		}
		return w.AllReady()
	})
	service = world.Get[corev1.Service](w, "p-proxy")
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.9"}}
	w.Must(w.Status().Update(t.Context(), service))
	o.Until(func() string {
		if s := world.Get[v1alpha1.Proxy](w, "p").Status; s.ExternalAddress != "192.0.2.9:8081" {
			return "address " + s.ExternalAddress
		}
		return ""
	})
	o.CheckSilence()

	// Paused: the wanted spec waits.
	world.Edit(w, "p", func(p *v1alpha1.Proxy) {
		p.Spec.Paused, p.Spec.Config = true, map[string]v1alpha1.ConfigValue{"traceOn": "true"}
	})
	o.Reports("Proxy p", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused, "3 pods")
	world.Edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Paused = false })
	o.Until(w.AllReady)
	if now := pods(); slices.ContainsFunc(now, func(name string) bool { return slices.Contains(first, name) }) {
		t.Errorf("pods %q are not new", now)
	}

	// A new spec whose pods do not start: the old ones serve, and the user sees why nothing moves.
	w.Starting["p"] = true
	world.Edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Image = "apache/rocketmq:5.5.0" })
	o.Reports("Proxy p", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonReplacingPods, "3 pods run an older spec", "is starting")
	if text := w.Condition("Proxy p", v1alpha1.ConditionReady, metav1.ConditionTrue); text == "" {
		t.Error("three proxies serve, and it is not Ready")
	}
	w.Starting["p"] = false
	o.Until(w.AllReady)
	if text := w.Condition("Proxy p", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue); text != "" {
		t.Errorf("5.5.0 has metrics: %s", text)
	}

	// What others do to its objects is put back.
	world.Edit(w, "p-proxy", func(s *corev1.Service) { s.Spec.Ports[0].Port = 1 })
	world.Edit(w, "p", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(7)) })
	o.Until(func() string {
		port, replicas := world.Get[corev1.Service](w, "p-proxy").Spec.Ports[0].Port, *world.Get[appsv1.Deployment](w, "p").Spec.Replicas
		if port != 8081 || replicas != 3 {
			return fmt.Sprintf("port %d, %d replicas", port, replicas)
		}
		return w.AllReady()
	})
}

// TestSystemTopic: brokers that come after the first proxy get the proxies' topic too, when they are open to clients.
func TestSystemTopic(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Start()
	w.CreateYAML(world.NameService + world.OneBroker("b", "main") + world.ProxyOf("p", "{}"))
	o.Until(w.AllReady)
	has := func(group string) bool {
		found := false
		w.MQ.Change(group, func(t *fakemq.Tables) {
			topic, known := t.Topics[world.SystemTopic]
			found = known && topic.ReadQueues == 8 && topic.WriteQueues == 8
		})
		return found
	}
	o.Until(func() string {
		if !has("b-0") {
			return "the proxy has not made its topic"
		}
		return ""
	})
	w.CreateYAML(world.OneBroker("later", "main") + world.OneBroker("stranger", "other"))
	o.Until(func() string {
		if !has("later-0") {
			return "the later pool has no system topic"
		}
		return w.AllReady()
	})
	if has("stranger-0") {
		t.Error("a broker of another cluster has the topic")
	}
	if said := strings.Join(o.Events(), "\n"); !strings.Contains(said, "p SystemTopicCreated: gave broker later-0") {
		t.Errorf("nobody was told:\n%s", said)
	}
	o.Finish()
	o.CheckSilence()
}

// TestProxyWatches: what a proxy depends on wakes the operator.
func TestProxyWatches(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Manage()
	w.CreateYAML(world.ProxyOf("p", "{env: [{name: A, valueFrom: {configMapKeyRef: {name: values, key: a}}}]}"))
	o.Until(func() string { return missing(w, "Proxy p", v1alpha1.ConditionMissingReference) })
	time.Sleep(time.Second) // the last wake-up of what happened until now
	w.CreateYAML("{apiVersion: v1, kind: ConfigMap, metadata: {name: values}, data: {a: one}}\n---\n" + world.NameService + world.Static)
	o.Until(w.AllReady)
	hash := func() string {
		return world.Get[appsv1.Deployment](w, "p").Spec.Template.Annotations[v1alpha1.AnnotationHash]
	}
	was := hash()
	world.Edit(w, "values", func(c *corev1.ConfigMap) { c.Data["a"] = "two" })
	o.Until(func() string {
		if hash() == was {
			return "the Deployment does not follow the ConfigMap"
		}
		return w.AllReady()
	})
	w.Must(w.Delete(t.Context(), world.Get[corev1.Service](w, "p-proxy")))
	o.Until(func() string {
		return exists(w, &corev1.Service{}, "p-proxy")
	})
}

func missing(w *world.World, resource, condition string) string {
	if w.Condition(resource, condition, metav1.ConditionTrue) == "" {
		return resource + " has no condition " + condition
	}
	return ""
}

func exists(w *world.World, object client.Object, name string) string {
	if err := w.Get(w.Context(), w.Key(name), object); err != nil {
		return err.Error()
	}
	return ""
}

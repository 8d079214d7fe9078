package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
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
)

// broker of a cluster, of one member, at the namespace's name servers.
func oneBroker(name, cluster string) string {
	return fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: %s}, spec: {replicaPerGroup: 0, clusterName: %s}}\n---\n", name, cluster)
}

func proxyNamed(name, spec string) string {
	return fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: Proxy, metadata: {name: %s}, spec: %s}\n---\n", name, spec)
}

// TestProxyStages follows a proxy that came before everything else.
func TestProxyStages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"ns-0", "ns-1", "b-0-0", "b-0-1", "p"} {
		w.starting[name] = true
	}
	o := w.start(-1)
	w.create(proxies)
	o.settled("Proxy p", ready, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, "no Broker", "brokerRef")
	w.create(static)
	o.settled("Proxy p", ready, metav1.ConditionFalse, v1alpha1.ReasonWaitingForNameServers, "Broker b has no name servers yet")
	w.create(nameService)
	o.settled("Proxy p", ready, metav1.ConditionFalse, v1alpha1.ReasonWaitingForNameServers, "no name server has answered yet: ns-nameserver")
	w.starting["ns-0"], w.starting["ns-1"] = false, false
	o.settled("Proxy p", ready, metav1.ConditionFalse, v1alpha1.ReasonWaitingForBrokers, "cluster b has no broker")
	for _, name := range w.names() {
		if strings.HasSuffix(name, " p") && !strings.HasPrefix(name, "Proxy") || strings.Contains(name, "p-proxy") {
			t.Errorf("without brokers there is %s", name)
		}
	}
	w.starting["b-0-0"], w.starting["b-0-1"] = false, false
	o.settled("Proxy p", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "is starting")
	w.starting["p"] = false
	o.until(w.allReady)
	for _, want := range []string{"Deployment p", "Service p-proxy", "ConfigMap p-proxy-config", "PodDisruptionBudget p-proxy"} {
		if !slices.Contains(w.names(), want) {
			t.Errorf("there is no %s: %q", want, w.names())
		}
	}
	host := "p-proxy." + w.namespace + ".svc.cluster.local"
	s := get[v1alpha1.Proxy](w, "p").Status
	if s.Members != "1/1" || s.Replicas != 1 || s.ReadyReplicas != 1 || s.Selector == "" || s.ClusterName != "b" || s.BrokerRef.Name != "b" ||
		s.NameServiceRef.Name != "ns" || s.GRPCAddress != host+":8081" || s.RemotingAddress != host+":8080" || s.ExternalAddress != "" ||
		!slices.Equal(s.NameServers, []string{"ns-nameserver." + w.namespace + ".svc.cluster.local:9876"}) {
		t.Errorf("status %+v", s)
	}
	if text := w.condition("Proxy p", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue); !strings.Contains(text, "metrics") {
		t.Errorf("nothing says that there are no metrics: %q", text)
	}

	// Brokers and name servers that go and come are no business of a proxy that runs.
	was := get[appsv1.Deployment](w, "p").Generation
	edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(1)) })
	w.starting["b-0-0"], w.starting["b-0-1"] = true, true
	o.until(func() string {
		if w.condition("Broker b", ready, metav1.ConditionFalse) == "" {
			return "the brokers are still there"
		}
		return ""
	})
	if text := w.condition("Proxy p", ready, metav1.ConditionTrue); text == "" || get[appsv1.Deployment](w, "p").Generation != was {
		t.Errorf("the proxies are disturbed: %q", text)
	}
}

// TestProxyReferences: which cluster a proxy serves.
func TestProxyReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.start(-1)
	w.create(nameService + oneBroker("b", "main") + oneBroker("c", "main") + proxyNamed("p", "{}"))
	o.until(w.allReady)
	if ref := get[v1alpha1.Proxy](w, "p").Status.BrokerRef; ref == nil || ref.Name != "b" {
		t.Errorf("two pools of one cluster: %v", ref)
	}

	// A second cluster breaks nothing that runs, and makes newcomers ask.
	w.create(oneBroker("d", "other") + proxyNamed("q", "{}"))
	o.settled("Proxy q", ready, metav1.ConditionFalse, v1alpha1.ConditionAmbiguousReference, "(b, d)", "spec.brokerRef")
	if text := w.condition("Proxy p", ready, metav1.ConditionTrue); text == "" {
		t.Error("the first proxy follows another cluster now")
	}
	edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.BrokerRef = &v1alpha1.ObjectReference{Name: "d"} })
	o.until(w.allReady)
	if s := get[v1alpha1.Proxy](w, "q").Status; s.ClusterName != "other" {
		t.Errorf("cluster %q by a reference to its Broker", s.ClusterName)
	}
	edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.BrokerRef = &v1alpha1.ObjectReference{Name: "e"} })
	o.settled("Proxy q", ready, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, `the Broker "e"`)
	edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.BrokerRef, p.Spec.ClusterName = nil, "main" })
	o.until(w.allReady)
	if s := get[v1alpha1.Proxy](w, "q").Status; s.ClusterName != "main" || s.BrokerRef != nil || s.NameServiceRef == nil || s.NameServiceRef.Name != "ns" {
		t.Errorf("status by the cluster's name: %+v", s)
	}

	// Name servers: those of the reference, the brokers' own, also if they were given by hand.
	edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.NameServiceRef = &v1alpha1.ObjectReference{Name: "nobody"} })
	o.settled("Proxy q", ready, metav1.ConditionFalse, v1alpha1.ConditionMissingReference, `the NameService "nobody"`)
	edit(w, "q", func(p *v1alpha1.Proxy) { p.Spec.NameServiceRef = nil })
	o.until(w.allReady)
	ip := get[corev1.Pod](w, "ns-0").Status.PodIP
	edit(w, "c", func(b *v1alpha1.Broker) { b.Spec.NameServers = ip + ":9876" })
	w.create(proxyNamed("r", "{brokerRef: {name: c}}"))
	o.until(w.allReady)
	if s := get[v1alpha1.Proxy](w, "r").Status; !slices.Equal(s.NameServers, []string{ip + ":9876"}) || s.NameServiceRef != nil {
		t.Errorf("status with name servers given by hand: %+v", s)
	}

	w.must(w.Delete(t.Context(), get[v1alpha1.Proxy](w, "r")))
	w.create("{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: second}}\n---\n" + proxyNamed("s", "{clusterName: main}"))
	o.settled("Proxy s", ready, metav1.ConditionFalse, v1alpha1.ConditionAmbiguousReference, "ns, second", "spec.nameServiceRef")
}

// TestProxyChanges: new pods come before old ones go, and only where the spec asks for other ones.
func TestProxyChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.start(-1)
	w.create(nameService + static + proxyNamed("p", "{replicas: 2}"))
	o.until(w.allReady)
	pods := func() []string {
		var names []string
		for _, pod := range w.pods() {
			if pod.Labels[desired.LabelComponent] == string(desired.Proxy) {
				names = append(names, pod.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	first := pods()

	// Without a restart: the Service, the number.
	edit(w, "p", func(p *v1alpha1.Proxy) {
		p.Spec.Replicas = new(int32(3))
		p.Spec.Service = &v1alpha1.ProxyService{Type: corev1.ServiceTypeNodePort, Annotations: map[string]string{"a": "b"}}
	})
	o.until(w.allReady)
	if now := pods(); len(now) != 3 || !slices.Equal(now[:2], first) {
		t.Errorf("pods %q, were %q", now, first)
	}
	service := get[corev1.Service](w, "p-proxy")
	if s := get[v1alpha1.Proxy](w, "p").Status; s.ExternalAddress != fmt.Sprintf("<node>:%d", service.Spec.Ports[0].NodePort) || service.Annotations["a"] != "b" {
		t.Errorf("status %+v, Service %+v", s, service)
	}
	edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Service.Type = corev1.ServiceTypeLoadBalancer })
	o.until(func() string {
		if service := get[corev1.Service](w, "p-proxy"); service.Spec.Type != corev1.ServiceTypeLoadBalancer {
			return "no load balancer"
		}
		return w.allReady()
	})
	service = get[corev1.Service](w, "p-proxy")
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.9"}}
	w.must(w.Status().Update(t.Context(), service))
	o.until(func() string {
		if s := get[v1alpha1.Proxy](w, "p").Status; s.ExternalAddress != "192.0.2.9:8081" {
			return "address " + s.ExternalAddress
		}
		return ""
	})
	o.checkSilence()

	// Paused: the wanted spec waits.
	edit(w, "p", func(p *v1alpha1.Proxy) {
		p.Spec.Paused, p.Spec.Config = true, map[string]v1alpha1.ConfigValue{"traceOn": "true"}
	})
	o.settled("Proxy p", upToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused, "3 pods")
	edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Paused = false })
	o.until(w.allReady)
	if now := pods(); slices.ContainsFunc(now, func(name string) bool { return slices.Contains(first, name) }) {
		t.Errorf("pods %q are not new", now)
	}

	// A new spec whose pods do not start: the old ones serve, and the user sees why nothing moves.
	w.starting["p"] = true
	edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Image = "apache/rocketmq:5.5.0" })
	o.settled("Proxy p", upToDate, metav1.ConditionFalse, v1alpha1.ReasonReplacingPods, "3 pods run an older spec", "is starting")
	if text := w.condition("Proxy p", ready, metav1.ConditionTrue); text == "" {
		t.Error("three proxies serve, and it is not Ready")
	}
	w.starting["p"] = false
	o.until(w.allReady)
	if text := w.condition("Proxy p", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue); text != "" {
		t.Errorf("5.5.0 has metrics: %s", text)
	}

	// What others do to its objects is put back.
	edit(w, "p-proxy", func(s *corev1.Service) { s.Spec.Ports[0].Port = 1 })
	edit(w, "p", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(7)) })
	o.until(func() string {
		port, replicas := get[corev1.Service](w, "p-proxy").Spec.Ports[0].Port, *get[appsv1.Deployment](w, "p").Spec.Replicas
		if port != 8081 || replicas != 3 {
			return fmt.Sprintf("port %d, %d replicas", port, replicas)
		}
		return w.allReady()
	})
}

// TestSystemTopic: brokers that come after the first proxy get the proxies' topic too, when they are open to clients.
func TestSystemTopic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.start(-1)
	w.create(nameService + oneBroker("b", "main") + proxyNamed("p", "{}"))
	o.until(w.allReady)
	has := func(group string) bool {
		found := false
		w.mq.inGroup(group, func(t *tables) {
			topic, known := t.topics[systemTopic]
			found = known && topic.ReadQueues == 8 && topic.WriteQueues == 8
		})
		return found
	}
	o.until(func() string {
		if !has("b-0") {
			return "the proxy has not made its topic"
		}
		return ""
	})
	w.create(oneBroker("later", "main") + oneBroker("stranger", "other"))
	o.until(func() string {
		if !has("later-0") {
			return "the later pool has no system topic"
		}
		return w.allReady()
	})
	if has("stranger-0") {
		t.Error("a broker of another cluster has the topic")
	}
	if said := strings.Join(o.events.all(), "\n"); !strings.Contains(said, "p SystemTopicCreated: broker later-0") {
		t.Errorf("nobody was told:\n%s", said)
	}
	o.settle()
	o.checkSilence()
}

// TestProxyWatches: what a proxy depends on wakes the operator.
func TestProxyWatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manage(t, w.mq, w)
	w.create(proxyNamed("p", "{env: [{name: A, valueFrom: {configMapKeyRef: {name: values, key: a}}}]}"))
	w.await(func() string { return missing(w, "Proxy p", v1alpha1.ConditionMissingReference) })
	time.Sleep(time.Second) // the last wake-up of what happened until now
	w.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: values}, data: {a: one}}\n---\n" + nameService + static)
	w.await(w.allReady)
	hash := func() string {
		return get[appsv1.Deployment](w, "p").Spec.Template.Annotations[v1alpha1.AnnotationHash]
	}
	was := hash()
	edit(w, "values", func(c *corev1.ConfigMap) { c.Data["a"] = "two" })
	w.await(func() string {
		if hash() == was {
			return "the Deployment does not follow the ConfigMap"
		}
		return w.allReady()
	})
	w.must(w.Delete(t.Context(), get[corev1.Service](w, "p-proxy")))
	w.await(func() string {
		return exists(w, &corev1.Service{}, "p-proxy")
	})
}

func missing(w *world, resource, condition string) string {
	if w.condition(resource, condition, metav1.ConditionTrue) == "" {
		return resource + " has no condition " + condition
	}
	return ""
}

func exists(w *world, object client.Object, name string) string {
	if err := w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, object); err != nil {
		return err.Error()
	}
	return ""
}

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
	w := newWorld(t)
	c, err := client.New(restConfig, client.Options{Scheme: w.Scheme()}) // with a mapper of its own, as the operator's
	w.must(err)
	said := &recorder{}
	env := &pass.Env{Client: c, Reader: c, Recorder: said, Installation: desired.Installation{Domain: "cluster.local"}}
	w.create(controllers + static + proxies)
	names := map[desired.Component]string{desired.Controller: "ctl", desired.Broker: "b", desired.Proxy: "p"}
	pass := func() {
		t.Helper()
		for _, kind := range monitor.Kinds() {
			result, err := (&monitor.Reconciler{Env: env, Kind: kind}).Reconcile(t.Context(),
				ctrl.Request{NamespacedName: client.ObjectKey{Namespace: w.namespace, Name: names[kind.Component]}})
			if err != nil || result.RequeueAfter == 0 {
				t.Fatalf("%s: %v, again after %s", kind.Component, err, result.RequeueAfter)
			}
		}
	}
	monitors := func() map[string]unstructured.Unstructured {
		t.Helper()
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(desired.PodMonitorKind())
		err := c.List(t.Context(), list, client.InNamespace(w.namespace))
		if meta.IsNoMatchError(err) {
			return nil
		}
		w.must(err)
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
	w.must(utilyaml.Unmarshal([]byte(podMonitors), &crd.Object))
	w.must(w.Create(t.Context(), crd))
	t.Cleanup(func() { _ = w.Delete(context.WithoutCancel(t.Context()), crd) })
	for deadline := time.Now().Add(patience); monitors() == nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the kind is not served")
		}
	}
	w.must(c.Create(t.Context(), func() client.Object { // somebody else's
		theirs := desired.PodMonitor(get[v1alpha1.Controller](w, "ctl"), desired.Controller)
		theirs.SetLabels(nil)
		return theirs
	}()))
	pass()
	got := monitors()
	if _, has := got["p-proxy"]; has || len(got) != 2 {
		t.Errorf("monitors %v, want those of the brokers and the stranger: a 5.4.0 proxy has no metrics", got)
	}
	if text := strings.Join(said.all(), "\n"); !strings.Contains(text, `ctl NoPodMonitor`) || !strings.Contains(text, "somebody else") {
		t.Errorf("the stranger is not told of: %s", text)
	}
	mine := got["b-broker"]
	selector, _, _ := unstructured.NestedStringMap(mine.Object, "spec", "selector", "matchLabels")
	if selector[desired.LabelInstance] != "b" || selector[desired.LabelComponent] != "broker" || !metav1.IsControlledBy(&mine, get[v1alpha1.Broker](w, "b")) {
		t.Errorf("monitor %v", mine.Object)
	}
	pass()
	if again := monitors()["b-broker"]; again.GetResourceVersion() != mine.GetResourceVersion() {
		t.Error("an equal PodMonitor was written again")
	}

	edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Image = "apache/rocketmq:5.5.0" })
	edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.Config = map[string]v1alpha1.ConfigValue{"metricsExporterType": "DISABLE"}
	})
	edit(w, "ctl", func(ctl *v1alpha1.Controller) {
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

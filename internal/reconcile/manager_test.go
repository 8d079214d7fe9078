package reconcile

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// manage runs the operator as its program does, with caches of our labels only, on some worlds. It returns what it
// wrote.
func manage(t *testing.T, servers fakemq.Servers, worlds ...*world) *writes {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	wrote := &writes{left: -1}
	restConfig := rest.CopyConfig(restConfig)
	restConfig.Wrap(wrote.wrap)
	var namespaces []string
	for _, w := range worlds {
		namespaces = append(namespaces, w.namespace)
	}
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme(t), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)}, // one for each test
		Cache:      Cache(namespaces),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = Setup(ctx, mgr, Options{
		Installation: desired.Installation{Domain: "cluster.local", AgentImage: "agent:1"},
		Namespaces:   namespaces, ObserveInterval: 10 * time.Second,
		RocketMQ: remoting.Options{Timeout: time.Second, Dialer: fakemq.Dialer(servers)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return wrote
}

// await lets everybody but the operator act, which runs by itself, until done says "".
func (w *world) await(done func() string) {
	w.Helper()
	var missing string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		w.turn()
		if missing = done(); missing == "" {
			return
		}
	}
	w.Fatalf("after %s: %s", patience, missing)
}

// TestWatches: what happens wakes the operator, so that nothing waits for a chance.
func TestWatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrote := manage(t, w.mq, w)
	w.create(brokers) // first, so that it waits for all others
	w.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: base}, data: {broker-common.conf: 'a=b'}}\n---\n" + nameService + controllers)
	w.await(w.allReady)

	// Converged: silent, though servers are asked all the time. The events of the last step are still on their way.
	time.Sleep(2 * time.Second)
	before := len(wrote.all())
	time.Sleep(12 * time.Second)
	if more := wrote.all()[before:]; len(more) > 0 {
		t.Errorf("converged, and wrote %v", more)
	}

	// Rolling changes go on by themselves.
	edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.PodAnnotations = map[string]string{"a": "b"} })
	edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.PodAnnotations = map[string]string{"a": "b"} })
	edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.Volumes = []corev1.Volume{{Name: "base", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "base"}}}}}
	})
	w.await(w.allReady)

	// A referenced ConfigMap, which is not ours.
	pods := []string{"b-0-0", "b-0-1", "b-1-0", "b-1-1"}
	was := map[string]types.UID{}
	for _, pod := range pods {
		was[pod] = get[corev1.Pod](w, pod).UID
	}
	edit(w, "base", func(c *corev1.ConfigMap) { c.Data["broker-common.conf"] = "a=c" })
	w.await(func() string {
		for _, pod := range pods { // all, because between two groups everything is ready too
			var now corev1.Pod
			if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: pod}, &now); err != nil || now.UID == was[pod] {
				return pod + " does not follow the ConfigMap"
			}
		}
		return w.allReady()
	})

	// Hand edits of ours.
	edit(w, "ns-nameserver", func(s *corev1.Service) { s.Spec.Ports[0].Port = 1 })
	edit(w, "b-broker-config", func(c *corev1.ConfigMap) { c.Data[settings.File] = "{}" })
	w.must(w.Delete(t.Context(), get[policyv1.PodDisruptionBudget](w, "b-1")))
	w.await(func() string {
		var budget policyv1.PodDisruptionBudget
		err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "b-1"}, &budget)
		port := get[corev1.Service](w, "ns-nameserver").Spec.Ports[0].Port
		if text := get[corev1.ConfigMap](w, "b-broker-config").Data[settings.File]; err != nil || port != 9876 || text == "{}" {
			return fmt.Sprintf("budget %v, port %d, settings %s", err, port, text)
		}
		return ""
	})

	// A master that dies. Which one it is depends on how many changes a pod's replacement was for.
	dead, others, _ := strings.Cut(get[v1alpha1.Broker](w, "b").Status.Masters, " ")
	heir := map[string]string{"b-0-0": "b-0-1", "b-0-1": "b-0-0"}[dead]
	w.starting[dead] = true
	w.must(w.Delete(t.Context(), get[corev1.Pod](w, dead)))
	w.await(func() string {
		if masters := get[v1alpha1.Broker](w, "b").Status.Masters; masters != heir+" "+others {
			return fmt.Sprintf("masters %s, want %s %s", masters, heir, others)
		}
		return ""
	})
	w.starting[dead] = false
	w.await(w.allReady)
}

// TestRemedies: the operator notices by itself that the user did what a condition asks for, though it watches nothing of
// what was in its way.
func TestRemedies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manage(t, w.mq, w)
	w.create(foreignService("ns-nameserver") + foreignStatefulSet("b-0-master", "broker_cr: b") + nameService + static)
	raised := func(resource, condition string) func() string {
		return func() string {
			if w.condition(resource, condition, metav1.ConditionTrue) == "" {
				return resource + " has no condition " + condition
			}
			return ""
		}
	}
	w.await(raised("NameService ns", v1alpha1.ConditionNameConflict))
	w.await(raised("Broker b", v1alpha1.ConditionLegacyResources))
	time.Sleep(2 * time.Second) // the last wake-up of what happened until now
	w.must(w.Delete(t.Context(), get[corev1.Service](w, "ns-nameserver")))
	w.must(w.Delete(t.Context(), get[appsv1.StatefulSet](w, "b-0-master")))
	w.await(w.allReady)
}

// TestUntoldIsToldAgain: a broker that refuses a live property is given it later, though no answer of a server changes meanwhile.
func TestUntoldIsToldAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manage(t, w.mq, w)
	w.create(nameService + static)
	w.await(w.allReady)
	w.mq.mu.Lock()
	w.mq.deaf["b-0-1"] = 3
	w.mq.mu.Unlock()
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = properties("fileReservedTime", "48") })
	w.await(func() string {
		if got := w.told("b-0-1", "fileReservedTime"); got != "48" {
			return "b-0-1 runs with fileReservedTime=" + got
		}
		return ""
	})
}

// TestBrokenClusterDelaysNoOther: name servers that take connections and never answer, in five clusters.
func TestBrokenClusterDelaysNoOther(t *testing.T) {
	t.Parallel()
	alone := newWorld(t)
	manage(t, alone.mq, alone)
	among := newWorld(t)
	among.mq.silent["192.0.2.1"] = true
	manage(t, among.mq, among)
	for i := range 5 {
		among.create(strings.Replace(strings.Replace(static, "name: b", fmt.Sprintf("name: broken-%d", i), 1), "size: 1",
			`nameServers: "192.0.2.1:9876;192.0.2.1:9877;192.0.2.1:9878"`, 1))
	}
	among.await(func() string {
		for i := range 5 {
			if text := among.condition(fmt.Sprintf("Broker broken-%d", i), ready, metav1.ConditionUnknown); !strings.Contains(text, "no name server answers") {
				return "not broken yet"
			}
		}
		return ""
	})
	worlds, took := map[string]*world{"alone": alone, "among": among}, map[string]time.Duration{}
	began := time.Now()
	for _, w := range worlds { // at the same time, so that both have the same machine
		w.create(nameService + static)
	}
	alone.await(func() string {
		among.turn()
		for name, w := range worlds {
			if _, over := took[name]; !over && w.condition("NameService ns", ready, metav1.ConditionTrue) != "" && w.condition("Broker b", ready, metav1.ConditionTrue) != "" {
				took[name] = time.Since(began)
			}
		}
		if len(took) < len(worlds) {
			return fmt.Sprintf("of both worlds only these are ready: %v", took)
		}
		return ""
	})
	if took["among"] > 2*took["alone"]+3*time.Second {
		t.Errorf("ready in %s beside broken clusters, in %s without", took["among"], took["alone"])
	}
}

// TestQuickstart: the example that the README shows.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manage(t, w.mq, w)
	for _, file := range []string{"brokers", "controllers", "name-servers"} {
		w.createFile("../../examples/quickstart/" + file + ".yaml")
	}
	w.await(w.allReady)
	if b := get[v1alpha1.Broker](w, "quickstart"); b.Status.Masters != "quickstart-0-0 quickstart-1-0" || b.Status.Members != "4/4" {
		t.Errorf("status %+v", b.Status)
	}
}

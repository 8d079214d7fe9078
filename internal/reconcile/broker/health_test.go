// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestTroubles: what stops a resource is a condition that says what to do, and what was found is not touched.
func TestTroubles(t *testing.T) {
	t.Parallel()
	for _, trouble := range []world.Trouble{
		{
			Name: "a StatefulSet of the name", Resource: "Broker b", Condition: v1alpha1.ConditionNameConflict,
			Objects: world.ForeignStatefulSet("b-1", "app: theirs") + world.NameService + world.Controllers + world.Brokers,
			Says:    []string{`StatefulSet "b-1"`}, Untouched: "StatefulSet b-1",
		},
		{
			Name: "the predecessor's brokers", Resource: "Broker b", Condition: v1alpha1.ConditionLegacyResources,
			Objects: world.ForeignStatefulSet("b-0-master", "app: broker, broker_cr: b") + world.ForeignStatefulSet("b-0-replica-1", "broker_cr: b") +
				world.NameService + world.Controllers + world.Brokers,
			Says: []string{"b-0-master, b-0-replica-1", "kubectl delete statefulset -n reconcile-", " b-0-master b-0-replica-1"}, Untouched: "StatefulSet b-0-master",
		},
		{
			Name: "the predecessor's broker image", Resource: "Broker b", Condition: v1alpha1.ConditionUnsupportedImage,
			Objects: world.NameService + strings.Replace(world.Static, "size: 1", "size: 1, brokerImage: 'apacherocketmq/rocketmq-broker:4.5.0-alpine-operator-0.3.0'", 1),
			Says:    []string{"spec.brokerImage", "apache/rocketmq:5.4.0"},
		},
		{
			Name: "a reference to nothing", Resource: "Broker b", Condition: v1alpha1.ConditionMissingReference,
			Objects: world.NameService + strings.Replace(world.Static, "size: 1", "nameServiceRef: {name: gone}", 1),
			Says:    []string{"spec.nameServiceRef", `"gone"`},
		},
		{
			Name: "a reference to nothing in another namespace", Resource: "Broker b", Condition: v1alpha1.ConditionMissingReference,
			Objects: strings.Replace(world.Static, "size: 1", "nameServiceRef: {name: ns, namespace: elsewhere}", 1),
			Says:    []string{"spec.nameServiceRef"},
		},
		{
			Name: "two candidates", Resource: "Broker b", Condition: v1alpha1.ConditionAmbiguousReference,
			Objects: world.NameService + strings.Replace(world.NameService, "name: ns", "name: ns2", 1) + world.Static,
			Says:    []string{"ns, ns2", "spec.nameServiceRef"},
		},
		{
			Name: "two volumes of one name", Resource: "Broker b", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + strings.Replace(world.Static, "size: 1", "volumes: [{name: rocketmq-run, emptyDir: {}}]", 1),
			Says:    []string{"spec.volumes", "rocketmq-run"},
		},
	} {
		trouble.Run(t)
	}
}

func TestKnownDefect(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + strings.Replace(world.Static, "size: 1", "brokerImage: 'apache/rocketmq:5.3.3'", 1))
	o := w.Start()
	o.Until(w.AllReady) // it is told, and stops nothing
	if text := w.Condition("Broker b", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue); !strings.Contains(text, "RocketMQ 5.3.3") || !strings.Contains(text, "use 5.4.0") {
		t.Errorf("KnownDefect %q", text)
	}
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "apache/rocketmq:5.4.0" })
	o.Until(w.AllReady)
	if text := w.Condition("Broker b", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue); text != "" {
		t.Errorf("still KnownDefect %q", text)
	}

	// Who wants every in-sync member to have a message before it is acknowledged, is told when it may not be so.
	w.CreateYAML(strings.Replace(world.Brokers, "{name: b}, spec: {", "{name: all}, spec: {config: {allAckInSyncStateSet: 'true'}, ", 1))
	o.Reports("Broker all", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue, "RocketMQ 5.4.0", "allAckInSyncStateSet", "resources.requests.cpu")
}

// TestControllerStateLost: controllers that know nothing of brokers that are registered.
func TestControllerStateLost(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	remember := w.MQ.Inject(fakemq.Forgetful())
	o.Reports("Broker b", v1alpha1.ConditionControllerStateLost, metav1.ConditionTrue, "b-0", "b-1", "brokerIdentity")
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionControllerStateLost)
	o.CheckSilence()
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Env = []corev1.EnvVar{{Name: "A", Value: "b"}} })
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "waiting") // a restarted broker would stay out
	remember()
	o.Until(w.AllReady)
}

// TestForeignIdentity: brokers that come with a disk whose identity the controllers never gave do not get in.
func TestForeignIdentity(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers)
	o := w.Start()
	o.Until(w.AllReady)
	w.MQ.Inject(fakemq.Forgetful())
	w.Starting["b-0-0"], w.Starting["b-0-1"] = true, true
	w.CreateYAML(strings.Replace(world.Brokers, "size: 2", "size: 1", 1))
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "b-0-0")
	o.Finish()
	running := func(since time.Duration) {
		pod := world.Get[corev1.Pod](w, "b-0-0")
		before := pod.DeepCopy()
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.Container, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Now().Add(-since))}}}}
		w.Must(w.PatchStatus(pod, before))
	}
	running(time.Minute)
	o.Finish()
	if text := w.Condition("Broker b", v1alpha1.ConditionControllerStateLost, metav1.ConditionTrue); text != "" {
		t.Errorf("after a minute: %s", text)
	}
	running(3 * time.Minute)
	o.Reports("Broker b", v1alpha1.ConditionControllerStateLost, metav1.ConditionTrue, "b-0", "brokerIdentity")
}

// TestUnreachable: no name server answers the operator.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Static)
	o := w.Start()
	o.Until(w.AllReady)
	silence := func(silent bool) {
		for _, server := range []string{"ns-0", "ns-1"} {
			w.MQ.Silence(server, silent)
		}
	}
	silence(true)
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonUnreachable, "no name server answers")
	silence(false)
	o.Until(w.AllReady)
}

// TestStrayPod: a pod with a group's labels that the StatefulSet does not want crashes nothing.
func TestStrayPod(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Static)
	o := w.Start()
	o.Until(w.AllReady)
	stray := world.Get[corev1.Pod](w, "b-0-1")
	stray = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "b-0-9", Namespace: w.Namespace, Labels: stray.Labels}, Spec: stray.Spec}
	w.Must(w.Create(t.Context(), stray))
	o.Pass()
	w.Must(w.Delete(t.Context(), stray))
	o.Until(w.AllReady)
}

// TestBrokenClusterDelaysNoOther: name servers that take connections and never answer, in five clusters.
func TestBrokenClusterDelaysNoOther(t *testing.T) {
	t.Parallel()
	alone := world.New(t)
	o := alone.Manage()
	among := world.New(t)
	for _, port := range []string{"9876", "9877", "9878"} {
		among.MQ.Silence("192.0.2.1:"+port, true)
	}
	o2 := among.Manage()
	for i := range 5 {
		among.CreateYAML(strings.Replace(strings.Replace(world.Static, "name: b", fmt.Sprintf("name: broken-%d", i), 1), "size: 1",
			`nameServers: "192.0.2.1:9876;192.0.2.1:9877;192.0.2.1:9878"`, 1))
	}
	o2.Until(func() string {
		for i := range 5 {
			if text := among.Condition(fmt.Sprintf("Broker broken-%d", i), v1alpha1.ConditionReady, metav1.ConditionUnknown); !strings.Contains(text, "no name server answers") {
				return "not broken yet"
			}
		}
		return ""
	})
	worlds, took := map[string]*world.World{"alone": alone, "among": among}, map[string]time.Duration{}
	began := time.Now()
	for _, w := range worlds { // at the same time, so that both have the same machine
		w.CreateYAML(world.NameService + world.Static)
	}
	o.Until(func() string {
		among.Turn()
		for name, w := range worlds {
			if _, over := took[name]; !over && w.Condition("NameService ns", v1alpha1.ConditionReady, metav1.ConditionTrue) != "" && w.Condition("Broker b", v1alpha1.ConditionReady, metav1.ConditionTrue) != "" {
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

// TestUnsupportedConfig: what makes brokers refuse the operator is told as soon as it is asked for.
func TestUnsupportedConfig(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + strings.Replace(world.Brokers, "spec: {", "spec: {config: {authenticationEnabled: 'true'}, ", 1))
	o := w.Start()
	o.Reports("Broker b", v1alpha1.ConditionUnsupportedConfig, metav1.ConditionTrue, "spec.config.authenticationEnabled: ", "Until that is removed")
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = nil })
	o.Until(func() string {
		return w.Condition("Broker b", v1alpha1.ConditionUnsupportedConfig, metav1.ConditionTrue)
	})
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) {
		ns.Spec.JVM = &v1alpha1.JVM{ExtraOptions: []string{"-Dtls.server.mode=enforcing"}}
	})
	o.Reports("NameService ns", v1alpha1.ConditionUnsupportedConfig, metav1.ConditionTrue, "-Dtls.server.mode=enforcing")
}

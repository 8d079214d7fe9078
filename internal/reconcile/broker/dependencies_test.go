// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestBrokerNameConflict: two Brokers of one name at the same name servers, in two namespaces. The older one goes on.
func TestBrokerNameConflict(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Static)
	o := w.Start()
	o.Until(w.AllReady)
	time.Sleep(1100 * time.Millisecond) // creation times are whole seconds
	second := w.Neighbour()
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) {
		ns.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: second.Namespace}
	})
	second.CreateYAML(strings.Replace(world.Static, "spec: {", "spec: {nameServiceRef: {name: ns, namespace: "+w.Namespace+"}, ", 1))
	o2 := second.Start(w)
	o2.Reports("Broker b", v1alpha1.ConditionBrokerNameConflict, metav1.ConditionTrue, w.Namespace+"/b", "another metadata.name")
	o2.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionBrokerNameConflict)
	if pods := second.Pods(); len(pods) > 0 {
		t.Errorf("%d pods of the second Broker", len(pods))
	}
	o.Until(w.AllReady)

	// A broker that the operator knows nothing of.
	const stranger = "stranger:10911"
	w.MQ.StartBroker(stranger, fakemq.Broker{Cluster: "b", Group: "b-0", ID: 8, Static: true, Address: stranger})
	w.MQ.Register(stranger)
	for range 30 { // without w.turn, which would register only what runs
		o.Pass()
		time.Sleep(50 * time.Millisecond)
	}
	if text := w.Condition("Broker b", v1alpha1.ConditionBrokerNameConflict, metav1.ConditionTrue); !strings.Contains(text, "stranger:10911") {
		t.Errorf("a stranger is not told: %q", text)
	}
	w.MQ.Stop(stranger)
	o.Until(w.AllReady)
}

// TestSharedControllers: controllers tell groups apart by name alone, so a second Broker of one name waits, and the records of
// the first one's brokers are never cleaned as leftovers.
func TestSharedControllers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	other := w.Neighbour()
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: "*"} })
	time.Sleep(1100 * time.Millisecond) // creation times are whole seconds
	other.CreateYAML(world.NameService + strings.Replace(world.Brokers, "spec: {", "spec: {controllerRef: {name: ctl, namespace: "+w.Namespace+"}, ", 1))
	o2 := other.Start(w)
	o2.Reports("Broker b", v1alpha1.ConditionBrokerNameConflict, metav1.ConditionTrue, w.Namespace+"/b", "at the same controllers", "another metadata.name")
	if pods := other.Pods(); len(pods) > 1 { // the name server's
		t.Errorf("%d pods of the second cluster", len(pods))
	}
	o.Until(w.AllReady)
	if cleaned := w.MQ.Cleaned(); len(cleaned) > 0 {
		t.Errorf("records of %v were cleaned", cleaned)
	}
}

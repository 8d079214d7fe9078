// SPDX-License-Identifier: Apache-2.0

package pass_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestConsent: a resource of another namespace is used only as long as it allows that, and the condition has the command.
func TestConsent(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	other := w.Neighbour()
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)

	refer := func(kind, name string) string {
		return fmt.Sprintf("%s: {name: %s, namespace: %s}", kind, name, w.Namespace)
	}
	other.CreateYAML(strings.ReplaceAll(strings.Replace(world.Brokers, "spec: {", "spec: {"+refer("nameServiceRef", "ns")+", "+refer("controllerRef", "ctl")+", ", 1), "{name: b}", "{name: x}") +
		world.ProxyOf("p", "{"+refer("brokerRef", "b")+"}") + world.ConsoleOf(refer("nameServiceRef", "ns")))
	o2 := other.Start(w)
	o2.Reports("Broker x", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.nameServiceRef: NameService "+w.Namespace+"/ns does not allow",
		"kubectl annotate --overwrite -n "+w.Namespace+" nameservice.rocketmq.apache.org ns rocketmq.apache.org/allow-from="+other.Namespace)
	o2.Reports("Proxy p", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.brokerRef: Broker "+w.Namespace+"/b")
	o2.Reports("Console con", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.nameServiceRef")

	world.Edit(w, "ns", func(ns *v1alpha1.NameService) {
		ns.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: "elsewhere, " + other.Namespace}
	})
	o2.Reports("Broker x", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.controllerRef: Controller "+w.Namespace+"/ctl")
	world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: "*"} })
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: other.Namespace}
	})
	for _, resource := range []string{"Broker x", "Proxy p", "Console con"} {
		o2.Until(func() string {
			for _, condition := range []string{v1alpha1.ConditionNotAllowed, v1alpha1.ConditionMissingReference} {
				if text := other.Condition(resource, condition, metav1.ConditionTrue); text != "" {
					return resource + ": " + text
				}
			}
			return ""
		})
	}

	// Consent is taken back: what runs goes on, and the operator does no more for it.
	world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Annotations = nil })
	o2.Reports("Broker x", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.controllerRef")
}

// TestResolvedReferenceStays: a second candidate breaks nothing that runs.
func TestResolvedReferenceStays(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + strings.Replace(world.Brokers, "size: 2", "size: 1", 1))
	o := w.Start()
	o.Until(w.AllReady)
	w.CreateYAML(strings.Replace(world.NameService, "name: ns", "name: ns2", 1) + strings.Replace(world.Controllers, "name: ctl", "name: ctl2", 1))
	o.Until(w.AllReady)
	b := world.Get[v1alpha1.Broker](w, "b")
	if b.Status.NameServiceRef.Name != "ns" || b.Status.ControllerRef.Name != "ctl" {
		t.Errorf("resolved to %v and %v", b.Status.NameServiceRef, b.Status.ControllerRef)
	}
	w.Must(w.Delete(t.Context(), world.Get[v1alpha1.NameService](w, "ns")))
	o.Until(func() string {
		if ref := world.Get[v1alpha1.Broker](w, "b").Status.NameServiceRef; ref == nil || ref.Name != "ns2" {
			return fmt.Sprintf("the only one that is left is not taken: %v", ref)
		}
		return ""
	})
}

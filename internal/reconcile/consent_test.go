package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestConsent: a resource of another namespace is used only as long as it allows that, and the condition has the command.
func TestConsent(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)

	refer := func(kind, name string) string {
		return fmt.Sprintf("%s: {name: %s, namespace: %s}", kind, name, w.namespace)
	}
	other.create(strings.ReplaceAll(strings.Replace(brokers, "spec: {", "spec: {"+refer("nameServiceRef", "ns")+", "+refer("controllerRef", "ctl")+", ", 1), "{name: b}", "{name: x}") +
		proxyNamed("p", "{"+refer("brokerRef", "b")+"}") + consoleOf(refer("nameServiceRef", "ns")))
	o2 := other.start(-1, w)
	o2.settled("Broker x", ready, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.nameServiceRef: NameService "+w.namespace+"/ns does not allow",
		"kubectl annotate --overwrite -n "+w.namespace+" nameservice.rocketmq.apache.org ns rocketmq.apache.org/allow-from="+other.namespace)
	o2.settled("Proxy p", ready, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.brokerRef: Broker "+w.namespace+"/b")
	o2.settled("Console con", ready, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.nameServiceRef")

	edit(w, "ns", func(ns *v1alpha1.NameService) {
		ns.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: "elsewhere, " + other.namespace}
	})
	o2.settled("Broker x", ready, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.controllerRef: Controller "+w.namespace+"/ctl")
	edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: "*"} })
	edit(w, "b", func(b *v1alpha1.Broker) {
		b.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: other.namespace}
	})
	for _, resource := range []string{"Broker x", "Proxy p", "Console con"} {
		o2.until(func() string {
			for _, condition := range []string{v1alpha1.ConditionNotAllowed, v1alpha1.ConditionMissingReference} {
				if text := other.condition(resource, condition, metav1.ConditionTrue); text != "" {
					return resource + ": " + text
				}
			}
			return ""
		})
	}

	// Consent is taken back: what runs goes on, and the operator does no more for it.
	edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Annotations = nil })
	o2.settled("Broker x", ready, metav1.ConditionFalse, v1alpha1.ConditionNotAllowed, "spec.controllerRef")
}

// TestTransferConsent: nobody takes topics out of a namespace that does not allow it.
func TestTransferConsent(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	w.create(nameService + oneBroker("a", "a") + oneBroker("b", "b"))
	o := w.start(-1)
	o.until(w.allReady)
	other.create("{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: steal}, spec: {topic: orders, sourceRef: {name: a, namespace: " +
		w.namespace + "}, targetRef: {name: b, namespace: " + w.namespace + "}}}")
	o2 := other.start(-1, w)
	refused := "False NotAllowed: spec.sourceRef: Broker " + w.namespace + "/a does not allow"
	o2.until(other.transferPhase("steal", v1alpha1.TransferPending, refused))
	for range 5 { // and it stays so
		time.Sleep(100 * time.Millisecond)
		w.must(o2.pass())
	}
	o2.until(other.transferPhase("steal", v1alpha1.TransferPending, refused))
	edit(w, "a", func(b *v1alpha1.Broker) {
		b.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: other.namespace}
	})
	o2.until(other.transferPhase("steal", v1alpha1.TransferPending, "False NotAllowed: spec.targetRef: Broker "+w.namespace+"/b does not allow"))
}

// TestSharedControllers: controllers tell groups apart by name alone, so a second Broker of one name waits, and the records of
// the first one's brokers are never cleaned as leftovers.
func TestSharedControllers(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: "*"} })
	time.Sleep(1100 * time.Millisecond) // creation times are whole seconds
	other.create(nameService + strings.Replace(brokers, "spec: {", "spec: {controllerRef: {name: ctl, namespace: "+w.namespace+"}, ", 1))
	o2 := other.start(-1, w)
	o2.settled("Broker b", v1alpha1.ConditionBrokerNameConflict, metav1.ConditionTrue, w.namespace+"/b", "at the same controllers", "another metadata.name")
	if pods := other.pods(); len(pods) > 1 { // the name server's
		t.Errorf("%d pods of the second cluster", len(pods))
	}
	o.until(w.allReady)
	if len(w.mq.cleaned) > 0 {
		t.Errorf("records of %v were cleaned", w.mq.cleaned)
	}
}

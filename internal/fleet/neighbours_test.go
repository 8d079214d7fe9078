// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestNamesake: of two Brokers of one name that share name servers or controllers the older one keeps the broker names.
func TestNamesake(t *testing.T) {
	ref := func(namespace, name string) *v1alpha1.ObjectReference {
		return &v1alpha1.ObjectReference{Namespace: namespace, Name: name}
	}
	other := func(change func(*v1alpha1.Broker)) v1alpha1.Broker {
		b := v1alpha1.Broker{}
		b.Namespace, b.Name, b.UID, b.CreationTimestamp = "else", "b", "other", ago(2*time.Hour)
		b.Status.NameServiceRef, b.Status.ControllerRef = ref("else", "ns"), ref("else", "ctl")
		change(&b)
		return b
	}
	for _, test := range []struct {
		name  string
		other func(*v1alpha1.Broker)
		want  string
	}{
		{"nothing in common", func(*v1alpha1.Broker) {}, ""},
		{"the same name servers", func(b *v1alpha1.Broker) { b.Status.NameServiceRef = ref("mq", "ns") }, "name servers"},
		{"the same controllers", func(b *v1alpha1.Broker) { b.Status.ControllerRef = ref("mq", "ctl") }, "controllers"},
		{"not resolved yet, but given", func(b *v1alpha1.Broker) { b.Status.ControllerRef, b.Spec.ControllerRef = nil, ref("mq", "ctl") }, "controllers"},
		{"given in its own namespace", func(b *v1alpha1.Broker) { b.Status.ControllerRef, b.Spec.ControllerRef = nil, ref("", "ctl") }, ""},
		{"neither given nor resolved", func(b *v1alpha1.Broker) { b.Status.NameServiceRef, b.Status.ControllerRef = nil, nil }, ""},
		{"another name", func(b *v1alpha1.Broker) { b.Name, b.Status.ControllerRef = "c", ref("mq", "ctl") }, ""},
		{"a younger one", func(b *v1alpha1.Broker) { b.CreationTimestamp, b.Status.ControllerRef = ago(0), ref("mq", "ctl") }, ""},
		{"of the same second, first by namespace", func(b *v1alpha1.Broker) {
			b.CreationTimestamp, b.Status.ControllerRef = ago(time.Hour), ref("mq", "ctl")
		}, "controllers"},
		{"itself", func(b *v1alpha1.Broker) { b.UID, b.Status.ControllerRef = "b", ref("mq", "ctl") }, ""},
	} {
		b := newWorld().Broker
		b.CreationTimestamp, b.Status.NameServiceRef = ago(time.Hour), ref("mq", "ns")
		namesake, shared := Namesake(b, nil, []v1alpha1.Broker{other(test.other)})
		if shared != test.want || (namesake != nil) != (test.want != "") {
			t.Errorf("%s: shares %q", test.name, shared)
		}
	}

	b := newWorld().Broker
	b.CreationTimestamp = ago(time.Hour)
	given := other(func(b *v1alpha1.Broker) { b.Spec.NameServers = "a:1;b:1" })
	if _, shared := Namesake(b, []string{"a:1", "b:1"}, []v1alpha1.Broker{given}); shared != "name servers" {
		t.Errorf("name servers that both were given by hand: %q", shared)
	}
}

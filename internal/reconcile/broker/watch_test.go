// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestNamesAt: Brokers whose names collide meet in the index, and those of other names or servers do not.
func TestNamesAt(t *testing.T) {
	broker := func(namespace, name string, edit ...func(*v1alpha1.Broker)) *v1alpha1.Broker {
		b := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		for _, e := range edit {
			e(b)
		}
		return b
	}
	resolved := func(servers, controllers *v1alpha1.ObjectReference) func(*v1alpha1.Broker) {
		return func(b *v1alpha1.Broker) { b.Status.NameServiceRef, b.Status.ControllerRef = servers, controllers }
	}
	given := func(servers, controllers *v1alpha1.ObjectReference) func(*v1alpha1.Broker) {
		return func(b *v1alpha1.Broker) { b.Spec.NameServiceRef, b.Spec.ControllerRef = servers, controllers }
	}
	external := func(servers string) func(*v1alpha1.Broker) {
		return func(b *v1alpha1.Broker) { b.Spec.NameServers = servers }
	}
	ref := func(namespace, name string) *v1alpha1.ObjectReference {
		return &v1alpha1.ObjectReference{Namespace: namespace, Name: name}
	}
	one := broker("a", "b", resolved(ref("a", "ns"), ref("a", "ctl")))
	for _, test := range []struct {
		name  string
		one   *v1alpha1.Broker
		other *v1alpha1.Broker
		meet  bool
	}{
		{"name servers", one, broker("x", "b", resolved(ref("a", "ns"), ref("x", "ctl"))), true},
		{"name servers that are not resolved yet", one, broker("x", "b", given(ref("a", "ns"), nil)), true},
		{"controllers", one, broker("x", "b", resolved(ref("x", "ns"), ref("a", "ctl"))), true},
		{"a reference without a namespace", one, broker("a", "b", given(nil, ref("", "ctl"))), true},
		{"nothing", one, broker("x", "b", resolved(ref("x", "ns"), ref("x", "ctl"))), false},
		{"another name", one, broker("a", "c", resolved(ref("a", "ns"), ref("a", "ctl"))), false},
		{"external name servers", broker("a", "b", external("1.2.3.4:9876")), broker("x", "b", external("1.2.3.4:9876")), true},
		{"other external ones", broker("a", "b", external("1.2.3.4:9876")), broker("x", "b", external("1.2.3.5:9876")), false},
	} {
		meet := slices.ContainsFunc(namesAt(test.one), func(at string) bool { return slices.Contains(namesAt(test.other), at) })
		if meet != test.meet {
			t.Errorf("%s: %v and %v", test.name, namesAt(test.one), namesAt(test.other))
		}
	}
}

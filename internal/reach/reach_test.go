// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

func pod(name, ip, instance string, component desired.Component) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: name, Labels: desired.Selector(instance, component, "")},
		Status:     corev1.PodStatus{PodIP: ip},
	}
}

func world(t *testing.T) *Reach {
	t.Helper()
	going := pod("ns-2", "10.0.0.3", "ns", desired.NameServer)
	going.Finalizers, going.DeletionTimestamp = []string{"test/hold"}, &metav1.Time{Time: metav1.Now().Time}
	onNode := pod("h-0-0", "192.0.2.1", "h", desired.Broker)
	onNode.Spec.HostNetwork = true
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	objects := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&corev1.Pod{}, IndexIP, IPOf).WithObjects(
		&v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "b"}},
		&v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "h"}},
		pod("ns-0", "10.0.0.2", "ns", desired.NameServer),
		pod("ns-1", "10.0.0.1", "ns", desired.NameServer),
		going,
		pod("ns-3", "", "ns", desired.NameServer),
		pod("ctl-0", "10.0.1.1", "ctl", desired.Controller),
		pod("b-0-0", "10.0.2.1", "b", desired.Broker),
		pod("b-0-1", "fd00::1", "b", desired.Broker),
		onNode,
	).Build()
	r := New(desired.Installation{Domain: "cluster.local"}, objects, objects, remoting.Options{})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// TestFinds: servers whose pod runs are found, in order; those that are given by hand are taken as they are.
func TestFinds(t *testing.T) {
	r, ref := world(t), func(name string) *v1alpha1.ObjectReference {
		return &v1alpha1.ObjectReference{Namespace: "mq", Name: name}
	}
	for _, test := range []struct {
		name string
		find func() ([]string, error)
		want []string
	}{
		{"name servers", func() ([]string, error) { return r.NameServers(t.Context(), ref("ns"), nil) }, []string{"10.0.0.1:9876", "10.0.0.2:9876"}},
		{"given ones", func() ([]string, error) { return r.NameServers(t.Context(), nil, []string{"a:1"}) }, []string{"a:1"}},
		{"of another resource", func() ([]string, error) { return r.NameServers(t.Context(), ref("other"), nil) }, nil},
		{"controllers", func() ([]string, error) { return r.Controllers(t.Context(), ref("ctl")) }, []string{"10.0.1.1:9878"}},
		{"no Controller", func() ([]string, error) { return r.Controllers(t.Context(), nil) }, nil},
	} {
		got, err := test.find()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestMasters(t *testing.T) {
	b := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "b"}}
	member := []v1alpha1.BrokerMemberStatus{{}}
	b.Status.Groups = []v1alpha1.BrokerGroupStatus{
		{Name: "b-0", Master: "b-0-1", Members: member}, {Name: "b-1", Members: member}, {Name: "b-2"},
		{Name: "b-3", Master: "b-3-0", Members: member}, // its pod is gone
	}
	got, err := world(t).Masters(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"b-0": "[fd00::1]:10911", "b-1": "", "b-3": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("masters (-want +got):\n%s", diff)
	}
}

// TestDialable: only brokers of the given namespaces are dialled, whatever a name server says.
func TestDialable(t *testing.T) {
	r := world(t)
	for registered, want := range map[string]string{
		"b-0-0.b-broker-headless.mq.svc.cluster.local:10911":    "10.0.2.1:10911",
		"b-0-1.b-broker-headless.mq.svc:10921":                  "[fd00::1]:10921",
		"b-9-9.b-broker-headless.mq.svc.cluster.local:10911":    "",
		"ctl-0.x.mq.svc.cluster.local:10911":                    "",
		"b-0-0.b-broker-headless.other.svc.cluster.local:10911": "",
		"192.0.2.1:10911":    "192.0.2.1:10911",
		"10.0.2.1:10911":     "",
		"169.254.169.254:80": "",
		"no address":         "",
	} {
		if got, asks, err := r.Dialable(t.Context(), registered, "mq"); err != nil || got != want || (asks == nil) != (want == "") {
			t.Errorf("%s is dialled at %q (%v), want %q", registered, got, err, want)
		}
	}
}

func TestPodOf(t *testing.T) {
	got, port, ok := PodOf("b-0-0.b-broker-headless.mq.svc.cluster.local:10911")
	if want := (types.NamespacedName{Namespace: "mq", Name: "b-0-0"}); !ok || got != want || port != "10911" {
		t.Errorf("got %s, port %s, %t", got, port, ok)
	}
	for _, other := range []string{"10.0.0.1:1", "a.b.c.d:1", "a.b.c.svc", "x:y:z"} {
		if got, _, ok := PodOf(other); ok {
			t.Errorf("%s is the pod %s", other, got)
		}
	}
}

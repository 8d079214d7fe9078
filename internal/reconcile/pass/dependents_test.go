// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

func ref(namespace, name string) *v1alpha1.ObjectReference {
	return &v1alpha1.ObjectReference{Namespace: namespace, Name: name}
}

// TestDependents: a change wakes those that refer to what changed, that use it, or that take whatever their namespace has.
func TestDependents(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	console := func(namespace, name string, given, resolved *v1alpha1.ObjectReference) client.Object {
		c := &v1alpha1.Console{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		c.Spec.NameServiceRef, c.Status.NameServiceRef = given, resolved
		return c
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.Console{}, indexDependency, func(object client.Object) (out []string) {
		c := object.(*v1alpha1.Console)
		return Dependency{"NameService", c.Spec.NameServiceRef, c.Status.NameServiceRef}.values(c)
	}).WithObjects(
		console("a", "names-it", ref("", "ns"), nil),
		console("a", "names-another", ref("", "other"), ref("a", "other")),
		console("a", "takes-any", nil, nil),
		console("a", "has-taken-it", nil, ref("a", "ns")),
		console("b", "names-it-from-afar", ref("a", "ns"), nil),
		console("b", "takes-any-here", nil, ref("b", "ns")),
		console("b", "used-it-before", ref("", "ns"), ref("a", "ns")),
	).Build()

	woken := func(by handler.EventHandler, changed client.Object) (names []string) {
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		defer queue.ShutDown()
		by.Create(context.WithoutCancel(t.Context()), event.CreateEvent{Object: changed}, queue)
		for queue.Len() > 0 {
			request, _ := queue.Get()
			names = append(names, request.Name)
		}
		slices.Sort(names)
		return names
	}
	list := &v1alpha1.ConsoleList{}
	changed := &v1alpha1.NameService{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "ns"}}
	got := woken(Dependents(c, list), changed)
	if diff := cmp.Diff([]string{"has-taken-it", "names-it", "names-it-from-afar", "takes-any", "used-it-before"}, got); diff != "" {
		t.Errorf("woken (-want +got):\n%s", diff)
	}

	broker := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: "broker"}}
	if got := woken(Neighbours(c, list), broker); got != nil {
		t.Errorf("a Broker without name servers wakes %v", got)
	}
	broker.Status.NameServiceRef = ref("a", "ns")
	if diff := cmp.Diff([]string{"has-taken-it", "names-it", "names-it-from-afar", "used-it-before"}, woken(Neighbours(c, list), broker)); diff != "" {
		t.Errorf("woken by a Broker (-want +got):\n%s", diff)
	}
}

// TestNews: what nobody reads of a resource wakes nobody who depends on it.
func TestNews(t *testing.T) {
	ns := func(edit func(*v1alpha1.NameService)) client.Object {
		out := &v1alpha1.NameService{Status: v1alpha1.NameServiceStatus{ReadySize: 1, NameServers: []string{"10.0.0.1"}}}
		edit(out)
		return out
	}
	ctl := func(leader, members string) client.Object {
		return &v1alpha1.Controller{Status: v1alpha1.ControllerStatus{Leader: leader, Members: members}}
	}
	b := func(servers *v1alpha1.ObjectReference, masters string) client.Object {
		return &v1alpha1.Broker{Status: v1alpha1.BrokerStatus{NameServiceRef: servers, Masters: masters}}
	}
	same := func(*v1alpha1.NameService) {}
	for _, test := range []struct {
		name          string
		before, after client.Object
		want          bool
	}{
		{"another spec", ns(same), ns(func(n *v1alpha1.NameService) { n.Generation = 2 }), true},
		{"consent", ns(same), ns(func(n *v1alpha1.NameService) { n.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: "b"} }), true},
		{"another address", ns(same), ns(func(n *v1alpha1.NameService) { n.Status.NameServers = []string{"10.0.0.2"} }), true},
		{"the first one answers", ns(func(n *v1alpha1.NameService) { n.Status.ReadySize = 0 }), ns(same), true},
		{"one more answers", ns(same), ns(func(n *v1alpha1.NameService) { n.Status.ReadySize = 2 }), false},
		{"a condition", ns(same), ns(func(n *v1alpha1.NameService) { n.Status.Conditions = []metav1.Condition{{Type: "Ready"}} }), false},
		{"another leader", ctl("a", "3/3"), ctl("b", "3/3"), true},
		{"a controller is away", ctl("a", "3/3"), ctl("a", "2/3"), true},
		{"nothing of controllers", ctl("a", "3/3"), ctl("a", "3/3"), false},
		{"a Broker finds its name servers", b(nil, ""), b(ref("a", "ns"), ""), true},
		{"a Broker gets users", b(ref("a", "ns"), ""), &v1alpha1.Broker{Status: v1alpha1.BrokerStatus{
			NameServiceRef: ref("a", "ns"), Auth: &v1alpha1.AuthStatus{Mode: v1alpha1.AuthPermissive}}}, true},
		{"a failover", b(ref("a", "ns"), "b-0-0"), b(ref("a", "ns"), "b-0-1"), false},
	} {
		if got := News().Update(event.UpdateEvent{ObjectOld: test.before, ObjectNew: test.after}); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

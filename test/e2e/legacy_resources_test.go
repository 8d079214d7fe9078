// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// What somebody else made is never taken over, not even under the very name that the operator wants: neither the
// predecessor's StatefulSets nor a user's own objects. The condition says which, and what to do.
func legacyResources(t *testing.T, w *world) {
	ctx := t.Context()
	legacy, conflict := w.namespace(t, "legacy", kit.Restricted), w.namespace(t, "conflict", kit.Restricted)
	ok(t, legacy.Apply(ctx, manifest(t, "legacy.yaml")))
	ok(t, conflict.Apply(ctx, manifest(t, "foreign.yaml")))
	namespaces := []*kit.Namespace{legacy, conflict}
	before := foreign(ctx, t, namespaces)

	ok(t, legacy.Apply(ctx, manifest(t, "small.yaml")))
	ok(t, conflict.Apply(ctx, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: names}, spec: {resources: {requests: {cpu: 100m}}}}"))
	for _, want := range []struct {
		n                             *kit.Namespace
		kind, name, condition, object string
	}{
		{legacy, "NameService", "names", v1alpha1.ConditionLegacyResources, "names"},
		{legacy, "Broker", "broker", v1alpha1.ConditionLegacyResources, "broker-0"},
		{conflict, "NameService", "names", v1alpha1.ConditionNameConflict, "names-nameserver-config"},
	} {
		found, err := want.n.AwaitCondition(ctx, want.kind, want.name, want.condition, metav1.ConditionTrue, time.Minute)
		ok(t, err)
		want.n.Log.Printf("%s %s: %s: %s", want.kind, want.name, want.condition, found.Message)
		if !strings.Contains(found.Message, want.object) {
			t.Errorf("the message does not name %s", want.object)
		}
	}
	if diff := cmp.Diff(before, foreign(ctx, t, namespaces)); diff != "" {
		t.Errorf("foreign objects were changed (-before +after):\n%s", diff)
	}

	conflict.Log.Printf("removing the ConfigMap that was in the way")
	inTheWay := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: conflict.Name, Name: "names-nameserver-config"}}
	ok(t, conflict.Client.Delete(ctx, inTheWay))
	_, err := conflict.AwaitCondition(ctx, "NameService", "names", v1alpha1.ConditionReady, metav1.ConditionTrue, 3*time.Minute)
	ok(t, err)
}

// identity is what would tell that an object was taken over, replaced or changed.
type identity struct {
	UID        string
	Generation int64
	Labels     map[string]string
	Owners     int
	Data       map[string]string
}

// foreign returns the objects of testdata/legacy.yaml and foreign.yaml, which have the label app.
func foreign(ctx context.Context, t *testing.T, namespaces []*kit.Namespace) map[string]identity {
	t.Helper()
	found := map[string]identity{}
	add := func(o client.Object, data map[string]string) {
		found[o.GetNamespace()+"/"+o.GetName()] = identity{string(o.GetUID()), o.GetGeneration(), o.GetLabels(), len(o.GetOwnerReferences()), data}
	}
	for _, n := range namespaces {
		var sets appsv1.StatefulSetList
		var configs corev1.ConfigMapList
		options := []client.ListOption{client.InNamespace(n.Name), client.HasLabels{"app"}}
		ok(t, n.Client.List(ctx, &sets, options...))
		ok(t, n.Client.List(ctx, &configs, options...))
		for i := range sets.Items {
			add(&sets.Items[i], nil)
		}
		for i := range configs.Items {
			add(&configs.Items[i], configs.Items[i].Data)
		}
	}
	if len(found) != 4 {
		t.Fatalf("found %d of the 4 foreign objects", len(found))
	}
	return found
}

// SPDX-License-Identifier: Apache-2.0

package saved

import (
	"bytes"
	"crypto/rand"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
)

func noise(t *testing.T, size int) []byte {
	t.Helper()
	out := make([]byte, size)
	if _, err := rand.Read(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLarge: what is larger than a ConfigMap comes back whole, the copy before stays until the new one is there, and parts that
// nothing names any more go.
func TestLarge(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).Build()
	broker := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "mq", UID: "1"}}
	write := func(objects []*corev1.ConfigMap) {
		t.Helper()
		for _, object := range objects {
			size := 0
			for _, value := range object.BinaryData {
				size += len(value)
			}
			if size > metadata.MaxPart {
				t.Errorf("%s has %d bytes", object.Name, size)
			}
			if err := controllerutil.SetControllerReference(broker, object, scheme); err != nil {
				t.Fatal(err)
			}
			if err := c.Create(t.Context(), object); client.IgnoreAlreadyExists(err) != nil {
				t.Fatal(err)
			} else if err != nil {
				if err := c.Update(t.Context(), object); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	read := func(want map[string][]byte) {
		t.Helper()
		got, err := Read(t.Context(), c, broker, "b-0")
		if err != nil || got == nil {
			t.Fatal(got, err)
		}
		if !maps.EqualFunc(want, got.BinaryData, bytes.Equal) || got.Data["term"] != "x" {
			t.Errorf("read %v, which is not what was saved", got.Data)
		}
	}
	tidy := func(index *corev1.ConfigMap, left int) {
		t.Helper()
		if err := Tidy(t.Context(), c, broker, "b-0", index); err != nil {
			t.Fatal(err)
		}
		var all corev1.ConfigMapList
		if err := c.List(t.Context(), &all); err != nil || len(all.Items) != left {
			t.Errorf("%d ConfigMaps are left (%v), want %d", len(all.Items), err, left)
		}
	}

	if got, err := Read(t.Context(), c, broker, "b-0"); got != nil || err != nil {
		t.Fatalf("before anything was saved: %v, %v", got, err)
	}
	first := map[string][]byte{metadata.KeyTables: noise(t, 2*metadata.MaxPart+7), metadata.KeyPrevious: noise(t, metadata.MaxPart)}
	objects := Objects(broker, "b-0", map[string]string{"term": "x"}, first)
	if len(objects) != 4 { // three parts, and the previous tables beside the data
		t.Fatalf("%d objects", len(objects))
	}
	write(objects)
	read(first)

	second := map[string][]byte{metadata.KeyTables: noise(t, metadata.MaxPart+1), metadata.KeyPrevious: first[metadata.KeyTables]}
	objects = Objects(broker, "b-0", map[string]string{"term": "x"}, second)
	write(objects[:len(objects)-1])
	read(first) // the operator died here
	write(objects[len(objects)-1:])
	read(second)
	tidy(objects[len(objects)-1], 1+2+3)
	read(second)

	if err := c.Delete(t.Context(), objects[0]); err != nil {
		t.Fatal(err)
	}
	read(map[string][]byte{metadata.KeyPrevious: second[metadata.KeyPrevious]}) // a part is gone, and the rest counts as nothing

	small := map[string][]byte{metadata.KeyTables: []byte("small")}
	objects = Objects(broker, "b-0", map[string]string{"term": "x"}, small)
	write(objects)
	read(small)
	tidy(objects[0], 1)
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e && long

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	batchSize = 50 // mutants at a time
	// answerLimit is how long the operator may take to say something of a resource, or to let a deleted one go.
	answerLimit = time.Minute
)

// Whatever somebody writes, each resource is refused or says something, and goes when it is deleted; the operator stays as it is.
// No pod may run there, so that only what is written matters.
func mutatedResources(t *testing.T, w *world, accepted int) {
	ctx := t.Context()
	n := w.namespace(t, "mutants", kit.Restricted)
	ok(t, n.Apply(ctx, "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: {pods: 0}}}"))
	restarts := operatorRestarts(ctx, t, w.cluster)
	specs := specsOfAllKinds(t)
	random := chance(t, n.Log)
	refused, done := 0, 0
	for done < accepted && !t.Failed() {
		var batch []*unstructured.Unstructured
		for len(batch) < batchSize {
			mutant := mutate(random, specs, fmt.Sprintf("m%d", done+len(batch)))
			switch err := n.ApplyObject(ctx, mutant); {
			case err == nil:
				batch = append(batch, mutant)
			case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), strings.Contains(err.Error(), "failed to create typed patch object"):
				refused++
			default:
				t.Fatalf("%v: %s", err, text(mutant))
			}
		}
		for _, mutant := range batch {
			checkAnswered(t, n, mutant)
		}
		for _, mutant := range batch {
			ok(t, client.IgnoreNotFound(n.Client.Delete(ctx, mutant)))
		}
		for _, mutant := range batch {
			checkGone(t, n, mutant)
		}
		done += len(batch)
		n.Log.Printf("%d accepted and answered, %d refused", done, refused)
	}
	if now := operatorRestarts(ctx, t, w.cluster); !maps.Equal(restarts, now) {
		t.Errorf("the operator restarted: %v, then %v", restarts, now)
	}
}

func checkAnswered(t *testing.T, n *kit.Namespace, mutant *unstructured.Unstructured) {
	t.Helper()
	err := n.Await(t.Context(), mutant.GetKind()+" "+mutant.GetName()+" to say something", answerLimit, func(ctx context.Context) error {
		live := mutant.DeepCopy()
		err := n.Client.Get(ctx, client.ObjectKeyFromObject(mutant), live)
		if _, ttl, _ := unstructured.NestedFieldNoCopy(mutant.Object, "spec", "ttlSecondsAfterFinished"); ttl && apierrors.IsNotFound(err) {
			return nil // it has ended, and its time is over
		}
		if err == nil && !isReadySaid(live) {
			err = errors.New("Ready says nothing")
		}
		return err
	})
	if err != nil {
		t.Errorf("%v: %s", err, text(mutant))
	}
}

func isReadySaid(object *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		condition, _ := c.(map[string]any)
		return condition["type"] == v1alpha1.ConditionReady && condition["message"] != ""
	})
}

func checkGone(t *testing.T, n *kit.Namespace, mutant *unstructured.Unstructured) {
	t.Helper()
	err := n.Await(t.Context(), mutant.GetKind()+" "+mutant.GetName()+" to be gone", answerLimit, func(ctx context.Context) error {
		err := n.Client.Get(ctx, client.ObjectKeyFromObject(mutant), mutant.DeepCopy())
		if err == nil {
			err = errors.New("it is still there")
		}
		return client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Errorf("%v: %s", err, text(mutant))
	}
}

func text(object *unstructured.Unstructured) string {
	data, err := json.Marshal(object.Object)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// specsOfAllKinds are valid ones, by kind, from the examples and the inputs of the golden tests.
func specsOfAllKinds(t *testing.T) map[string][]any {
	t.Helper()
	specs := map[string][]any{}
	for _, pattern := range []string{"../../examples/*/*.yaml", "../../internal/desired/testdata/*.in.yaml", "../../internal/desired/testdata/*/*.in.yaml"} {
		files, err := filepath.Glob(pattern)
		ok(t, err)
		for _, file := range files {
			content, err := os.ReadFile(file)
			ok(t, err)
			objects, err := kit.Decode(content)
			ok(t, err)
			for _, object := range objects {
				if object.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
					specs[object.GetKind()] = append(specs[object.GetKind()], object.Object["spec"])
				}
			}
		}
	}
	for _, kind := range v1alpha1.Kinds() {
		if len(specs[kind.Name]) == 0 {
			t.Fatalf("no spec of a %s is known", kind.Name)
		}
	}
	return specs
}

// mutate makes a resource of any kind whose spec is one of those that are known, with up to four changes.
func mutate(random *rand.Rand, specs map[string][]any, name string) *unstructured.Unstructured {
	kind := pick(random, slices.Sorted(maps.Keys(specs)))
	spec := map[string]any{"spec": copied(pick(random, specs[kind]))}
	for range random.IntN(5) {
		change(random, spec, specs)
	}
	mutant := &unstructured.Unstructured{Object: map[string]any{"spec": spec["spec"]}}
	mutant.SetAPIVersion(v1alpha1.GroupVersion.String())
	mutant.SetKind(kind)
	mutant.SetName(name)
	return mutant
}

// change something at a random place.
func change(random *rand.Rand, value any, specs map[string][]any) {
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			return
		}
		key := pick(random, slices.Sorted(maps.Keys(v)))
		_, deeper := v[key].(map[string]any)
		_, list := v[key].([]any)
		switch choice := random.IntN(6); {
		case (deeper || list) && choice < 4:
			change(random, v[key], specs)
		case choice == 4 && key != "spec":
			delete(v, key)
		default:
			v[key] = anything(random, specs)
		}
	case []any:
		if len(v) > 0 {
			at := random.IntN(len(v))
			if random.IntN(2) == 0 {
				change(random, v[at], specs)
			} else {
				v[at] = anything(random, specs)
			}
		}
	}
}

// anything that somebody may write, or a part of another spec.
func anything(random *rand.Rand, specs map[string][]any) any {
	values := []any{
		nil, "", " ", "..", "true ", "true", true, false, int64(0), int64(1), int64(-1), int64(3), int64(1 << 40), 1.5, "0", "1Gi", "-1", "a/b", "ÄÖ", "{{}}", "$(X)",
		"apache/rocketmq:5.0.0", "apache/rocketmq:4.9.8", "host:5000/a/b:1@sha256:x", "-Xmx1k", strings.Repeat("x", 300),
		[]any{}, []any{nil}, []any{map[string]any{}, map[string]any{}}, []any{"a", "a"}, map[string]any{}, map[string]any{"": ""}, map[string]any{"name": ".."},
	}
	if random.IntN(4) > 0 {
		return copied(pick(random, values))
	}
	part := pick(random, specs[pick(random, slices.Sorted(maps.Keys(specs)))])
	if m, is := part.(map[string]any); is && len(m) > 0 {
		return copied(m[pick(random, slices.Sorted(maps.Keys(m)))])
	}
	return copied(part)
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

func copied(value any) any {
	return (&unstructured.Unstructured{Object: map[string]any{"v": value}}).DeepCopy().Object["v"]
}

// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestLasting: a resource whose passes have failed for half a minute says so, until one succeeds.
func TestLasting(t *testing.T) {
	f, broken, start := &Failures{}, errors.New("broken"), time.Unix(1000, 0)
	for _, step := range []struct {
		after time.Duration
		err   error
		want  bool
	}{
		{0, broken, false},
		{29 * time.Second, broken, false},
		{30 * time.Second, broken, true},
		{31 * time.Second, nil, false},
		{32 * time.Second, broken, false},
		{61 * time.Second, broken, false},
		{62 * time.Second, broken, true},
	} {
		if got := f.Lasting("a", step.err, start.Add(step.after)); got != step.want {
			t.Errorf("after %s (%v): lasting is %t", step.after, step.err, got)
		}
	}
	if f.Lasting("b", broken, start.Add(time.Hour)) {
		t.Error("the failures of one resource are another one's")
	}
	f.Lasting("c", broken, start.Add(3*time.Hour))
	if len(f.since) != 1 {
		t.Errorf("those that nobody tries any more are kept: %v", f.since)
	}
}

// TestFailed: what fails for half a minute says so, and why, until a pass succeeds.
func TestFailed(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	ns := &v1alpha1.NameService{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "ns", UID: "1"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(ns).WithStatusSubresource(ns).Build()
	env := &Env{Client: c, Failures: &Failures{}}
	pass := func(failure error) *metav1.Condition {
		t.Helper()
		now := &v1alpha1.NameService{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(ns), now); err != nil {
			t.Fatal(err)
		}
		p := Begin(env, now)
		if _, err := p.Finish(t.Context(), nil, failure); !errors.Is(err, failure) {
			t.Errorf("the pass returned %v, want %v", err, failure)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(ns), now); err != nil {
			t.Fatal(err)
		}
		return meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReady)
	}
	broken := errors.New("spec.x: no such thing")
	if ready := pass(broken); ready != nil {
		t.Errorf("after one failure: %+v", ready)
	}
	known := env.Failures.since["1"]
	known.first = known.first.Add(-lasting)
	env.Failures.since["1"] = known
	ready := pass(broken)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonFailed || !strings.Contains(ready.Message, broken.Error()) {
		t.Errorf("after half a minute of failures: %+v", ready)
	}
	if ready := pass(nil); ready == nil || ready.Status != metav1.ConditionTrue {
		t.Errorf("after a success: %+v", ready)
	}
}

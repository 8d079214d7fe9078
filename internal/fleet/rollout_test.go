// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
)

func never(*corev1.Pod) bool { return false }

// TestRollout: what is known of the members reaches the planner.
func TestRollout(t *testing.T) {
	w := newWorld()
	w.Broker.Spec.Paused = true
	w.Broker.Spec.DrainSeconds = new(int32(10))
	w.Broker.Spec.Config = map[string]v1alpha1.ConfigValue{"minInSyncReplicas": "2"}
	w.pod("b-0-0").Annotations = nil
	got := w.see().Rollout(never)
	want := rollout.Snapshot{Paused: true, Interval: 20 * time.Second, Groups: []rollout.Group{
		{Name: "b-0", Expected: 2, Needed: 2, Settled: time.Hour, Pods: []rollout.Pod{{Name: "b-0-0", Outdated: true, Ready: true, Leading: true}, {Name: "b-0-1", Ready: true}}},
		{Name: "b-1", Expected: 2, Needed: 2, Settled: time.Hour, Pods: []rollout.Pod{{Name: "b-1-0", Ready: true, Leading: true}, {Name: "b-1-1", Ready: true}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.Broker.Spec.Config = nil
	for broker := range w.Properties {
		w.Properties[broker] = map[string]string{"minInSyncReplicas": "2"}
	}
	if got := w.see().Rollout(never).Groups[0].Needed; got != 2 {
		t.Errorf("the masters run with 2, and %d are needed", got)
	}
	w.Broker.Spec.Config = map[string]v1alpha1.ConfigValue{"minInSyncReplicas": "2"}
	clear(w.Properties)
	if got := w.see().Rollout(never).Groups[0].Needed; got != 2 {
		t.Errorf("of masters that do not answer the spec counts, and %d are needed", got)
	}
	w.Broker.Spec.Config = nil
	if got := w.see().Rollout(never).Groups[0].Needed; got != 1 {
		t.Errorf("RocketMQ's default is 1, and %d are needed", got)
	}
	w.static()
	if got := w.see().Rollout(never).Groups[0].Needed; got != 0 {
		t.Errorf("in STATIC mode %d are needed", got)
	}
}

// TestApart: what a member lacks to serve in its place.
func TestApart(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world)
		want   string
	}{
		"nothing":                  {func(*world) {}, ""},
		"it has just become ready": {func(w *world) { w.pod("b-0-1").Status.Conditions[0].LastTransitionTime = ago(0) }, "has not been checked since it became ready"},
		"nobody knows it":          {func(w *world) { delete(w.Registered["ns"]["b-0"], 1) }, "is not registered at the name servers"},
		"one name server does not": {func(w *world) { w.Registered["new"] = nil }, "is not registered at every name server"},
		"one name server is away":  {func(w *world) { w.Unreachable["x"] = "dead" }, "is not registered at every name server"},
		"it lags": {func(w *world) {
			state := w.SyncStates["b-0"]
			state.InSync = state.InSync[:1]
			w.SyncStates["b-0"] = state
		}, "is not in the SyncStateSet"},
		"it lags behind a STATIC one": {func(w *world) { w.static(); w.InSyncHosts = nil }, "has not caught up with its master"},
	} {
		w := newWorld()
		test.change(w)
		if got := w.see().Rollout(never).Groups[0].Pods[1].Apart; got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestUnable: a slave that could not take over now is told of, unless none ever does.
func TestUnable(t *testing.T) {
	w := newWorld()
	w.CaughtUp[w.dialable("b-0", 1)] = false
	if got := w.see().Rollout(never).Groups[0].Pods[1].Unable; got != "lacks messages of its master" {
		t.Errorf("said %q", got)
	}
	w.static()
	if got := w.see().Rollout(never).Groups[0].Pods[1].Unable; got != "" {
		t.Errorf("in STATIC mode: %q", got)
	}
}

// TestBlame: a broker that nobody knows and that does not become ready is blamed on its old spec.
func TestBlame(t *testing.T) {
	w := newWorld()
	pod := w.pod("b-0-1")
	pod.Annotations, pod.Status.Conditions[0].Status = nil, corev1.ConditionFalse
	if got := w.see().Rollout(never).Groups[0].Pods[1].Stuck; got != "" {
		t.Errorf("a registered one is blamed: %q", got)
	}
	delete(w.Registered["ns"]["b-0"], 1)
	if got := w.see().Rollout(never).Groups[0].Pods[1].Stuck; !strings.Contains(got, "not been ready for over") {
		t.Errorf("said %q", got)
	}
}

// TestKeep: a pod whose disk dies with it is replaced only if somebody else has its messages, or the user gives them up.
func TestKeep(t *testing.T) {
	alone := func(w *world) {
		w.Broker.Spec.StorageMode = v1alpha1.EmptyDir
		w.SyncStates["b-0"] = admin.SyncState{MasterAddr: w.registered("b-0", 0), InSync: []admin.Replica{{ID: 1, Addr: w.registered("b-0", 0), Alive: true}}}
	}
	for name, test := range map[string]struct {
		change        func(*world)
		master, slave string
	}{
		"on a volume":             {func(*world) {}, "", ""},
		"with a slave in sync":    {func(w *world) { w.Broker.Spec.StorageMode = v1alpha1.EmptyDir }, "", ""},
		"alone":                   {alone, "no slave has all of its messages", ""},
		"it never ran":            {func(w *world) { alone(w); w.pod("b-0-0").Status = corev1.PodStatus{} }, "", ""},
		"STATIC":                  {func(w *world) { alone(w); w.static() }, "clusterMode STATIC, so the messages of b-0-0 would be lost", ""},
		"nobody knows who it was": {func(w *world) { alone(w); clear(w.Registered["ns"]["b-0"]) }, "no slave has all of its messages", "no slave has all of its messages"},
	} {
		w := newWorld()
		test.change(w)
		f := w.see()
		group := f.Rollout(never).Groups[0]
		for i, want := range []string{test.master, test.slave} {
			if got := group.Pods[i].Keep; !strings.Contains(got, want) || (got == "") != (want == "") {
				t.Errorf("%s: %s is kept because %q", name, group.Pods[i].Name, got)
			}
		}
		if f.Rollout(func(*corev1.Pod) bool { return true }).Groups[0].Pods[0].Keep != "" {
			t.Errorf("%s: the user gives it up, and it is kept", name)
		}
	}
}

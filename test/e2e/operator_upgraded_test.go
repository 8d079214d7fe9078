// SPDX-License-Identifier: Apache-2.0

//go:build e2e && long

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// An operator is upgraded under load, with resources of every kind that the one before knew and that last; then it goes back to the one
// before, and forth again. No pod restarts, no send fails, no message is lost, no trouble is told that was not, and each operator falls
// silent. A change after that goes through the pods that the old operator made.
func operatorUpgraded(t *testing.T, w *world) {
	ctx := t.Context()
	if w.found {
		t.Skip("an operator was here before, which is not to be replaced")
	}
	earlier, err := w.place.Earlier(ctx, kit.EarlierCommit)
	ok(t, err)
	t.Cleanup(earlier.Remove)
	tools, err := w.place.LoadTools(ctx)
	ok(t, err)
	t.Cleanup(func() {
		if _, err := w.place.InstallOperator(context.WithoutCancel(ctx), w.cluster); err != nil {
			t.Errorf("the other stories have the operator of before: %v", err)
		}
	})
	ok(t, earlier.Install(ctx, w.cluster))

	n := w.namespace(t, "upgraded", kit.Restricted)
	c := n.InstallationOfCluster("whole")
	ok(t, n.Apply(ctx, manifest(t, "cluster.yaml"), "VERSION", clusterVersion, "DASHBOARD_IMAGE", tools.Dashboard))
	ok(t, n.Apply(ctx, manifest(t, "upgraded.yaml"), "EXPORTER_IMAGE", tools.Exporter, "SCHEMA_REGISTRY_IMAGE", tools.SchemaRegistry))
	ok(t, n.AwaitReady(ctx, clusterLimit))
	show(t, w, n)
	before := stateOf(t, n)

	back := func() error { return earlier.Install(ctx, w.cluster) }
	forth := func() error {
		_, err := w.place.InstallOperator(ctx, w.cluster)
		return err
	}
	undisturbed(t, c, meanwhile(t, c, kit.LedgerOptions{Topic: "upgraded"}, func() {
		for _, change := range []struct {
			name string
			of   func() error
		}{{"the upgrade", forth}, {"going back to the operator of before", back}, {"the upgrade after that", forth}} {
			began := time.Now()
			ok(t, change.of())
			settles(t, w, n, began)
			if diff := cmp.Diff(before, stateOf(t, n)); diff != "" {
				t.Errorf("pods, or the troubles that resources tell, are others after %s (-before +after):\n%s", change.name, diff)
			}
		}
	}))
	show(t, w, n)
	changeAll(t, c, earlier)
}

// settles waits until the operator has looked at everything and writes no more, and says what it wrote since.
func settles(t *testing.T, w *world, n *kit.Namespace, since time.Time) {
	t.Helper()
	ctx := t.Context()
	ok(t, n.AwaitReady(ctx, 2*time.Minute))
	time.Sleep(20 * time.Second) // for the new leader to look at everything once
	quiet := time.Now()
	time.Sleep(silence)
	writes, known, err := w.place.OperatorWrites(since, time.Now())
	ok(t, err)
	if !known {
		n.Log.Printf("there is no audit log: what the operator wrote was not looked at")
		return
	}
	ofHere := func(write string) bool { return strings.Contains(write, " "+n.Name+"/") }
	late, _, err := w.place.OperatorWrites(quiet, time.Now())
	ok(t, err)
	if late = slices.DeleteFunc(late, func(write string) bool { return !ofHere(write) }); len(late) > 0 {
		t.Errorf("the operator still writes to a converged cluster: %q", late)
	}
	times := map[string]int{}
	for _, write := range writes {
		if ofHere(write) {
			times[write]++
		}
	}
	for _, write := range slices.Sorted(maps.Keys(times)) {
		n.Log.Printf("after the change of operators, %d times: %s", times[write], write)
		switch {
		case !strings.HasPrefix(write, "patch "):
			t.Errorf("the operator made or deleted something in a cluster that did not change: %s", write)
		case times[write] > 2 && !strings.Contains(write, "/status "): // a pass may come before the cache shows what the last one wrote
			t.Errorf("the operator wrote what the other one had written otherwise, again and again: %d times %s", times[write], write)
		}
	}
}

// state is what a change of operators leaves alone.
type state struct {
	Lives map[string]kit.Life
	// Troubles are the conditions of each resource that are true, but for those that say that all is well.
	Troubles map[string][]string
}

func stateOf(t *testing.T, n *kit.Namespace) state {
	t.Helper()
	lives, err := n.Lives(t.Context())
	ok(t, err)
	resources, err := n.Resources(t.Context())
	ok(t, err)
	troubles := map[string][]string{}
	for _, r := range resources {
		for _, c := range r.Conditions {
			if c.Status == metav1.ConditionTrue && c.Type != v1alpha1.ConditionReady && c.Type != v1alpha1.ConditionUpToDate {
				troubles[r.Kind+" "+r.Name] = append(troubles[r.Kind+" "+r.Name], c.Type)
			}
		}
		slices.Sort(troubles[r.Kind+" "+r.Name])
	}
	return state{lives, troubles}
}

// changeAll: a change by the user reaches every server that the operator of before made, and brings it the agent of today.
func changeAll(t *testing.T, c *kit.Installation, earlier *kit.Earlier) {
	t.Helper()
	ctx := t.Context()
	during(t, c, kit.LedgerOptions{Topic: "changed"}, func() {
		cluster := &v1alpha1.RocketMQCluster{}
		ok(t, c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: "whole"}, cluster))
		before := cluster.DeepCopy()
		cluster.Spec.JVM.ExtraOptions = append(cluster.Spec.JVM.ExtraOptions, "-XX:-UsePerfData")
		ok(t, c.Client.Patch(ctx, cluster, client.MergeFrom(before)))
		static := &v1alpha1.Broker{}
		ok(t, c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: "static"}, static))
		alone := static.DeepCopy()
		static.Spec.JVM.ExtraOptions = append(static.Spec.JVM.ExtraOptions, "-XX:-UsePerfData")
		ok(t, c.Client.Patch(ctx, static, client.MergeFrom(alone)))
		ok(t, c.Await(ctx, "every server to have the agent of today", clusterLimit, func(ctx context.Context) error {
			pods, err := c.OwnPods(ctx)
			for name, pod := range pods {
				server := !strings.HasPrefix(name, "whole-console") && (strings.HasPrefix(name, "whole-") || strings.HasPrefix(name, "static-"))
				if server && slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return strings.HasSuffix(c.Image, ":"+earlier.Tag) }) {
					return fmt.Errorf("%s has that of before", name)
				}
			}
			return err
		}))
		ok(t, c.AwaitReady(ctx, clusterLimit))
	})
}

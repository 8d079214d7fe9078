// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// A user makes a mistake and is told: when applying, or by a condition that says what to do. The operator does not
// fall over it, and no other cluster notices.
func badInput(t *testing.T, w *world) {
	ctx := t.Context()
	crashes := operatorRestarts(ctx, t, w.cluster)
	healthy := &kit.Installation{Namespace: w.namespace(t, "empty-lists", kit.Restricted), NameService: "names", Broker: "broker"}
	t.Run("EmptyLists", func(t *testing.T) {
		// The predecessor's operator crashed on these for ever.
		c := *healthy
		c.Namespace = in(t, healthy.Namespace)
		ok(t, c.Apply(ctx, manifest(t, "empty-lists.yaml")))
		ok(t, c.AwaitReady(ctx, smallLimit))
		ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, 1), time.Minute))
		awaitSaved(t, &c, 0) // the last thing that the operator writes
	})
	before, err := healthy.Versions(ctx)
	ok(t, err)

	bad := w.namespace(t, "bad-input", kit.Restricted)
	t.Run("Refused", func(t *testing.T) { refused(t, in(t, bad)) })
	t.Run("Conditions", func(t *testing.T) { conditions(t, in(t, bad)) })

	after, err := healthy.Versions(ctx)
	ok(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("another cluster was affected (-before +after):\n%s", diff)
	}
	pods := w.namespace(t, "no-pods", kit.Restricted)
	t.Run("PodsDoNotCome", func(t *testing.T) { podsDoNotCome(t, pods) })
	if now := operatorRestarts(ctx, t, w.cluster); !cmp.Equal(crashes, now) {
		t.Errorf("the operator restarted or was replaced: %v, then %v", crashes, now)
	}
}

// refused holds what the API server refuses by the CRDs' rules.
func refused(t *testing.T, n *kit.Namespace) {
	for _, c := range []struct{ name, manifest, want string }{
		{
			"an even number of controllers",
			"{kind: Controller, metadata: {name: even}, spec: {size: 2}}", "size must be odd",
		},
		{
			"a mode that is to come",
			"{kind: Broker, metadata: {name: container}, spec: {clusterMode: CONTAINER}}", "CONTAINER is not supported yet",
		},
		{
			"an unknown mode",
			"{kind: Broker, metadata: {name: mode}, spec: {clusterMode: DLEDGER}}", "clusterMode must be STATIC or CONTROLLER",
		},
		{
			"a name too long for labels",
			"{kind: NameService, metadata: {name: " + strings.Repeat("n", 41) + "}}", "at most 40 characters",
		},
		{
			"a property that the operator owns",
			`{kind: Broker, metadata: {name: owned}, spec: {config: {brokerId: "7"}}}`, "remove: brokerId",
		},
		{
			"a disk too small for the broker to work",
			"{kind: Broker, metadata: {name: disk}, spec: {storage: {size: 1Gi}}}", "at least four commit-log files",
		},
	} {
		objects, err := kit.Decode([]byte(strings.Replace(c.manifest, "{", "{apiVersion: rocketmq.apache.org/v1alpha1, ", 1)))
		ok(t, err)
		err = n.ApplyObject(t.Context(), objects[0])
		switch {
		case err == nil:
			t.Errorf("%s: was accepted", c.name)
		case !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: the answer does not say %q: %v", c.name, c.want, err)
		default:
			n.Log.Printf("%s: %v", c.name, err)
		}
	}
}

// conditions holds what only the operator can see.
func conditions(t *testing.T, n *kit.Namespace) {
	ctx := t.Context()
	expect := func(broker, condition string, mentions ...string) {
		t.Helper()
		found, err := n.AwaitCondition(ctx, "Broker", broker, condition, metav1.ConditionTrue, time.Minute)
		ok(t, err)
		n.Log.Printf("%s: %s", condition, found.Message)
		for _, word := range mentions {
			if !strings.Contains(found.Message, word) {
				t.Errorf("the message of %s does not mention %s: %s", condition, word, found.Message)
			}
		}
	}
	ok(t, n.Apply(ctx, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: broker}, spec: {brokerImage: 'apache/rocketmq:5.3.3'}}"))
	expect("broker", v1alpha1.ConditionMissingReference, "NameService")
	expect("broker", v1alpha1.ConditionKnownDefect, "5.3.3")
	ready, err := n.AwaitCondition(ctx, "Broker", "broker", v1alpha1.ConditionReady, metav1.ConditionFalse, time.Minute)
	ok(t, err)
	if ready.Reason != v1alpha1.ConditionMissingReference {
		t.Errorf("the Broker is not Ready for the reason %s, want %s", ready.Reason, v1alpha1.ConditionMissingReference)
	}

	// Images that cannot run keep the two name servers from costing anything.
	for _, name := range []string{"one", "two"} {
		ok(t, n.Apply(ctx, fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: %s}, spec: {nameServiceImage: '%s'}}", name, oldNameServer)))
	}
	expect("broker", v1alpha1.ConditionAmbiguousReference, "one", "two", "nameServiceRef")
	ok(t, n.AwaitNoCondition(ctx, "Broker", "broker", v1alpha1.ConditionMissingReference, 10*time.Second))

	ok(t, n.Apply(ctx, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: controlled}, spec: {clusterMode: CONTROLLER, nameServiceRef: {name: one}}}"))
	expect("controlled", v1alpha1.ConditionMissingReference, "Controller")
}

// operatorRestarts counts the restarts of the operator's pods, by pod.
func operatorRestarts(ctx context.Context, t *testing.T, c *kit.Cluster) map[string]int32 {
	t.Helper()
	var pods corev1.PodList
	ok(t, c.Client.List(ctx, &pods, client.InNamespace(kit.OperatorNamespace)))
	restarts := map[string]int32{}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp != nil {
			continue // it was replaced before
		}
		for _, status := range pod.Status.ContainerStatuses {
			restarts[pod.Name] += status.RestartCount
		}
	}
	if len(restarts) == 0 {
		t.Fatal("the operator has no pod")
	}
	return restarts
}

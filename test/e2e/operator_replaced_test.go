// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// silence is how long a converged cluster is watched for writes.
const silence = time.Minute

// The operator may go and come back at any time: it keeps nothing in memory that matters. A user is promised that no
// pod restarts because of it, and that it writes nothing while nothing changes.
func operatorReplaced(t *testing.T, w *world, n *kit.Installation) {
	ctx := t.Context()
	lives, err := n.Lives(ctx)
	ok(t, err)

	n.Log.Printf("deleting the operator's Deployment")
	key := client.ObjectKey{Namespace: kit.OperatorNamespace, Name: kit.OperatorName}
	deployment := &appsv1.Deployment{}
	ok(t, n.Client.Get(ctx, key, deployment))
	ok(t, n.Client.Delete(ctx, deployment, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	ok(t, n.Await(ctx, "it to be gone", 2*time.Minute, func(ctx context.Context) error {
		err := n.Client.Get(ctx, key, deployment)
		if err == nil {
			return errors.New("its pods have not ended")
		}
		return client.IgnoreNotFound(err)
	}))
	_, err = w.place.InstallOperator(ctx, n.Cluster)
	ok(t, err)
	ok(t, n.AwaitReady(ctx, time.Minute))

	time.Sleep(10 * time.Second) // for the new leader to look at everything once
	versions, err := n.Versions(ctx)
	ok(t, err)
	from := time.Now()
	n.Log.Printf("watching for writes for %s", silence)
	time.Sleep(silence)
	after, err := n.Versions(ctx)
	ok(t, err)
	if diff := cmp.Diff(versions, after); diff != "" {
		t.Errorf("objects of a converged cluster changed (-before +after):\n%s", diff)
	}
	writes, known, err := w.place.OperatorWrites(from, from.Add(silence))
	ok(t, err)
	writes = slices.DeleteFunc(writes, func(write string) bool { return !strings.Contains(write, " "+n.Name+"/") }) // those to others' clusters
	if len(writes) > 0 {
		t.Errorf("the operator wrote to a converged cluster: %q", writes)
	}
	n.Log.Printf("%d objects unchanged; audit log looked at: %t", len(after), known)

	now, err := n.Lives(ctx)
	ok(t, err)
	if diff := cmp.Diff(lives, now); diff != "" {
		t.Errorf("pods were restarted or replaced (-before +after):\n%s", diff)
	}
}

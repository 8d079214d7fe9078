// SPDX-License-Identifier: Apache-2.0

//go:build e2e

// Package e2e tells a user's stories against a real Kubernetes and real RocketMQ servers:
//
//	go test -tags e2e -v -timeout 45m ./test/e2e
//
// It starts localkube and loads the images itself, or runs on the cluster of $KUBECONFIG. E2E_KEEP=1 leaves
// everything in place afterwards.
package e2e

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// story is what a user does and is promised.
type story struct {
	name  string
	needs int64 // of room
	tell  func(*testing.T, *world)
}

// room is what the machine has for stories: they wait more than they work, but two cores have no place for the servers of all.
const (
	room = 8
	// strict is for stories that measure how soon something happens, or count on producers that see no error: two at a time,
	// and a loose one beside them.
	strict = 3
	// loose is for those that ask for nothing of the kind.
	loose = 2
)

// TestStories tells them all, each as soon as those before it leave room. One that fails does not stop the next: each has
// its own namespaces, and each wait its limit.
func TestStories(t *testing.T) {
	w := newWorld(t)
	free := semaphore.NewWeighted(room)
	var running sync.WaitGroup
	for _, s := range []story{
		{"Helm", room, installedByHelm}, // takes the operator and the kinds away
		{"Nodes", room, nodes},          // cuts them off
		// The three that need the operator at once come before those that replace it.
		{"Quickstart", strict, quickstart},
		{"BadInput", strict, badInput}, // watches that the operator stays
		{"NetworkPolicies", loose, networkPolicies},
		{"Failover", strict, failover},
		{"Outages", strict, outages},
		{"WholeCluster", loose, wholeCluster},
		{"Scaling", strict, scaling},
		{"Rolling", strict, rolling},
		{"TopicTransfer", loose, topicTransfer},
		{"Secured", strict, secured},
		{"LookingAtACluster", loose, lookingAtACluster},
		{"TwoClusters", loose, twoClusters},
		{"LegacyResources", strict, legacyResources},
		{"TransferTroubles", strict, transferTroubles}, // does two things at a time
		{"Topics", loose, topics},
		{"MetadataGuard", loose, metadataGuard},
		{"Static", loose, static},
		{"Proxy", loose, proxy},
		{"Migration", loose, migration},
		{"HostNetwork", loose, hostNetwork},
	} {
		ok(t, free.Acquire(t.Context(), s.needs))
		running.Go(func() {
			defer free.Release(s.needs)
			t.Run(s.name, func(t *testing.T) { s.tell(t, w) })
		})
	}
	running.Wait()
}

// namespacePrefix begins the names of the tests' namespaces.
const namespacePrefix = "e2e"

// world is what all stories share.
type world struct {
	place   *kit.Place
	cluster *kit.Cluster
	keep    bool
	found   bool // the operator was here before
	sharing sync.Mutex
}

func newWorld(t *testing.T) *world {
	ctx, log := t.Context(), kit.NewLog(t.Output())
	w := &world{keep: os.Getenv("E2E_KEEP") == "1"}
	var err error
	w.place, err = kit.Provision(ctx, log)
	ok(t, err)
	w.cluster, err = kit.Connect()
	ok(t, err)
	ok(t, w.cluster.DeleteTestNamespaces(ctx, namespacePrefix, log))
	w.found, err = w.place.InstallOperator(ctx, w.cluster)
	ok(t, err)
	if w.keep {
		return w
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
		defer cancel()
		// The namespaces that are on their way out, and what a story left to one that was not told. Before the operator's
		// kinds: without those their objects would be nobody's.
		if err := w.cluster.DeleteTestNamespaces(ctx, namespacePrefix, log); err != nil {
			t.Error(err)
		}
		if w.found {
			return
		}
		if err := w.place.RemoveOperator(ctx); err != nil {
			t.Error(err)
		}
	})
	return w
}

// namespace makes a namespace that lasts as long as the test.
func (w *world) namespace(t *testing.T, name string, level kit.PodSecurity) *kit.Namespace {
	t.Helper()
	n := w.newNamespace(t, name, level)
	w.deleteAfter(t, n)
	return n
}

// shared is the namespace of several stories, which the first of them makes.
func (w *world) shared(t *testing.T, name string, level kit.PodSecurity) *kit.Namespace {
	t.Helper()
	w.sharing.Lock()
	defer w.sharing.Unlock()
	n := &kit.Namespace{Cluster: w.cluster, Name: namespacePrefix + "-" + name, Log: kit.NewLog(t.Output())}
	err := w.cluster.Client.Get(t.Context(), client.ObjectKey{Name: n.Name}, &corev1.Namespace{})
	if apierrors.IsNotFound(err) {
		return w.newNamespace(t, name, level)
	}
	ok(t, err)
	return n
}

func (w *world) newNamespace(t *testing.T, name string, level kit.PodSecurity) *kit.Namespace {
	t.Helper()
	n, err := w.cluster.CreateNamespace(t.Context(), namespacePrefix+"-"+name, level, kit.NewLog(t.Output()))
	ok(t, err)
	return n
}

// deleteAfter deletes a namespace at the end of the test. Whoever made the world waits until it is gone.
func (w *world) deleteAfter(t *testing.T, n *kit.Namespace) {
	t.Helper()
	if w.keep {
		return
	}
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		if err := n.BeginDelete(ctx); err != nil {
			t.Error(err)
		}
	})
}

// in is the namespace for a part of a story, so that what it says appears under that part.
func in(t *testing.T, n *kit.Namespace) *kit.Namespace {
	return &kit.Namespace{Cluster: n.Cluster, Name: n.Name, Log: kit.NewLog(t.Output())}
}

// ok ends the test if something failed.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

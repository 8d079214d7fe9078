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
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// TestStories tells them one after another, because ten servers are plenty for a small machine.
// One that fails does not stop the next: each has its own namespaces, and each wait its limit.
func TestStories(t *testing.T) {
	w := newWorld(t)
	for _, story := range []struct {
		name string
		tell func(*testing.T, *world)
	}{
		{"Quickstart", quickstart},
		{"TwoClusters", twoClusters},
		{"Scaling", scaling},
		{"TopicTransfer", topicTransfer},
		{"MetadataGuard", metadataGuard},
		{"Static", static},
		{"HostNetwork", hostNetwork},
		{"Migration", migration},
		{"LegacyResources", legacyResources},
		{"BadInput", badInput},
	} {
		t.Run(story.name, func(t *testing.T) { story.tell(t, w) })
	}
}

// namespacePrefix begins the names of the tests' namespaces.
const namespacePrefix = "e2e"

// world is what all stories share.
type world struct {
	place   *kit.Place
	cluster *kit.Cluster
	keep    bool
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
	before, err := w.place.InstallOperator(ctx, w.cluster)
	ok(t, err)
	if !before && !w.keep {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
			defer cancel()
			// The namespaces first: with the operator's kinds gone their objects would be nobody's.
			if err := w.cluster.DeleteTestNamespaces(ctx, namespacePrefix, log); err != nil {
				t.Error(err)
			}
			if err := w.place.RemoveOperator(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return w
}

// namespace makes a namespace that lasts as long as the test.
func (w *world) namespace(t *testing.T, name string, level kit.PodSecurity) *kit.Namespace {
	t.Helper()
	ctx := t.Context()
	n, err := w.cluster.CreateNamespace(ctx, namespacePrefix+"-"+name, level, kit.NewLog(t.Output()))
	ok(t, err)
	if !w.keep {
		t.Cleanup(func() {
			if err := n.Delete(context.WithoutCancel(ctx)); err != nil {
				t.Error(err)
			}
		})
	}
	return n
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

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// Values of -topology and -namespaces.
const (
	small      = "small"
	quickstart = "quickstart"
	each       = "each"
	one        = "one"
)

// manifest of a cluster, as small as one that a user runs.
const manifest = `
apiVersion: rocketmq.apache.org/v1alpha1
kind: RocketMQCluster
metadata: {namespace: NAMESPACE, name: NAME}
spec:
  version: 5.4.0
  nameServers: {size: SERVERS}
  controllers: {size: SERVERS, storage: {size: 1Gi}}
  brokers:
  - size: GROUPS
    replicaPerGroup: 1
    storage: {size: 1Gi}
    jvm: {heap: 256Mi, directMemory: 128Mi}
  config: {allAckInSyncStateSet: "true", flushDiskType: ASYNC_FLUSH, mappedFileSizeCommitLog: "67108864", fileReservedTime: "48"}
  jvm: {heap: 128Mi, extraOptions: [-XX:+UseSerialGC]}
`

// cluster is the name of a RocketMQCluster.
type cluster struct{ namespace, name string }

func (c cluster) String() string { return c.namespace + "/" + c.name }

// clusterNames of n clusters.
func clusterNames(n int, namespaces string) []cluster {
	var out []cluster
	for i := range n {
		c := cluster{namespace: "mq", name: fmt.Sprintf("c%04d", i)}
		if namespaces == each {
			c.namespace = "mq-" + c.name
		}
		out = append(out, c)
	}
	return out
}

// create a cluster.
func create(ctx context.Context, c client.Client, topology string, of cluster) error {
	servers, groups := "1", "1"
	if topology == quickstart {
		servers, groups = "3", "2"
	}
	text := strings.NewReplacer("NAMESPACE", of.namespace, "NAME", of.name, "SERVERS", servers, "GROUPS", groups).Replace(manifest)
	var object v1alpha1.RocketMQCluster
	if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
		return err
	}
	return c.Create(ctx, &object)
}

// resize the only pool of a cluster to a number of groups.
func resize(ctx context.Context, c client.Client, of cluster, groups int) error {
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/brokers/0/size", "value": groups}})
	if err != nil {
		return err
	}
	object := &v1alpha1.RocketMQCluster{}
	object.Namespace, object.Name = of.namespace, of.name
	return c.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch))
}

// tracker follows the clusters' status as a user does who watches it.
type tracker struct {
	mu      sync.Mutex
	changed chan struct{}                // closed at the next change
	ready   map[cluster]bool             // and up to date
	brokers map[cluster]*v1alpha1.Broker // the only pools
}

func startTracker(ctx context.Context, c cache.Cache) (*tracker, error) {
	t := &tracker{changed: make(chan struct{}), ready: map[cluster]bool{}, brokers: map[cluster]*v1alpha1.Broker{}}
	for _, object := range []client.Object{&v1alpha1.RocketMQCluster{}, &v1alpha1.Broker{}} {
		informer, err := c.GetInformer(ctx, object)
		if err != nil {
			return nil, err
		}
		handler := toolscache.ResourceEventHandlerFuncs{AddFunc: t.see, UpdateFunc: func(_, now any) { t.see(now) }}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tracker) see(object any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch o := object.(type) {
	case *v1alpha1.RocketMQCluster:
		t.ready[cluster{o.Namespace, o.Name}] = o.Status.ObservedGeneration == o.Generation &&
			meta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionReady) &&
			meta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionUpToDate)
	case *v1alpha1.Broker:
		t.brokers[cluster{o.Namespace, o.Labels[desired.LabelCluster]}] = o
	default:
		return
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// await until done says so, which is asked at every change.
func (t *tracker) await(ctx context.Context, what string, done func() bool) error {
	for {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
}

// readyClusters is how many are ready now.
func (t *tracker) readyClusters() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ready := range t.ready {
		if ready {
			n++
		}
	}
	return n
}

// groups that a cluster has by its status.
func (t *tracker) groups(of cluster) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.brokers[of]
	if b == nil {
		return 0
	}
	return len(b.Status.Groups)
}

// serves tells whether a cluster is ready with so many groups, all open and with their members in sync.
func (t *tracker) serves(of cluster, groups int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.brokers[of]
	if b == nil || !t.ready[of] || len(b.Status.Groups) != groups {
		return false
	}
	for _, g := range b.Status.Groups {
		if g.State != string(scale.Open) {
			return false
		}
		for _, m := range g.Members {
			if !m.InSync {
				return false
			}
		}
	}
	return true
}

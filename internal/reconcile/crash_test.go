// SPDX-License-Identifier: Apache-2.0

package reconcile_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestCrashPoints: an operator dies after its k-th write, for every k, while it creates or changes something; the next
// one brings about the same objects as one that was never disturbed.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	for _, test := range []crash{
		{name: "create NameService", act: func(w *world.World) { w.CreateYAML(world.NameService) }},
		{name: "create Controller", act: func(w *world.World) { w.CreateYAML(world.Controllers) }},
		{name: "create Broker", before: world.NameService + world.Controllers, act: func(w *world.World) { w.CreateYAML(world.Brokers) }},
		{name: "create Broker with authentication", before: world.NameService, act: func(w *world.World) {
			w.CreateYAML(strings.Replace(world.Static, "spec: {", "spec: {auth: {enabled: true}, storageMode: EmptyDir, ", 1))
		}},
		{name: "create RocketMQCluster with authentication", act: func(w *world.World) {
			w.CreateYAML(strings.Replace(world.WholeCluster, "console: {}", "auth: {enabled: true}", 1))
		}},
		{name: "change NameService", before: world.NameService, act: func(w *world.World) {
			world.Edit(w, "ns", func(ns *v1alpha1.NameService) {
				ns.Spec.Size, ns.Spec.NameServiceImage = new(int32(3)), "apache/rocketmq:5.5.0"
			})
		}},
		{name: "change Controller", before: world.Controllers, act: func(w *world.World) {
			world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.ControllerImage = "apache/rocketmq:5.5.0" })
		}},
		{name: "change Broker", before: world.NameService + strings.Replace(world.Controllers, "{name: ctl}", "{name: ctl}, spec: {size: 1}", 1) + strings.Replace(world.Brokers, "size: 2", "size: 1", 1), act: func(w *world.World) {
			world.Edit(w, "b", func(b *v1alpha1.Broker) {
				b.Spec.ReplicaPerGroup, b.Spec.PodAnnotations = new(int32(2)), map[string]string{"a": "b"}
			})
		}},
		{name: "create Console", before: world.NameService, act: func(w *world.World) { w.CreateYAML(world.Console) }},
		{name: "create Exporter", before: world.NameService, act: func(w *world.World) { w.CreateYAML(world.Exporter) }},
		{name: "create SchemaRegistry", before: world.NameService, act: func(w *world.World) { w.CreateYAML(world.Registry) }},
		{name: "change Console", before: world.NameService + world.Console, act: func(w *world.World) {
			world.Edit(w, "con", func(c *v1alpha1.Console) {
				c.Spec.Ingress, c.Spec.Service.Annotations, c.Spec.Image = nil, map[string]string{"a": "b"}, "dashboard:2"
			})
			world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(3)) })
		}},
		{name: "create RocketMQCluster", act: func(w *world.World) { w.CreateYAML(world.WholeCluster) }},
		{name: "change RocketMQCluster", before: world.WholeCluster, act: func(w *world.World) {
			world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
				c.Spec.Version, c.Spec.Console, c.Spec.Config = "5.5.0", nil, map[string]v1alpha1.ConfigValue{"a": "b"}
			})
		}},
		{name: "scale out Broker", before: world.NameService + world.Static, act: func(w *world.World) {
			w.MQ.Change("b-0", func(t *fakemq.Tables) {
				t.Topics["t"], t.Groups["g"] = admin.TopicConfig{Name: "t", ReadQueues: 2, WriteQueues: 2, Perm: 6}, admin.NewSubscriptionGroup("g")
				t.Offsets["t@g"] = map[string]int64{"0": 5, "1": 7}
			})
			world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(2)) })
		}},
		{name: "enlarge Broker's volumes", volumes: true, before: world.NameService + strings.Replace(world.Static, "size: 1,", "size: 2, storage: {className: CLASS, size: 8Gi},", 1),
			act: func(w *world.World) {
				world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Storage.Size = new(resource.MustParse("9Gi")) })
			}},
		{name: "scale in Broker", before: world.NameService + strings.Replace(world.Static, "size: 1,", "size: 2, drainSeconds: 0,", 1), act: func(w *world.World) {
			world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size, b.Spec.ReplicaPerGroup = new(int32(1)), new(int32(0)) })
		}},
		{name: "create Proxy", before: world.NameService + world.Static, act: func(w *world.World) { w.CreateYAML(world.Proxies) }},
		{name: "change Proxy", before: world.NameService + world.Static + world.Proxies, act: func(w *world.World) {
			world.Edit(w, "p", func(p *v1alpha1.Proxy) {
				p.Spec.Replicas, p.Spec.Image, p.Spec.Config = new(int32(2)), "apache/rocketmq:5.5.0", map[string]v1alpha1.ConfigValue{"traceOn": "true"}
				p.Spec.Service = &v1alpha1.ProxyService{Ports: &v1alpha1.ProxyPorts{GRPC: 443, Remoting: 8080}}
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			undisturbed, total := test.run(t, -1)
			if total < 4 {
				t.Fatalf("only %d writes", total)
			}
			for k := 1; k < total; k++ {
				t.Run(fmt.Sprint(k), func(t *testing.T) {
					t.Parallel()
					got, _ := test.run(t, k)
					if diff := cmp.Diff(undisturbed, got); diff != "" {
						t.Errorf("objects differ from those of an undisturbed run (-undisturbed +got):\n%s", diff)
					}
				})
			}
		})
	}
}

type crash struct {
	name   string
	before string // what is there already, ready; CLASS is the world's StorageClass
	// volumes: there are some, and they grow.
	volumes bool
	act     func(w *world.World)
}

// run acts under an operator that dies after k writes, never if that is negative, and lets another one finish. It
// returns the objects in the end, and the last operator's writes.
func (c crash) run(t *testing.T, k int) (objects map[string]any, writes int) {
	t.Helper()
	w := world.New(t)
	if c.volumes {
		c.before, w.Growing = strings.ReplaceAll(c.before, "CLASS", w.StorageClass()), true
	}
	if c.before != "" {
		w.CreateYAML(c.before)
		first := w.Start()
		first.Until(w.AllReady)
		first.Shutdown()
	}
	c.act(w)
	o := w.StartMortal(k)
	if k >= 0 {
		o.DieAfter(k, w.AllReady)
		o = w.Start()
	}
	o.Until(func() string {
		if missing := w.AllReady(); missing != "" {
			return missing
		}
		return topicsUnsaved(w)
	})
	writes = len(o.Writes())
	o.CheckSilenceFor(400 * time.Millisecond)
	return w.Snapshot(), writes
}

// topicsUnsaved says which guarded group has a topic that is not saved yet.
func topicsUnsaved(w *world.World) string {
	w.Helper()
	for _, group := range w.MQ.Registered() {
		known := len(w.MQ.Tables(group).Topics)
		if saved := w.Saved(group); saved != nil && saved.Data["topics"] != strconv.Itoa(known) {
			return fmt.Sprintf("of %d topics of %s %s are saved", known, group, saved.Data["topics"])
		}
	}
	return ""
}

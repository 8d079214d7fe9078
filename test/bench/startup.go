// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	startPairs = 3
	// startupBar is how much longer the operator may take than manifests that are written by hand and applied all at once.
	startupBar = 1.15
	// oneObjectBar is how much longer a RocketMQCluster may take than a resource of each kind.
	oneObjectBar = 1.1
)

// contestant is a way to write down the same servers.
type contestant struct{ name, what, path string }

// startup races the quickstart with hand-written manifests.
func (b *bench) startup(ctx context.Context) error {
	return b.race(ctx, contestant{"operator", "the operator", quickstart}, contestant{"by-hand", "by hand", "test/bench/testdata/by-hand.yaml"}, startupBar)
}

// oneObject races a RocketMQCluster with the quickstart's three manifests.
func (b *bench) oneObject(ctx context.Context) error {
	return b.race(ctx, contestant{"one-object", "one object", "test/bench/testdata/cluster.yaml"}, contestant{"three", "three manifests", quickstart}, oneObjectBar)
}

// race measures the time from apply to the first message consumed, in pairs, because machines have moods.
func (b *bench) race(ctx context.Context, first, second contestant, bar float64) error {
	times := map[contestant][]time.Duration{}
	for pair := range startPairs {
		for _, c := range []contestant{first, second} {
			took, err := b.start(ctx, fmt.Sprintf("bench-%s-%d", c.name, pair), c.path)
			if err != nil {
				return err
			}
			times[c] = append(times[c], took)
		}
	}
	ratio := median(times[first]).Seconds() / median(times[second]).Seconds()
	fmt.Fprintf(b.out, "\napply to first message consumed, median of %d: %s %.1f s %v, %s %.1f s %v, ratio %.2f (bar %.2f)\n", startPairs,
		first.what, median(times[first]).Seconds(), seconds(times[first]), second.what, median(times[second]).Seconds(), seconds(times[second]), ratio, bar)
	if ratio > bar {
		return fmt.Errorf("%s takes %.2f times as long as %s", first.what, ratio, second.what)
	}
	return nil
}

// start applies manifests to a new namespace and tells how long it took until a message was consumed.
func (b *bench) start(ctx context.Context, namespace, path string) (time.Duration, error) {
	n, err := b.cluster.CreateNamespace(ctx, namespace, kit.Restricted, b.log)
	if err != nil {
		return 0, err
	}
	c, err := n.InstallationOf(path)
	if err != nil {
		return 0, err
	}
	managed := c.NameService != ""
	if !managed {
		c.NameService, c.Broker = "quickstart-ns", "quickstart"
	}
	began := time.Now()
	if err := c.ApplyPath(ctx, path); err != nil {
		return 0, err
	}
	if managed {
		err = c.AwaitReady(ctx, startLimit)
	} else {
		err = c.Await(ctx, "every pod to be ready", startLimit, func(ctx context.Context) error { return allReady(ctx, n) })
	}
	if err != nil {
		return 0, err
	}
	if err := c.AwaitRegistered(ctx, c.NameServers(nameServers), c.Topology(groups, groupMembers), startLimit); err != nil {
		return 0, err
	}
	ready := time.Since(began)
	ledger, err := c.StartLedger(ctx, kit.LedgerOptions{NameServers: c.NameServerAddresses(nameServers), Topic: "first", Messages: 1})
	if err != nil {
		return 0, err
	}
	if _, err := ledger.Verdict(ctx, 2*time.Minute); err != nil {
		return 0, err
	}
	took := time.Since(began)
	b.log.Printf("%s: everything there after %.1f s, first message consumed after %.1f s", namespace, ready.Seconds(), took.Seconds())
	return took, n.Delete(ctx, deleteLimit)
}

func allReady(ctx context.Context, n *kit.Namespace) error {
	var pods corev1.PodList
	if err := n.Client.List(ctx, &pods, client.InNamespace(n.Name)); err != nil {
		return err
	}
	ready := 0
	for i := range pods.Items {
		if kit.PodReady(&pods.Items[i]) {
			ready++
		}
	}
	if ready < servers {
		return fmt.Errorf("%d of %d pods are ready", ready, servers)
	}
	return nil
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

func seconds(times []time.Duration) []string {
	var out []string
	for _, t := range times {
		out = append(out, fmt.Sprintf("%.1f", t.Seconds()))
	}
	return out
}

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
	pairs = 3
	// bar is how much longer the operator may take than manifests that are written by hand and applied all at once.
	bar = 1.15
)

// startup measures the time from apply to the first message consumed, in pairs, because machines have moods.
func (b *bench) startup(ctx context.Context) error {
	var byOperator, byHand []time.Duration
	for pair := range pairs {
		took, err := b.start(ctx, fmt.Sprintf("bench-operator-%d", pair), quickstart)
		if err != nil {
			return err
		}
		byOperator = append(byOperator, took)
		if took, err = b.start(ctx, fmt.Sprintf("bench-by-hand-%d", pair), "test/bench/testdata/by-hand.yaml"); err != nil {
			return err
		}
		byHand = append(byHand, took)
	}
	ratio := median(byOperator).Seconds() / median(byHand).Seconds()
	fmt.Printf("\napply to first message consumed, median of %d: operator %.1f s %v, by hand %.1f s %v, ratio %.2f (bar %.2f)\n",
		pairs, median(byOperator).Seconds(), seconds(byOperator), median(byHand).Seconds(), seconds(byHand), ratio, bar)
	if ratio > bar {
		return fmt.Errorf("the operator takes %.2f times as long", ratio)
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

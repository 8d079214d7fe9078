// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	transferManifest = "test/bench/testdata/transfer.yaml"
	transferQueues   = 8
	transferGroups   = 10 // of the one topic
	transferTopics   = 100

	oneTransferBar   = 10 * time.Second
	manyTransfersBar = 60 * time.Second
	reconcileBar     = time.Second // 99 of 100 of all other reconciles
	transferLimit    = 5 * time.Minute
)

// transfer times moving one drained topic with many groups, then many idle topics at once, and tells how long the
// operator's other reconciles took meanwhile.
func (b *bench) transfer(ctx context.Context) error {
	n, err := b.cluster.CreateNamespace(ctx, "bench-transfer", kit.Restricted, b.log)
	if err != nil {
		return err
	}
	c := &kit.Installation{Namespace: n, NameService: "names", Broker: "one"}
	if err := c.ApplyPath(ctx, transferManifest); err != nil {
		return err
	}
	if err := c.AwaitReady(ctx, startLimit); err != nil {
		return err
	}
	for group := range groups {
		if err := makeTopics(ctx, c, c.Member(group, 0)+"."+c.Name+":10911"); err != nil {
			return err
		}
	}
	one, err := move(ctx, c, "orders")
	if err != nil {
		return err
	}
	before, err := b.reconciles(ctx)
	if err != nil {
		return err
	}
	var topics []string
	for i := range transferTopics {
		topics = append(topics, idleTopic(i))
	}
	many, err := move(ctx, c, topics...)
	if err != nil {
		return err
	}
	after, err := b.reconciles(ctx)
	if err != nil {
		return err
	}
	slow, count := quantile(before, after, 0.99)
	fmt.Fprintf(b.out, "\nmove topics between two clusters of %d brokers:\n  one with %d queues and %d consumer groups, drained  %5.1f s (bar %.0f s)\n"+
		"  %d idle ones at once                             %5.1f s (bar %.0f s)\n  99 %% of the %.0f other reconciles meanwhile ended within %.2f s (bar %.0f s)\n",
		groups, transferQueues, transferGroups, one.Seconds(), oneTransferBar.Seconds(), transferTopics, many.Seconds(), manyTransfersBar.Seconds(),
		count, slow, reconcileBar.Seconds())
	if err := n.Delete(ctx, deleteLimit); err != nil {
		return err
	}
	if one > oneTransferBar || many > manyTransfersBar || count == 0 || slow > reconcileBar.Seconds() {
		return errors.New("moving topics takes too long")
	}
	return nil
}

func idleTopic(i int) string { return fmt.Sprintf("idle-%03d", i) }

// makeTopics on one broker: one with many groups, and many with one group each.
func makeTopics(ctx context.Context, c *kit.Installation, broker string) error {
	perm := admin.PermRead | admin.PermWrite
	topics := []admin.TopicConfig{{Name: "orders", ReadQueues: transferQueues, WriteQueues: transferQueues, Perm: perm}}
	var consumers []admin.SubscriptionGroup
	var offsets []admin.ConsumerOffset
	consume := func(group, topic string, queues int) {
		consumers = append(consumers, admin.NewSubscriptionGroup(group))
		for queue := range queues {
			offsets = append(offsets, admin.ConsumerOffset{Topic: topic, Group: group, Queue: queue})
		}
	}
	for i := range transferGroups {
		consume(fmt.Sprintf("group-%d", i), "orders", transferQueues)
	}
	for i := range transferTopics {
		topics = append(topics, admin.TopicConfig{Name: idleTopic(i), ReadQueues: 4, WriteQueues: 4, Perm: perm})
		consume("of-"+idleTopic(i), idleTopic(i), 4)
	}
	if _, err := c.Admin.PutGroups(ctx, broker, nil, consumers); err != nil {
		return err
	}
	if _, err := c.Admin.PutTopics(ctx, broker, nil, topics); err != nil {
		return err
	}
	_, err := c.Admin.PutOffsets(ctx, broker, offsets)
	return err
}

// move topics, and tell how long it took until the last one was moved.
func move(ctx context.Context, c *kit.Installation, topics ...string) (time.Duration, error) {
	began := time.Now()
	for _, topic := range topics {
		transfer := &v1alpha1.TopicTransfer{Spec: v1alpha1.TopicTransferSpec{Topic: topic, SourceCluster: "one", TargetCluster: "two"}}
		transfer.Name, transfer.Namespace = topic, c.Name
		if err := c.Client.Create(ctx, transfer); err != nil {
			return 0, fmt.Errorf("create TopicTransfer %s: %w", topic, err)
		}
	}
	var last time.Time
	err := c.Await(ctx, fmt.Sprintf("%d transfers to be completed", len(topics)), transferLimit, func(ctx context.Context) error {
		var list v1alpha1.TopicTransferList
		if err := c.Client.List(ctx, &list, client.InNamespace(c.Name)); err != nil {
			return err
		}
		last = time.Now()
		phases := map[v1alpha1.TransferPhase]int{}
		for i := range list.Items {
			if slices.Contains(topics, list.Items[i].Name) {
				phases[list.Items[i].Status.Phase]++
			}
		}
		if phases[v1alpha1.TransferCompleted] < len(topics) {
			return fmt.Errorf("phases %v", phases)
		}
		return nil
	})
	return last.Sub(began), err
}

// reconciles of the operator, without those of transfers: how many took at most so many seconds.
func (b *bench) reconciles(ctx context.Context) (map[float64]float64, error) {
	counts := map[float64]float64{}
	err := b.metrics(ctx, func(body io.Reader) error {
		lines := bufio.NewScanner(body)
		for lines.Scan() {
			fields := reconcileBucket.FindStringSubmatch(lines.Text())
			if fields == nil || strings.Contains(fields[1], `"topictransfer"`) {
				continue
			}
			limit, err := strconv.ParseFloat(fields[2], 64)
			if err != nil {
				return err
			}
			count, err := strconv.ParseFloat(fields[3], 64)
			if err != nil {
				return err
			}
			counts[limit] += count
		}
		return lines.Err()
	})
	if err == nil && len(counts) == 0 {
		err = errors.New("the operator's metrics do not tell how long its reconciles take")
	}
	return counts, err
}

var reconcileBucket = regexp.MustCompile(`^controller_runtime_reconcile_time_seconds_bucket\{(.*),le="([^"]+)"\} (\S+)$`)

// quantile of what was added to a histogram: the smallest limit that so many are within, and how many there are.
func quantile(before, after map[float64]float64, q float64) (limit, count float64) {
	count = after[math.Inf(1)] - before[math.Inf(1)]
	for _, limit := range slices.Sorted(maps.Keys(after)) {
		if after[limit]-before[limit] >= q*count {
			return limit, count
		}
	}
	return math.Inf(1), count
}

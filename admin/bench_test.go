// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// BenchmarkCopyMetadata writes 10,000 topics and 1,000 groups in bulk to a real broker, and apart from that 10,000
// consumer offsets. Each round has names of its own, so the table grows.
func BenchmarkCopyMetadata(b *testing.B) {
	if err := shared.start(); err != nil {
		b.Fatal(err)
	}
	addr := shared.static.Addr
	rc := remoting.NewClient(remoting.Options{Timeout: time.Minute})
	defer rc.Close()
	c := admin.New(rc)
	var bulk, offsets time.Duration
	for round := 0; b.Loop(); round++ {
		start := time.Now()
		progress := copyMetadata(b, c, addr, fmt.Sprintf("bench-%d-%d", start.UnixNano(), round))
		bulk += time.Since(start)
		start = time.Now()
		if _, err := c.PutOffsets(b.Context(), addr, progress); err != nil {
			b.Fatal(err)
		}
		offsets += time.Since(start)
	}
	b.ReportMetric(bulk.Seconds()/float64(b.N), "s/topics+groups")
	b.ReportMetric(offsets.Seconds()/float64(b.N), "s/offsets")
}

// copyMetadata returns the offsets that are to follow.
func copyMetadata(b *testing.B, c *admin.Client, addr, prefix string) []admin.ConsumerOffset {
	b.Helper()
	var topics []admin.TopicConfig
	var groups []admin.SubscriptionGroup
	var offsets []admin.ConsumerOffset
	for i := range 1_000 {
		groups = append(groups, admin.NewSubscriptionGroup(fmt.Sprintf("%s-%d", prefix, i)))
	}
	for i := range 10_000 {
		topics = append(topics, admin.TopicConfig{
			Name: fmt.Sprintf("%s-%d", prefix, i), ReadQueues: 8, WriteQueues: 8, Perm: admin.PermRead + admin.PermWrite,
			Attributes: map[string]string{"message.type": "NORMAL"},
		})
		offsets = append(offsets, admin.ConsumerOffset{Topic: topics[i].Name, Group: groups[i%1_000].Name, Queue: i % 8})
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	haveGroups, _, err := c.Groups(ctx, addr)
	if err != nil {
		b.Fatal(err)
	}
	if n, err := c.PutGroups(ctx, addr, haveGroups, groups); err != nil || n != len(groups) {
		b.Fatalf("%d groups, %v", n, err)
	}
	haveTopics, _, err := c.Topics(ctx, addr)
	if err != nil {
		b.Fatal(err)
	}
	if n, err := c.PutTopics(ctx, addr, haveTopics, topics); err != nil || n != len(topics) {
		b.Fatalf("%d topics, %v", n, err)
	}
	return offsets
}

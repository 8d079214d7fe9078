// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	proxyManifest = "test/e2e/testdata/proxy.yaml"
	proxyAddress  = "gateway-proxy:8080"
	proxyRate     = 100              // messages a second
	proxyLasts    = 15 * time.Second // each run
	// Before that, servers compile their code.
	warmRate  = 500
	warmLasts = 40 * time.Second
	proxyBar  = 1.20 // times the p50 of direct sends
)

// latency of a run's acknowledged sends.
type latency struct{ p50, p99 time.Duration }

// proxy compares sends through the proxy with sends to the brokers, in interleaved pairs. It is the same client with the
// same messages: only the address that it takes for the name servers' differs.
func (b *bench) proxy(ctx context.Context, pairs int) error {
	// As in production, JVMs compile as they like.
	c, err := b.launch(ctx, "bench-proxy", quickstart, ", -XX:TieredStopAtLevel=1", "")
	if err != nil {
		return err
	}
	if err := c.ApplyPath(ctx, proxyManifest, `, "-XX:TieredStopAtLevel=1"`, ""); err != nil {
		return err
	}
	if err := c.AwaitReady(ctx, startLimit); err != nil {
		return err
	}
	if err := c.AwaitRegistered(ctx, c.NameServers(nameServers), c.Topology(groups, groupMembers), startLimit); err != nil {
		return err
	}
	addresses := map[string]string{"direct": c.NameServerAddresses(nameServers), "proxied": proxyAddress}
	taken, err := inTurn(pairs, []string{"direct", "proxied"}, func(side, run string, rate int, lasts time.Duration) (latency, error) {
		return b.send(ctx, c, run, addresses[side], rate, lasts)
	})
	if err != nil {
		return err
	}
	return errors.Join(judgeProxy(b.out, taken["direct"], taken["proxied"]), c.Delete(ctx, deleteLimit))
}

// send messages to a topic of their own, which tells how long they took.
func (b *bench) send(ctx context.Context, c *kit.Installation, topic, address string, rate int, lasts time.Duration) (latency, error) {
	info, err := c.ClusterInfo(ctx, c.NameServers(1)[0])
	if err != nil {
		return latency{}, err
	}
	config := admin.TopicConfig{Name: topic, ReadQueues: 4, WriteQueues: 4, Perm: admin.PermRead | admin.PermWrite}
	for group := range groups {
		if _, err := c.Admin.PutTopics(ctx, info.Brokers[c.Group(group)].Addrs[admin.MasterID], nil, []admin.TopicConfig{config}); err != nil {
			return latency{}, err
		}
	}
	return b.timed(ctx, c, topic, kit.LedgerOptions{NameServers: address, Topic: topic, Rate: rate, Duration: lasts})
}

// inTurn lets each side send, first to warm up, and then in interleaved pairs.
func inTurn(pairs int, sides []string, send func(side, run string, rate int, lasts time.Duration) (latency, error)) (map[string][]latency, error) {
	for _, side := range sides {
		if _, err := send(side, side+"-warm", warmRate, warmLasts); err != nil {
			return nil, fmt.Errorf("%s: %w", side, err)
		}
	}
	taken := map[string][]latency{}
	for pair := range pairs {
		for _, side := range sides {
			l, err := send(side, fmt.Sprintf("%s-%d", side, pair), proxyRate, proxyLasts)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", side, err)
			}
			taken[side] = append(taken[side], l)
		}
	}
	return taken, nil
}

// timed sends messages to a topic that exists, and tells how long that took.
func (b *bench) timed(ctx context.Context, c *kit.Installation, run string, options kit.LedgerOptions) (latency, error) {
	options.TopicExists, options.Only = true, "produce"
	ledger, err := c.StartLedger(ctx, options)
	if err != nil {
		return latency{}, err
	}
	verdict, err := ledger.Verdict(ctx, options.Duration+2*time.Minute)
	if err != nil {
		return latency{}, err
	}
	if verdict.SendErrors*100 > verdict.Acked {
		return latency{}, fmt.Errorf("more than one send in a hundred failed: %s", verdict)
	}
	l := latency{time.Duration(verdict.SendP50Micros) * time.Microsecond, time.Duration(verdict.SendP99Micros) * time.Microsecond}
	b.log.Printf("%s: %d sends, %d failed, p50 %s, p99 %s", run, verdict.Acked, verdict.SendErrors, l.p50, l.p99)
	return l, nil
}

// middleLatency is the median of several runs.
func middleLatency(all []latency) latency {
	var p50, p99 []time.Duration
	for _, l := range all {
		p50, p99 = append(p50, l.p50), append(p99, l.p99)
	}
	return latency{median(p50), median(p99)}
}

// judgeProxy prints both sides, and returns what misses its bar.
func judgeProxy(out io.Writer, direct, proxied []latency) error {
	d, p := middleLatency(direct), middleLatency(proxied)
	ratio := p.p50.Seconds() / d.p50.Seconds()
	fmt.Fprintf(out, "\nsends of one client, %d a second, median of %d:\n  to the brokers     p50 %s, p99 %s\n  through the proxy  p50 %s, p99 %s\n  ratio of p50 %.2f (bar %.2f), of p99 %.2f\n",
		proxyRate, len(direct), d.p50, d.p99, p.p50, p.p99, ratio, proxyBar, p.p99.Seconds()/d.p99.Seconds())
	if ratio > proxyBar {
		return fmt.Errorf("through the proxy a send takes %.2f times as long", ratio)
	}
	return nil
}

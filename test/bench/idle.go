// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	memoryBar   = 40 << 20 // bytes, with one cluster
	settle      = time.Minute
	trafficRate = 200 // messages a second
)

// idle measures what the operator costs when there is nothing to do, first without and then with traffic.
func (b *bench) idle(ctx context.Context, lasting time.Duration) error {
	c, err := b.launch(ctx, "bench-idle", quickstart)
	if err != nil {
		return err
	}
	b.log.Printf("the quickstart is Ready; letting it settle for %s", settle)
	time.Sleep(settle)

	quiet, err := b.watch(ctx, "idle", lasting)
	if err != nil {
		return err
	}
	ledger, err := c.StartLedger(ctx, kit.LedgerOptions{
		NameServers: c.Address(), Topic: "traffic", Rate: trafficRate, Duration: lasting + settle,
	})
	if err != nil {
		return err
	}
	time.Sleep(settle / 2)
	busy, err := b.watch(ctx, "under traffic", lasting)
	if err != nil {
		return err
	}
	verdict, err := ledger.Verdict(ctx, lasting)
	if err != nil {
		return err
	}
	b.log.Printf("ledger: %s", verdict)
	if err := c.Delete(ctx, deleteLimit); err != nil {
		return err
	}
	return errors.Join(quiet, busy)
}

// watch tells the operator's writes and memory over a while. missed is what misses its bar.
func (b *bench) watch(ctx context.Context, what string, lasting time.Duration) (missed, err error) {
	from := time.Now()
	var most float64
	for time.Since(from) < lasting {
		memory, err := b.memory(ctx)
		if err != nil {
			return nil, err
		}
		most = max(most, memory)
		select {
		case <-time.After(min(30*time.Second, lasting-time.Since(from))):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	writes, known, err := b.place.OperatorWrites(from, from.Add(lasting))
	if err != nil {
		return nil, err
	}
	count := "unknown (no audit log)"
	if known {
		count = strconv.Itoa(len(writes))
	}
	fmt.Fprintf(b.out, "\n%s for %s: operator's memory at most %.1f MiB (bar %d MiB), writes %s (bar 0) %v\n", what, lasting, most/(1<<20), memoryBar>>20, count, writes)
	if most > memoryBar {
		missed = fmt.Errorf("%s: the operator uses %.1f MiB", what, most/(1<<20))
	}
	if len(writes) > 0 {
		missed = errors.Join(missed, fmt.Errorf("%s: %d writes", what, len(writes)))
	}
	return missed, nil
}

// memory is the resident memory of the operator, in bytes, by its own metrics.
func (b *bench) memory(ctx context.Context) (value float64, err error) {
	err = b.metrics(ctx, func(body io.Reader) (err error) {
		value, err = metric(body, "process_resident_memory_bytes")
		return err
	})
	return value, err
}

// metrics lets read what the operator tells of itself.
func (b *bench) metrics(ctx context.Context, read func(io.Reader) error) error {
	var pods corev1.PodList
	if err := b.cluster.Client.List(ctx, &pods, client.InNamespace(kit.OperatorNamespace)); err != nil {
		return err
	}
	if len(pods.Items) != 1 {
		return fmt.Errorf("the operator has %d pods instead of one", len(pods.Items))
	}
	transport := &http.Transport{DialContext: b.cluster.Dial}
	defer transport.CloseIdleConnections()
	url := fmt.Sprintf("http://%s.%s:8080/metrics", pods.Items[0].Name, kit.OperatorNamespace)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return fmt.Errorf("read the operator's metrics: %w", err)
	}
	defer response.Body.Close()
	return read(response.Body)
}

func metric(exposition io.Reader, name string) (float64, error) {
	lines := bufio.NewScanner(exposition)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(fmt.Errorf("no metric %s", name), lines.Err())
}

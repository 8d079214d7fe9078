// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// reading is what can be known at one moment.
type reading struct {
	at        time.Time
	metrics   metrics
	memory    usage
	cpu       map[string]float64 // seconds so far, by process
	auditSize int64
	asked     map[string]int // of RocketMQ, by code
}

// Names of the processes beside those of the control plane.
const (
	theOperator  = "operator"
	theBenchmark = "this benchmark"
	others       = "everything else on this machine" // which should be little
)

// read everything about an operator.
func (b *bench) read(ctx context.Context, o *operator) (r reading, err error) {
	m, err := scrape(ctx, o.metrics)
	if err != nil {
		return reading{}, err
	}
	if r, err = b.mark(map[string]int{theOperator: o.pid()}); err != nil {
		return r, err
	}
	r.metrics = m
	r.memory, err = usageOf(o.pid())

	return r, err
}

// mark reads what there is beside an operator: what one counts from that is yet to start.
func (b *bench) mark(more map[string]int) (reading, error) {
	r := reading{at: time.Now(), cpu: map[string]float64{}, asked: b.servers.counts()}
	processes, err := b.plane.processes()
	if err != nil {
		return r, err
	}
	maps.Copy(processes, more)
	processes[theBenchmark] = os.Getpid()
	for name, pid := range processes {
		u, err := usageOf(pid)
		if err != nil {
			return r, err
		}
		r.cpu[name] = u.CPU
	}
	busy, err := busyCPU()
	if err != nil {
		return r, err
	}
	r.cpu[others] = busy - total(r.cpu)
	info, err := os.Stat(b.plane.auditLog())
	if err != nil {
		return r, err
	}
	r.auditSize = info.Size()
	return r, nil
}

// span is what an operator did between two readings. Memory is in MiB, times are in seconds.
type span struct {
	Seconds float64
	CPU     map[string]float64 // by process
	Memory  usage              // at the end
	// Requests to the API server, and Idle the writes among them that changed nothing, if that is known.
	Requests, Idle requests
	RPCs           map[string]int // to RocketMQ, by code
	Metrics        metrics
	// QueuedMean is how long requests waited, ReconcileP99 what 99 % of the reconciles took at most.
	QueuedMean, ReconcileP99 float64
}

// between two readings of an operator.
func (b *bench) between(o *operator, from, to reading) (*span, error) {
	audit, err := audited(b.plane.auditLog(), b.deployment.namespace, from.auditSize, to.auditSize)
	if err != nil {
		return nil, err
	}
	m := to.metrics.since(from.metrics)
	return &span{
		Seconds: to.at.Sub(from.at).Seconds(), CPU: difference(to.cpu, from.cpu), Memory: to.memory,
		Requests: audit.Requests[o.user], Idle: audit.Idle, RPCs: difference(to.asked, from.asked), Metrics: m,
		QueuedMean: m.Waiting.mean(), ReconcileP99: m.Work.quantile(0.99),
	}, nil
}

// cpuShare of the operator, in percent of a core.
func (s *span) cpuShare() float64 { return 100 * s.CPU[theOperator] / s.Seconds }

func (s *span) String() string {
	idle := ""
	if n := total(s.Idle); n > 0 {
		idle = fmt.Sprintf(", at least %d of them change nothing: %v", n, s.Idle)
	}
	m := s.Metrics
	return fmt.Sprintf("%.1f s: CPU %.2f s (%.1f %%), RSS %.1f MiB (anonymous %.1f, peak %.1f); %d reads and %d writes%s; %.0f RPCs/s; "+
		"%.0f reconciles (%.0f errors, 99 %% within %.3g s; queued for %.3g s); "+
		"%.0f goroutines, heap %.1f MiB (objects %.1f), stacks %.1f MiB, %.0f collections, %.2f MiB/s allocated",
		s.Seconds, s.CPU[theOperator], s.cpuShare(), s.Memory.RSS, s.Memory.Anonymous, s.Memory.Peak,
		s.Requests.reads(), s.Requests.writes(), idle,
		float64(total(s.RPCs))/s.Seconds, total(m.Reconciles), m.Errors, s.ReconcileP99, s.QueuedMean,
		m.Goroutines, m.Heap, m.Objects, m.Stacks, m.GCs, m.Allocated/s.Seconds)
}

// perProcess CPU in seconds, the most first.
func perProcess(cpu map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(cpu), func(a, b string) int { return int(1000 * (cpu[b] - cpu[a])) })
	var out []string
	for _, name := range names {
		out = append(out, fmt.Sprintf("%s %.1f s", name, cpu[name]))
	}
	return strings.Join(out, ", ")
}

// watch the operator for a while in which nothing happens. With profiles, it is profiled meanwhile.
func (b *bench) watch(ctx context.Context, what string, lasting time.Duration) (*span, error) {
	from, err := b.read(ctx, b.operator)
	if err != nil {
		return nil, err
	}
	if err := b.profileFor(ctx, what, lasting); err != nil {
		return nil, err
	}
	to, err := b.read(ctx, b.operator)
	if err != nil {
		return nil, err
	}
	s, err := b.between(b.operator, from, to)
	if err == nil {
		b.log.Printf("%s: %s", what, s)
	}
	return s, err
}

func (b *bench) profileFor(ctx context.Context, what string, lasting time.Duration) error {
	if !b.o.profiles {
		return pause(ctx, lasting)
	}
	for _, p := range []struct {
		kind    string
		lasting time.Duration
	}{{"profile", lasting}, {"heap", 0}, {"goroutine", 0}} {
		if err := b.operator.profile(ctx, p.kind, p.kind+"-"+what, p.lasting); err != nil {
			return err
		}
	}
	return nil
}

// profileMeanwhile saves a CPU profile of what begins now, if profiles are wanted. The returned function waits for its end.
func (b *bench) profileMeanwhile(ctx context.Context, what string) (wait func() error) {
	if !b.o.profiles {
		return func() error { return nil }
	}
	o, done := b.operator, make(chan error, 1)
	go func() { done <- o.profile(ctx, "profile", "profile-"+what, b.o.steady/2) }()

	return func() error { return <-done }
}

func pause(ctx context.Context, lasting time.Duration) error {
	select {
	case <-time.After(lasting):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

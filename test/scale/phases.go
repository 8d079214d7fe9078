// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Phases that can be left out.
const (
	changePhase   = "change"
	hangPhase     = "hang"
	copiesPhase   = "copies"
	restartPhase  = "restart"
	takeOverPhase = "takeover"
)

type phase struct {
	name     string
	optional bool
	measure  func(b *bench, ctx context.Context) error
}

func phases() []phase {
	return []phase{
		{"empty", false, (*bench).empty},
		{"start", false, (*bench).start},
		{"steady", false, (*bench).rest},
		{changePhase, true, (*bench).change},
		{hangPhase, true, (*bench).hang},
		{copiesPhase, true, (*bench).hangCopies},
		{restartPhase, true, (*bench).restart},
		{takeOverPhase, true, (*bench).takeOver},
	}
}

func optionalPhases() (names []string) {
	for _, p := range phases() {
		if p.optional {
			names = append(names, p.name)
		}
	}
	return names
}

// empty starts the operator, and watches it without a cluster.
func (b *bench) empty(ctx context.Context) (err error) {
	if b.operator, err = b.startOperator(ctx, leader); err != nil {
		return err
	}
	if err := b.leads(ctx, b.operator); err != nil {
		return err
	}
	if err := pause(ctx, b.o.settle); err != nil {
		return err
	}
	b.result.Empty, err = b.watch(ctx, "no clusters", b.o.steady/2)
	return err
}

// start all clusters as fast as the API server takes them, and wait until they are ready.
func (b *bench) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.o.limit)
	defer cancel()
	from, err := b.read(ctx, b.operator)
	if err != nil {
		return err
	}
	samples := b.sample(ctx)
	profiled := b.profileMeanwhile(ctx, "start")
	err = parallel(len(b.clusters), func(i int) error { return create(ctx, b.client, b.o.topology, b.clusters[i]) })
	b.result.Created = time.Since(from.at).Seconds()
	if err == nil {
		b.log.Printf("%d clusters are created", len(b.clusters))
		err = b.tracker.await(ctx, "all clusters ready", func() bool { return b.tracker.readyClusters() == len(b.clusters) })
	}
	b.result.Ready, b.result.ReadyClusters = time.Since(from.at).Seconds(), b.tracker.readyClusters()
	b.result.Samples = samples()
	if err != nil {
		return fmt.Errorf("%d of %d: %w", b.result.ReadyClusters, len(b.clusters), err)
	}
	to, err := b.read(ctx, b.operator)
	if err != nil {
		return err
	}
	if b.result.Start, err = b.between(b.operator, from, to); err != nil {
		return err
	}
	b.log.Printf("all are ready: %s", b.result.Start)
	b.log.Printf("CPU of all: %s", perProcess(b.result.Start.CPU))
	return profiled()
}

// sample looks at the operator every second until the returned function is called, which gives what was seen.
func (b *bench) sample(ctx context.Context) func() []sample {
	ctx, stop := context.WithCancel(ctx)
	seen := make(chan []sample)
	began := time.Now()
	go func() {
		var all []sample
		for pause(ctx, time.Second) == nil {
			m, err := scrape(ctx, b.operator.metrics)
			if err != nil {
				continue // it shows at the end
			}
			s := sample{time.Since(began).Seconds(), b.tracker.readyClusters(), m.Queued, m.Active, total(m.Reconciles)}
			all = append(all, s)
			if len(all)%10 == 0 {
				b.log.Printf("%d clusters are ready; %.0f requests queued, %.0f active, %.0f reconciles", s.Ready, s.Queued, s.Active, s.Reconciles)
			}
		}
		seen <- all
	}()
	return func() []sample {
		stop()
		return <-seen
	}
}

// rest watches the operator while nothing changes any more.
func (b *bench) rest(ctx context.Context) (err error) {
	if err := b.settled(ctx); err != nil {
		return err
	}
	b.result.Steady, err = b.watch(ctx, "steady", b.o.steady)
	return err
}

// settled waits until all clusters are ready and the operator is quiet.
func (b *bench) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.o.limit)
	defer cancel()
	if err := b.tracker.await(ctx, "all clusters ready", func() bool { return b.tracker.readyClusters() == len(b.clusters) }); err != nil {
		return err
	}
	if _, err := b.operator.quiet(ctx, b.o.settle); err != nil {
		return err
	}
	return nil
}

// next cluster that was not changed yet.
func (b *bench) next() (cluster, error) {
	if b.changed >= len(b.clusters) {
		return cluster{}, errors.New("no cluster is left to change: measure more of them")
	}
	b.changed++
	return b.clusters[b.changed-1], nil
}

// grow some clusters by a group, one after the other, and tell how long each takes until the group serves. One that takes
// longer than the limit is the last one, and is unfinished.
func (b *bench) grow(ctx context.Context, what string, limit time.Duration) (out changes, err error) {
	for range b.o.changes {
		c, err := b.next()
		if err != nil {
			return out, err
		}
		groups := b.tracker.groups(c) + 1
		limited, cancel := context.WithTimeout(ctx, limit)
		began := time.Now()
		err = resize(limited, b.client, c, groups)
		if err == nil {
			err = b.tracker.await(limited, "", func() bool { return b.tracker.serves(c, groups) })
		}
		cancel()
		out.Seconds = append(out.Seconds, time.Since(began).Seconds())
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			out.Unfinished = true
			b.log.Printf("%s: %s does not have another group after %s", what, c, limit)
			return out, nil
		}
		if err != nil {
			return out, err
		}
		b.log.Printf("%s: %s has another group after %.1f s", what, c, time.Since(began).Seconds())
	}
	return out, nil
}

func (b *bench) change(ctx context.Context) (err error) {
	if err := b.settled(ctx); err != nil {
		return err
	}
	b.result.Change, err = b.grow(ctx, "in peace", b.o.limit)
	return err
}

// hang lets the brokers of some clusters hang, the last ones, and changes others.
func (b *bench) hang(ctx context.Context) (err error) {
	if err := b.settled(ctx); err != nil {
		return err
	}
	hung := map[string]bool{}
	for _, c := range b.clusters[len(b.clusters)-min(b.o.hung, len(b.clusters)/2):] {
		hung[c.String()] = true
	}
	b.result.HungClusters = len(hung)
	b.servers.silence(hung, true)
	b.log.Printf("the brokers of %d clusters take connections and never answer", len(hung))
	if err := pause(ctx, b.o.settle/2); err != nil {
		return err
	}
	if b.result.ChangeBesideHung, err = b.grow(ctx, "others hang", b.o.stuck); err != nil {
		return err
	}
	if b.result.Hung, err = b.watch(ctx, "hung", b.o.steady/2); err != nil {
		return err
	}
	b.servers.silence(hung, false)
	return nil
}

// hangCopies lets brokers hang at the moment in which their tables are to be copied to a new group, and changes others.
func (b *bench) hangCopies(ctx context.Context) (err error) {
	if err := b.settled(ctx); err != nil {
		return err
	}
	hung := map[string]bool{}
	for range min(b.o.hungCopies, len(b.clusters)/4) {
		c, err := b.next()
		if err != nil {
			return err
		}
		hung[c.String()] = true
		if err := resize(ctx, b.client, c, b.tracker.groups(c)+1); err != nil {
			return err
		}
	}
	b.result.HungCopiesClusters = len(hung)
	b.servers.silence(hung, true) // the brokers of the new groups are yet to start
	b.log.Printf("the brokers of %d clusters hang that are to be copied to new ones", len(hung))
	if err := pause(ctx, 3*b.o.settle); err != nil {
		return err
	}
	if b.result.ChangeBesideCopies, err = b.grow(ctx, "copies hang", b.o.stuck); err != nil {
		return err
	}
	if b.result.HungCopies, err = b.watch(ctx, "hung copies", b.o.steady/2); err != nil {
		return err
	}
	b.servers.silence(hung, false)
	return nil
}

// restart the operator.
func (b *bench) restart(ctx context.Context) (err error) {
	if err := b.settled(ctx); err != nil {
		return err
	}
	if err := b.operator.stop(); err != nil {
		return err
	}
	from, err := b.mark(nil)
	if err != nil {
		return err
	}
	if b.operator, err = b.startOperator(ctx, leader); err != nil {
		return err
	}
	b.result.Restart, b.result.Restarted, err = b.untilQuiet(ctx, from, "restart")
	return err
}

// untilQuiet tells what the operator does from a moment on until nothing is reconciled any more, and how long that takes.
func (b *bench) untilQuiet(ctx context.Context, from reading, what string) (*span, float64, error) {
	ctx, cancel := context.WithTimeout(ctx, b.o.limit)
	defer cancel()
	if err := b.leads(ctx, b.operator); err != nil {
		return nil, 0, err
	}
	profiled := b.profileMeanwhile(ctx, what)
	at, err := b.operator.quiet(ctx, b.o.settle)
	if err != nil {
		return nil, 0, err
	}
	to, err := b.read(ctx, b.operator)
	if err := errors.Join(err, profiled()); err != nil {
		return nil, 0, err
	}
	s, err := b.between(b.operator, from, to)
	if err != nil {
		return nil, 0, err
	}
	took := at.Sub(from.at).Seconds()
	b.log.Printf("%s: quiet after %.1f s; until %.0f s later, %s", what, took, time.Since(at).Seconds(), s)
	return s, took, nil
}

// leads waits until an operator is the leader.
func (b *bench) leads(ctx context.Context, o *operator) error {
	for {
		m, err := scrape(ctx, o.metrics)
		if err != nil {
			return err
		}
		if m.Leads {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// takeOver kills the operator while another one stands by.
func (b *bench) takeOver(ctx context.Context) error {
	if err := b.settled(ctx); err != nil {
		return err
	}
	next, err := b.startOperator(ctx, standby)
	if err != nil {
		return err
	}
	dead := b.operator
	b.operator = next // which is what is stopped in the end
	if err := b.standsBy(ctx, next); err != nil {
		return errors.Join(err, dead.kill())
	}
	from, err := b.read(ctx, next)
	if err := errors.Join(err, dead.kill()); err != nil {
		return err
	}
	if err := b.leads(ctx, next); err != nil {
		return err
	}
	b.result.TookOver = time.Since(from.at).Seconds()
	b.log.Printf("the operator is killed; the other one leads after %.1f s, with %.1f MiB before that", b.result.TookOver, from.memory.RSS)
	s, took, err := b.untilQuiet(ctx, from, "leader change")
	b.result.TakeOver, b.result.QuietAfterTakeOver = s, took-b.result.TookOver
	return err
}

// standsBy waits until an operator has read what it needs, so that it asks for nothing but the Lease.
func (b *bench) standsBy(ctx context.Context, o *operator) error {
	ctx, cancel := context.WithTimeout(ctx, b.o.limit)
	defer cancel()
	for from := int64(0); ; {
		now, err := b.read(ctx, o)
		if err != nil {
			return err
		}
		audit, err := audited(b.plane.auditLog(), b.deployment.namespace, from, now.auditSize)
		if err != nil {
			return err
		}
		if r := audit.Requests[o.user]; now.metrics.KnowsWhetherItDoes && from > 0 && r.reads()+r.writes() == 0 {
			return nil
		}
		from = now.auditSize
		if err := pause(ctx, b.o.settle); err != nil {
			return err
		}
	}
}

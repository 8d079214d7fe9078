// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// collectEvery is how often garbage is collected at most, unless the heap would grow by more than mostGarbage.
	collectEvery = 1500 * time.Millisecond
	// mostGarbage is how much garbage there may be, in percent of what is in use.
	mostGarbage = 100
	// measureEvery is how often it is measured how fast garbage grows.
	measureEvery = time.Second
	// usualStart is how fast a hundred clusters make garbage when the operator starts, in bytes/s.
	usualStart = 20 << 20
)

// garbage fits the collector's work to what the operator does. GOGC is small, because the memory of an operator that rests
// is what it is judged by. While many clusters start, or are looked at, the collector would do little else than run again
// and again: then it lets more garbage come together.
type garbage struct {
	least int // percent: GOGC
	now   int
	rate  float64 // of allocation, in bytes/s
}

// NeedLeaderElection is part of manager.LeaderElectionRunnable.
func (*garbage) NeedLeaderElection() bool { return false }

// Start is part of manager.Runnable. It begins as if much were to do.
func (g *garbage) Start(ctx context.Context) error {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		debug.SetMemoryLimit(limit / 10 * 9) // GOMEMLIMIT is the container's, which counts more than the heap and the stacks
	}
	g.least = debug.SetGCPercent(mostGarbage)
	if g.least < 0 || g.least >= mostGarbage {
		debug.SetGCPercent(g.least) // as its user wants it
		return nil
	}
	g.now, g.rate = mostGarbage, usualStart
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	allocated, at := samples[0].Value.Uint64(), time.Now()
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		metrics.Read(samples)
		more, passed := samples[0].Value.Uint64()-allocated, time.Since(at)
		allocated, at = allocated+more, at.Add(passed)
		was := g.now
		if percent, changes := g.next(float64(more)/passed.Seconds(), float64(samples[1].Value.Uint64())); changes {
			debug.SetGCPercent(percent)
			if percent < was {
				debug.FreeOSMemory() // what was garbage is not needed any more
			}
		}
	}
}

// next percentage for a rate of allocation, in bytes/s, and the bytes in use. Small changes are not worth stopping the
// program for.
func (g *garbage) next(rate, live float64) (percent int, changes bool) {
	g.rate += (rate - g.rate) / 5 // of the last seconds: a pause in between is no rest
	percent = g.least
	if live > 0 {
		percent = max(g.least, min(mostGarbage, int(100*g.rate*collectEvery.Seconds()/live)))
	}
	if percent != g.least && percent != mostGarbage && 3*percent > 2*g.now && 2*percent < 3*g.now {
		return g.now, false
	}
	changes = percent != g.now
	g.now = percent
	return percent, changes
}

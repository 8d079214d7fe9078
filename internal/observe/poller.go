// SPDX-License-Identifier: Apache-2.0

// Package observe asks RocketMQ what is, again and again, outside of any reconcile. It keeps the last answer and
// wakes the reconciler only when the answer changed.
package observe

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

const (
	// eagerInterval is the pause between two looks at a resource that is changing, as long as looks bring news. One that is stuck, such
	// as for want of a node, is looked at less and less often: see standstill.
	eagerInterval = time.Second
	// standstill: the pause between two eager looks is the time without news divided by this: 2 s after two minutes, 10 s after ten.
	standstill = 60
	// calm and rarest: without news the pause between two looks at a converged resource becomes the time without news divided by calm,
	// up to rarest intervals. With an interval of 10 s that begins after 100 s and ends with 30 s, after five minutes.
	calm   = 10
	rarest = 3
	// MaxAge is how old an answer may be and still be acted on. At rest one gets as old as the rarest pause and a look, with the interval
	// of 10 s.
	MaxAge = 45 * time.Second
	// glanceInterval is how often a glance is taken between the looks at a converged resource.
	glanceInterval = 2 * time.Second
	// glanceTimeout bounds one glance.
	glanceTimeout = time.Second
	// ProbeTimeout bounds one look at one cluster, however many of its servers are dead.
	ProbeTimeout = 5 * time.Second
)

// Probe looks at one cluster; last is its answer before, the zero value at first. It must end when its context does.
type Probe[T any] func(ctx context.Context, last T) T

// Glance is one cheap question that reports whether a look is due before its time.
type Glance[T any] func(ctx context.Context, last T) bool

// Options of a Poller.
type Options[T any] struct {
	// Interval between two looks at a converged cluster. Where there is no news for long it grows: see rarest.
	Interval time.Duration
	// Timeout bounds a look.
	Timeout time.Duration
	// Same reports whether two answers say the same. If not, the new one is news, and wakes a pass.
	Same func(a, b T) bool
	// Complete reports whether an answer tells all that is needed.
	Complete func(answer T) bool
}

// Poller looks at many clusters, each in a goroutine of its own, so that a dead one delays no other.
type Poller[T any] struct {
	Options[T]
	// ctx ends all polling.
	ctx    context.Context
	events chan event.GenericEvent

	complete, incomplete atomic.Uint64 // looks

	mu      sync.Mutex
	watched map[types.NamespacedName]*watch[T]
	tell    []func(types.NamespacedName)
}

type watch[T any] struct {
	cancel context.CancelFunc
	// nudge ends the pause before the next look.
	nudge chan struct{}

	mu     sync.Mutex
	probe  Probe[T]
	glance Glance[T] // nil for none
	eager  bool
	moved  time.Time // when there was news last, or reason to expect some
	last   T
	seen   time.Time
	// complete is when an answer told all that is needed.
	complete time.Time
}

// NewPoller polls until ctx ends.
func NewPoller[T any](ctx context.Context, o Options[T]) *Poller[T] {
	return &Poller[T]{
		Options: o, ctx: ctx, events: make(chan event.GenericEvent, 1024), watched: map[types.NamespacedName]*watch[T]{},
	}
}

// Events tells which resource's answer changed.
func (p *Poller[T]) Events() chan event.GenericEvent { return p.events }

// OnNews has a function called, too, whenever a resource's answer has changed. The function must not block.
func (p *Poller[T]) OnNews(tell func(types.NamespacedName)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell = append(p.tell, tell)
}

// Watch looks at a cluster from now on, with the given probe: every second if eager and as
// long as there is news, else every interval.
func (p *Poller[T]) Watch(key types.NamespacedName, probe Probe[T], eager bool) {
	p.WatchClosely(key, probe, nil, eager)
}

// WatchClosely is Watch with glances between the looks, for what must be noticed within seconds.
func (p *Poller[T]) WatchClosely(key types.NamespacedName, probe Probe[T], glance Glance[T], eager bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, known := p.watched[key]
	if !known {
		ctx, cancel := context.WithCancel(p.ctx)
		w = &watch[T]{cancel: cancel, nudge: make(chan struct{}, 1), probe: probe, glance: glance, eager: eager, moved: time.Now()}
		p.watched[key] = w
		go p.run(ctx, key, w)
		return
	}
	w.mu.Lock()
	sooner := eager && !w.eager
	w.probe, w.glance, w.eager = probe, glance, eager
	if sooner {
		w.moved = time.Now()
	}
	w.mu.Unlock()
	if sooner {
		select {
		case w.nudge <- struct{}{}:
		default: // it is awake already
		}
	}
}

// Forget ends looking at a cluster.
func (p *Poller[T]) Forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, known := p.watched[key]; known {
		w.cancel()
		delete(p.watched, key)
	}
}

// Latest is the last answer and its age; false if there is none yet.
func (p *Poller[T]) Latest(key types.NamespacedName) (T, time.Duration, bool) {
	p.mu.Lock()
	w, known := p.watched[key]
	p.mu.Unlock()
	if !known {
		var none T
		return none, 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, time.Since(w.seen), !w.seen.IsZero()
}

// Counts of looks that learned all that is needed, and of those that did not.
func (p *Poller[T]) Counts() (complete, incomplete uint64) {
	return p.complete.Load(), p.incomplete.Load()
}

// LastComplete is when each cluster last told all that is needed; the zero time if it never has.
func (p *Poller[T]) LastComplete() map[types.NamespacedName]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[types.NamespacedName]time.Time, len(p.watched))
	for key, w := range p.watched {
		w.mu.Lock()
		out[key] = w.complete
		w.mu.Unlock()
	}
	return out
}

func (p *Poller[T]) run(ctx context.Context, key types.NamespacedName, w *watch[T]) {
	for {
		w.mu.Lock()
		probe, last := w.probe, w.last
		w.mu.Unlock()

		probeCtx, cancel := context.WithTimeout(ctx, p.Timeout)
		answer := probe(probeCtx, last)
		cancel()
		if ctx.Err() != nil {
			return
		}

		w.mu.Lock()
		news := w.seen.IsZero() || !p.Same(w.last, answer)
		w.last, w.seen = answer, time.Now()
		if news {
			w.moved = w.seen
		}
		if p.Complete(answer) {
			p.complete.Add(1)
			w.complete = w.seen
		} else {
			p.incomplete.Add(1)
		}
		pause := p.pause(w.eager, w.seen.Sub(w.moved))
		w.mu.Unlock()

		if news {
			p.mu.Lock()
			listeners := p.tell
			p.mu.Unlock()
			for _, tell := range listeners {
				tell(key)
			}
			select {
			case p.events <- event.GenericEvent{Object: named(key)}:
			case <-ctx.Done():
				return
			}
		}
		if !w.rest(ctx, pause) {
			return
		}
	}
}

// pause until the next look, if there was no news for so long.
func (p *Poller[T]) pause(eager bool, without time.Duration) time.Duration {
	if eager {
		return max(eagerInterval, min(p.Interval, without/standstill))
	}
	interval := max(p.Interval, min(rarest*p.Interval, without/calm))
	return interval*9/10 + rand.N(interval/5) // jitter: clusters spread over the interval
}

// rest until the next look is due: after the pause, a nudge or a glance. It is false when polling ends.
func (w *watch[T]) rest(ctx context.Context, pause time.Duration) bool {
	for end := time.Now().Add(pause); ; {
		timer := time.NewTimer(min(time.Until(end), glanceInterval))
		select {
		case <-timer.C:
		case <-w.nudge:
			timer.Stop()
			return true
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		w.mu.Lock()
		glance, last := w.glance, w.last
		w.mu.Unlock()
		if !time.Now().Before(end) {
			return true
		}
		if glance == nil {
			continue
		}
		glanceCtx, cancel := context.WithTimeout(ctx, glanceTimeout)
		due := glance(glanceCtx, last)
		cancel()
		if due {
			return ctx.Err() == nil
		}
	}
}

// named is an object that carries only its key, which is all that an event needs.
func named(key types.NamespacedName) client.Object {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
}

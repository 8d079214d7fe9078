// SPDX-License-Identifier: Apache-2.0

package topictransfer

import (
	"context"
	"sync"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// asker lets transfers that look at a broker at the same time share its answers to questions that are not about one topic:
// those are large, and a broker that many transfers wait for would do nothing else. Answers must not be changed.
type asker struct {
	*admin.Client
	*answers
}

// as asks with the client of a cluster, and shares the answers.
func (a asker) as(c *admin.Client) asker { return asker{c, a.answers} }

// answers that are shared, of all clusters: a broker has one address.
type answers struct {
	haStatus shared[*admin.HAStatus]
	offsets  shared[map[admin.TopicGroup]map[int]int64]
	groups   shared[map[string]admin.SubscriptionGroup]
	timers   shared[map[string]int64]
	delayed  shared[admin.Pending]
	half     shared[admin.Pending]
	runtime  shared[admin.RuntimeInfo]
}

func (a asker) HAStatus(ctx context.Context, broker string) (*admin.HAStatus, error) {
	return a.haStatus.ask(ctx, broker, a.Client.HAStatus)
}

func (a asker) Offsets(ctx context.Context, broker string) (map[admin.TopicGroup]map[int]int64, error) {
	return a.offsets.ask(ctx, broker, a.Client.Offsets)
}

func (a asker) Groups(ctx context.Context, broker string) (map[string]admin.SubscriptionGroup, error) {
	return a.groups.ask(ctx, broker, func(ctx context.Context, broker string) (map[string]admin.SubscriptionGroup, error) {
		groups, _, err := a.Client.Groups(ctx, broker)
		return groups, err
	})
}

func (a asker) TimerBacklog(ctx context.Context, broker string) (map[string]int64, error) {
	return a.timers.ask(ctx, broker, a.Client.TimerBacklog)
}

func (a asker) DelayedTopics(ctx context.Context, broker string) (admin.Pending, error) {
	return a.delayed.ask(ctx, broker, a.Client.DelayedTopics)
}

func (a asker) HalfTopics(ctx context.Context, broker string) (admin.Pending, error) {
	return a.half.ask(ctx, broker, a.Client.HalfTopics)
}

func (a asker) BrokerRuntimeInfo(ctx context.Context, broker string) (admin.RuntimeInfo, error) {
	return a.runtime.ask(ctx, broker, a.Client.BrokerRuntimeInfo)
}

// shared answers one question to many. No answer is older than the asking: who comes while the question is under way gets
// the answer to the next one, which is put once for all who came meanwhile. The zero value is ready.
type shared[T any] struct {
	mu sync.Mutex
	// under way by broker, with who waits for the next.
	asking map[string]*waiting[T]
}

type waiting[T any] struct {
	next *answer[T] // nil if nobody waits
}

type answer[T any] struct {
	done  chan struct{} // closed when the rest is set
	value T
	err   error
}

func (s *shared[T]) ask(ctx context.Context, broker string, question func(context.Context, string) (T, error)) (T, error) {
	s.mu.Lock()
	w, busy := s.asking[broker]
	if !busy {
		w = &waiting[T]{}
		if s.asking == nil {
			s.asking = map[string]*waiting[T]{}
		}
		s.asking[broker] = w
	}
	if w.next == nil {
		w.next = &answer[T]{done: make(chan struct{})}
	}
	a := w.next
	s.mu.Unlock()
	if !busy {
		// The others' answer must not end with this one's context.
		go s.serve(context.WithoutCancel(ctx), broker, w, question)
	}
	select {
	case <-a.done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// serve puts the question until nobody waits.
func (s *shared[T]) serve(ctx context.Context, broker string, w *waiting[T], question func(context.Context, string) (T, error)) {
	for {
		s.mu.Lock()
		a := w.next
		w.next = nil
		if a == nil {
			delete(s.asking, broker)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		bounded, cancel := context.WithTimeout(ctx, lookTimeout)
		a.value, a.err = question(bounded, broker)
		cancel()
		close(a.done)
	}
}

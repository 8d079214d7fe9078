// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const interval = 10 * time.Second

func key(name string) types.NamespacedName { return types.NamespacedName{Namespace: "mq", Name: name} }

func same(a, b int64) bool { return a == b }

// newPoller of answers that are complete if they are not negative.
func newPoller(ctx context.Context) *Poller[int64] {
	return NewPoller(ctx, Options[int64]{
		Interval: interval, Timeout: ProbeTimeout, Same: same, Complete: func(answer int64) bool { return answer >= 0 },
	})
}

// answering is a probe that answers with what is stored, and counts.
type answering struct{ answer, asked atomic.Int64 }

func (a *answering) probe(context.Context, int64) int64 {
	a.asked.Add(1)
	return a.answer.Load()
}

// news takes the events that are there now.
func news[T any](p *Poller[T]) []string {
	var names []string
	for {
		select {
		case e := <-p.Events():
			names = append(names, e.Object.GetNamespace()+"/"+e.Object.GetName())
		default:
			return names
		}
	}
}

// TestNewsOnlyOnChange: the first answer and each other answer wake the reconciler, nothing else does.
func TestNewsOnlyOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		if _, _, ok := p.Latest(key("a")); ok {
			t.Error("an answer before any question")
		}
		var server answering
		server.answer.Store(7)
		p.Watch(key("a"), server.probe, false)
		if _, _, ok := p.Latest(key("a")); ok {
			t.Error("an answer before the first one came")
		}
		synctest.Wait()
		if got := news(p); !slices.Equal(got, []string{"mq/a"}) {
			t.Errorf("after the first answer: %v", got)
		}
		time.Sleep(5 * interval)
		if got := news(p); len(got) > 0 {
			t.Errorf("nothing changed: %v", got)
		}
		answer, age, ok := p.Latest(key("a"))
		if answer != 7 || !ok || age > interval*11/10 {
			t.Errorf("latest %d, %s old, %t", answer, age, ok)
		}
		server.answer.Store(8)
		time.Sleep(interval * 11 / 10)
		if got := news(p); !slices.Equal(got, []string{"mq/a"}) {
			t.Errorf("after another answer: %v", got)
		}
		if answer, _, _ := p.Latest(key("a")); answer != 8 {
			t.Errorf("latest %d, want 8", answer)
		}
	})
}

// TestEager: what is on its way is asked every second, from the moment that it is.
func TestEager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		var server answering
		p.Watch(key("a"), server.probe, false)
		time.Sleep(9 * interval)
		if n := server.asked.Load(); n < 8 || n > 11 {
			t.Errorf("at leisure: %d questions in 9 intervals", n)
		}
		synctest.Wait()
		server.asked.Store(0)
		p.Watch(key("a"), server.probe, true)
		synctest.Wait()
		if n := server.asked.Load(); n != 1 {
			t.Errorf("%d questions when it became urgent, want one at once", n)
		}
		p.Watch(key("a"), server.probe, true) // again: no further hurry
		time.Sleep(10*time.Second + 500*time.Millisecond)
		if n := server.asked.Load(); n != 11 {
			t.Errorf("%d questions in 10 s, want one a second", n-1)
		}
		p.Watch(key("a"), server.probe, false)
		time.Sleep(time.Second)
		server.asked.Store(0)
		time.Sleep(10 * interval)
		if n := server.asked.Load(); n < 9 || n > 12 {
			t.Errorf("at leisure again: %d questions in 10 intervals", n)
		}
	})
}

// TestCalm: what has brought no news for long is looked at less often, until there is some.
func TestCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		var server answering
		p.Watch(key("a"), server.probe, false)
		looks := func(intervals int) int64 {
			before := server.asked.Load()
			time.Sleep(time.Duration(intervals) * interval)
			return server.asked.Load() - before
		}
		if n := looks(9); n < 8 || n > 11 {
			t.Errorf("%d looks in the first 9 intervals", n)
		}
		looks(30)
		if n := looks(30); n < 8 || n > 12 {
			t.Errorf("%d looks in 30 calm intervals, want ten", n)
		}
		server.answer.Store(1)
		looks(4)
		if n := looks(5); n < 4 || n > 6 {
			t.Errorf("%d looks in 5 intervals after news", n)
		}
	})
}

// TestStandstill: what has been on its way for long without any news is asked less often, until there is news.
func TestStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		var server answering
		p.Watch(key("a"), server.probe, true)
		for _, test := range []struct {
			passed      time.Duration
			least, most int64
		}{
			{time.Minute, 59, 61},
			{9 * time.Minute, 100, 160},
			{10 * time.Minute, 55, 65},
		} {
			server.asked.Store(0)
			time.Sleep(test.passed)
			if n := server.asked.Load(); n < test.least || n > test.most {
				t.Errorf("%d questions in the next %s, want %d to %d", n, test.passed, test.least, test.most)
			}
		}
		server.answer.Store(1)
		time.Sleep(interval)
		server.asked.Store(0)
		time.Sleep(30*time.Second + 500*time.Millisecond)
		if n := server.asked.Load(); n < 30 {
			t.Errorf("%d questions in the 30 s after news", n)
		}
	})
}

// TestNewProbe: the next look uses the probe that was given last.
func TestNewProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		var before, after answering
		after.answer.Store(1)
		p.Watch(key("a"), before.probe, true)
		synctest.Wait()
		p.Watch(key("a"), after.probe, true)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if answer, _, _ := p.Latest(key("a")); before.asked.Load() != 1 || answer != 1 {
			t.Errorf("the old probe was asked %d times, latest %d", before.asked.Load(), answer)
		}
	})
}

// TestHangingProbe: one that never answers delays no other, and is cut off.
func TestHangingProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		cutOff := make(chan time.Duration, 100)
		p.Watch(key("dead"), func(ctx context.Context, _ int64) int64 {
			began := time.Now()
			<-ctx.Done()
			cutOff <- time.Since(began)
			return -1
		}, true)
		var server answering
		p.Watch(key("alive"), server.probe, true)
		for range 20 {
			server.answer.Add(1)
			time.Sleep(time.Second)
			synctest.Wait()
			if got, _, _ := p.Latest(key("alive")); got != server.answer.Load() {
				t.Fatalf("latest %d, want %d", got, server.answer.Load())
			}
		}
		if took := <-cutOff; took != ProbeTimeout {
			t.Errorf("cut off after %s, want %s", took, ProbeTimeout)
		}
		if answer, _, ok := p.Latest(key("dead")); !ok || answer != -1 {
			t.Errorf("what the probe made of it is missing: %d %t", answer, ok)
		}
	})
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		var server, other answering
		var interrupted sync.WaitGroup
		interrupted.Add(1)
		p.Watch(key("a"), server.probe, true)
		p.Watch(key("b"), other.probe, true)
		p.Watch(key("hangs"), func(ctx context.Context, _ int64) int64 {
			<-ctx.Done()
			interrupted.Done()
			return 0
		}, true)
		synctest.Wait()
		p.Forget(key("a"))
		p.Forget(key("hangs"))
		p.Forget(key("never heard of"))
		interrupted.Wait()
		n := server.asked.Load()
		time.Sleep(interval)
		if server.asked.Load() != n {
			t.Error("asked although forgotten")
		}
		if _, _, ok := p.Latest(key("a")); ok {
			t.Error("an answer of something forgotten")
		}
		if other.asked.Load() < 9 {
			t.Errorf("the other was asked %d times", other.asked.Load())
		}
		news(p)
		p.Watch(key("a"), server.probe, true) // a resource of that name again
		synctest.Wait()
		if got := news(p); !slices.Equal(got, []string{"mq/a"}) {
			t.Errorf("news %v of what is watched again", got)
		}
	})
}

// TestEnd: all goroutines end with the context, those within a probe and those that wait for a reader of news too.
// synctest fails the test if one stays.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := NewPoller(ctx, Options[int]{
			Interval: interval, Timeout: ProbeTimeout, Same: func(_, _ int) bool { return false }, Complete: func(int) bool { return true },
		})
		for i := range 2000 { // more than the channel of events holds
			p.Watch(types.NamespacedName{Name: string(rune('a' + i))}, func(context.Context, int) int { return 0 }, true)
		}
		p.Watch(key("hangs"), func(ctx context.Context, _ int) int { <-ctx.Done(); return 0 }, false)
		time.Sleep(2 * time.Second)
		cancel()
		synctest.Wait()
	})
}

// TestGlance: between the looks at leisure a glance is taken every two seconds, and one that shows something brings the
// next look forward. A glance that hangs is cut off.
func TestGlance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		var server answering
		var glances atomic.Int64
		p.WatchClosely(key("a"), server.probe, func(ctx context.Context, last int64) bool {
			glances.Add(1)
			return server.answer.Load() != last
		}, false)
		time.Sleep(100 * interval)
		if n, looks := glances.Load(), server.asked.Load(); n < 350 || n > 500 || looks < 35 || looks > 60 {
			t.Errorf("%d glances and %d looks in 100 intervals", n, looks)
		}
		synctest.Wait()
		news(p)
		server.answer.Store(1)
		time.Sleep(glanceInterval)
		synctest.Wait()
		if got := news(p); !slices.Equal(got, []string{"mq/a"}) {
			t.Errorf("after a glance that showed something: %v", got)
		}
		p.WatchClosely(key("a"), server.probe, func(ctx context.Context, _ int64) bool { <-ctx.Done(); return false }, false)
		server.asked.Store(0)
		time.Sleep(10 * interval)
		if n := server.asked.Load(); n < 7 || n > 12 {
			t.Errorf("%d looks in 10 intervals while glances hang", n)
		}
	})
}

// TestCompleteLooks: a poller tells how many looks learned all they need, and when each cluster's last one was.
func TestCompleteLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t.Context())
		var server, dead answering
		dead.answer.Store(-1)
		p.Watch(key("a"), server.probe, false)
		p.Watch(key("dead"), dead.probe, false)
		synctest.Wait()
		first := time.Now()
		server.answer.Store(-1)
		time.Sleep(5 * interval)
		synctest.Wait()

		complete, incomplete := p.Counts()
		if want := uint64(server.asked.Load() + dead.asked.Load() - 1); complete != 1 || incomplete != want {
			t.Errorf("%d complete looks and %d others, want 1 and %d", complete, incomplete, want)
		}
		if last := p.LastComplete(); len(last) != 2 || !last[key("a")].Equal(first) || !last[key("dead")].IsZero() {
			t.Errorf("the last complete looks were at %v, want a at %s", last, first)
		}
		p.Forget(key("dead"))
		if last := p.LastComplete(); len(last) != 1 {
			t.Errorf("what is forgotten is still told of: %v", last)
		}
	})
}

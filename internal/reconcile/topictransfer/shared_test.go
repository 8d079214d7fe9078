// SPDX-License-Identifier: Apache-2.0

package topictransfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errRefused = errors.New("refused")

// slowly answers when it was asked. One broker refuses, one hangs.
func slowly(ctx context.Context, broker string) (time.Time, error) {
	sent := time.Now()
	switch broker {
	case "hangs":
		<-ctx.Done()
		return sent, ctx.Err()
	case "refuses":
		time.Sleep(time.Second)
		return sent, errRefused
	}
	time.Sleep(time.Second)
	return sent, nil
}

// TestShared: many who ask at the same time get one answer, and none that is older than their asking.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shared[time.Time]
		var put atomic.Int32
		question := func(ctx context.Context, broker string) (time.Time, error) {
			put.Add(1)
			return slowly(ctx, broker)
		}
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				asked := time.Now()
				sent, err := s.ask(t.Context(), fmt.Sprint("broker-", i%2), question)
				if err != nil || sent.Before(asked) || time.Since(asked) > 2*time.Second {
					t.Errorf("asked at %s, got the answer to what was sent at %s after %s (%v)", asked, sent, time.Since(asked), err)
				}
			})
		}
		all.Wait()
		if n := put.Load(); n > 12 { // two brokers for four seconds, and the last ones
			t.Errorf("the question was put %d times", n)
		}
		if len(s.asking) > 0 {
			t.Errorf("asking %v", s.asking)
		}
	})
}

// TestSharedFailures: an error is everybody's, and who gives up leaves the others theirs.
func TestSharedFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shared[time.Time]
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.ask(short, "refuses", slowly); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := s.ask(t.Context(), "refuses", slowly); !errors.Is(err, errRefused) {
				t.Error(err)
			}
		})
		all.Go(func() {
			began := time.Now()
			if _, err := s.ask(t.Context(), "hangs", slowly); err == nil || time.Since(began) > lookTimeout {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		})
		all.Wait()
	})
}

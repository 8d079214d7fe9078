// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, sum atomic.Int64
		items := make([]int64, 1000)
		for i := range items {
			items[i] = int64(i)
		}
		done, err := pipeline(t.Context(), items, func(_ context.Context, i int64) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(time.Millisecond)
			sum.Add(i)
			return nil
		})
		if err != nil || done != 1000 || sum.Load() != 999*500 {
			t.Errorf("%d done, sum %d, %v", done, sum.Load(), err)
		}
		if most.Load() > inFlight {
			t.Errorf("%d at once, want at most %d", most.Load(), inFlight)
		}
	})
}

func TestPipelineStopsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	var calls atomic.Int64
	done, err := pipeline(t.Context(), make([]int, 1000), func(context.Context, int) error {
		if calls.Add(1) == 10 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || done >= 1000 || int64(done) != calls.Load()-1 {
		t.Errorf("%d done of %d calls, %v", done, calls.Load(), err)
	}
}

// TestPipelineTellsTheForemost: whichever call fails first, the error is that of the foremost item.
func TestPipelineTellsTheForemost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := []int{5, 9, 1, 7}
		done, err := pipeline(t.Context(), items, func(_ context.Context, i int) error {
			time.Sleep(time.Duration(i) * time.Second)
			if i == 5 {
				return nil
			}
			return fmt.Errorf("item %d", i)
		})
		if done != 1 || err == nil || err.Error() != "item 9" {
			t.Errorf("%d done, %v", done, err)
		}
	})
}

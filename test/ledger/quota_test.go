// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuotaMakesUpForFailures(t *testing.T) {
	q := newQuota(3, 0)
	var got []int
	for number, ok := q.take(t.Context()); ok; number, ok = q.take(t.Context()) {
		got = append(got, number)
		q.settle(number != 1)
	}
	if diff := cmp.Diff([]int{0, 1, 2, 3}, got); diff != "" {
		t.Errorf("numbers when 1 fails (-want +got):\n%s", diff)
	}
	if q.gaveUp() {
		t.Error("gave up, want all acknowledged")
	}
}

func TestQuotaWaitsForSendsUnderWay(t *testing.T) {
	q := newQuota(1, 0)
	if _, ok := q.take(t.Context()); !ok {
		t.Fatal("the first number is refused")
	}
	if _, _, state := q.reserve(time.Now()); state != full {
		t.Errorf("state %d while the only message is under way, want %d", state, full)
	}
	q.settle(false)
	number, ok := q.take(t.Context())
	if number != 1 || !ok {
		t.Errorf("after the failure: %d %v, want 1", number, ok)
	}
	q.settle(true)
	if _, ok := q.take(t.Context()); ok {
		t.Error("a number after the last acknowledgement")
	}
}

func TestQuotaKeepsTheRate(t *testing.T) {
	// 50 a second: the 11th is due 200 ms after the first.
	begin := time.Now()
	q := newQuota(11, 50)
	for _, ok := q.take(t.Context()); ok; _, ok = q.take(t.Context()) {
		q.settle(true)
	}
	if took := time.Since(begin); took < 190*time.Millisecond {
		t.Errorf("11 numbers at 50 a second took %v, want 200 ms or more", took)
	}
}

func TestQuotaEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := newQuota(0, 0)
	if _, ok := q.take(ctx); !ok {
		t.Error("without limits the first number is refused")
	}
	cancel()
	if _, ok := q.take(ctx); ok {
		t.Error("a number after the end of sending")
	}

	q = newQuota(5, 0)
	q.patience = time.Minute
	number, _, state := q.reserve(time.Now().Add(59 * time.Second))
	if number != 0 || state != taken {
		t.Errorf("within patience: number %d, state %d; want 0, %d", number, state, taken)
	}
	q.settle(false)
	if _, _, state := q.reserve(time.Now().Add(61 * time.Second)); state != ended || !q.gaveUp() {
		t.Errorf("after patience: state %d, gave up %v; want %d, true", state, q.gaveUp(), ended)
	}
}

func TestQuotaDoesNotBurstAfterAnOutage(t *testing.T) {
	q := newQuota(0, 100)
	start := q.due
	for second, want := range map[int]time.Duration{0: 0, 60: 59 * time.Second} {
		q.due = start
		if _, due, _ := q.reserve(start.Add(time.Duration(second) * time.Second)); due.Sub(start) != want {
			t.Errorf("%d s late: due %v after the start, want %v", second, due.Sub(start), want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"
)

// quota hands out the numbers of messages, 0, 1, 2, …, to concurrent senders. A number is used once: a failed send is
// made up for by another number, so that what a broker stored without saying so is no duplicate.
type quota struct {
	messages int           // end after so many acknowledgements, if positive
	rate     float64       // numbers a second, if positive
	patience time.Duration // end after so long without an acknowledgement, if positive

	mu       sync.Mutex
	due      time.Time // of the next number
	last     time.Time // acknowledgement
	next     int
	underway int
	acked    int
	expired  bool
}

func newQuota(messages int, rate float64) *quota {
	now := time.Now()
	return &quota{messages: messages, rate: rate, due: now, last: now}
}

// quotaPause is how often a sender looks again whether a number is free: rarely needed, at the end of a run.
const quotaPause = 5 * time.Millisecond

// take returns the next number as soon as it is due. ok is false at the end. Each number taken must be settled.
func (q *quota) take(ctx context.Context) (number int, ok bool) {
	for {
		number, due, state := q.reserve(time.Now())
		switch state {
		case taken:
			if !sleep(ctx, time.Until(due)) {
				q.settle(false)
				return 0, false
			}
			return number, true
		case ended:
			return 0, false
		}
		if !sleep(ctx, quotaPause) {
			return 0, false
		}
	}
}

type quotaState int

const (
	taken quotaState = iota
	full             // all that are missing are being sent
	ended
)

func (q *quota) reserve(now time.Time) (number int, due time.Time, state quotaState) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.patience > 0 && now.Sub(q.last) > q.patience && q.acked != q.messages {
		q.expired = true
		return 0, time.Time{}, ended
	}
	if q.messages > 0 && q.acked+q.underway >= q.messages {
		if q.acked >= q.messages {
			return 0, time.Time{}, ended
		}
		return 0, time.Time{}, full
	}
	number = q.next
	q.next++
	q.underway++
	if q.rate > 0 {
		// After an outage the time that was lost is not made up for by a burst, small delays are.
		due = q.due
		if late := now.Add(-time.Second); due.Before(late) {
			due = late
		}
		q.due = due.Add(time.Duration(float64(time.Second) / q.rate))
	}
	return number, due, taken
}

// settle says what became of a number.
func (q *quota) settle(acked bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.underway--
	if acked {
		q.acked++
		q.last = time.Now()
	}
}

// gaveUp says whether patience ended the run.
func (q *quota) gaveUp() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.expired
}

// sleep returns false if ctx ends first, or has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

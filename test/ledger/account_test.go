// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// base is a fixed start; at is a moment so many milliseconds later.
var base = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(millis int) time.Time { return base.Add(time.Duration(millis) * time.Millisecond) }

// in is a place in a broker group.
func in(group string, offset int) place { return place{Group: group, Queue: 3, Offset: int64(offset)} }

func TestVerdict(t *testing.T) {
	tests := []struct {
		name string
		do   func(a *account)
		want verdict
		good bool
	}{
		{
			name: "nothing happened",
			do:   func(*account) {},
			want: verdict{FirstAckedMillis: -1, FirstReceivedMillis: -1},
		},
		{
			name: "all came back, one before its acknowledgement",
			do: func(a *account) {
				a.ack(0, in("b-0", 0), at(10))
				a.receive("", 1, in("b-1", 1), at(15))
				a.ack(1, in("b-1", 1), at(30))
				a.receive("", 0, in("b-0", 0), at(40))
				a.stop(at(50))
			},
			want: verdict{
				Acked: 2, Received: 2, LongestGapMillis: 20, FirstAckedMillis: 10, FirstReceivedMillis: 15,
				Groups: map[string]groupVerdict{"b-0": {Acked: 1, LongestGapMillis: 40}, "b-1": {Acked: 1, LongestGapMillis: 20}},
			},
			good: true,
		},
		{
			name: "a slow machine does not hide another error",
			do: func(a *account) {
				a.fail(errors.New("CODE: 2, DESC: [TIMEOUT_CLEAN_QUEUE]broker busy"))
				a.fail(errors.New("no route"))
				a.fail(errors.New("CODE: 2, DESC: [PCBUSY_CLEAN_QUEUE]broker busy"))
			},
			want: verdict{SendErrors: 3, Busy: 2, LastSendError: "no route", FirstAckedMillis: -1, FirstReceivedMillis: -1},
		},
		{
			name: "somebody who may not send",
			do: func(a *account) {
				a.fail(errors.New("CODE: 2, DESC: [REJECTREQUEST]system busy"))
				a.fail(errors.New("CODE: 16, DESC: User:app is not found."))
			},
			want: verdict{SendErrors: 2, Refused: 1, LastSendError: "CODE: 16, DESC: User:app is not found.", FirstAckedMillis: -1, FirstReceivedMillis: -1},
		},
		{
			name: "an acknowledged message is lost",
			do: func(a *account) {
				for number := range 3 {
					a.ack(number, in("b-0", number), at(number))
				}
				a.receive("", 0, in("b-0", 0), at(5))
				a.receive("", 2, in("b-0", 2), at(5))
				a.stop(at(2))
			},
			want: verdict{
				Acked: 3, Received: 2, Lost: 1, LostMessages: []lostMessage{{1, in("b-0", 1), 1, -1}}, LongestGapMillis: 1, FirstReceivedMillis: 5,
				Groups: map[string]groupVerdict{"b-0": {Acked: 3, LongestGapMillis: 1}},
			},
		},
		{
			name: "two were given the same place",
			do: func(a *account) {
				a.ack(0, in("b-0", 7), at(0))
				a.ack(1, in("b-0", 7), at(1))
				a.receive("", 1, in("b-0", 7), at(5))
				a.stop(at(2))
			},
			want: verdict{
				Acked: 2, Received: 1, Lost: 1, LostMessages: []lostMessage{{0, in("b-0", 7), 0, 1}}, LongestGapMillis: 1, FirstReceivedMillis: 5,
				Groups: map[string]groupVerdict{"b-0": {Acked: 2, LongestGapMillis: 1}},
			},
		},
		{
			name: "one is overtaken by another of its key, which then comes once more",
			do: func(a *account) {
				for number := range 4 {
					a.ack(number, in("b-0", number), at(0))
				}
				a.receive("odd", 3, in("b-0", 3), at(1))
				a.receive("even", 0, in("b-0", 0), at(1))
				a.receive("odd", 1, in("b-0", 1), at(1))
				a.receive("even", 2, in("b-0", 2), at(1))
				a.receive("even", 0, in("b-0", 0), at(1))
				a.stop(at(0))
			},
			want: verdict{
				Acked: 4, Received: 4, Duplicates: 1, Disordered: 1, FirstReceivedMillis: 1,
				Groups: map[string]groupVerdict{"b-0": {Acked: 4}},
			},
			good: true,
		},
		{
			name: "duplicates, and a failed send that was stored all the same",
			do: func(a *account) {
				a.ack(0, in("b-0", 0), at(0))
				a.fail(errors.New("timeout"))
				a.receive("", 1, in("b-0", 1), at(3))
				a.receive("", 0, in("b-0", 0), at(4))
				a.receive("", 0, in("b-0", 0), at(5))
				a.receive("", 1, in("b-0", 1), at(6))
				a.stop(at(0))
			},
			want: verdict{
				Acked: 1, Received: 2, Duplicates: 2, SendErrors: 1, LastSendError: "timeout", FirstReceivedMillis: 3,
				Groups: map[string]groupVerdict{"b-0": {Acked: 1}},
			},
			good: true,
		},
		{
			name: "held back: in time, late, and a clock's tick before its time",
			do: func(a *account) {
				for number, came := range []int{3000, 3400, 2001} {
					a.expect(number, at(3000), false)
					a.ack(number, in("b-0", number), at(0))
					a.receive("", number, in("b-0", number), at(came))
				}
				a.receive("", 0, in("b-0", 0), at(9000)) // once more, however late
				a.stop(at(0))
			},
			want: verdict{
				Acked: 3, Received: 3, Duplicates: 1, LongestLateMillis: 400, FirstReceivedMillis: 3000,
				Groups: map[string]groupVerdict{"b-0": {Acked: 3}},
			},
			good: true,
		},
		{
			name: "too early",
			do: func(a *account) {
				a.expect(0, at(3000), false)
				a.receive("", 0, in("b-0", 0), at(1999))
				a.ack(0, in("b-0", 0), at(2000))
				a.stop(at(2000))
			},
			want: verdict{
				Acked: 1, Received: 1, Early: 1, FirstAckedMillis: 2000, FirstReceivedMillis: 1999,
				Groups: map[string]groupVerdict{"b-0": {Acked: 1}},
			},
		},
		{
			name: "a transaction that was rolled back comes all the same",
			do: func(a *account) {
				a.expect(0, time.Time{}, false)
				a.ack(0, in("b-0", 0), at(0))
				a.expect(1, time.Time{}, true)
				a.rollBack()
				a.expect(2, time.Time{}, true)
				a.rollBack()
				a.receive("", 0, in("b-0", 0), at(1))
				a.receive("", 2, in("b-0", 1), at(1))
				a.stop(at(0))
			},
			want: verdict{
				Acked: 1, Received: 1, RolledBack: 2, Unwanted: 1, FirstReceivedMillis: 1,
				Groups: map[string]groupVerdict{"b-0": {Acked: 1}},
			},
		},
		{
			name: "an outage that lasts to the end of sending is a gap",
			do: func(a *account) {
				a.ack(0, in("b-0", 0), at(100))
				a.ack(1, in("b-0", 1), at(300))
				a.receive("", 0, in("b-0", 0), at(300))
				a.receive("", 1, in("b-0", 1), at(300))
				a.stop(at(1300))
			},
			want: verdict{
				Acked: 2, Received: 2, LongestGapMillis: 1000, FirstAckedMillis: 100, FirstReceivedMillis: 300,
				Groups: map[string]groupVerdict{"b-0": {Acked: 2, LongestGapMillis: 1000}},
			},
			good: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccount(base)
			tt.do(a)
			got := a.verdict(at(2000))
			tt.want.StartedAt, tt.want.ElapsedMillis = base, 2000
			if tt.want.LostMessages == nil {
				tt.want.LostMessages = []lostMessage{}
			}
			if tt.want.Groups == nil {
				tt.want.Groups = map[string]groupVerdict{}
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(lostMessage{})); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if got.good() != tt.good {
				t.Errorf("good() = %v, want %v", got.good(), tt.good)
			}
		})
	}
}

func TestVerdictNamesTheFirstLostOnly(t *testing.T) {
	a := newAccount(base)
	for number := range 100 {
		a.ack(number, in("b-0", number), at(number))
	}
	a.receive("", 0, in("b-0", 0), at(0))
	v := a.verdict(at(200))
	if v.Lost != 99 || len(v.LostMessages) != maxLostMessages || v.LostMessages[0].Number != 1 || v.LostMessages[maxLostMessages-1].Number != maxLostMessages {
		t.Errorf("lost %d, named %v; want 99, and the numbers 1 to %d", v.Lost, v.LostMessages, maxLostMessages)
	}
}

func TestVerdictOfHalfARun(t *testing.T) {
	a := newAccount(base)
	a.ack(7, in("b-0", 7), at(1))
	if v := a.verdict(at(2)).producedOnly(); v.Acked != 1 || v.Lost != 0 || !v.good() {
		t.Errorf("produced only: %+v, want 1 acknowledged and nothing said about losses", v)
	}
	b := newAccount(base)
	b.receive("", 3, in("b-0", 3), at(1))
	if v := b.verdict(at(2)).consumedOnly(3); v.Acked != 3 || v.Lost != 2 || v.good() {
		t.Errorf("consumed only: %+v, want 2 of 3 lost", v)
	}
	if v := b.verdict(at(2)).consumedOnly(1); v.Lost != 0 || !v.good() {
		t.Errorf("consumed only: %+v, want none of 1 lost", v)
	}
}

func TestSendTimes(t *testing.T) {
	for name, test := range map[string]struct {
		millis   []int
		p50, p99 int64
	}{
		"none":             {},
		"one":              {[]int{7}, 7000, 7000},
		"in any order":     {[]int{3, 1, 2}, 2000, 3000},
		"an even number":   {[]int{4, 1, 3, 2}, 2000, 4000},
		"one of a hundred": {append(make([]int, 99), 50), 0, 0},
	} {
		a := newAccount(base)
		for _, millis := range test.millis {
			a.sent(time.Duration(millis) * time.Millisecond)
		}
		if v := a.verdict(at(1)); v.SendP50Micros != test.p50 || v.SendP99Micros != test.p99 {
			t.Errorf("%s: p50 %d, p99 %d, want %d and %d", name, v.SendP50Micros, v.SendP99Micros, test.p50, test.p99)
		}
	}
}

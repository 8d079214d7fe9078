// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

func TestTheTableTellsHowLongEachStepTook(t *testing.T) {
	steps := []step{
		{"the build", 10 * time.Minute, 20 * time.Second, func(context.Context) error { return nil }},
		{"a look at it", 5 * time.Second, 5 * time.Second, func(context.Context) error { return nil }},
	}
	took, err := carryOut(t.Context(), kit.NewLog(io.Discard), steps, false)
	if err != nil || len(took) != len(steps) {
		t.Fatalf("%d of %d steps were timed: %v", len(took), len(steps), err)
	}

	const want = `   17.0 s of about   20 s  the build
    4.5 s of about    5 s  a look at it
   21.5 s of about   25 s  all of it
`
	if diff := cmp.Diff(want, table(steps, []time.Duration{17 * time.Second, 4500 * time.Millisecond}, false)); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
}

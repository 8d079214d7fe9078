// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// step of the demo, and about how long it takes on two idle cores: when all is built for the first time, and later.
type step struct {
	what         string
	first, later time.Duration
	do           func(context.Context) error
}

func (s step) length(first bool) time.Duration {
	if first {
		return s.first
	}
	return s.later
}

// carryOut the steps, and say at each what is left. It returns how long each took that ended.
func carryOut(ctx context.Context, log *kit.Log, steps []step, first bool) (took []time.Duration, err error) {
	defer log.Footer("")
	if first {
		log.Printf("this machine has built nothing of it yet, so it takes minutes; the next time it takes less than two")
	}
	for i, s := range steps {
		left := time.Duration(0)
		for _, later := range steps[i:] {
			left += later.length(first)
		}
		text := fmt.Sprintf("step %d of %d: %s (about %s left in all)", i+1, len(steps), s.what, duration.HumanDuration(left))
		log.Printf("%s", text)
		log.Footer(text)

		began := time.Now()
		if err := s.do(ctx); err != nil {
			return took, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// table of how long the steps took, beside what was planned.
func table(steps []step, took []time.Duration, first bool) string {
	var out strings.Builder
	line := func(took, planned time.Duration, what string) {
		fmt.Fprintf(&out, "%7.1f s of about %4.0f s  %s\n", took.Seconds(), planned.Seconds(), what)
	}
	var all, planned time.Duration
	for i, t := range took {
		all, planned = all+t, planned+steps[i].length(first)
		line(t, steps[i].length(first), steps[i].what)
	}
	line(all, planned, "all of it")
	return out.String()
}

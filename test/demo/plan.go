// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
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

// carryOut the steps, and say at each what is left.
func carryOut(ctx context.Context, log *kit.Log, steps []step, first bool) error {
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
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

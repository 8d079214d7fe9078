// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestJudgeRoll(t *testing.T) {
	roll := func(all time.Duration) rollTimes { // the floor is 2 x 10 + 2 x (35 + 10) + 4 = 114 s
		return rollTimes{all: all, restarts: []time.Duration{10 * time.Second, 10 * time.Second}, masters: 2, drain: 35 * time.Second, syncs: 4 * time.Second}
	}
	if got := roll(0).floor(); got != 114*time.Second {
		t.Errorf("floor %s", got)
	}
	if err := judgeRoll(io.Discard, []rollTimes{roll(115 * time.Second), roll(400 * time.Second), roll(120 * time.Second)}); err != nil {
		t.Errorf("one slow roll of three: %v", err)
	}
	if err := judgeRoll(io.Discard, []rollTimes{roll(115 * time.Second), roll(140 * time.Second), roll(400 * time.Second)}); err == nil || !strings.Contains(err.Error(), "1.23 times") {
		t.Errorf("140 s: %v", err)
	}
}

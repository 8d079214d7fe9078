// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"testing"
	"time"
)

func TestJudgeProxy(t *testing.T) {
	run := func(millis ...int) []latency {
		var out []latency
		for _, m := range millis {
			out = append(out, latency{time.Duration(m) * time.Millisecond, time.Duration(m) * time.Second})
		}
		return out
	}
	for name, test := range map[string]struct {
		direct, proxied []latency
		missed          bool
	}{
		"as fast":            {run(10), run(10), false},
		"at the bar":         {run(10), run(12), false},
		"slower":             {run(10), run(13), true},
		"only once slower":   {run(10, 11, 10), run(11, 90, 11), false},
		"mostly much slower": {run(10, 80, 10), run(20, 11, 21), true},
	} {
		if err := judgeProxy(io.Discard, test.direct, test.proxied); (err != nil) != test.missed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

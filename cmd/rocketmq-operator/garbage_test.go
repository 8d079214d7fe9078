// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

// TestGarbage: an operator that rests keeps its heap small, and one that works lets garbage come together, within bounds.
func TestGarbage(t *testing.T) {
	const mib = 1 << 20
	g := &garbage{least: 10, now: 10}
	for _, step := range []struct {
		name       string
		rate, live float64
		percent    int
		changes    bool
	}{
		{"nothing is known", 0, 0, 10, false},
		{"one cluster rests", 0.1 * mib, 8 * mib, 10, false},
		{"many start", 100 * mib, 30 * mib, 100, true},
		{"they go on", 25 * mib, 30 * mib, 100, false},
		{"a pause", 0, 30 * mib, 100, false},
		{"more is in use", 0, 60 * mib, 33, true},
		{"about the same", 14 * mib, 60 * mib, 33, false},
	} {
		if percent, changes := g.next(step.rate, step.live); percent != step.percent || changes != step.changes {
			t.Errorf("%s: %d %%, changes %t; want %d %%, %t", step.name, percent, changes, step.percent, step.changes)
		}
	}
	for range 30 {
		g.next(0, 100*mib)
	}
	if g.now != g.least {
		t.Errorf("at rest: %d %%", g.now)
	}
}

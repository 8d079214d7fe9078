// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// seeds is how many worlds are played: a thousand show a mistake in a rule, more of them a rare race.
var seeds = flag.Int("seeds", 1000, "how many random worlds to play")

// TestSimulation plays random worlds: groups of different sizes, pods that start and stop in their own time, elections,
// crashes, evictions, specs that do not work and are taken back, knowledge that is some seconds old. The rules are checked
// at every step, and in the end every pod runs the wanted spec, or the planner has said why not.
func TestSimulation(t *testing.T) {
	t.Parallel()
	done, blocked, lost := 0, 0, 0
	for seed := range uint64(*seeds) {
		w := random(seed)
		switch w.play() {
		case Blocked:
			blocked++
		case Loss:
			lost++
		default:
			done++
		}
		if len(w.failures) > 0 {
			var said strings.Builder
			again := random(seed)
			again.story = func(format string, args ...any) {
				fmt.Fprintf(&said, "%4ds  %s\n", again.now, fmt.Sprintf(format, args...))
			}
			again.play()
			t.Fatalf("seed %d: %s\n%s", seed, strings.Join(w.failures, "\n"), said.String())
		}
	}
	t.Logf("%d worlds: %d rolled, %d blocked, %d kept the only copy of data", *seeds, done, blocked, lost)
	for _, n := range []int{done, blocked, lost} {
		if n < *seeds/100 {
			t.Errorf("%d rolled, %d blocked, %d kept data: too few of one to be a test of it", done, blocked, lost)
		}
	}
}

// play until all is done, or the planner says that it needs the user.
func (w *world) play() Action {
	limit := w.calmFrom() + 600
	for _, p := range w.parties {
		limit += len(p.servers) * (150 + 10*p.period)
	}
	w.look()
	stopped := 0 // for how long it has been blocked
	for ; w.now < limit; w.second() {
		if w.now%2 == 1 {
			continue
		}
		d := w.reconcile()
		if d.Action == Blocked || d.Action == Loss {
			stopped++
		} else {
			stopped = 0
		}
		if w.now > w.calmFrom() && stopped > 60 {
			return d.Action
		}
		if w.finished() {
			w.checkCounts()
			return Nothing
		}
		if len(w.failures) > 0 {
			return Nothing
		}
	}
	w.fail("not done, last: %+v", w.last)
	return Wait
}

// checkCounts: where nobody else did anything, every pod was replaced once for a change, and a single one for a change that
// does not work, if all was well before.
func (w *world) checkCounts() {
	if len(w.trouble) > 0 {
		return
	}
	total := map[int]int{}
	for key, n := range w.replaced {
		var name string
		var from int
		if _, err := fmt.Sscanf(key, "%s for %d", &name, &from); err != nil {
			w.fail("%s: %v", key, err)
		}
		total[from] += n
		if n > 1 {
			w.fail("%s was stopped %d times for the change at %d s", name, n, from)
		}
	}
	for i, s := range w.specs {
		if n := total[s.from]; !s.works && n > 1 && w.specs[i-1].works {
			w.fail("%d pods were stopped for the change at %d s, which does not work", n, s.from)
		}
	}
}

// TestStories compares what happens in a few worlds without chance with testdata/<story>.golden.
func TestStories(t *testing.T) {
	changed := func(from ...int) []spec {
		specs := []spec{{-1, true, 0}}
		for i, at := range from {
			specs = append(specs, spec{at, true, i + 1})
		}
		return specs
	}
	for _, story := range []struct {
		name  string
		until int
		world func(w *world)
	}{
		{"memory-of-two-groups", 200, func(w *world) {
			w.specs, w.interval = changed(1), 30
			w.add("b-0", 2, 1)
			w.add("b-1", 2, 1)
		}},
		{"bad-image-taken-back", 80, func(w *world) {
			w.specs = []spec{{-1, true, 0}, {1, false, 1}, {40, true, 0}}
			w.add("b-0", 2, 1)
			w.add("b-1", 2, 1)
		}},
		{"slaves-that-rebuild-their-topics", 120, func(w *world) {
			w.specs = changed(1)
			p := w.add("b-0", 2, 1)
			p.period, p.whole = 30, 4
		}},
		{"only-complete-groups-take-messages", 20, func(w *world) {
			w.specs = changed(1)
			w.add("b-0", 2, 2)
		}},
		{"three-controllers", 80, func(w *world) {
			w.specs = changed(1)
			w.add("ctl", 3, 0).leader = "ctl-1"
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			var told strings.Builder
			w := &world{replaced: map[string]int{}}
			w.story = func(format string, args ...any) {
				fmt.Fprintf(&told, "%4ds  %s\n", w.now, fmt.Sprintf(format, args...))
			}
			story.world(w)
			w.look()
			for ; w.now < story.until; w.second() {
				w.reconcile()
			}
			if len(w.failures) > 0 {
				t.Fatalf("%s\n%s", strings.Join(w.failures, "\n"), told.String())
			}
			golden := filepath.Join("testdata", story.name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(told.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), told.String()); diff != "" {
				t.Errorf("another story (-want +got); -update writes it:\n%s", diff)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestJudgeFailover(t *testing.T) {
	run := func(seconds float64, lost int) []outcome {
		return []outcome{{gap: time.Duration(seconds * float64(time.Second)), lost: lost}}
	}
	for name, test := range map[string]struct {
		handover, busy, bare, managed, byHand []outcome
		want                                  string // part of the error, "" for none
	}{
		"all is well":             {run(1, 0), run(1.9, 0), run(1.2, 5), run(3.2, 1), run(3, 0), ""},
		"a slow handover":         {run(1.3, 0), run(1, 0), run(1.2, 0), run(3, 0), run(3, 0), "longer than a bare election"},
		"a handover loses":        {run(1, 1), run(1, 0), run(1.2, 0), run(3, 0), run(3, 0), "lost acknowledged messages"},
		"a busy one is slow":      {run(1, 0), run(2.1, 0), run(1.2, 0), run(3, 0), run(3, 0), "while delayed messages come due"},
		"a busy one loses":        {run(1, 0), run(1, 1), run(1.2, 0), run(3, 0), run(3, 0), "lost acknowledged messages"},
		"the operator is slower":  {run(1, 0), run(1, 0), run(1.2, 0), run(3.4, 0), run(3, 0), "with the operator than without"},
		"only one pair is slower": {append(run(9, 0), append(run(1, 0), run(1, 0)...)...), run(1, 0), run(1.2, 0), run(3, 0), run(3, 0), ""},
	} {
		err := failovers{test.handover, test.busy, test.managed, test.bare, test.byHand}.judge(io.Discard, 1)
		if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestSmaller: what makes the hand-written manifests smaller finds what it replaces.
func TestSmaller(t *testing.T) {
	manifest, err := os.ReadFile("testdata/by-hand.yaml")
	if err != nil {
		t.Fatal(err)
	}
	edits := smaller()
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(manifest), edits[i]) {
			t.Errorf("by-hand.yaml does not hold %q", edits[i])
		}
	}
	got := strings.NewReplacer(edits...).Replace(string(manifest))
	for _, text := range []string{"n0-quickstart-ctl-0.$domain:9878\"", "for i in 0; do", "    java $MEMORY"} {
		if !strings.Contains(got, text) {
			t.Errorf("the smaller one lacks %q", text)
		}
	}
	if strings.Contains(got, "replicas: 3") || strings.Count(got, "replicas: 0") != 1 || strings.Count(got, "replicas: 2") != 1 {
		t.Errorf("replicas in\n%s", got)
	}
}

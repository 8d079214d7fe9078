package pass

import (
	"errors"
	"testing"
	"time"
)

// TestLasting: a resource whose passes have failed for half a minute says so, until one succeeds.
func TestLasting(t *testing.T) {
	f, broken, start := &Failures{}, errors.New("broken"), time.Unix(1000, 0)
	for _, step := range []struct {
		after time.Duration
		err   error
		want  bool
	}{
		{0, broken, false},
		{29 * time.Second, broken, false},
		{30 * time.Second, broken, true},
		{31 * time.Second, nil, false},
		{32 * time.Second, broken, false},
		{61 * time.Second, broken, false},
		{62 * time.Second, broken, true},
	} {
		if got := f.Lasting("a", step.err, start.Add(step.after)); got != step.want {
			t.Errorf("after %s (%v): lasting is %t", step.after, step.err, got)
		}
	}
	if f.Lasting("b", broken, start.Add(time.Hour)) {
		t.Error("the failures of one resource are another one's")
	}
	f.Lasting("c", broken, start.Add(3*time.Hour))
	if len(f.since) != 1 {
		t.Errorf("those that nobody tries any more are kept: %v", f.since)
	}
}

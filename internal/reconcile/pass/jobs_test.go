// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// TestJobs: a job runs beside the passes that ask for it, its result is news once, and another input makes it another job.
func TestJobs(t *testing.T) {
	jobs, key, runs := NewJobs(t.Context()), types.NamespacedName{Name: "b"}, make(chan string, 10)
	ask := func(input string) Found[string] {
		return Do(jobs, key, "copy", input, time.Minute, func(context.Context) string { runs <- input; return "did " + input })
	}
	ends := func(want string) {
		t.Helper()
		if got := <-runs; got != want {
			t.Errorf("%s runs, want %s", got, want)
		}
		if woken := <-jobs.Events(); woken.Object.GetName() != "b" {
			t.Errorf("woken is %s", woken.Object.GetName())
		}
	}
	if got := ask("x"); got.Known {
		t.Errorf("before it ran: %+v", got)
	}
	ends("x")
	if got := ask("x"); !got.Fresh || got.Result != "did x" {
		t.Errorf("after it ran: %+v", got)
	}
	if got := ask("x"); got.Fresh || !got.Known || got.Result != "did x" {
		t.Errorf("while it runs again: %+v", got)
	}
	ends("x")
	if got := ask("y"); got.Known {
		t.Errorf("of another input: %+v", got)
	}
	ends("y")
	jobs.Drop(key, "copy")
	if got := ask("y"); got.Known {
		t.Errorf("after it was dropped: %+v", got)
	}
}

// TestOldResult: a result that no pass took in time is found out anew.
func TestOldResult(t *testing.T) {
	jobs, key := NewJobs(t.Context()), types.NamespacedName{Name: "b"}
	ask := func() Found[int] {
		return Do(jobs, key, "copy", "", time.Minute, func(context.Context) int { return 1 })
	}
	ask()
	<-jobs.Events()
	jobs.of[key]["copy"].ended = time.Now().Add(-2 * freshness)
	if got := ask(); got.Fresh {
		t.Errorf("an old result: %+v", got)
	}
	<-jobs.Events()
	if got := ask(); !got.Fresh {
		t.Errorf("the new one: %+v", got)
	}
}

// TestHungJobs: jobs end with their resource and with their time, some of one resource run at once, and those of another are
// not held up.
func TestHungJobs(t *testing.T) {
	jobs, hung, other := NewJobs(t.Context()), types.NamespacedName{Name: "hung"}, types.NamespacedName{Name: "other"}
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		Do(jobs, hung, name, "", time.Hour, wait)
	}
	if got := jobs.running(hung); got != mostJobs {
		t.Errorf("%d run at once, want %d", got, mostJobs)
	}
	Do(jobs, other, "a", "", time.Millisecond, wait)
	if woken := <-jobs.Events(); woken.Object.GetName() != "other" {
		t.Errorf("woken is %s", woken.Object.GetName())
	}
	if got := Do(jobs, other, "a", "", time.Millisecond, wait); !got.Fresh || got.Result == nil {
		t.Errorf("one whose time is over: %+v", got)
	}
	jobs.Forget(hung)
	for range mostJobs {
		<-jobs.Events() // they end
	}
}

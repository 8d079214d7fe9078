// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/probe"
)

// TestStart: java may take as long as it likes, as long as it does something.
func TestStart(t *testing.T) {
	t.Parallel()
	forever := 24 * time.Hour
	for _, test := range []struct {
		name    string
		answers time.Duration                           // after what time it does
		done    func(since time.Duration) (work, error) // in that time
		stalled time.Duration                           // 0 for never
	}{
		{"at once", 0, func(time.Duration) (work, error) { return work{}, nil }, 0},
		{"after an hour on a slow disk", time.Hour, func(d time.Duration) (work, error) { return work{read: int64(d.Seconds()) * 100 << 10}, nil }, 0},
		{"after an hour of little CPU", time.Hour, func(d time.Duration) (work, error) { return work{cpu: d / 50}, nil }, 0},
		{"after an hour, unseen", time.Hour, func(time.Duration) (work, error) { return work{}, errors.New("no /proc") }, 0},
		{"never, and does nothing", forever, func(d time.Duration) (work, error) { return work{cpu: d / 500}, nil }, stallLimit},
		{"stopped for eleven minutes", 20 * time.Minute, func(d time.Duration) (work, error) {
			return work{cpu: max(0, d-11*time.Minute)}, nil
		}, 0},
		{"never, after an hour of work", forever, func(d time.Duration) (work, error) { return work{cpu: min(d, time.Hour)}, nil }, time.Hour + stallLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := startWatch{
					started: func(context.Context) probe.Report { return probe.Report{Ready: time.Since(began) >= test.answers} },
					done:    func() (work, error) { return test.done(time.Since(began)) },
				}.stalled(t.Context())
				took := time.Since(began)
				if got != (test.stalled > 0) || got && (took < test.stalled || took > test.stalled+2*idleMinute) || !got && took > test.answers+startLook {
					t.Errorf("stalled %t after %s, want %s", got, took, test.stalled)
				}
			})
		})
	}
}

// TestWorkOf asks the kernel of this process.
func TestWorkOf(t *testing.T) {
	before, err := workOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		now, err := workOf(os.Getpid())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no CPU time is seen: %v", err)
		}
		if now.cpu > before.cpu {
			break
		}
	}
	if _, err := workOf(0); err == nil {
		t.Error("no process has done something")
	}
}

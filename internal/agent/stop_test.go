// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// TestGrace: an agent counts on little, unless it is told of more, and never on more than the pod's template gives.
func TestGrace(t *testing.T) {
	t.Parallel()
	const never = time.Duration(-1)
	for _, test := range []struct {
		name       string
		full, told time.Duration
		end, java  time.Duration // the container's end, and what of that is java's
	}{
		{"nothing is told", 155 * time.Second, never, 20 * time.Second, 20 * time.Second / 3},
		{"a long one", 155 * time.Second, 155 * time.Second, 155 * time.Second, 25 * time.Second},
		{"--grace-period=20", 155 * time.Second, 20 * time.Second, 20 * time.Second, 20 * time.Second / 3},
		{"--grace-period=600", 155 * time.Second, 600 * time.Second, 155 * time.Second, 25 * time.Second},
		{"--now", 155 * time.Second, time.Second, time.Second, time.Second / 3},
		{"30 s in the template", 30 * time.Second, 30 * time.Second, 30 * time.Second, 10 * time.Second},
		{"10 s in the template", 10 * time.Second, never, 10 * time.Second, 10 * time.Second / 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := grace{full: test.full}
				began := time.Now()
				if test.told != never {
					g.tell(test.told)
				}
				time.Sleep(time.Second)
				if got := g.end(began).Sub(began); got != test.end {
					t.Errorf("it ends after %s, want %s", got, test.end)
				}
				if got := g.end(began).Sub(g.handoverEnd(began)); got != test.java {
					t.Errorf("java gets %s, want %s", got, test.java)
				}
			})
		})
	}
}

// TestGraceOfOlderTemplate: a pod whose template does not tell has what the settings came to when it began.
func TestGraceOfOlderTemplate(t *testing.T) {
	started := &settings.BrokerSettings{DrainSeconds: 35}
	if got := (&config{}).graceOf(started).full; got != 155*time.Second {
		t.Errorf("%s, want 155s", got)
	}
	if got := (&config{grace: 30 * time.Second}).graceOf(started).full; got != 30*time.Second {
		t.Errorf("%s, want 30s", got)
	}
}

// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestSlavesTakeOverFirst: a transfer ends when no slave could bring back what was changed. One that does not take it over at all
// is told of instead, when the time of the step is over.
func TestSlavesTakeOverFirst(t *testing.T) {
	const (
		limit     = 3 * time.Minute // newModel's stepTimeout
		cleaning  = "cluster a is not clean yet: a slave of a-0 (a-0-slave) has not taken over yet how topic orders is at its master"
		restoring = "cluster a gets topic orders back as it was: a slave of a-0 (a-0-slave) has not taken over yet how topic orders is at its master"
	)
	for _, test := range []struct {
		name  string
		phase v1alpha1.TransferPhase
		lags  time.Duration // since the phase began
		want  v1alpha1.TransferPhase
		says  string
	}{
		{"cleaned", v1alpha1.TransferCleanSource, limit - 30*time.Second, v1alpha1.TransferCompleted, cleaning},
		{"cleaned, for ever", v1alpha1.TransferCleanSource, time.Hour, v1alpha1.TransferCompleted, cleaning},
		{"taken back", v1alpha1.TransferRollBack, limit - 30*time.Second, v1alpha1.TransferRolledBack, restoring},
		{"taken back, for ever", v1alpha1.TransferRollBack, time.Hour, v1alpha1.TransferRolledBack, restoring},
	} {
		t.Run(test.name, func(t *testing.T) {
			for seed := range uint64(10) {
				m := newModel(seed)
				m.trouble, m.producing, m.spec.HoldBeforeClean = false, false, false
				for g := range m.online {
					m.online[g] = true
				}
				began, told := time.Time{}, false
				m.run(func(int) {
					m.spec.Abort = test.phase == v1alpha1.TransferRollBack && m.status.Phase == v1alpha1.TransferDrain
					if m.status.Phase != test.phase {
						return
					}
					began = m.status.PhaseSince.Time
					if m.now.Sub(began) < test.lags {
						for _, s := range m.source {
							s.changed = m.now
						}
						told = told || strings.Contains(Next(&m.spec, &m.status, m.see()).Waiting.Message, test.says)
					}
				})
				if m.status.Phase != test.want || !told {
					m.complain("ended %s, and had said that it waits: %t", m.status.Phase, told)
				}
				if took := m.now.Sub(began); took < min(test.lags, limit) {
					m.complain("ended after %s, and slaves lag for %s", took, test.lags)
				}
				left := strings.Join(m.status.Left, "; ")
				if behind := test.lags > limit; strings.Contains(left, "a-0-slave") != behind {
					m.complain("left: %s", left)
				}
				m.report(t, seed)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestOld: a pass that reads what the last one has overwritten is one too many.
func TestOld(t *testing.T) {
	var s Statuses
	if s.Old("a", "1") || s.Old("a", "") {
		t.Error("nothing was written yet")
	}
	s.Wrote("a", "1")
	if !s.Old("a", "1") || s.Old("b", "1") || s.Old("a", "2") {
		t.Error("version 1 of a, and nothing else, is old")
	}
	if len(s.known) > 0 {
		t.Errorf("a write whose result has come is remembered: %v", s.known)
	}
	s.PutOff("a", time.Unix(1000, 0))
	s.Same("a")
	if len(s.known) > 0 {
		t.Errorf("a resource that has come to rest is remembered: %v", s.known)
	}
}

// TestPutOff: a status may wait for a moment, counted from the first pass that would have written it.
func TestPutOff(t *testing.T) {
	var s Statuses
	start := time.Unix(1000, 0)
	for _, step := range []struct {
		after, want time.Duration
	}{{0, moment}, {moment / 2, moment / 2}, {moment, 0}, {2 * moment, 0}} {
		if got := s.PutOff("a", start.Add(step.after)); got != step.want {
			t.Errorf("after %s: due in %s, want %s", step.after, got, step.want)
		}
	}
	s.Wrote("a", "1")
	if got := s.PutOff("a", start.Add(time.Hour)); got != moment {
		t.Errorf("after a write: due in %s", got)
	}
}

// TestOnlyWaits: what a user has to know at once is written at once.
func TestOnlyWaits(t *testing.T) {
	ready := func(status metav1.ConditionStatus, reason string, troubles ...string) (out []metav1.Condition) {
		for _, trouble := range troubles {
			out = append(out, metav1.Condition{Type: trouble, Status: metav1.ConditionTrue, Reason: trouble})
		}
		return append(out, metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: reason})
	}
	const yes, no = metav1.ConditionTrue, metav1.ConditionFalse
	for _, test := range []struct {
		name        string
		before, now []metav1.Condition
		want        bool
	}{
		{"new, pods start", nil, ready(no, v1alpha1.ReasonMembersNotReady), true},
		{"the next step", ready(no, v1alpha1.ReasonWaitingForNameServers), ready(no, v1alpha1.ReasonWaitingForControllers), true},
		{"a defect of the image", ready(no, v1alpha1.ReasonCreating), ready(no, v1alpha1.ReasonCreating, v1alpha1.ConditionKnownDefect), true},
		{"ready", ready(no, v1alpha1.ReasonMembersNotReady), ready(yes, v1alpha1.ReasonReady), false},
		{"no longer ready", ready(yes, v1alpha1.ReasonReady), ready(no, v1alpha1.ReasonMembersNotReady), false},
		{"new, with trouble", nil, ready(no, v1alpha1.ReasonMembersNotReady, v1alpha1.ConditionNodeLost), false},
		{"a trouble", ready(no, v1alpha1.ReasonMembersNotReady), ready(no, v1alpha1.ReasonMembersNotReady, v1alpha1.ConditionNodeLost), false},
		{"a trouble is over", ready(no, v1alpha1.ReasonMembersNotReady, v1alpha1.ConditionNodeLost), ready(no, v1alpha1.ReasonMembersNotReady), false},
		{"it waits for the user", nil, ready(no, v1alpha1.ConditionMissingReference), false},
	} {
		if got := onlyWaits(test.before, test.now); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

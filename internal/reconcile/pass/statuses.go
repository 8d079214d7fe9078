// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// moment is for how long a status may differ from what was written, if all that is new is what the resource waits for:
// while pods start that changes several times a second, and each write wakes whoever depends on the resource.
const moment = 2 * time.Second

// Statuses remembers what the passes of a process wrote, and what they put off. Losing it costs
// a write or two. The zero value is ready.
type Statuses struct {
	mu    sync.Mutex
	known map[types.UID]written
}

type written struct {
	// over is the version that the last write replaced: a pass that reads it reads an old copy. "" if none is to come.
	over string
	// since when a write is put off, zero if none is.
	since time.Time
}

// Wrote takes in that a status was written over a version of its resource.
func (s *Statuses) Wrote(resource types.UID, over string) { s.set(resource, written{over: over}) }

// Same takes in that there was nothing to write.
func (s *Statuses) Same(resource types.UID) { s.set(resource, written{}) }

func (s *Statuses) set(resource types.UID, now written) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[types.UID]written{}
	}
	if now == (written{}) {
		delete(s.known, resource)
		return
	}
	s.known[resource] = now
}

// Old reports whether a status has been written over this version of its resource: the newer one is on its way. Once that has come,
// there is nothing to remember.
func (s *Statuses) Old(resource types.UID, version string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.known[resource]
	if version == "" || w.over == "" {
		return false
	}
	if w.over == version {
		return true
	}
	if w.over = ""; w.since.IsZero() {
		delete(s.known, resource)
	} else {
		s.known[resource] = w
	}
	return false
}

// PutOff a write, and return how soon it is due; 0 for now.
func (s *Statuses) PutOff(resource types.UID, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[types.UID]written{}
	}
	w := s.known[resource]
	if w.since.IsZero() {
		w.since = now
		s.known[resource] = w
	}
	return max(0, w.since.Add(moment).Sub(now))
}

// onlyWaits reports whether a resource that was not Ready before is not Ready now, and has no other trouble than before: it
// waits for something that takes its time.
func onlyWaits(before, now []metav1.Condition) bool {
	ready := meta.FindStatusCondition(now, v1alpha1.ConditionReady)
	if ready == nil || ready.Status == metav1.ConditionTrue || !takesTime(ready.Reason) || meta.IsStatusConditionTrue(before, v1alpha1.ConditionReady) {
		return false
	}
	return includes(before, now) && (len(before) == 0 || includes(now, before))
}

// takesTime reports whether Ready has this reason while everything goes as it should.
func takesTime(reason string) bool {
	switch reason {
	case v1alpha1.ReasonCreating, v1alpha1.ReasonMembersNotReady, v1alpha1.ReasonNoLeader,
		v1alpha1.ReasonWaitingForNameServers, v1alpha1.ReasonWaitingForControllers:
		return true
	}
	return false
}

// includes reports whether all troubles of some conditions are among others. A known defect comes with the image.
func includes(others, some []metav1.Condition) bool {
	for _, c := range some {
		switch c.Type {
		case v1alpha1.ConditionReady, v1alpha1.ConditionUpToDate, v1alpha1.ConditionKnownDefect:
			continue
		}
		if meta.FindStatusCondition(others, c.Type) == nil {
			return false
		}
	}
	return true
}

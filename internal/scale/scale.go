// SPDX-License-Identifier: Apache-2.0

// Package scale decides how broker groups come and go. It is pure: it takes what was seen, and returns the next state.
//
// A group that joins is hidden from clients until it has the topics and consumer groups of the others. One that leaves takes no new
// messages, and stays until all of its own are consumed. Every state is recorded before anything is done about it.
package scale

import (
	"fmt"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// State of a broker group, as it is recorded at its StatefulSet.
type State string

// The states, in the order of a group's life.
const (
	// Hidden: clients do not see it, because it lacks metadata.
	Hidden State = "hidden"
	// Open: clients use it.
	Open State = "open"
	// Draining: clients consume from it, and are no longer offered it for new messages.
	Draining State = "draining"
	// Closed: it is drained and refuses every new message, so what is seen of it now is final.
	Closed State = "closed"
	// Removing: its pods stop; its StatefulSet is deleted when they are gone.
	Removing State = "removing"
)

// Settings are those of the group's brokers. Without a state a group is hidden.
func (s State) Settings() settings.GroupSettings {
	switch s {
	case Open:
		return settings.GroupSettings{Permission: settings.ReadWrite}
	case Draining:
		return settings.GroupSettings{Permission: settings.ReadOnly}
	case Closed, Removing:
		return settings.GroupSettings{Permission: settings.ReadOnly, Fenced: true}
	}
	return settings.GroupSettings{}
}

// Leaving reports whether the group is about to leave for good.
func (s State) Leaving() bool { return s == Draining || s == Closed || s == Removing }

// First is the state of a new group. It is hidden if there is something to copy: if another group is open, or was.
func First(others []State) State {
	for _, s := range others {
		if s != Hidden {
			return Hidden
		}
	}
	return Open
}

// Group is what is known of a broker group.
type Group struct {
	Name  string
	State State
	// Age is how long the group has been in its state.
	Age time.Duration
	// Wanted by the spec. Last: no higher group exists, so it is this one's turn to leave.
	Wanted, Last bool
	// Replaced: every group that stays takes messages.
	Replaced bool
	// Copied: it has every topic and consumer group that clients need.
	Copied bool
	// Drained: every message is consumed. Fenced: that was seen while it refused new ones.
	Drained, Fenced bool
	// Shared: every slave has the consumers' offsets up to the end.
	Shared bool
	// Forced: the user gives up messages that are not consumed, and said so after the group began to leave (see StaleForce).
	Forced bool
}

// Next is the next state of a group, and why. It is the present state if there is nothing to do. drain is the time in which clients
// notice that a group takes no new messages.
func Next(g Group, drain time.Duration) (State, string) {
	switch g.State {
	case Hidden:
		switch {
		case g.Wanted && g.Copied:
			return Open, "it knows every topic and consumer group"
		case !g.Wanted && g.Last:
			return Draining, "spec.size no longer includes it"
		}
	case Open:
		if !g.Wanted && g.Last && g.Replaced {
			return Draining, "spec.size no longer includes it"
		}
	case Draining:
		switch {
		case g.Wanted:
			return Open, "spec.size includes it again"
		case g.Forced:
			return Removing, "the annotation forces it, consumed or not"
		case g.Drained && g.Age >= drain:
			return Closed, "every message is consumed"
		}
	case Closed:
		switch {
		case g.Wanted:
			return Open, "spec.size includes it again"
		case g.Forced:
			return Removing, "the annotation forces it, consumed or not"
		case g.Drained && g.Fenced && g.Shared:
			return Removing, "every message is consumed, and no new one can come"
		}
	}
	return g.State, ""
}

// StaleForce reports whether the annotation that forces the group out is stale: set before the group began to leave, and so left over
// from an earlier time. asked: the annotation is there now. stale: the last result of this function. An annotation that was removed and
// set again is not stale.
func StaleForce(from, to State, stale, asked bool) bool {
	return asked && to.Leaving() && (stale || !from.Leaving())
}

// Member of a group that may have to leave it.
type Member struct {
	Pod string
	// Registered at the name servers. InSync: it has every acknowledged message.
	Registered, InSync, Master bool
}

// Step is what to do next to make a group smaller.
type Step struct {
	// Members that the group is to have now.
	Members int
	// HandOver names the master's pod, which is to be restarted so that another member becomes master; "" if there is no need.
	HandOver string
	// Waiting says what the step waits for, "" if for nothing.
	Waiting string
}

// Shrink decides how a group gets from its present members to the wanted number. The last member leaves; if it is master, it hands over
// first. members are in the order of their ordinals.
func Shrink(members []Member, wanted int) Step {
	if len(members) <= wanted {
		return Step{Members: len(members)}
	}
	leaving, staying := members[len(members)-1], members[:len(members)-1]
	keep := Step{Members: len(members)}
	for _, m := range staying {
		if !m.Registered || !m.InSync {
			keep.Waiting = fmt.Sprintf("%s leaves when %s is in sync", leaving.Pod, m.Pod)
			return keep
		}
	}
	if leaving.Master {
		keep.HandOver = leaving.Pod
		return keep
	}
	for _, m := range staying {
		if m.Master {
			return Step{Members: len(staying)}
		}
	}
	keep.Waiting = fmt.Sprintf("%s leaves when its group has a master", leaving.Pod)
	return keep
}

// Package scale decides how broker groups come and go. It is pure: what was seen in, the next state out.
//
// A group that joins is hidden from clients until it knows the topics and groups of the others; one that leaves takes
// no new messages and stays until all of its own are consumed. Every state is recorded before it is acted on.
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
	// Draining: it gives out messages and is no longer offered for new ones.
	Draining State = "draining"
	// Closed: it is drained and refuses every new message, so that what is seen after that is final.
	Closed State = "closed"
	// Removing: its pods stop; its StatefulSet goes when they are gone.
	Removing State = "removing"
)

// Settings of the group's brokers. A group that is nobody's is hidden.
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

// Leaving says that the group is on its way out.
func (s State) Leaving() bool { return s == Draining || s == Closed || s == Removing }

// First state of a new group: there is something to copy if another group is beyond hidden.
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
	// Age of the state.
	Age time.Duration
	// Wanted by the spec. Last: no higher group exists, so it is this one's turn to leave.
	Wanted, Last bool
	// Replaced: every group that stays takes messages.
	Replaced bool
	// Copied: it knows all that it needs to be seen by clients.
	Copied bool
	// Drained: every message is consumed. Fenced: that was seen while it refused new ones.
	Drained, Fenced bool
	// Shared: every slave knows how far everything is consumed.
	Shared bool
	// Forced: the user gives up what is not consumed, and said so after the group began to leave (see StaleForce).
	Forced bool
}

// Next state of a group, which is its present one if there is nothing to do, and why. drain is how long clients
// get to notice that a group takes no new messages.
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

// StaleForce says of a group that goes from one state to another, or stays in it, whether the wish to force it out is from
// before it began to leave: such a wish is left over from an earlier time. asked says that the wish is there now; stale is
// what this function said the last time. A wish that was taken back and comes again is a new one.
func StaleForce(from, to State, stale, asked bool) bool {
	return asked && to.Leaving() && (stale || !from.Leaving())
}

// Member of a group that may have to leave it.
type Member struct {
	Pod string
	// Registered at the name servers; InSync: it has all that was acknowledged.
	Registered, InSync, Master bool
}

// Step of making a group smaller.
type Step struct {
	// Members that the group shall have now.
	Members int
	// HandOver names the master's pod, whose restart moves mastership to another member; "" for no.
	HandOver string
	// Waiting says what for, "" if it is not waiting.
	Waiting string
}

// Shrink says how to come from the members that a group has to the wanted number: the last one leaves, after it gave
// away its mastership. members are in the order of their ordinals.
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

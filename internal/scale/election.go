// SPDX-License-Identifier: Apache-2.0

package scale

// Unclean is the stage of an unclean election: one in which a member that lacks acknowledged messages may become master. A stage is
// recorded before anything is done about it.
type Unclean string

// The stages. When its election is over, a group keeps the last stage until the user removes the annotation, so that one annotation
// allows one election.
const (
	UncleanAllowed Unclean = "allowed"
	UncleanOver    Unclean = "over"
)

// Orphan is a group that may need an unclean election.
type Orphan struct {
	// Stage is the recorded one, "" if there is no such election.
	Stage Unclean
	// Allowed: the user's annotation names the group.
	Allowed bool
	// Orphaned: it has no master and gets none by itself.
	Orphaned bool
	// Hesitates: the election must wait for something else.
	Hesitates bool
	// Led: a controller leads and has answered. HasMaster: the group has a master.
	Led, HasMaster bool
}

// Election is what is to be done.
type Election struct {
	// Elect now. Forbid restores the controllers' property, which an operator may have left changed when it died.
	Elect, Forbid bool
	// Stage to record. After Forbid it is recorded only if every controller has restored the property.
	Stage Unclean
}

// NextElection decides. It records first that an election is allowed; the next pass holds it.
func NextElection(o Orphan) Election {
	switch {
	case o.Stage == UncleanOver && !o.Allowed:
		return Election{}
	case o.Stage == UncleanOver:
		return Election{Stage: UncleanOver}
	case o.Orphaned && o.Allowed:
		return nextOfOrphan(o)
	case o.Stage != UncleanAllowed, !o.Led:
		return Election{Stage: o.Stage}
	case !o.Allowed:
		return Election{Forbid: true}
	case o.HasMaster:
		return Election{Forbid: true, Stage: UncleanOver}
	}
	return Election{Forbid: true, Stage: UncleanAllowed}
}

func nextOfOrphan(o Orphan) Election {
	switch {
	case o.Stage == "" && o.Hesitates:
		return Election{}
	case o.Stage == "":
		return Election{Stage: UncleanAllowed}
	case o.Hesitates:
		return Election{Forbid: true, Stage: UncleanAllowed}
	}
	return Election{Elect: true, Stage: UncleanAllowed}
}

package scale

// Unclean says how far an unclean election is: one in which a member that lacks acknowledged messages may become master. It
// is recorded before it is acted on.
type Unclean string

// The stages. A group whose election is over keeps the record until the user takes the annotation away, so that one
// annotation is one election.
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
	// Hesitates: something else keeps the election for now.
	Hesitates bool
	// Led: a controller leads and has answered. HasMaster: the group has a master.
	Led, HasMaster bool
}

// Election is what is to be done.
type Election struct {
	// Elect now. Forbid gives the controllers their usual property back; an operator that died may have left it changed.
	Elect, Forbid bool
	// Stage to record; after Forbid only if every controller has taken its property back.
	Stage Unclean
}

// NextElection decides. An election is recorded as allowed first and held by the next pass.
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

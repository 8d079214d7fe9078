// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"testing"
	"time"
)

const drain = 35 * time.Second

func TestNext(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Group
		want State
	}{
		{"hidden until copied", Group{State: Hidden, Wanted: true}, Hidden},
		{"opened when copied", Group{State: Hidden, Wanted: true, Copied: true}, Open},
		{"hidden and unwanted may hold messages of an earlier life", Group{State: Hidden, Last: true, Copied: true}, Draining},
		{"open stays open", Group{State: Open, Wanted: true, Drained: true, Last: true, Age: time.Hour}, Open},
		{"the highest goes first", Group{State: Open}, Open},
		{"leaving begins with draining", Group{State: Open, Last: true, Replaced: true, Drained: true, Fenced: true, Age: time.Hour}, Draining},
		{"nobody else takes messages", Group{State: Open, Last: true, Drained: true, Age: time.Hour}, Open},
		{"lag keeps it", Group{State: Draining, Last: true, Age: time.Hour}, Draining},
		{"clients get time to leave", Group{State: Draining, Last: true, Drained: true, Age: drain - 1}, Draining},
		{"drained is closed before it goes", Group{State: Draining, Last: true, Drained: true, Fenced: true, Age: drain}, Closed},
		{"growing again cancels", Group{State: Draining, Wanted: true, Drained: true, Age: drain}, Open},
		{"growing again cancels to the last moment", Group{State: Closed, Wanted: true, Drained: true, Fenced: true, Shared: true}, Open},
		{"what was seen before the fence does not count", Group{State: Closed, Drained: true, Age: time.Hour}, Closed},
		{"a late message keeps it", Group{State: Closed, Fenced: true, Age: time.Hour}, Closed},
		{"drained behind the fence", Group{State: Closed, Drained: true, Fenced: true, Shared: true}, Removing},
		{"a slave that does not know how far it is consumed", Group{State: Closed, Drained: true, Fenced: true, Age: time.Hour}, Closed},
		{"forced", Group{State: Draining, Forced: true}, Removing},
		{"forced when closed", Group{State: Closed, Forced: true}, Removing},
		{"force means nothing to a wanted group", Group{State: Open, Wanted: true, Forced: true}, Open},
		{"growing wins over force", Group{State: Draining, Wanted: true, Forced: true}, Open},
		{"no way back from removing", Group{State: Removing, Wanted: true, Copied: true, Drained: true}, Removing},
	} {
		got, why := Next(c.in, drain)
		if got != c.want || (why == "") != (c.in.State == c.want) {
			t.Errorf("%s: from %s to %s (%q), want %s", c.name, c.in.State, got, why, c.want)
		}
	}
}

// TestOnlyEmptyGroupsGo: whatever is seen, a group is removed only when it was seen empty behind its fence and its slaves knew
// that, or forced.
func TestOnlyEmptyGroupsGo(t *testing.T) {
	states := []State{Hidden, Open, Draining, Closed, Removing}
	for bits := range 1 << 8 {
		bit := func(n int) bool { return bits&(1<<n) != 0 }
		for _, from := range states {
			for _, age := range []time.Duration{0, drain, time.Hour} {
				g := Group{State: from, Age: age, Wanted: bit(0), Last: bit(1), Copied: bit(2), Drained: bit(3), Fenced: bit(4), Forced: bit(5), Shared: bit(6), Replaced: bit(7)}
				to, _ := Next(g, drain)
				if to == Removing && from != Removing && (g.Wanted || !g.Forced && !(from == Closed && g.Drained && g.Fenced && g.Shared)) {
					t.Errorf("%+v is removed", g)
				}
				if from == Hidden && to == Open && !g.Copied {
					t.Errorf("%+v is shown to clients", g)
				}
				if from == Open && to != Open && !g.Replaced {
					t.Errorf("%+v takes no messages any more, and perhaps nobody does", g)
				}
			}
		}
	}
}

func TestStaleForce(t *testing.T) {
	for _, c := range []struct {
		name         string
		from, to     State
		stale, asked bool
		want         bool
	}{
		{"left over from an earlier time", Open, Draining, false, true, true},
		{"left over at a group that was never seen", Hidden, Draining, false, true, true},
		{"nobody asks", Open, Draining, false, false, false},
		{"asked while it leaves", Draining, Draining, false, true, false},
		{"asked when it is closed", Closed, Closed, false, true, false},
		{"stays left over", Draining, Draining, true, true, true},
		{"stays left over when closed", Draining, Closed, true, true, true},
		{"taken back", Draining, Draining, true, false, false},
		{"taken back as it is closed", Draining, Closed, true, false, false},
		{"the group stays", Draining, Open, true, true, false},
		{"a mark at an open group goes", Open, Open, true, true, false},
		{"left over, whatever an open group says", Open, Draining, true, true, true},
	} {
		if got := StaleForce(c.from, c.to, c.stale, c.asked); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

// TestForcedOnPurpose goes through every life of seven looks: a group whose messages are not consumed is removed exactly when
// the wish to force it out was first there at a look after the one at which it began to leave, or came again after it was taken back.
func TestForcedOnPurpose(t *testing.T) {
	const looks = 7
	for life := range 1 << (2 * looks) {
		state, stale, was := Open, false, false // was: the wish was there at the look before
		purpose := false                        // the wish is there, and came while the group was leaving
		for look := range looks {
			wanted, asked := life>>(2*look)&1 != 0, life>>(2*look)&2 != 0
			purpose = asked && state.Leaving() && (purpose || !was)
			next, _ := Next(Group{State: state, Wanted: wanted, Last: true, Replaced: true, Age: time.Hour, Forced: asked && !stale}, drain)
			if (next == Removing) != (purpose && !wanted) {
				t.Fatalf("life %b, look %d: from %s to %s, forced on purpose: %t", life, look, state, next, purpose)
			}
			if next == Removing {
				break
			}
			state, stale, was = next, StaleForce(state, next, stale, asked), asked
		}
	}
}

func TestFirst(t *testing.T) {
	for _, c := range []struct {
		others []State
		want   State
	}{
		{nil, Open}, {[]State{Hidden}, Open}, {[]State{Open}, Hidden}, {[]State{Hidden, Draining}, Hidden},
	} {
		if got := First(c.others); got != c.want {
			t.Errorf("first state beside %v: %s, want %s", c.others, got, c.want)
		}
	}
}

func TestShrink(t *testing.T) {
	member := func(pod string, master bool) Member {
		return Member{Pod: pod, Registered: true, InSync: true, Master: master}
	}
	behind := Member{Pod: "b-0-0", Registered: true}
	for _, c := range []struct {
		name    string
		members []Member
		wanted  int
		want    Step
	}{
		{"nothing to do", []Member{member("b-0-0", true)}, 1, Step{Members: 1}},
		{"a slave leaves", []Member{member("b-0-0", true), member("b-0-1", false)}, 1, Step{Members: 1}},
		{"one at a time", []Member{member("b-0-0", true), member("b-0-1", false), member("b-0-2", false)}, 1, Step{Members: 2}},
		{"the master gives away its mastership", []Member{member("b-0-0", false), member("b-0-1", true)}, 1, Step{Members: 2, HandOver: "b-0-1"}},
		{"who stays has everything", []Member{behind, member("b-0-1", true)}, 1, Step{Members: 2, Waiting: "b-0-1 leaves when b-0-0 is in sync"}},
		{"no master, no leaving", []Member{member("b-0-0", false), member("b-0-1", false)}, 1,
			Step{Members: 2, Waiting: "b-0-1 leaves when its group has a master"}},
	} {
		if got := Shrink(c.members, c.wanted); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestNextElection: one annotation is one election, recorded before it is held; controllers are never left with the property.
func TestNextElection(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Orphan
		want Election
	}{
		{"all is well", Orphan{Led: true, HasMaster: true}, Election{}},
		{"it is allowed although nothing is wrong", Orphan{Allowed: true, Led: true, HasMaster: true}, Election{}},
		{"orphaned, not allowed", Orphan{Orphaned: true, Led: true}, Election{}},
		{"orphaned and allowed: recorded first", Orphan{Orphaned: true, Allowed: true, Led: true}, Election{Stage: UncleanAllowed}},
		{"something keeps it", Orphan{Orphaned: true, Allowed: true, Hesitates: true, Led: true}, Election{}},
		{"then elected", Orphan{Stage: UncleanAllowed, Orphaned: true, Allowed: true, Led: true}, Election{Elect: true, Stage: UncleanAllowed}},
		{"recorded, and now something keeps it", Orphan{Stage: UncleanAllowed, Orphaned: true, Allowed: true, Hesitates: true, Led: true}, Election{Forbid: true, Stage: UncleanAllowed}},
		{"there is a master", Orphan{Stage: UncleanAllowed, Allowed: true, Led: true, HasMaster: true}, Election{Forbid: true, Stage: UncleanOver}},
		{"it is on its way", Orphan{Stage: UncleanAllowed, Allowed: true, Led: true}, Election{Forbid: true, Stage: UncleanAllowed}},
		{"the user thought better of it", Orphan{Stage: UncleanAllowed, Orphaned: true, Led: true}, Election{Forbid: true}},
		{"nobody leads the controllers", Orphan{Stage: UncleanAllowed, Allowed: true}, Election{Stage: UncleanAllowed}},
		{"over, and the annotation is still there", Orphan{Stage: UncleanOver, Orphaned: true, Allowed: true, Led: true}, Election{Stage: UncleanOver}},
		{"over, and the annotation is gone", Orphan{Stage: UncleanOver, Led: true, HasMaster: true}, Election{}},
	} {
		if got := NextElection(test.o); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

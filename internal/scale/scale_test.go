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
		{"leaving begins with draining", Group{State: Open, Last: true, Drained: true, Fenced: true, Age: time.Hour}, Draining},
		{"lag keeps it", Group{State: Draining, Last: true, Age: time.Hour}, Draining},
		{"clients get time to leave", Group{State: Draining, Last: true, Drained: true, Age: drain - 1}, Draining},
		{"drained is closed before it goes", Group{State: Draining, Last: true, Drained: true, Fenced: true, Age: drain}, Closed},
		{"growing again cancels", Group{State: Draining, Wanted: true, Drained: true, Age: drain}, Open},
		{"growing again cancels to the last moment", Group{State: Closed, Wanted: true, Drained: true, Fenced: true}, Open},
		{"what was seen before the fence does not count", Group{State: Closed, Drained: true, Age: time.Hour}, Closed},
		{"a late message keeps it", Group{State: Closed, Fenced: true, Age: time.Hour}, Closed},
		{"drained behind the fence", Group{State: Closed, Drained: true, Fenced: true}, Removing},
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

// TestOnlyEmptyGroupsGo: whatever is seen, a group is removed only when it was seen empty behind its fence, or forced.
func TestOnlyEmptyGroupsGo(t *testing.T) {
	states := []State{Hidden, Open, Draining, Closed, Removing}
	for bits := range 1 << 7 {
		bit := func(n int) bool { return bits&(1<<n) != 0 }
		for _, from := range states {
			for _, age := range []time.Duration{0, drain, time.Hour} {
				g := Group{State: from, Age: age, Wanted: bit(0), Last: bit(1), Copied: bit(2), Drained: bit(3), Fenced: bit(4), Forced: bit(5)}
				to, _ := Next(g, drain)
				if to == Removing && from != Removing && (g.Wanted || !g.Forced && !(from == Closed && g.Drained && g.Fenced)) {
					t.Errorf("%+v is removed", g)
				}
				if from == Hidden && to == Open && !g.Copied {
					t.Errorf("%+v is shown to clients", g)
				}
			}
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

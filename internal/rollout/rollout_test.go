package rollout

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pods in short: "b-0-0 outdated leading". A pod is ready and serving unless it says "starting", "apart" (ready, not
// serving), "stuck" or "stopping". "keep" must not be replaced.
func pod(name string, states ...string) Pod {
	p := Pod{Name: name, Ready: true, Serving: true}
	for _, state := range states {
		switch state {
		case "outdated":
			p.Outdated = true
		case "leading":
			p.Leading = true
		case "apart":
			p.Serving = false
		case "starting":
			p.Ready, p.Serving = false, false
		case "stuck":
			p.Ready, p.Serving, p.Stuck = false, false, true
		case "stopping":
			p.Ready, p.Serving, p.Terminating = false, false, true
		case "keep":
			p.Keep = "its data is nowhere else"
		default:
			panic(state)
		}
	}
	return p
}

func group(name string, pods ...Pod) Group { return Group{Name: name, Pods: pods, Expected: len(pods)} }

func TestNext(t *testing.T) {
	for _, test := range []struct {
		name   string
		groups []Group
		want   Decision
	}{
		{"nothing", nil, Decision{}},
		{"up to date, even if unwell", []Group{group("g", pod("a", "starting"), pod("b"))}, Decision{}},
		{
			"followers first, the highest of them", []Group{group("g", pod("a", "outdated", "leading"), pod("b", "outdated"), pod("c", "outdated"))},
			Decision{Replace: "c", Reason: "its spec changed", Outdated: 3},
		},
		{
			"the leader last", []Group{group("g", pod("a", "outdated", "leading"), pod("b"), pod("c"))},
			Decision{Replace: "a", Reason: "its spec changed; it leads and goes last", Outdated: 1},
		},
		{
			"a leader that is not pod 0", []Group{group("g", pod("a", "outdated"), pod("b", "outdated", "leading"))},
			Decision{Replace: "a", Reason: "its spec changed", Outdated: 2},
		},
		{
			"a group's leader before the next group", []Group{
				group("g", pod("a", "outdated", "leading"), pod("b")), group("h", pod("c", "outdated", "leading"), pod("d", "outdated")),
			},
			Decision{Replace: "a", Reason: "its spec changed; it leads and goes last", Outdated: 3},
		},
		{
			"nothing while one starts", []Group{group("g", pod("a", "outdated"), pod("b", "starting"))},
			Decision{Reason: "b is not ready", Outdated: 1},
		},
		{
			"nothing while one of another group does not serve", []Group{group("g", pod("a", "outdated")), group("h", pod("c", "apart"))},
			Decision{Reason: "c does not serve in its place yet", Outdated: 1},
		},
		{
			"nothing while one stops", []Group{group("g", pod("a", "outdated", "stuck"), pod("b", "stopping"))},
			Decision{Reason: "b is stopping", Outdated: 1},
		},
		{
			"nothing while one is missing", []Group{group("g", pod("a", "outdated", "stuck")), {Name: "h", Pods: []Pod{pod("c")}, Expected: 2}},
			Decision{Reason: "h has 1 of 2 pods", Outdated: 1},
		},
		{
			"stuck first, before its group's turn", []Group{group("g", pod("a", "outdated")), group("h", pod("c", "outdated"), pod("d", "outdated", "stuck"))},
			Decision{Replace: "d", Reason: "it cannot become ready with its old spec", Outdated: 3},
		},
		{
			"a stuck pod of the new spec is not replaced by itself", []Group{group("g", pod("a", "outdated"), pod("b", "stuck"))},
			Decision{Reason: "b is not ready", Outdated: 1},
		},
		{
			"data that is nowhere else", []Group{group("g", pod("a", "outdated", "leading", "keep"))},
			Decision{Reason: "a is not replaced: its data is nowhere else", Outdated: 1, Blocked: true},
		},
		{
			"data that is nowhere else, in a pod that crashes", []Group{group("g", pod("a", "outdated", "stuck", "keep"), pod("b", "outdated"))},
			Decision{Reason: "a is not replaced: its data is nowhere else", Outdated: 2, Blocked: true},
		},
		{
			"another stuck pod goes first", []Group{group("g", pod("a", "outdated", "stuck", "keep"), pod("b", "outdated", "stuck"))},
			Decision{Replace: "b", Reason: "it cannot become ready with its old spec", Outdated: 2},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Next(test.groups)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSimulation rolls random groups in a random order of events and checks at every replacement that it was allowed,
// and in the end that every pod was replaced once.
func TestSimulation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSimulation(t)
		replaced := map[string]int{}
		for range 60 * s.outdated() {
			decision := Next(s.groups)
			if diff := cmp.Diff(decision, Next(s.groups)); diff != "" {
				t.Fatalf("two decisions about the same:\n%s", diff)
			}
			if decision.Outdated != s.outdated() {
				t.Fatalf("%d outdated, want %d", decision.Outdated, s.outdated())
			}
			if decision.Outdated == 0 {
				break
			}
			if decision.Reason == "" || decision.Blocked {
				t.Fatalf("decision %+v", decision)
			}
			if decision.Replace != "" {
				s.checkMayStop(t, decision.Replace)
				replaced[decision.Replace]++
				s.stop(t, decision.Replace)
				continue
			}
			s.happens(t)
		}
		if n := s.outdated(); n > 0 {
			t.Fatalf("%d pods are still outdated: %+v", n, s.groups)
		}
		for name, times := range replaced {
			if times != 1 {
				t.Fatalf("%s was replaced %d times", name, times)
			}
		}
	})
}

// TestSimulationKeepsData: whatever else is true of a pod with the only copy of its data, it is never replaced.
func TestSimulationKeepsData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSimulation(t)
		kept := s.any(t, "kept", func(Pod) bool { return true })
		kept.Outdated, kept.Keep = true, "its data is nowhere else"
		name := kept.Name // the pod moves in memory
		blocked := false
		for range 60 * s.outdated() {
			decision := Next(s.groups)
			if decision.Replace == name {
				t.Fatalf("%s is to be replaced", name)
			}
			blocked = decision.Blocked
			switch {
			case blocked && !s.canChange():
				return
			case decision.Replace != "":
				s.stop(t, decision.Replace)
			default:
				s.happens(t)
			}
		}
		if !blocked {
			t.Fatalf("neither done nor blocked: %+v", s.groups)
		}
	})
}

type simulation struct{ groups []Group }

func newSimulation(t *rapid.T) *simulation {
	s := &simulation{}
	for g := range rapid.IntRange(1, 4).Draw(t, "groups") {
		one := Group{Name: fmt.Sprintf("g%d", g), Expected: rapid.IntRange(1, 4).Draw(t, "pods")}
		leader := rapid.IntRange(-1, one.Expected-1).Draw(t, "leader")
		for i := range one.Expected {
			p := pod(fmt.Sprintf("%s-%d", one.Name, i))
			p.Outdated = rapid.Bool().Draw(t, "outdated")
			switch rapid.IntRange(0, 9).Draw(t, "state") {
			case 0:
				p.Ready, p.Serving = false, false
			case 1:
				p.Serving = false
			case 2:
				if p.Outdated { // one of the new spec would never get well here
					p.Ready, p.Serving, p.Stuck = false, false, true
				}
			}
			p.Leading = i == leader && p.Serving
			one.Pods = append(one.Pods, p)
		}
		s.groups = append(s.groups, one)
	}
	s.groups[0].Pods[0].Outdated = true
	return s
}

func (s *simulation) outdated() int {
	n := 0
	for _, g := range s.groups {
		for _, p := range g.Pods {
			if p.Outdated {
				n++
			}
		}
	}
	return n
}

// checkMayStop holds the rules of the package, told from the pods' point of view.
func (s *simulation) checkMayStop(t *rapid.T, name string) {
	stuck := false
	var p Pod
	var own Group
	for _, g := range s.groups {
		if len(g.Pods) < g.Expected {
			t.Fatalf("%s stops while %s lacks a pod", name, g.Name)
		}
		for _, other := range g.Pods {
			stuck = stuck || (other.Stuck && other.Outdated)
			if other.Name == name {
				p, own = other, g
			} else if other.Terminating {
				t.Fatalf("%s stops while %s does", name, other.Name)
			}
		}
	}
	if !p.Outdated || p.Terminating || p.Stuck != stuck {
		t.Fatalf("%+v stops; a stuck one is there: %t", p, stuck)
	}
	if p.Stuck {
		return
	}
	for _, g := range s.groups {
		for _, other := range g.Pods {
			if !other.Ready || !other.Serving {
				t.Fatalf("%s stops while %s is not well", name, other.Name)
			}
			if other.Outdated && !other.Leading && g.Name == own.Name && p.Leading {
				t.Fatalf("%s leads and stops before %s", name, other.Name)
			}
			if other.Outdated && g.Name < own.Name {
				t.Fatalf("%s stops before %s of an earlier group", name, other.Name)
			}
		}
	}
}

// stop starts the end of a pod; another member leads from then on, if there is one that can.
func (s *simulation) stop(t *rapid.T, name string) {
	for _, g := range s.groups {
		i := slices.IndexFunc(g.Pods, func(p Pod) bool { return p.Name == name })
		if i < 0 {
			continue
		}
		led := g.Pods[i].Leading
		g.Pods[i].Terminating, g.Pods[i].Ready, g.Pods[i].Serving, g.Pods[i].Leading = true, false, false, false
		var able []int
		for j, p := range g.Pods {
			if p.Serving {
				able = append(able, j)
			}
		}
		if led && len(able) > 0 {
			g.Pods[rapid.SampledFrom(able).Draw(t, "next leader")].Leading = true
		}
	}
}

// happens lets one thing that is under way go one step on.
func (s *simulation) happens(t *rapid.T) {
	var missing []*Group
	for i := range s.groups {
		if g := &s.groups[i]; len(g.Pods) < g.Expected {
			missing = append(missing, g)
		}
	}
	if len(missing) > 0 && rapid.Bool().Draw(t, "create") {
		g := rapid.SampledFrom(missing).Draw(t, "group")
		for i := range g.Expected {
			name := fmt.Sprintf("%s-%d", g.Name, i)
			if !slices.ContainsFunc(g.Pods, func(p Pod) bool { return p.Name == name }) {
				g.Pods = slices.Insert(g.Pods, i, Pod{Name: name})
				return
			}
		}
	}
	p := s.any(t, "pod", moving)
	switch {
	case p == nil:
	case p.Terminating:
		for i := range s.groups {
			g := &s.groups[i]
			g.Pods = slices.DeleteFunc(g.Pods, func(other Pod) bool { return other.Name == p.Name })
		}
	case !p.Ready:
		p.Ready = true
	default:
		p.Serving = true
	}
}

func moving(p Pod) bool { return p.Terminating || (!p.Stuck && !p.Serving) }

func (s *simulation) canChange() bool {
	for _, g := range s.groups {
		if len(g.Pods) < g.Expected || slices.ContainsFunc(g.Pods, moving) {
			return true
		}
	}
	return false
}

// any pod of a kind, nil if there is none.
func (s *simulation) any(t *rapid.T, label string, is func(Pod) bool) *Pod {
	var found []*Pod
	for _, g := range s.groups {
		for i := range g.Pods {
			if is(g.Pods[i]) {
				found = append(found, &g.Pods[i])
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	return rapid.SampledFrom(found).Draw(t, label)
}

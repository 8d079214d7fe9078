// Package rollout decides which pod is replaced next. It is pure: what was seen in, one decision out.
package rollout

import (
	"fmt"
	"slices"
	"time"
)

// Pod is one server, as it was last seen. What is said of it continues its name: "is not registered".
type Pod struct {
	Name string
	// Outdated: it runs another spec than the wanted one.
	Outdated bool
	// Ready: Kubernetes says so.
	Ready bool
	// Stuck says why it cannot become ready as it is (crash loop, image, scheduling), "" if nothing is known.
	Stuck string
	// Apart says what it lacks to serve in its place (registered, in sync), "" if it does serve.
	Apart string
	// Unable says why it could not take over from its leader at this moment, "" if it could.
	Unable string
	// Leading: the master of its group, the leader of its quorum. It goes last.
	Leading bool
	// Terminating: it is on its way out.
	Terminating bool
	// Keep says why replacing this pod would lose data, "" if it would not.
	Keep string
}

// Group of pods that serve together; only one of all groups' pods is replaced at a time.
type Group struct {
	Name string
	Pods []Pod
	// Expected number of pods.
	Expected int
	// Needed is how many of them must be in sync for the group to take messages, 0 if it does not matter.
	Needed int
	// Settled is how long all its pods have been ready.
	Settled time.Duration
}

// Snapshot is all that a decision depends on.
type Snapshot struct {
	Groups []Group
	// Paused: the user wants nothing to be replaced.
	Paused bool
	// Interval is to pass between the leaders of two groups, so that clients have seen the first group's new leader
	// before they have to turn away from the second's: two outdated routes at once fail sends.
	Interval time.Duration
}

// Action is what is to be done.
type Action string

// The actions. The last two go on only when the user does something.
const (
	Nothing Action = "nothing"
	Replace Action = "replace"
	Wait    Action = "wait"
	Pause   Action = "pause"
	// Blocked: whatever is replaced, the group would take no messages meanwhile.
	Blocked Action = "blocked"
	// Loss: the pod's data would go with it.
	Loss Action = "loss"
)

// Decision is the next step.
type Decision struct {
	Action Action
	// Pod to replace now, to wait for, or that keeps all from going on; "" if it is no single one.
	Pod string
	// Reason for that, a sentence about the pod or the group that it names.
	Reason string
	// Outdated is how many pods are still to be replaced.
	Outdated int
}

// Next decides. Order: a stuck outdated pod first (it serves nobody and must not block its own fix), then group by
// group the followers, the leader last; and only while every pod of every group is ready and serves, and somebody who
// stays could take over.
func Next(s Snapshot) Decision {
	d := decide(s)
	for _, g := range s.Groups {
		for _, p := range g.Pods {
			if p.Outdated {
				d.Outdated++
			}
		}
	}
	return d
}

func decide(s Snapshot) Decision {
	if _, ok := first(s.Groups, func(p Pod) bool { return p.Outdated }); !ok {
		return Decision{Action: Nothing}
	}
	if s.Paused {
		return Decision{Action: Pause, Reason: "spec.paused is set"}
	}
	for _, hindrance := range []func([]Group) (Decision, bool){inMotion, stuck, unhealthy} {
		if d, found := hindrance(s.Groups); found {
			return d
		}
	}
	g, p := nextInOrder(s.Groups)
	switch left := g.Expected - 1; {
	case p.Keep != "":
		return loses(p)
	case left > 0 && left < g.Needed && g.Needed <= g.Expected: // a group of one, or too small anyway, has nothing to lose
		return Decision{Action: Blocked, Pod: p.Name, Reason: fmt.Sprintf("%s takes messages only while %d of its %d members are in sync, so it would "+
			"refuse all while one restarts", g.Name, g.Needed, g.Expected)}
	}
	if d, found := nobodyAble(g, p); found {
		return d
	}
	if d, found := tooSoon(s, g, p); found {
		return d
	}
	if p.Leading {
		return Decision{Action: Replace, Pod: p.Name, Reason: "its spec changed; it leads and goes last"}
	}
	return Decision{Action: Replace, Pod: p.Name, Reason: "its spec changed"}
}

func wait(p Pod, format string, args ...any) (Decision, bool) {
	return Decision{Action: Wait, Pod: p.Name, Reason: p.Name + " " + fmt.Sprintf(format, args...)}, true
}

func loses(p Pod) Decision {
	return Decision{Action: Loss, Pod: p.Name, Reason: fmt.Sprintf("%s is not replaced: %s", p.Name, p.Keep)}
}

// inMotion finds a pod that is coming or going.
func inMotion(groups []Group) (Decision, bool) {
	if p, ok := first(groups, func(p Pod) bool { return p.Terminating }); ok {
		return wait(p, "is stopping")
	}
	for _, g := range groups {
		if len(g.Pods) < g.Expected {
			return Decision{Action: Wait, Reason: fmt.Sprintf("%s has %d of %d pods", g.Name, len(g.Pods), g.Expected)}, true
		}
	}
	return Decision{}, false
}

// stuck finds a pod that its old spec keeps from serving. One that may be lost is looked at last.
func stuck(groups []Group) (Decision, bool) {
	is := func(p Pod) bool { return p.Outdated && p.Stuck != "" }
	if p, ok := first(groups, func(p Pod) bool { return is(p) && p.Keep == "" }); ok {
		return Decision{Action: Replace, Pod: p.Name, Reason: "it cannot become ready with its old spec: " + p.Stuck}, true
	}
	if p, ok := first(groups, is); ok {
		return loses(p), true
	}
	return Decision{}, false
}

// unhealthy finds a pod that must be well before another may go.
func unhealthy(groups []Group) (Decision, bool) {
	if p, ok := first(groups, func(p Pod) bool { return p.Stuck != "" }); ok {
		return wait(p, "cannot start with the new spec, so the change stops here until that is mended or taken back: %s", p.Stuck)
	}
	if p, ok := first(groups, func(p Pod) bool { return !p.Ready }); ok {
		return wait(p, "is not ready")
	}
	if p, ok := first(groups, func(p Pod) bool { return p.Apart != "" }); ok {
		return wait(p, "%s", p.Apart)
	}
	return Decision{}, false
}

// nobodyAble: of those that stay, none but the leader could lead now.
func nobodyAble(g Group, goes Pod) (Decision, bool) {
	heirs := slices.DeleteFunc(slices.Clone(g.Pods), func(p Pod) bool { return p.Name == goes.Name || p.Leading })
	if len(heirs) == 0 || slices.ContainsFunc(heirs, func(p Pod) bool { return p.Unable == "" }) {
		return Decision{}, false
	}
	return wait(heirs[0], "%s, and %s may stop only when that is over", heirs[0].Unable, goes.Name)
}

// tooSoon: clients may not have seen yet that another group is back.
func tooSoon(s Snapshot, own Group, p Pod) (Decision, bool) {
	if !p.Leading {
		return Decision{}, false
	}
	for _, g := range s.Groups {
		if g.Name != own.Name && g.Settled < s.Interval {
			return wait(p, "leads, and clients get %s to see that %s is back before they lose it", s.Interval, g.Name)
		}
	}
	return Decision{}, false
}

// nextInOrder is the outdated pod whose turn it is: of the first group that has one, the last follower (the highest
// ordinal), or the leader.
func nextInOrder(groups []Group) (Group, Pod) {
	for _, g := range groups {
		outdated := slices.DeleteFunc(slices.Clone(g.Pods), func(p Pod) bool { return !p.Outdated })
		slices.Reverse(outdated)
		if i := slices.IndexFunc(outdated, func(p Pod) bool { return !p.Leading }); i >= 0 {
			return g, outdated[i]
		}
		if len(outdated) > 0 {
			return g, outdated[0]
		}
	}
	return Group{}, Pod{}
}

func first(groups []Group, is func(Pod) bool) (Pod, bool) {
	for _, g := range groups {
		if i := slices.IndexFunc(g.Pods, is); i >= 0 {
			return g.Pods[i], true
		}
	}
	return Pod{}, false
}

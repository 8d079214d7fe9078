// SPDX-License-Identifier: Apache-2.0

// Package rollout decides which pod is replaced next. It is pure: what was seen in, one decision out.
package rollout

import (
	"fmt"
	"slices"
	"time"
)

// Pod is one server, as it was last seen. Its texts continue a sentence that begins with its name: "is not registered".
type Pod struct {
	Name string
	// Outdated: it does not run the wanted spec.
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
	// Interval is the least time between the leaders of two groups. Clients must have seen the first group's new leader before they
	// lose that of the second: with two outdated routes at once, sends fail.
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
	// Pod that is to be replaced now, that is waited for, or that stops the rollout; "" if it is no single one.
	Pod string
	// Reason for that, a sentence about the pod or the group that it names.
	Reason string
	// Outdated is how many pods are still to be replaced.
	Outdated int
}

// Next decides. First comes an outdated pod that is stuck: it serves nobody, and must not block the change that mends it. Then group
// by group the followers, the leader last; each only while every pod of every group is ready and serves, and one of those that stay
// could take over.
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
	case left > 0 && left < g.Needed && g.Needed <= g.Expected: // a group of one, or one already too small, stops in any case
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

// stuck finds an outdated pod that cannot start with its old spec. One whose data would be lost comes last.
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

// unhealthy finds a pod that does not serve: no other one may be replaced until it does.
func unhealthy(groups []Group) (Decision, bool) {
	if p, ok := first(groups, func(p Pod) bool { return p.Stuck != "" }); ok {
		return wait(p, "cannot start with the new spec, so the rollout stops here until you correct the change or take it back: %s", p.Stuck)
	}
	if p, ok := first(groups, func(p Pod) bool { return !p.Ready }); ok {
		return wait(p, "is not ready")
	}
	if p, ok := first(groups, func(p Pod) bool { return p.Apart != "" }); ok {
		return wait(p, "%s", p.Apart)
	}
	return Decision{}, false
}

// nobodyAble reports whether none of the pods that stay could take over from the leader.
func nobodyAble(g Group, goes Pod) (Decision, bool) {
	heirs := slices.DeleteFunc(slices.Clone(g.Pods), func(p Pod) bool { return p.Name == goes.Name || p.Leading })
	if len(heirs) == 0 || slices.ContainsFunc(heirs, func(p Pod) bool { return p.Unable == "" }) {
		return Decision{}, false
	}
	return wait(heirs[0], "%s, and %s may stop only when that is over", heirs[0].Unable, goes.Name)
}

// tooSoon reports whether clients may not know yet that the group before is back.
func tooSoon(s Snapshot, own Group, p Pod) (Decision, bool) {
	if !p.Leading {
		return Decision{}, false
	}
	for _, g := range s.Groups {
		if g.Name != own.Name && g.Settled < s.Interval {
			return wait(p, "leads, and stays until clients have had %s to learn that %s is back", s.Interval, g.Name)
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

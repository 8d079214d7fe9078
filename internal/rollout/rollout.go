// Package rollout decides which pod is replaced next. It is pure: what was seen in, one decision out.
package rollout

import (
	"fmt"
	"slices"
)

// Pod is one server, as it was last seen.
type Pod struct {
	Name string
	// Outdated: it runs another spec than the wanted one.
	Outdated bool
	// Ready: Kubernetes says so.
	Ready bool
	// Stuck: it cannot become ready as it is (crash loop, image or scheduling failure).
	Stuck bool
	// Serving: RocketMQ sees it in its place: registered, in sync.
	Serving bool
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
}

// Decision is the next step.
type Decision struct {
	// Replace is the pod to delete now, "" if none.
	Replace string
	// Reason says why, or what is waited for, or why it cannot go on.
	Reason string
	// Outdated is how many pods are still to be replaced.
	Outdated int
	// Blocked: it goes on only when the user does something.
	Blocked bool
}

// Next decides. Order: a stuck outdated pod first (it serves nobody and must not block its own fix), then group by
// group the followers, the leader last; and only while every pod of every group is ready and serving.
func Next(groups []Group) Decision {
	var decision Decision
	for _, g := range groups {
		for _, p := range g.Pods {
			if p.Outdated {
				decision.Outdated++
			}
		}
	}
	if decision.Outdated == 0 {
		return decision
	}
	if waiting := inMotion(groups); waiting != "" {
		decision.Reason = waiting
		return decision
	}
	if p, ok := first(groups, func(p Pod) bool { return p.Outdated && p.Stuck && p.Keep == "" }); ok {
		decision.Replace, decision.Reason = p.Name, "it cannot become ready with its old spec"
		return decision
	}
	if p, ok := first(groups, func(p Pod) bool { return p.Outdated && p.Stuck }); ok {
		return decision.blocked(p)
	}
	if waiting := unhealthy(groups); waiting != "" {
		decision.Reason = waiting
		return decision
	}
	p := nextInOrder(groups)
	if p.Keep != "" {
		return decision.blocked(p)
	}
	decision.Replace, decision.Reason = p.Name, "its spec changed"
	if p.Leading {
		decision.Reason = "its spec changed; it leads and goes last"
	}
	return decision
}

func (d Decision) blocked(p Pod) Decision {
	d.Reason, d.Blocked = fmt.Sprintf("%s is not replaced: %s", p.Name, p.Keep), true
	return d
}

// inMotion says which pod is coming or going.
func inMotion(groups []Group) string {
	if p, ok := first(groups, func(p Pod) bool { return p.Terminating }); ok {
		return p.Name + " is stopping"
	}
	for _, g := range groups {
		if len(g.Pods) < g.Expected {
			return fmt.Sprintf("%s has %d of %d pods", g.Name, len(g.Pods), g.Expected)
		}
	}
	return ""
}

// unhealthy says which pod must be well before another may go.
func unhealthy(groups []Group) string {
	if p, ok := first(groups, func(p Pod) bool { return !p.Ready }); ok {
		return p.Name + " is not ready"
	}
	if p, ok := first(groups, func(p Pod) bool { return !p.Serving }); ok {
		return p.Name + " does not serve in its place yet"
	}
	return ""
}

// nextInOrder is the outdated pod whose turn it is: of the first group that has one, the last follower (the highest
// ordinal), or the leader.
func nextInOrder(groups []Group) Pod {
	for _, g := range groups {
		outdated := slices.DeleteFunc(slices.Clone(g.Pods), func(p Pod) bool { return !p.Outdated })
		slices.Reverse(outdated)
		if i := slices.IndexFunc(outdated, func(p Pod) bool { return !p.Leading }); i >= 0 {
			return outdated[i]
		}
		if len(outdated) > 0 {
			return outdated[0]
		}
	}
	return Pod{}
}

func first(groups []Group, is func(Pod) bool) (Pod, bool) {
	for _, g := range groups {
		if i := slices.IndexFunc(g.Pods, is); i >= 0 {
			return g.Pods[i], true
		}
	}
	return Pod{}, false
}

// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pods in short: "b-0-0 outdated leading". A pod is ready and serves unless it says "starting", "apart" (ready, not in its
// place), "stuck" or "stopping". "keep" must not be replaced, "unable" could not take over.
func pod(name string, states ...string) Pod {
	p := Pod{Name: name, Ready: true}
	for _, state := range states {
		switch state {
		case "outdated":
			p.Outdated = true
		case "leading":
			p.Leading = true
		case "apart":
			p.Apart = "is not registered"
		case "unable":
			p.Unable = "lacks topics"
		case "starting":
			p.Ready, p.Apart = false, "is not registered"
		case "stuck":
			p.Ready, p.Apart, p.Stuck = false, "is not registered", "CrashLoopBackOff"
		case "stopping":
			p.Ready, p.Apart, p.Terminating = false, "is not registered", true
		case "keep":
			p.Keep = "its data is nowhere else"
		default:
			panic(state)
		}
	}
	return p
}

func group(name string, pods ...Pod) Group {
	return Group{Name: name, Pods: pods, Expected: len(pods), Settled: time.Hour}
}

// needing is a group that takes messages only with so many members in sync.
func needing(n int, g Group) Group { g.Needed = n; return g }

// settled is a group whose pods have been ready for so long.
func settled(since time.Duration, g Group) Group { g.Settled = since; return g }

func replace(pod, reason string, outdated int) Decision {
	return Decision{Replace, pod, reason, outdated}
}

func waiting(pod, reason string) Decision { return Decision{Wait, pod, reason, 1} }

func TestNext(t *testing.T) {
	const changed, last, old = "its spec changed", "its spec changed; it leads and goes last", "it cannot become ready with its old spec: CrashLoopBackOff"
	const refuses = "g takes messages only while 2 of its 2 members are in sync, so it would refuse all while one restarts"
	for _, test := range []struct {
		name   string
		groups []Group
		want   Decision
	}{
		{"nothing", nil, Decision{Action: Nothing}},
		{"up to date, even if unwell", []Group{group("g", pod("a", "starting"), pod("b"))}, Decision{Action: Nothing}},
		{
			"followers first, the highest of them", []Group{group("g", pod("a", "outdated", "leading"), pod("b", "outdated"), pod("c", "outdated"))},
			replace("c", changed, 3),
		},
		{"the leader last", []Group{group("g", pod("a", "outdated", "leading"), pod("b"), pod("c"))}, replace("a", last, 1)},
		{"a leader that is not pod 0", []Group{group("g", pod("a", "outdated"), pod("b", "outdated", "leading"))}, replace("a", changed, 2)},
		{
			"a group's leader before the next group", []Group{
				group("g", pod("a", "outdated", "leading"), pod("b")), group("h", pod("c", "outdated", "leading"), pod("d", "outdated")),
			},
			replace("a", last, 3),
		},
		{"nothing while one starts", []Group{group("g", pod("a", "outdated"), pod("b", "starting"))}, waiting("b", "b is not ready")},
		{
			"nothing while one of another group is not in its place", []Group{group("g", pod("a", "outdated")), group("h", pod("c", "apart"))},
			waiting("c", "c is not registered"),
		},
		{"nothing while one stops", []Group{group("g", pod("a", "outdated", "stuck"), pod("b", "stopping"))}, waiting("b", "b is stopping")},
		{
			"nothing while one is missing", []Group{group("g", pod("a", "outdated", "stuck")), {Name: "h", Pods: []Pod{pod("c")}, Expected: 2}},
			waiting("", "h has 1 of 2 pods"),
		},
		{
			"stuck first, before its group's turn", []Group{group("g", pod("a", "outdated")), group("h", pod("c", "outdated"), pod("d", "outdated", "stuck"))},
			replace("d", old, 3),
		},
		{
			"a pod that the new spec makes stuck stops the change", []Group{group("g", pod("a", "outdated"), pod("b", "stuck"))},
			waiting("b", "b cannot start with the new spec, so the rollout stops here until you correct the change or take it back: CrashLoopBackOff"),
		},
		{
			"data that is nowhere else", []Group{group("g", pod("a", "outdated", "leading", "keep"))},
			Decision{Loss, "a", "a is not replaced: its data is nowhere else", 1},
		},
		{
			"data that is nowhere else, in a pod that crashes", []Group{group("g", pod("a", "outdated", "stuck", "keep"), pod("b", "outdated"))},
			Decision{Loss, "a", "a is not replaced: its data is nowhere else", 2},
		},
		{
			"another stuck pod goes first", []Group{group("g", pod("a", "outdated", "stuck", "keep"), pod("b", "outdated", "stuck"))},
			replace("b", old, 2),
		},
		{
			"a group that takes messages only when complete", []Group{needing(2, group("g", pod("a", "outdated", "leading"), pod("b", "outdated")))},
			Decision{Blocked, "b", refuses, 2},
		},
		{"a stuck pod serves nobody, so it goes", []Group{needing(2, group("g", pod("a", "outdated", "leading"), pod("b", "outdated", "stuck")))}, replace("b", old, 2)},
		{"enough others", []Group{needing(2, group("g", pod("a", "outdated", "leading"), pod("b"), pod("c")))}, replace("a", last, 1)},
		{"a group of one is always away when it restarts", []Group{needing(1, group("g", pod("a", "outdated", "leading")))}, replace("a", last, 1)},
		{"a group that takes no messages anyway", []Group{needing(3, group("g", pod("a", "outdated", "leading"), pod("b")))}, replace("a", last, 1)},
		{
			"the leader stays while nobody could take over", []Group{group("g", pod("a", "outdated", "leading"), pod("b", "unable"), pod("c", "unable"))},
			waiting("b", "b lacks topics, and a may stop only when that is over"),
		},
		{"one heir is enough", []Group{group("g", pod("a", "outdated", "leading"), pod("b", "unable"), pod("c"))}, replace("a", last, 1)},
		{"a follower may be unable itself", []Group{group("g", pod("a", "leading"), pod("b", "outdated", "unable"))}, replace("b", changed, 1)},
		{
			"but not its fellow", []Group{group("g", pod("a", "leading"), pod("b", "unable"), pod("c", "outdated"))},
			waiting("b", "b lacks topics, and c may stop only when that is over"),
		},
		{
			"other groups' followers do not matter", []Group{group("g", pod("a", "outdated", "leading"), pod("b")), group("h", pod("c", "leading"), pod("d", "unable"))},
			replace("a", last, 1),
		},
		{
			"a leader soon after another group came back", []Group{
				settled(29*time.Second, group("g", pod("a", "leading"), pod("b"))), group("h", pod("c", "outdated", "leading"), pod("d")),
			},
			waiting("c", "c leads, and stays until clients have had 30s to learn that g is back"),
		},
		{
			"later", []Group{settled(30*time.Second, group("g", pod("a", "leading"), pod("b"))), group("h", pod("c", "outdated", "leading"), pod("d"))},
			replace("c", last, 1),
		},
		{
			"its own group does not matter", []Group{group("g", pod("a", "leading"), pod("b")), settled(0, group("h", pod("c", "outdated", "leading"), pod("d")))},
			replace("c", last, 1),
		},
		{
			"followers need not wait so", []Group{settled(0, group("g", pod("a", "leading"), pod("b"))), group("h", pod("c", "leading"), pod("d", "outdated"))},
			replace("d", changed, 1),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Next(Snapshot{Groups: test.groups, Interval: 30 * time.Second})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			paused := Next(Snapshot{Groups: test.groups, Interval: 30 * time.Second, Paused: true})
			if test.want.Outdated > 0 {
				want := Decision{Pause, "", "spec.paused is set", test.want.Outdated}
				if diff := cmp.Diff(want, paused); diff != "" {
					t.Errorf("paused (-want +got):\n%s", diff)
				}
			}
		})
	}
}

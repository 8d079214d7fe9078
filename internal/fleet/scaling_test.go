// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// TestSource: a new group copies from the group that the user names, or from the first one that has something.
func TestSource(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*world)
		source string
		reason string
		why    string
	}{
		{"the first one", func(*world) {}, "b-0", "", ""},
		{"a hidden one has nothing", func(w *world) { w.setState(0, scale.Hidden) }, "b-1", "", ""},
		{"the named one", func(w *world) { w.Broker.Spec.ScalePodName = "b-1-1" }, "b-1", "", ""},
		{"as apache/rocketmq-operator named it", func(w *world) { w.Broker.Spec.ScalePodName = "b-1-master-0" }, "b-1", "", ""},
		{"no such pod", func(w *world) { w.Broker.Spec.ScalePodName = "x-0" }, "", v1alpha1.ReasonSourceUnknown, `"x-0" is no pod of this Broker: name one such as b-0-0`},
		{"its own pod", func(w *world) { w.Broker.Spec.ScalePodName = "b-2-0" }, "", v1alpha1.ReasonSourceUnknown, "is of the new group itself"},
		{"no other group", func(w *world) { w.setState(0, scale.Hidden); w.setState(1, scale.Removing) }, "", v1alpha1.ReasonSourceUnknown, "there is no other group"},
		{"its master is away", func(w *world) { w.remove("b-0-0") }, "", v1alpha1.ReasonSourceUnreachable, "b-0, whose topics and consumer groups it is to get, has no master"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.addGroup(2)
			w.setState(2, scale.Hidden)
			test.change(w)
			f := w.see()
			source, reason, why := f.Source(f.Groups[2])
			name := ""
			if source != nil {
				name = source.Name
			}
			if name != test.source || reason != test.reason || !strings.Contains(why, test.why) {
				t.Errorf("source %q, %s: %s", name, reason, why)
			}
		})
	}
}

// leaving is a world in which group b-1 leaves; what it holds was counted after that began, and it refuses new messages.
func leaving(state scale.State) *world {
	w := newWorld()
	w.Broker.Spec.Size = new(int32(1))
	w.setState(1, state)
	w.Backlogs = map[string]Backlog{"b-1": {At: now(), Fenced: state == scale.Closed}}
	return w
}

func TestLife(t *testing.T) {
	w := leaving(scale.Closed)
	w.Broker.Annotations[v1alpha1.AnnotationForceScaleIn] = "b-1"
	f := w.see()
	want := scale.Group{Name: "b-1", State: scale.Closed, Age: time.Hour, Last: true, Replaced: true, Copied: true, Drained: true, Fenced: true, Forced: true}
	if diff := cmp.Diff(want, f.Life(f.Groups[1], true, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if other := f.Life(f.Groups[0], false, true); !other.Wanted || other.Last || other.Drained || other.Forced || !other.Shared {
		t.Errorf("the group that stays: %+v", other)
	}
	record := w.records[1]
	record.StaleForce = true
	w.records[1] = record
	if f := w.see(); f.Life(f.Groups[1], false, false).Forced {
		t.Error("a wish from before counts")
	}
}

// TestStaying: a group leaves only while all that remain take messages.
func TestStaying(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*world)
		want   string
	}{
		{"they do", func(*world) {}, ""},
		{"no master", func(w *world) { w.remove("b-0-0") }, "b-1 is no longer in spec.size, and stays until every remaining group takes messages: b-0 has no master"},
		{"not open", func(w *world) { w.setState(0, scale.Hidden) }, "b-0 is not open to clients yet"},
		{"silent", func(w *world) { delete(w.Properties, w.dialable("b-0", 0)) }, "b-0-0, the master of b-0, does not answer"},
		{"hidden", func(w *world) { w.Properties[w.dialable("b-0", 0)]["brokerPermission"] = "4" }, "b-0-0, the master of b-0, takes no messages"},
		{"hands over", func(w *world) {
			maps.Copy(w.Properties[w.dialable("b-0", 0)], settings.Held(w.Properties[w.dialable("b-0", 0)], true))
		}, "b-0-0, the master of b-0, takes no messages"},
		{"no name server answers", func(w *world) { w.Known = false }, "no name server answers"},
	} {
		w := leaving(scale.Open)
		test.change(w)
		f := w.see()
		got := f.Staying(f.Groups[1])
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if replaced := f.Life(f.Groups[1], true, true).Replaced; replaced != (test.want == "") {
			t.Errorf("%s: replaced is %t", test.name, replaced)
		}
		if why := f.Staying(f.Groups[0]); why != "" {
			t.Errorf("%s: the group that remains says %q", test.name, why)
		}
	}
}

// TestDrained: a group is drained and fenced only by what was counted and seen while it was in its state.
func TestDrained(t *testing.T) {
	for name, test := range map[string]struct {
		change          func(*world)
		drained, fenced bool
	}{
		"all is consumed":          {func(*world) {}, true, true},
		"a group lags":             {func(w *world) { w.Backlogs["b-1"] = Backlog{At: now(), Fenced: true, Lags: map[string]int64{"g": 1}} }, false, true},
		"something is uncountable": {func(w *world) { w.Backlogs["b-1"] = Backlog{At: now(), Fenced: true, Uncountable: "x"} }, false, true},
		"messages are delayed":     {func(w *world) { w.Backlogs["b-1"] = Backlog{At: now(), Fenced: true, Delayed: 1} }, false, true},
		"it was counted before":    {func(w *world) { w.Backlogs["b-1"] = Backlog{At: now().Add(-2 * time.Hour), Fenced: true} }, false, false},
		"it was not counted":       {func(w *world) { delete(w.Backlogs, "b-1") }, false, false},
		"it still took messages":   {func(w *world) { w.Backlogs["b-1"] = Backlog{At: now()} }, true, false},
		"a slave would take them":  {func(w *world) { w.Properties[w.dialable("b-1", 1)]["startAcceptSendRequestTimeStamp"] = "0" }, true, false},
		"its agent has fenced it": {func(w *world) {
			maps.Copy(w.Properties[w.dialable("b-1", 1)], settings.Held(w.Properties[w.dialable("b-1", 1)], true))
		}, true, true},
		"a slave does not answer":     {func(w *world) { delete(w.Properties, w.dialable("b-1", 1)) }, true, true},
		"nobody answers":              {func(w *world) { clear(w.Properties) }, true, false},
		"the name servers are silent": {func(w *world) { w.Known = false }, false, false},
	} {
		w := leaving(scale.Closed)
		test.change(w)
		f := w.see()
		if got := f.Drained(f.Groups[1]); got != test.drained {
			t.Errorf("%s: drained is %t", name, got)
		}
		if got := f.Fenced(f.Groups[1]); got != test.fenced {
			t.Errorf("%s: fenced is %t", name, got)
		}
	}
}

// TestLeaving: what a group waits for, and what the user can do.
func TestLeaving(t *testing.T) {
	const force = "kubectl annotate --overwrite -n mq broker b rocketmq.apache.org/force-scale-in=b-1"
	stale := func(w *world) {
		record := w.records[1]
		record.StaleForce = true
		w.records[1] = record
	}
	for _, test := range []struct {
		name     string
		state    scale.State
		change   func(*world)
		unshared string
		says     []string
	}{
		{"lags", scale.Draining, func(w *world) { w.Backlogs["b-1"] = Backlog{At: now(), Lags: map[string]int64{"g": 7}} }, "",
			[]string{"waits for: consumer group g lags 7", "To keep the group, raise spec.size", force}},
		{"nothing is left", scale.Draining, func(*world) {}, "", []string{"all of its own are consumed; before it is removed, clients get 35 s in all to notice"}},
		{"no master", scale.Draining, func(w *world) { w.remove("b-1-0") }, "", []string{"has no master, so nobody can consume the rest", force}},
		{"not counted", scale.Draining, func(w *world) { delete(w.Backlogs, "b-1") }, "", []string{"is not counted yet"}},
		{"not counted, and an old wish", scale.Draining, func(w *world) { delete(w.Backlogs, "b-1"); stale(w) }, "",
			[]string{"is not counted yet", "is from before b-1 began to leave, so it does not count; remove it with", "set it again with " + force}},
		{"offsets", scale.Closed, func(*world) {}, "b-1-1 does not answer", []string{"waits until its slaves have the consumer offsets", "b-1-1 does not answer", force}},
		{"its pods stop", scale.Removing, func(*world) {}, "", []string{"b-1 is being removed; its pods are stopping"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := leaving(test.state)
			test.change(w)
			f := w.see()
			got := f.Leaving(f.Groups[1], test.unshared)
			for _, part := range test.says {
				if !strings.Contains(got, part) {
					t.Errorf("%q lacks %q", got, part)
				}
			}
		})
	}
}

// TestRemovable: a group's objects go when its pods and, if its disks go too, the controllers' records are gone.
func TestRemovable(t *testing.T) {
	gone := func(w *world) { w.remove("b-1-0"); w.remove("b-1-1") }
	disksGo := func(w *world) {
		w.Broker.Spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: "Delete"}
	}
	for _, test := range []struct {
		name   string
		state  scale.State
		change []func(*world)
		want   bool
	}{
		{"its pods run", scale.Removing, nil, false},
		{"its pods are gone", scale.Removing, []func(*world){gone}, true},
		{"it only drains", scale.Draining, []func(*world){gone}, false},
		{"its disks go, and are on record", scale.Removing, []func(*world){gone, disksGo}, false},
		{"and are not any more", scale.Removing, []func(*world){gone, disksGo, func(w *world) { delete(w.SyncStates, "b-1") }}, true},
		{"and nobody knows", scale.Removing, []func(*world){gone, disksGo, func(w *world) { delete(w.SyncStates, "b-1"); w.Leader = "" }}, false},
		{"there are no records in STATIC mode", scale.Removing, []func(*world){gone, disksGo, (*world).static}, true},
	} {
		w := leaving(test.state)
		for _, change := range test.change {
			change(w)
		}
		f := w.see()
		if got := f.Removable(f.Groups[1]); got != test.want {
			t.Errorf("%s: removable is %t", test.name, got)
		}
	}
}

// TestShrink: a member leaves while those that stay are in sync and were asked since they became ready.
func TestShrink(t *testing.T) {
	w := newWorld()
	w.Broker.Spec.ReplicaPerGroup = new(int32(0))
	f := w.see()
	if step := f.Shrink(f.Groups[0]); step.Members != 1 || step.Waiting != "" || step.HandOver != "" {
		t.Errorf("the slave does not go: %+v", step)
	}
	w.pod("b-0-0").Status.Conditions[0].LastTransitionTime = ago(0)
	f = w.see()
	if step := f.Shrink(f.Groups[0]); !strings.Contains(step.Waiting, "when b-0-0 is in sync") {
		t.Errorf("it was not asked since it is ready, and: %+v", step)
	}
}

// TestGoneReplicas: only records of disks that are gone are cleaned, and never the last one of the SyncStateSet.
func TestGoneReplicas(t *testing.T) {
	deleting := func(w *world) {
		w.Broker.Spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: "Delete"}
	}
	replica := func(w *world, id int64, ordinal int32, alive bool) admin.Replica {
		return admin.Replica{ID: id, Addr: w.registered("b-0", ordinal), Alive: alive}
	}
	for _, test := range []struct {
		name   string
		change func(*world)
		want   []int64
	}{
		{"all live", func(*world) {}, nil},
		{"a slave is away", func(w *world) {
			w.SyncStates["b-0"] = admin.SyncState{InSync: []admin.Replica{replica(w, 1, 0, true)}, NotInSync: []admin.Replica{replica(w, 2, 1, false)}}
		}, nil},
		{"a slave came back on an empty disk", func(w *world) {
			w.SyncStates["b-0"] = admin.SyncState{InSync: []admin.Replica{replica(w, 1, 0, true), replica(w, 3, 1, true)}, NotInSync: []admin.Replica{replica(w, 2, 1, false)}}
		}, []int64{2}},
		{"one left, its disk stays", func(w *world) {
			w.SyncStates["b-0"] = admin.SyncState{InSync: []admin.Replica{replica(w, 1, 0, true)}, NotInSync: []admin.Replica{replica(w, 5, 4, false)}}
		}, nil},
		{"one left with its disk", func(w *world) {
			deleting(w)
			w.SyncStates["b-0"] = admin.SyncState{InSync: []admin.Replica{replica(w, 1, 0, true)}, NotInSync: []admin.Replica{replica(w, 5, 4, false), replica(w, 4, 3, false)}}
		}, []int64{4, 5}},
		{"the last one of the SyncStateSet stays", func(w *world) {
			deleting(w)
			w.SyncStates["b-0"] = admin.SyncState{InSync: []admin.Replica{replica(w, 5, 4, false)}, NotInSync: []admin.Replica{replica(w, 1, 0, true)}}
		}, nil},
		{"unless the group goes", func(w *world) {
			deleting(w)
			w.setState(0, scale.Removing)
			w.remove("b-0-0")
			w.remove("b-0-1")
			w.SyncStates["b-0"] = admin.SyncState{InSync: []admin.Replica{replica(w, 5, 4, false)}}
		}, []int64{5}},
		{"a member that still stops keeps its record", func(w *world) {
			deleting(w)
			w.Broker.Spec.ReplicaPerGroup = new(int32(1))
			w.setState(0, scale.Removing)
			w.SyncStates["b-0"] = admin.SyncState{InSync: []admin.Replica{replica(w, 1, 0, false)}, NotInSync: []admin.Replica{replica(w, 2, 1, false)}}
		}, nil},
		{"a stranger's record is not ours", func(w *world) {
			deleting(w)
			w.SyncStates["b-0"] = admin.SyncState{InSync: []admin.Replica{replica(w, 1, 0, true)}, NotInSync: []admin.Replica{
				{ID: 5, Addr: "b-0-4.b-broker-headless.else.svc.cluster.local:10911"}}}
		}, nil},
		{"no controller leads", func(w *world) {
			deleting(w)
			w.Leader = ""
			w.SyncStates["b-0"] = admin.SyncState{NotInSync: []admin.Replica{replica(w, 5, 4, false)}}
		}, nil},
	} {
		w := newWorld()
		test.change(w)
		f := w.see()
		if diff := cmp.Diff(test.want, f.GoneReplicas(f.Groups[0])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// TestWell: a cluster in which nothing is wrong asks for nothing.
func TestWell(t *testing.T) {
	for _, mode := range []string{"controllers", "static"} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld()
			if mode == "static" {
				w.static()
			}
			f := w.see()
			members, masters := f.Summary()
			if members != "4/4" || masters != "b-0-0 b-1-0" {
				t.Errorf("members %s, masters %s", members, masters)
			}
			if !f.Converged() {
				t.Error("it has not converged")
			}
			if got := f.Troubles(w.Broker.Status.Groups); len(got) > 0 {
				t.Errorf("troubles %v", got)
			}
			if f.Unreached() != "" || f.Unregistered() != nil || f.NotOpen() != "" {
				t.Errorf("%q, %v, %q", f.Unreached(), f.Unregistered(), f.NotOpen())
			}
			for _, g := range f.Groups {
				if gone := f.GoneReplicas(g); len(gone) > 0 {
					t.Errorf("records %v of %s would be cleaned", gone, g.Name)
				}
				for _, m := range g.Members {
					if !m.InSync {
						t.Errorf("%s is not in sync", m.Name)
					}
				}
			}
		})
	}
}

// TestNotConverged: whatever is on its way makes the operator look more often.
func TestNotConverged(t *testing.T) {
	for name, change := range map[string]func(*world){
		"a pod is not ready": func(w *world) { w.pod("b-0-0").Status.Conditions = nil },
		"a pod is outdated":  func(w *world) { w.pod("b-0-0").Annotations = nil },
		"a pod is missing":   func(w *world) { w.remove("b-1-1") },
		"a broker left":      func(w *world) { delete(w.Registered["ns"]["b-0"], 1) },
		"a slave is not in sync": func(w *world) {
			w.SyncStates["b-0"] = admin.SyncState{MasterAddr: w.registered("b-0", 0), MasterEpoch: 3}
		},
		"a group is hidden":         func(w *world) { w.setState(1, scale.Hidden) },
		"a member is to leave":      func(w *world) { w.Broker.Spec.ReplicaPerGroup = new(int32(0)) },
		"nothing is saved":          func(w *world) { delete(w.saved, "b-0") },
		"it is of another master":   func(w *world) { w.saved["b-0"].Term = "uid-b-0-0/2" },
		"a property is another one": func(w *world) { w.Properties[w.dialable("b-0", 0)]["namesrvAddr"] = "old:9876" },
		"the answer is old":         func(w *world) { w.Known = false },
	} {
		w := newWorld()
		change(w)
		if w.see().Converged() {
			t.Errorf("%s: it has converged", name)
		}
	}
	w := newWorld()
	w.saved = nil
	w.Broker.Spec.MetadataGuard = v1alpha1.MetadataGuardDisabled
	if !w.see().Converged() {
		t.Error("without the guard it waits for what is saved")
	}
}

// TestPlan: groups come from what exists and from the spec, and neither groups nor members are taken away.
func TestPlan(t *testing.T) {
	b := newWorld().Broker
	b.Spec.Size, b.Spec.ReplicaPerGroup = new(int32(2)), new(int32(1))
	for _, test := range []struct {
		name     string
		existing map[int32]desired.GroupState
		want     string
	}{
		{"a new cluster is open at once", nil, "b-0 open 2, b-1 open 2"},
		{"a new group has something to copy", map[int32]desired.GroupState{0: {State: scale.Open, Members: 2}}, "b-0 open 2, b-1 hidden 2"},
		{"two new ones have not", map[int32]desired.GroupState{0: {State: scale.Hidden, Members: 2}}, "b-0 hidden 2, b-1 open 2"},
		{"members are added", map[int32]desired.GroupState{0: {State: scale.Open, Members: 1}, 1: {State: scale.Open, Members: 1}}, "b-0 open 2, b-1 open 2"},
		{"none is taken away", map[int32]desired.GroupState{0: {State: scale.Open, Members: 3}, 1: {State: scale.Open, Members: 2}}, "b-0 open 3, b-1 open 2"},
		{"one that leaves gets no new ones", map[int32]desired.GroupState{
			0: {State: scale.Open, Members: 2}, 1: {State: scale.Open, Members: 2}, 2: {State: scale.Draining, Members: 1}, 3: {State: scale.Removing, Members: 2},
		}, "b-0 open 2, b-1 open 2, b-2 draining 1, b-3 removing 0"},
	} {
		var got []string
		for _, g := range Plan(b, test.existing, now()) {
			got = append(got, strings.Join([]string{g.Name, string(g.State()), string(rune('0' + g.Record.Members))}, " "))
		}
		if diff := cmp.Diff(test.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestRecorded: what a StatefulSet records is read again.
func TestRecorded(t *testing.T) {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: ago(time.Hour), Annotations: map[string]string{
		v1alpha1.AnnotationState: "draining", v1alpha1.AnnotationStateSince: "2026-01-02T03:04:05Z", v1alpha1.AnnotationForceStale: "true", allowed: "over"}}}
	set.Spec.Replicas = new(int32(3))
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "sidecar", Image: "x"}, {Name: desired.Container, Image: "apache/rocketmq:5.4.0"}}
	want := desired.GroupState{
		Members: 3, State: scale.Draining, Since: metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), StaleForce: true, Unclean: scale.UncleanOver,
	}
	if diff := cmp.Diff(want, Recorded(set)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := RunningImage(set); got != "apache/rocketmq:5.4.0" {
		t.Errorf("it runs %s", got)
	}
	if got := Recorded(&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: ago(time.Hour)}}); got.Since != ago(time.Hour) {
		t.Errorf("without a record its state begins at %s", got.Since)
	}
	if got := RunningImage(&appsv1.StatefulSet{}); got != "" {
		t.Errorf("nothing runs %s", got)
	}
}

// TestVotes: the id of a broker is the one that most name servers know it by.
func TestVotes(t *testing.T) {
	w := newWorld()
	slave := w.registered("b-0", 1)
	w.Registered["stale"] = map[string]map[int64]string{"b-0": {0: slave}}
	w.Registered["third"] = map[string]map[int64]string{"b-0": {1: slave}}
	f := w.see()
	if m := f.Groups[0].Members[1]; *m.ID != 1 || m.Role != v1alpha1.RoleSlave {
		t.Errorf("%s has id %d as %s", m.Name, *m.ID, m.Role)
	}
	delete(w.Registered, "third")
	if m := w.see().Groups[0].Members[1]; *m.ID != 0 {
		t.Errorf("of two votes the lower id counts, and it has %d", *m.ID)
	}
}

// TestHostNetwork: under hostNetwork brokers register with the addresses of their nodes, also where only the pod is of an
// older spec.
func TestHostNetwork(t *testing.T) {
	w := newWorld()
	w.Broker.Spec.HostNetwork = true
	w.pod("b-0-0").Spec.HostNetwork = true
	w.Registered["ns"]["b-0"][0] = w.dialable("b-0", 0)
	w.remove("b-0-1")
	f := w.see()
	if got := f.Groups[0].Members[0].Registered; got != "10.0.0.1:10911" {
		t.Errorf("on its node it registers %s", got)
	}
	if got := f.Groups[0].Members[1].Registered; got != "" {
		t.Errorf("without a pod its address would be %s", got)
	}
	if got := f.Groups[1].Members[0].Registered; got != w.registered("b-1", 0) {
		t.Errorf("a pod of the older spec registers %s", got)
	}
	w.Registered["ns"]["b-0"][7] = "192.0.2.1:10911"
	f = w.see()
	if got := f.Troubles(nil); len(got) > 0 {
		t.Errorf("an address that a pod left is a stranger: %v", got)
	}
	if got := f.GoneReplicas(f.Groups[0]); got != nil {
		t.Errorf("records %v would be cleaned", got)
	}
}

// TestTargets: whom to ask next.
func TestTargets(t *testing.T) {
	w := newWorld()
	w.addGroup(2)
	w.setState(2, scale.Draining)
	w.pod("b-0-1").DeletionTimestamp = new(ago(0))
	w.pod("b-1-1").Status.PodIP = ""
	got := w.see().Targets()
	want := Targets{
		Cluster: "b", Groups: []string{"b-0", "b-1", "b-2"}, Masters: map[string]string{},
		Brokers: []string{"10.0.0.1:10911", "10.0.1.1:10911", "10.0.2.1:10911", "10.0.2.2:10911"},
		Followed: map[string]Mastership{
			"b-0": {Term: "uid-b-0-0/3", Master: "10.0.0.1:10911"},
			"b-1": {Term: "uid-b-1-0/3", Master: "10.0.1.1:10911"},
			"b-2": {Term: "uid-b-2-0/3", Master: "10.0.2.1:10911", Slaves: []string{"10.0.2.2:10911"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := w.see().LeavingMasters(); !cmp.Equal(got, map[string]string{"b-2": "10.0.2.1:10911"}) {
		t.Errorf("masters of leaving groups %v", got)
	}

	w = newWorld()
	w.static()
	if got := w.see().Targets().Masters; !cmp.Equal(got, map[string]string{"b-0": "10.0.0.1:10911", "b-1": "10.0.1.1:10911"}) {
		t.Errorf("STATIC masters %v", got)
	}
}

// TestFollowed: tables are followed where name servers and controllers agree on a master that clients use.
func TestFollowed(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world)
		want   bool
	}{
		"well":                            {func(*world) {}, true},
		"its master stops":                {func(w *world) { w.pod("b-1-0").DeletionTimestamp = new(ago(0)) }, false},
		"the controllers elected another": {func(w *world) { w.SyncStates["b-1"] = admin.SyncState{MasterAddr: w.registered("b-1", 1)} }, false},
		"the group is hidden":             {func(w *world) { w.setState(1, scale.Hidden) }, false},
		"nothing is known":                {func(w *world) { w.Known = false }, false},
	} {
		w := newWorld()
		test.change(w)
		f := w.see()
		if _, got := f.Followed(f.Groups[1]); got != test.want {
			t.Errorf("%s: followed is %t", name, got)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// orphan is a world in which group b-0 lost its master, the only member in sync, minutes ago; its slave runs.
func orphan() *world {
	w := newWorld()
	w.remove("b-0-0")
	w.SyncStates["b-0"] = admin.SyncState{
		MasterEpoch: 3, InSync: []admin.Replica{{ID: 1, Addr: w.registered("b-0", 0)}}, NotInSync: []admin.Replica{{ID: 2, Addr: w.registered("b-0", 1), Alive: true}},
	}
	w.Broker.Status.Groups = []v1alpha1.BrokerGroupStatus{{Name: "b-0", MasterSince: new(metav1.NewMicroTime(now().Add(-time.Minute)))}, {Name: "b-1"}}
	return w
}

// TestOrphaned: a group is given up for lost only when nobody who has all messages may come back by himself.
func TestOrphaned(t *testing.T) {
	starting := func(w *world, age time.Duration) {
		pod := w.addMember("b-0", 0)
		delete(w.Registered["ns"]["b-0"], 0)
		pod.CreationTimestamp, pod.Status.ContainerStatuses, pod.Status.Conditions = ago(age), nil, nil
	}
	for name, test := range map[string]struct {
		change func(*world)
		want   bool
	}{
		"its pod is gone":            {func(*world) {}, true},
		"its pod comes":              {func(w *world) { starting(w, time.Minute) }, false},
		"its pod comes for too long": {func(w *world) { starting(w, time.Hour) }, true},
		"its server was restarted": {func(w *world) {
			w.addMember("b-0", 0).Status.ContainerStatuses[0].State.Running.StartedAt = ago(time.Minute)
			delete(w.Registered["ns"]["b-0"], 0)
		}, false},
		"its pod goes": {func(w *world) {
			w.addMember("b-0", 0).DeletionTimestamp = new(ago(time.Second))
			delete(w.Registered["ns"]["b-0"], 0)
		}, false},
		"another one is in sync": {func(w *world) {
			state := w.SyncStates["b-0"]
			state.InSync = append(state.InSync, admin.Replica{ID: 2, Addr: w.registered("b-0", 1), Alive: true})
			w.SyncStates["b-0"] = state
		}, false},
		"it came back on an empty disk": {func(w *world) {
			w.addMember("b-0", 0)
			delete(w.Registered["ns"]["b-0"], 0)
			state := w.SyncStates["b-0"]
			state.NotInSync = append(state.NotInSync, admin.Replica{ID: 7, Addr: w.registered("b-0", 0), Alive: true})
			w.SyncStates["b-0"] = state
		}, true},
		"elections take seconds": {func(w *world) {
			w.Broker.Status.Groups[0].MasterSince = new(metav1.NewMicroTime(now().Add(-5 * time.Second)))
		}, false},
		"it never had a master": {func(w *world) { state := w.SyncStates["b-0"]; state.MasterEpoch = 0; w.SyncStates["b-0"] = state }, false},
		"no controller leads":   {func(w *world) { w.Leader = "" }, false},
		"it is being removed":   {func(w *world) { w.setState(0, scale.Removing) }, false},
	} {
		w := orphan()
		test.change(w)
		f := w.see()
		if got := f.Orphaned(f.Groups[0], w.Broker.Status.Groups[0]); got != test.want {
			t.Errorf("%s: orphaned is %t", name, got)
		}
	}
	w := newWorld()
	f := w.see()
	if f.Orphaned(f.Groups[0], w.Broker.Status.Groups[0]) {
		t.Error("a group with a master is orphaned")
	}
}

// TestChoices: the user learns what can be done, and what it costs.
func TestChoices(t *testing.T) {
	const allow = "kubectl annotate --overwrite -n mq broker b rocketmq.apache.org/allow-unclean-election=b-0"
	for _, test := range []struct {
		name   string
		change func(*world)
		why    string
		says   []string
	}{
		{"its pod is gone", func(*world) {}, "", []string{"Bring one of them back, and nothing is lost: b-0-0 (its pod does not exist)", "let b-0-1 take over with what it has", allow}},
		{"its pod does not end", func(w *world) { w.addMember("b-0", 0).DeletionTimestamp = new(ago(time.Hour)) }, "", []string{"b-0-0 (its pod does not end)"}},
		{"its pod is stuck", func(w *world) {
			pod := w.addMember("b-0", 0)
			pod.Status.ContainerStatuses[0].State = stuck("ImagePullBackOff")
		}, "", []string{"b-0-0 (its pod cannot start: ImagePullBackOff)"}},
		{"its pod is not ready", func(w *world) { w.addMember("b-0", 0) }, "", []string{"b-0-0 (its pod does not become ready)"}},
		{"it recovers its store", func(w *world) { w.addMember("b-0", 0).Status.ContainerStatuses[0].Started = new(false) }, "", []string{"b-0-0 (its broker is still starting", "wait for it"}},
		{"a stranger had all", func(w *world) {
			state := w.SyncStates["b-0"]
			state.InSync = []admin.Replica{{ID: 9, Addr: "192.0.2.1:10911"}}
			w.SyncStates["b-0"] = state
		}, "", []string{"192.0.2.1:10911 (its pod does not exist)"}},
		{"its disk was lost", func(w *world) {
			state := w.SyncStates["b-0"]
			state.NotInSync = append(state.NotInSync, admin.Replica{ID: 7, Addr: w.registered("b-0", 0), Alive: true})
			w.SyncStates["b-0"] = state
		}, "", []string{"The disk of b-0-0 was lost, and with it the messages that no other member has", "let b-0-1 or b-0-0 take over"}},
		{"nobody else runs", func(w *world) { state := w.SyncStates["b-0"]; state.NotInSync = nil; w.SyncStates["b-0"] = state }, "", []string{"No other member runs that could take over"}},
		{"it is allowed", func(w *world) { w.Broker.Annotations[allowed] = "b-1, b-0" }, "", []string{"An unclean election is allowed and comes next"}},
		{"something keeps it", func(w *world) { w.Broker.Annotations[allowed] = "b-0" }, "an unclean election is allowed, but no other member runs",
			[]string{". An unclean election is allowed, but no other member runs"}},
		{"it was used", func(w *world) { record := w.records[0]; record.Unclean = scale.UncleanOver; w.records[0] = record }, "", []string{"has been used for one election"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := orphan()
			test.change(w)
			delete(w.Registered["ns"]["b-0"], 0)
			f := w.see()
			got := f.Choices(f.Groups[0], test.why)
			for _, part := range append(test.says, "b-0 has no master, and no member with all acknowledged messages runs") {
				if !strings.Contains(got, part) {
					t.Errorf("%q lacks %q", got, part)
				}
			}
		})
	}
}

// TestHesitation: controllers elect in every group that has no master, so an election that is allowed for one waits until the
// others of the same controllers have one, or are allowed too.
func TestHesitation(t *testing.T) {
	other := func(group, allow string) v1alpha1.Broker {
		b := v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "else", Name: "o", UID: "o", Annotations: map[string]string{allowed: allow}}}
		b.Status.ControllerRef = &v1alpha1.ObjectReference{Namespace: "mq", Name: "ctl"}
		b.Status.Groups = []v1alpha1.BrokerGroupStatus{{Name: group, Members: []v1alpha1.BrokerMemberStatus{{}}}}
		return b
	}
	for _, test := range []struct {
		name   string
		change func(*world)
		others func(w *world) []v1alpha1.Broker
		want   string
	}{
		{"alone", func(*world) {}, func(w *world) []v1alpha1.Broker { return []v1alpha1.Broker{*w.Broker} }, ""},
		{"another Broker's group too", func(*world) {}, func(*world) []v1alpha1.Broker { return []v1alpha1.Broker{other("o-0", "")} }, "group o-0 of Broker else/o has no master either"},
		{"which is allowed", func(*world) {}, func(*world) []v1alpha1.Broker { return []v1alpha1.Broker{other("o-0", "o-0")} }, ""},
		{"of other controllers", func(*world) {}, func(*world) []v1alpha1.Broker {
			b := other("o-0", "")
			b.Status.ControllerRef.Name = "else"
			return []v1alpha1.Broker{b}
		}, ""},
		{"a group of its own too", func(w *world) { w.remove("b-1-0") }, func(w *world) []v1alpha1.Broker {
			stale := w.Broker.DeepCopy() // as the cache knows it
			stale.Status.Groups = nil
			return []v1alpha1.Broker{*stale}
		}, "group b-1 of Broker mq/b has no master either"},
		{"nobody to elect", func(w *world) { state := w.SyncStates["b-0"]; state.NotInSync = nil; w.SyncStates["b-0"] = state },
			func(*world) []v1alpha1.Broker { return nil }, "no other member runs"},
	} {
		w := orphan()
		test.change(w)
		f := w.see()
		if got := f.Hesitation(f.Groups[0], test.others(w)); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

// TestElection: the facts reach the decision.
func TestElection(t *testing.T) {
	w := orphan()
	w.Broker.Annotations[allowed] = "b-0"
	f := w.see()
	if got := f.Election(f.Groups[0], w.Broker.Status.Groups[0], true, ""); got.Stage != scale.UncleanAllowed || got.Elect {
		t.Errorf("it is not recorded first: %+v", got)
	}
	record := w.records[0]
	record.Unclean = scale.UncleanAllowed
	w.records[0] = record
	f = w.see()
	if got := f.Election(f.Groups[0], w.Broker.Status.Groups[0], true, ""); !got.Elect {
		t.Errorf("no election: %+v", got)
	}
	if got := f.Elected(f.Groups[0], w.registered("b-0", 1)); !strings.Contains(got, "b-0-1 was elected master of b-0") || !strings.Contains(got, "b-0-0 had all") {
		t.Errorf("said %q", got)
	}
	if got := f.Elected(f.Groups[0], "192.0.2.1:10911"); !strings.Contains(got, "192.0.2.1:10911 was elected") {
		t.Errorf("said %q", got)
	}
}

// TestMayElectUnclean: what RocketMQ takes for true allows it, and nothing else.
func TestMayElectUnclean(t *testing.T) {
	for value, want := range map[v1alpha1.ConfigValue]bool{
		"true": true, "TRUE": true, " True ": true, "false": false, "FALSE": false, " false": false, "no": false, "1": false, "": false,
	} {
		ctl := &v1alpha1.Controller{}
		ctl.Spec.Config = map[string]v1alpha1.ConfigValue{admin.ElectUncleanMaster: value}
		if got := MayElectUnclean(ctl); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
	if MayElectUnclean(&v1alpha1.Controller{}) {
		t.Error("a spec that says nothing allows it")
	}
}

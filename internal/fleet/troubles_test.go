// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

func stuck(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

// TestTroubles: what is wrong has a name and says what to do.
func TestTroubles(t *testing.T) {
	for name, test := range map[string]struct {
		change    func(*world)
		condition string
		says      []string
	}{
		"a stranger": {func(w *world) { w.Registered["ns"]["b-1"][4] = "192.0.2.1:10911" }, v1alpha1.ConditionBrokerNameConflict, []string{"also know a broker b-1 at 192.0.2.1:10911"}},
		"two full disks, with the advice once": {func(w *world) { w.Disks[w.dialable("b-1", 0)], w.Disks[w.dialable("b-0", 1)] = 80, 91 },
			v1alpha1.ConditionDiskPressure, []string{"the disk of b-0-1 is 91 % full, the disk of b-1-0 is 80 % full. RocketMQ deletes"}},
		"a stranger's record": {func(w *world) {
			state := w.SyncStates["b-1"]
			state.NotInSync = append(state.NotInSync, admin.Replica{ID: 7, Addr: "b-1-0.b-broker-headless.else.svc.cluster.local:10911"})
			w.SyncStates["b-1"] = state
		}, v1alpha1.ConditionBrokerNameConflict, []string{"the controllers also know a broker b-1 at b-1-0.b-broker-headless.else.svc"}},
		"a full disk": {func(w *world) { w.Disks[w.dialable("b-1", 0)] = 80 }, v1alpha1.ConditionDiskPressure, []string{"the disk of b-1-0 is 80 % full", "enlarge the volume"}},
		"refused credentials": {func(w *world) {
			w.Broker.Spec.Auth = &v1alpha1.AuthSettings{Enabled: true}
			w.Answer.Refused = map[string]string{w.dialable("b-1", 0): "check signature failed."}
		}, v1alpha1.ConditionRefusedCredentials, []string{"b-1-0 refuses the operator: check signature failed.", "Secret b-auth", "put those back"}},
		"credentials that nobody spoke of": {func(w *world) { w.Answer.Refused = map[string]string{w.dialable("b-1", 0): "username cannot be null."} },
			v1alpha1.ConditionRefusedCredentials, []string{"b-1-0 refuses the operator", "outside of the spec", "spec.auth is the way"}},
		"lost records": {func(w *world) { clear(w.SyncStates) }, v1alpha1.ConditionControllerStateLost,
			[]string{"no record of b-0, b-1,", "delete brokerIdentity"}},
	} {
		w := newWorld()
		test.change(w)
		got := w.see().Troubles(w.Broker.Status.Groups)
		if len(got) != 1 || got[0].Condition != test.condition {
			t.Errorf("%s: %v", name, got)
			continue
		}
		for _, part := range test.says {
			if !strings.Contains(got[0].Message, part) {
				t.Errorf("%s: %q lacks %q", name, got[0].Message, part)
			}
		}
	}
}

// TestControllerRecord: that controllers forgot a group is remembered for as long as it is so, and is no matter of words.
func TestControllerRecord(t *testing.T) {
	w := newWorld()
	w.see()
	record := func() v1alpha1.ControllerRecord { return w.Broker.Status.Groups[0].ControllerRecord }
	if record() != v1alpha1.ControllerRecordPresent {
		t.Errorf("at first: %q", record())
	}
	before := w.SyncStates["b-0"]

	delete(w.SyncStates, "b-0")
	w.see()
	if record() != v1alpha1.ControllerRecordLost {
		t.Errorf("after they forgot: %q", record())
	}
	clear(w.Registered["ns"]["b-0"]) // its brokers are fenced and leave
	w.see()
	if record() != v1alpha1.ControllerRecordLost {
		t.Errorf("when nobody is registered any more: %q", record())
	}
	w.Leader = ""
	w.see()
	if record() != v1alpha1.ControllerRecordLost {
		t.Errorf("while no controller leads: %q", record())
	}
	w.Leader = "c"
	w.SyncStates["b-0"] = before
	w.see()
	if record() != v1alpha1.ControllerRecordPresent {
		t.Errorf("when it is registered again: %q", record())
	}
}

// TestNewGroup: a group that is about to register has lost nothing, one whose brokers run for minutes has.
func TestNewGroup(t *testing.T) {
	w := newWorld()
	delete(w.SyncStates, "b-0")
	clear(w.Registered["ns"]["b-0"])
	for _, pod := range []string{"b-0-0", "b-0-1"} {
		w.pod(pod).Status.ContainerStatuses[0].State.Running.StartedAt = ago(time.Minute)
	}
	w.see()
	if got := w.Broker.Status.Groups[0].ControllerRecord; got != "" {
		t.Errorf("after a minute: %q", got)
	}
	w.pod("b-0-1").Status.ContainerStatuses[0].State.Running.StartedAt = ago(registration + time.Second)
	w.see()
	if got := w.Broker.Status.Groups[0].ControllerRecord; got != v1alpha1.ControllerRecordLost {
		t.Errorf("after more than two: %q", got)
	}
}

// TestUnreached: a cluster of which nothing is known says which servers did not answer.
func TestUnreached(t *testing.T) {
	w := newWorld()
	w.Known, w.Unreachable = false, map[string]string{"b:1": "b is dead", "a:1": "a is dead"}
	if got := w.see().Unreached(); got != "no name server answers the operator: a is dead; b is dead" {
		t.Errorf("said %q", got)
	}
	w.Unreachable = nil
	if got := w.see().Unreached(); !strings.Contains(got, "too old to rely on") {
		t.Errorf("said %q", got)
	}
}

// TestUnregistered: the first member or group that is missing is named.
func TestUnregistered(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world)
		want   *Trouble
	}{
		"nothing": {func(*world) {}, nil},
		"a slave": {func(w *world) { delete(w.Registered["ns"]["b-1"], 1) }, &Trouble{v1alpha1.ReasonMembersNotReady, "b-1-1 is not registered at the name servers"}},
		"a master": {func(w *world) {
			w.Registered["ns"]["b-0"] = map[int64]string{1: w.registered("b-0", 0), 2: w.registered("b-0", 1)}
		}, &Trouble{v1alpha1.ConditionNoMaster, "b-0 has no master"}},
		"a group that is removed": {func(w *world) { w.setState(1, scale.Removing); clear(w.Registered["ns"]["b-1"]) }, nil},
	} {
		w := newWorld()
		test.change(w)
		if diff := cmp.Diff(test.want, w.see().Unregistered()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestStatus: the status and the columns say what was seen, and a new master is news.
func TestStatus(t *testing.T) {
	w := newWorld()
	w.see()
	w.setState(1, scale.Removing)
	w.Registered["ns"]["b-0"] = map[int64]string{0: w.registered("b-0", 1)}
	groups := Plan(w.Broker, w.records, now())
	f := See(w.Seen, groups)
	status, news := f.Status(w.Broker.Status.Groups)
	want := v1alpha1.BrokerGroupStatus{Name: "b-0", State: "open", Master: "b-0-1", FormerMaster: "b-0-0", ControllerRecord: v1alpha1.ControllerRecordPresent, Members: []v1alpha1.BrokerMemberStatus{
		{Pod: "b-0-0"}, {Pod: "b-0-1", Role: v1alpha1.RoleMaster, BrokerID: new(int64(0)), Address: w.registered("b-0", 1), InSync: true}}}
	status[0].MasterSince = nil
	if diff := cmp.Diff(want, status[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(news) != 1 || news[0].Pod.Name != "b-0-1" || news[0].Reason != v1alpha1.EventMasterChanged {
		t.Errorf("news %+v", news)
	}
	if members, masters := f.Summary(); members != "1/2" || masters != "b-0-1" {
		t.Errorf("members %s, masters %s", members, masters)
	}
	w.remove("b-0-1")
	if members, masters := w.see().Summary(); members != "0/2" || masters != "-" {
		t.Errorf("members %s, masters %s", members, masters)
	}
}

// TestRisks: slaves whose tables stay behind, and tables that are too large.
func TestRisks(t *testing.T) {
	w := newWorld()
	tables := w.Tables["b-1"]
	tables.Behind = []string{w.dialable("b-1", 1), "10.9.9.9:10911"}
	w.Tables["b-1"] = tables
	f := w.see()
	if got := f.BehindRisks(f.Groups[0]); len(got) > 0 {
		t.Errorf("risks of b-0: %v", got)
	}
	got := f.BehindRisks(f.Groups[1])
	if len(got) != 1 || !strings.HasPrefix(got[0].Message, "b-1-1 lacked topics") {
		t.Errorf("risks of b-1: %v", got)
	}
	large := TooLargeRisk(f.Groups[1])
	if reason, message := Together([]Risk{got[0], large}); reason != v1alpha1.ReasonTooLarge || message != large.Message+"; "+got[0].Message {
		t.Errorf("together: %s: %s", reason, message)
	}
	if f.Group("b-1") != f.Groups[1] || f.Group("x") != nil {
		t.Error("groups are not found by name")
	}
}

func TestBacklog(t *testing.T) {
	for want, backlog := range map[string]Backlog{
		"": {},
		"consumer group b lags 9, consumer group a lags 3, consumer group c lags 3": {Lags: map[string]int64{"a": 3, "b": 9, "c": 3}},
		"what cannot be counted: x": {Uncountable: "x"},
		"1 delayed messages, 2 unfinished transactions, 3 messages at POP consumers": {Delayed: 1, Half: 2, Inflight: 3},
		"consumer group a lags 1, consumer group b lags 1, consumer group c lags 1, consumer group d lags 1, consumer group e lags 1, 2 further consumer groups": {
			Lags: map[string]int64{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1}},
	} {
		if got := backlog.String(); got != want || backlog.Empty() != (want == "") {
			t.Errorf("said %q, want %q", got, want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

func TestQuorum(t *testing.T) {
	leads := func(id string) *admin.ControllerMetadata {
		return &admin.ControllerMetadata{LeaderID: id, IsLeader: true}
	}
	follows := func(id string) *admin.ControllerMetadata { return &admin.ControllerMetadata{LeaderID: id} }
	for _, test := range []struct {
		name string
		said map[string]*admin.ControllerMetadata
		want Quorum
	}{
		{"nobody answers", nil, Quorum{}},
		{"nobody leads", map[string]*admin.ControllerMetadata{"a": follows(""), "b": follows("")}, Quorum{}},
		{"all agree", map[string]*admin.ControllerMetadata{"a": follows("n1"), "b": leads("n1"), "c": follows("n1")}, Quorum{Leader: "b", Agreed: []string{"a", "b", "c"}}},
		{"one has not found the leader", map[string]*admin.ControllerMetadata{"a": follows(""), "b": leads("n1"), "c": follows("n1")}, Quorum{Leader: "b", Agreed: []string{"b", "c"}}},
		{"one follows the leader before", map[string]*admin.ControllerMetadata{"a": follows("n0"), "b": leads("n1")}, Quorum{Leader: "b", Agreed: []string{"b"}}},
		{"two lead", map[string]*admin.ControllerMetadata{"a": leads("n0"), "b": leads("n1"), "c": follows("n1")}, Quorum{Leader: "a", Agreed: []string{"a"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(&test.want, quorum(test.said), cmpopts.IgnoreUnexported(Quorum{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if SameQuorum(nil, &Quorum{}) || SameQuorum(&Quorum{}, &Quorum{Leader: "a"}) || !SameQuorum(&Quorum{Leader: "a"}, &Quorum{Leader: "a"}) ||
		SameQuorum(&Quorum{Leader: "a"}, &Quorum{Leader: "a", Unclean: []string{"a"}}) {
		t.Error("SameQuorum")
	}
}

// TestProbeQuorum: dead controllers do not hide the leader for long.
func TestProbeQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := servers{"a:1": controller("false"), "b:1": controller("true"), "silent:1": nil}
		began := time.Now()
		got := ProbeQuorum(all.client(t), []string{"gone:1", unroutable, "silent:1", "a:1", "b:1"}, false)(t.Context(), nil)
		if diff := cmp.Diff(&Quorum{Leader: "b:1", Agreed: []string{"a:1", "b:1"}}, got, cmpopts.IgnoreUnexported(Quorum{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// TestUncleanControllers: a controller that accepts unclean elections though its spec forbids them is found within a minute, and looked
// at again until it does not.
func TestUncleanControllers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := controller("false"), controller("true")
		all := servers{"a:1": a, "b:1": b}
		client := all.client(t)
		var last *Quorum
		look := func(forbidden bool) []string {
			last = ProbeQuorum(client, []string{"a:1", "b:1"}, forbidden)(t.Context(), last)
			return last.Unclean
		}
		config := func(of answers, value string) {
			of[remoting.GetControllerConfig] = fakemq.Answer{Body: admin.ElectUncleanMaster + "=" + value + "\n"}
		}
		config(a, "false")
		config(b, "false")
		if got := look(true); len(got) > 0 {
			t.Errorf("%v accept unclean elections at first", got)
		}
		config(b, "true")
		if got := look(true); len(got) > 0 {
			t.Errorf("%v were asked again at once", got)
		}
		time.Sleep(uncleanInterval)
		if diff := cmp.Diff([]string{"b:1"}, look(true)); diff != "" {
			t.Errorf("a minute later (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"b:1"}, look(true)); diff != "" {
			t.Errorf("at once, because it might not have been told yet (-want +got):\n%s", diff)
		}
		if got := look(false); len(got) > 0 {
			t.Errorf("%v are told of, which may", got)
		}
		config(a, "TRUE")
		if diff := cmp.Diff([]string{"a:1", "b:1"}, look(true)); diff != "" {
			t.Errorf("at once after they might (-want +got):\n%s", diff)
		}
		config(a, "false")
		config(b, "false")
		if got := look(true); len(got) > 0 {
			t.Errorf("%v still accept unclean elections", got)
		}
		delete(b, remoting.GetControllerConfig)
		time.Sleep(uncleanInterval)
		look(true)
		config(b, "true")
		if diff := cmp.Diff([]string{"b:1"}, look(true)); diff != "" {
			t.Errorf("at once after one that did not tell (-want +got):\n%s", diff)
		}
	})
}

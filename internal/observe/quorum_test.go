package observe

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
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
		{"all agree", map[string]*admin.ControllerMetadata{"a": follows("n1"), "b": leads("n1"), "c": follows("n1")}, Quorum{"b", []string{"a", "b", "c"}}},
		{"one has not found the leader", map[string]*admin.ControllerMetadata{"a": follows(""), "b": leads("n1"), "c": follows("n1")}, Quorum{"b", []string{"b", "c"}}},
		{"one follows the leader before", map[string]*admin.ControllerMetadata{"a": follows("n0"), "b": leads("n1")}, Quorum{"b", []string{"b"}}},
		{"two lead", map[string]*admin.ControllerMetadata{"a": leads("n0"), "b": leads("n1"), "c": follows("n1")}, Quorum{"a", []string{"a"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(&test.want, quorum(test.said)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if SameQuorum(nil, &Quorum{}) || SameQuorum(&Quorum{}, &Quorum{Leader: "a"}) || !SameQuorum(&Quorum{Leader: "a"}, &Quorum{Leader: "a"}) {
		t.Error("SameQuorum")
	}
}

// TestProbeQuorum: dead controllers do not hide the leader for long.
func TestProbeQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := servers{"a:1": controller("false"), "b:1": controller("true"), "silent:1": nil}
		began := time.Now()
		got := ProbeQuorum(all.client(t), []string{"gone:1", unroutable, "silent:1", "a:1", "b:1"})(t.Context(), nil)
		if diff := cmp.Diff(&Quorum{Leader: "b:1", Agreed: []string{"a:1", "b:1"}}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

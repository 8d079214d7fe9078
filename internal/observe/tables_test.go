// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
)

func state(topics, groups int) tableState {
	return tableState{topics: admin.TableState{Total: topics}, groups: admin.TableState{Total: groups}}
}

// TestQuiet: a master is quiet once nothing has vanished for some seconds of its term, whatever is made meanwhile.
func TestQuiet(t *testing.T) {
	var history tableHistory
	began := time.Unix(0, 0)
	for _, look := range []struct {
		second        int
		term          string
		topics        int
		quiet, shrunk bool
	}{
		{0, "a/1", 100, false, false},
		{5, "a/1", 100, false, false},
		{6, "a/1", 101, true, false},
		{10, "a/1", 60, false, true}, // somebody deleted some
		{16, "a/1", 60, true, true},
		{17, "b/2", 60, false, false}, // another master
		{18, "b/2", 40, false, true},
		{19, "b/2", 20, false, true},
		{20, "b/2", 101, false, true}, // all are put back at once
		{24, "b/2", 102, false, true},
		{25, "b/2", 102, true, true},
		{26, "b/3", 102, false, false}, // the same one was elected once more
		{32, "b/3", 102, true, false},
	} {
		var got fleet.Tables
		got, history = follow(fleet.Mastership{Term: look.term, Master: "m"}, map[string]tableState{"m": state(look.topics, 3)}, history, began.Add(time.Duration(look.second)*time.Second))
		if got.Quiet != look.quiet || got.Shrunk != look.shrunk || got.Term != look.term {
			t.Errorf("%+v: got %+v", look, got)
		}
	}
}

// TestBehind: a slave is behind after a minute without one whole look, and no more after three whole ones in a row.
func TestBehind(t *testing.T) {
	var history tableHistory
	now := time.Unix(0, 0)
	var wholes []string
	look := func(slave *tableState) string {
		now = now.Add(10 * time.Second)
		states := map[string]tableState{"m": state(50, 5)}
		if slave != nil {
			states["s"] = *slave
		}
		var got fleet.Tables
		got, history = follow(fleet.Mastership{Term: "x", Master: "m", Slaves: []string{"s"}}, states, history, now)
		wholes = append(wholes, fmt.Sprint(got.Whole, got.Lacking))
		return fmt.Sprint(got.Behind)
	}
	whole, more, fewTopics, fewGroups := state(50, 5), state(60, 5), state(49, 5), state(50, 4)
	var got []string
	for _, slave := range []*tableState{
		&fewTopics, &fewTopics, &fewGroups, &whole, // it synchronizes now and then
		&fewTopics, &fewTopics, &fewGroups, &fewTopics, nil, &fewTopics, // not for a minute
		&whole, &more, &fewTopics, &whole, &whole, &more,
	} {
		got = append(got, look(slave))
	}
	want := []string{
		"[]", "[]", "[]", "[]",
		"[]", "[]", "[]", "[]", "[]", "[s]",
		"[s]", "[s]", "[s]", "[s]", "[s]", "[]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("behind (-want +got):\n%s", diff)
	}
	// What counts for a handover is the look itself.
	const all, some, none = "[s] []", "[] [s]", "[] []"
	want = []string{
		some, some, some, all,
		some, some, some, some, none, some,
		all, all, some, all, all, all,
	}
	if diff := cmp.Diff(want, wholes); diff != "" {
		t.Errorf("whole (-want +got):\n%s", diff)
	}
}

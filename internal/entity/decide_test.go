// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// topic with 8 queues and a type, changed.
func topic(change ...func(*admin.TopicConfig)) admin.TopicConfig {
	t := admin.TopicConfig{
		Name: "orders", ReadQueues: 8, WriteQueues: 8, Perm: 6, FilterType: "SINGLE_TAG", Attributes: map[string]string{"message.type": "NORMAL"},
	}
	for _, c := range change {
		c(&t)
	}
	return t
}

// at is a place that has these topics.
func at(name string, topics ...admin.TopicConfig) Place[admin.TopicConfig] {
	p := Place[admin.TopicConfig]{Name: name, Has: map[string]admin.TopicConfig{}}
	for _, t := range topics {
		p.Has[t.Name] = t
	}
	return p
}

func away(name string, passing bool) Place[admin.TopicConfig] {
	return Place[admin.TopicConfig]{Name: name, Away: "it has no master", Passing: passing}
}

// claim of a topic in generation 2, changed.
func claim(change ...func(*Claim)) Claim {
	c := Claim{
		Object: types.NamespacedName{Namespace: "ns", Name: "orders"}, UID: "uid", Name: "orders", Generation: 2,
		Created: metav1.NewTime(time.Unix(1000, 0)), Spec: &v1alpha1.TopicSpec{Queues: new(int32(8))},
	}
	for _, change := range change {
		change(&c)
	}
	return c
}

func settled(c *Claim) { c.Applied = 2 }

func spec(s v1alpha1.TopicSpec) func(*Claim) { return func(c *Claim) { c.Spec = &s } }

func deleting(c *Claim) { c.Deletion = v1alpha1.Delete }

func retained(c *Claim) { c.Deletion = v1alpha1.Retain }

// outcome is what a decision comes to for one topic.
type outcome struct {
	// Done/Of and Reason of the answer; Gone of it.
	Done, Of int
	Reason   string
	Gone     bool
	// Puts are the groups that get the topic, Deletes those that lose it.
	Puts, Deletes []string
	// Events are the reasons of what is told.
	Events []string
}

func TestDecide(t *testing.T) {
	ro := func(t *admin.TopicConfig) { t.Perm = 4 }
	fifo := func(t *admin.TopicConfig) { t.Attributes = map[string]string{"message.type": "FIFO"} }
	empty := func(t *admin.TopicConfig) { t.ReadQueues, t.WriteQueues = 0, 0 }
	bare := func(t *admin.TopicConfig) { t.Attributes = nil }
	compacted := func(t *admin.TopicConfig) {
		t.Attributes = map[string]string{"message.type": "NORMAL", "cleanup.policy": "COMPACTION"}
	}
	moving := Move{Transfer: "ns/t", Source: true, Other: "ns/b"}
	moved, movedLongAgo := moving, moving
	moved.Finished, movedLongAgo.Finished = metav1.NewTime(time.Unix(2000, 0)), metav1.NewTime(time.Unix(500, 0))
	came := Move{Transfer: "ns/t", Other: "ns/b", Finished: metav1.NewTime(time.Unix(2000, 0))}
	type places = []Place[admin.TopicConfig]
	closed := func(p Place[admin.TopicConfig]) Place[admin.TopicConfig] { p.Closed = true; return p }

	for _, test := range []struct {
		name   string
		claim  Claim
		places places
		paused bool
		move   Move
		want   outcome
	}{
		{"a new topic is made on every group", claim(), places{at("b-0"), at("b-1")}, false, Move{},
			outcome{0, 2, "Updating", false, []string{"b-0", "b-1"}, nil, nil}},
		{"a topic that is there needs nothing", claim(), places{at("b-0", topic()), at("b-1", topic())}, false, Move{},
			outcome{Done: 2, Of: 2}},
		{"one that clients made is adopted, and that is told", claim(), places{at("b-0", topic(bare))}, false, Move{},
			outcome{0, 1, "Updating", false, []string{"b-0"}, nil, []string{"Adopted"}}},
		{"one that was made in part before a crash is completed without a word", claim(), places{at("b-0", topic()), at("b-1")}, false, Move{},
			outcome{1, 2, "Updating", false, []string{"b-1"}, nil, nil}},
		{"one that was made here, and refused in part, is completed without a word", claim(func(c *Claim) { c.Made = true }), places{at("b-0", topic(ro))}, false, Move{},
			outcome{0, 1, "Updating", false, []string{"b-0"}, nil, nil}},
		{"what somebody changed is put back, and that is told", claim(settled), places{at("b-0", topic()), at("b-1", topic(ro))}, false, Move{},
			outcome{1, 2, "Updating", false, []string{"b-1"}, nil, []string{"PutBack"}}},
		{"what somebody deleted is made anew, and that is told", claim(settled), places{at("b-0", topic()), at("b-1")}, false, Move{},
			outcome{1, 2, "Updating", false, []string{"b-1"}, nil, []string{"PutBack"}}},
		{"a change of the spec is no news", claim(func(c *Claim) { c.Applied = 1 }), places{at("b-0", topic(ro))}, false, Move{},
			outcome{0, 1, "Updating", false, []string{"b-0"}, nil, nil}},

		{"another type is somebody else's topic: nothing is done on any group", claim(), places{at("b-0"), at("b-1", topic(fifo))}, false, Move{},
			outcome{0, 2, "TypeConflict", false, nil, nil, nil}},
		{"another type in our topic is put back", claim(settled), places{at("b-0", topic(fifo))}, false, Move{},
			outcome{0, 1, "Updating", false, []string{"b-0"}, nil, []string{"PutBack"}}},
		{"what RocketMQ cannot change is a conflict in our topic too", claim(settled, spec(v1alpha1.TopicSpec{CleanupPolicy: new("DELETE")})),
			places{at("b-0", topic(compacted))}, false, Move{}, outcome{0, 1, "TypeConflict", false, nil, nil, nil}},

		{"a group that is away keeps a new topic waiting, not the other groups", claim(), places{at("b-0"), away("b-1", true)}, false, Move{},
			outcome{0, 2, "WaitingForBrokers", false, []string{"b-0"}, nil, nil}},
		{"a failover shows at no topic that is settled", claim(settled), places{at("b-0", topic()), away("b-1", true)}, false, Move{},
			outcome{Done: 2, Of: 2}},
		{"a group that stays away does", claim(settled), places{at("b-0", topic()), away("b-1", false)}, false, Move{},
			outcome{1, 2, "WaitingForBrokers", false, nil, nil, nil}},
		{"a group that joins or leaves does not count", claim(), places{at("b-0", topic()), closed(at("b-1"))}, false, Move{},
			outcome{Done: 1, Of: 1}},
		{"no group at all", claim(), nil, false, Move{}, outcome{Reason: "WaitingForBrokers"}},

		{"a paused cluster is not changed", claim(settled), places{at("b-0", topic(ro))}, true, Move{}, outcome{0, 1, "Paused", false, nil, nil, nil}},
		{"a paused cluster that needs nothing is well", claim(settled), places{at("b-0", topic())}, true, Move{}, outcome{Done: 1, Of: 1}},

		{"a transfer's hands are not tied", claim(settled), places{at("b-0", topic(ro))}, false, moving, outcome{0, 1, "Transferring", false, nil, nil, nil}},
		{"what a transfer took away stays away", claim(settled), places{at("b-0")}, false, moved, outcome{0, 1, "Transferred", false, nil, nil, nil}},
		{"a resource that came later means another topic", claim(), places{at("b-0")}, false, movedLongAgo,
			outcome{0, 1, "Updating", false, []string{"b-0"}, nil, nil}},
		{"what a transfer brought is kept", claim(settled), places{at("b-0", topic(ro))}, false, came,
			outcome{0, 1, "Updating", false, []string{"b-0"}, nil, []string{"PutBack"}}},
		{"one that is recorded as moved is only looked at", claim(settled, func(c *Claim) { c.Frozen = true }), places{at("b-0")}, false, Move{},
			outcome{0, 1, "Transferring", false, nil, nil, nil}},
		{"and is not taken for gone while a group is away", claim(settled, func(c *Claim) { c.Frozen = true }), places{away("b-0", true)}, false, Move{},
			outcome{0, 1, "WaitingForBrokers", false, nil, nil, nil}},

		{"deletion finds it on some groups", claim(deleting), places{at("b-0"), at("b-1", topic()), closed(at("b-2", topic()))}, false, Move{},
			outcome{0, 3, "Deleting", false, nil, []string{"b-1", "b-2"}, nil}},
		{"deletion is not over before a group that is away has answered", claim(deleting, settled), places{at("b-0", topic()), away("b-1", true)}, false, Move{},
			outcome{0, 2, "WaitingForBrokers", false, nil, nil, nil}},
		{"somebody else's topic is not deleted", claim(deleting), places{at("b-0", topic(fifo))}, false, Move{},
			outcome{Of: 1, Gone: true}},
		{"nor what other groups have of it, which was never taken over", claim(deleting), places{at("b-0", topic(fifo)), at("b-1", topic())}, false, Move{},
			outcome{Of: 2, Gone: true}},
		{"a paused cluster loses nothing", claim(deleting), places{at("b-0", topic())}, true, Move{}, outcome{0, 1, "Paused", false, nil, nil, nil}},
		{"deletion waits for the end of a transfer", claim(deleting, func(c *Claim) { c.Frozen = true }), places{at("b-0", topic())}, false, moving,
			outcome{0, 1, "Transferring", false, nil, nil, nil}},
		{"after a transfer nothing is left to delete", claim(deleting, func(c *Claim) { c.Frozen = true }), places{at("b-0", topic())}, false, moved,
			outcome{Of: 1, Gone: true}},
		{"what a transfer gave back is deleted after all", claim(deleting, settled, func(c *Claim) { c.Frozen = true }), places{at("b-0", topic())}, false, Move{},
			outcome{0, 1, "Transferring", false, nil, nil, nil}},
		{"what is gone with its transfer is gone", claim(deleting, settled, func(c *Claim) { c.Frozen = true }), places{at("b-0")}, false, Move{},
			outcome{Of: 1, Gone: true}},
		{"what is let go stays as it is", claim(settled, retained), places{at("b-0", topic(ro)), away("b-1", false)}, false, Move{},
			outcome{Of: 2, Gone: true}},
		{"what is let go half deleted takes messages again, even in a paused cluster", claim(settled, retained), places{at("b-0", topic(empty)), at("b-1")}, true, Move{},
			outcome{0, 2, "Deleting", false, []string{"b-0"}, nil, nil}},
		{"but a group that is away keeps nothing", claim(settled, retained), places{away("b-0", false), at("b-1", topic())}, false, Move{},
			outcome{Of: 2, Gone: true}},
		{"deletion waits for groups", claim(deleting), nil, false, Move{}, outcome{Reason: "WaitingForBrokers"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Situation[admin.TopicConfig]{Places: test.places, Paused: test.paused, Moves: map[string]Move{}}
			if test.move.Transfer != "" {
				s.Moves["orders"] = test.move
			}
			d := Decide(Topics(), []Claim{test.claim}, s)
			answer := d.Answers[test.claim.Object]
			got := outcome{Done: answer.Done, Of: answer.Of, Reason: answer.Reason, Gone: answer.Gone}
			for name := range d.Puts {
				got.Puts = append(got.Puts, name)
			}
			slices.Sort(got.Puts)
			for _, deletion := range d.Deletions {
				got.Deletes = append([]string{}, deletion.Places...)
			}
			for _, change := range d.Changes {
				got.Events = append(got.Events, change.Reason)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, answer.Message)
			}
		})
	}
}

// TestQueuesOfExisting: a topic that nobody gave a number of queues gets as many everywhere as the group with the most has, at once.
func TestQueuesOfExisting(t *testing.T) {
	four := func(t *admin.TopicConfig) { t.ReadQueues, t.WriteQueues = 4, 4 }
	many := Situation[admin.TopicConfig]{Places: []Place[admin.TopicConfig]{at("b-0", topic(four)), at("b-1", topic()), at("b-2")}}
	d := Decide(Topics(), []Claim{claim(spec(v1alpha1.TopicSpec{}))}, many)
	for _, place := range []string{"b-0", "b-2"} {
		if puts := d.Puts[place]; len(puts) != 1 || puts[0].ReadQueues != 8 || puts[0].WriteQueues != 8 {
			t.Errorf("%s gets %+v", place, puts)
		}
	}
	if len(d.Puts["b-1"]) > 0 {
		t.Errorf("b-1 gets %+v", d.Puts["b-1"])
	}
}

// TestFree: what a TopicTransfer took is told to be free only when none moves it any more. An answer from before says nothing of
// what the transfer has left.
func TestFree(t *testing.T) {
	for _, test := range []struct {
		move    Move
		present bool
		free    bool
	}{
		{Move{Transfer: "ns/move", Source: true}, true, false},
		{Move{}, true, true},
		{Move{}, false, true},
	} {
		place := at("b-0")
		if test.present {
			place = at("b-0", topic())
		}
		frozen := claim(func(c *Claim) { c.Frozen = true })
		d := Decide(Topics(), []Claim{frozen}, Situation[admin.TopicConfig]{Places: []Place[admin.TopicConfig]{place}, Moves: map[string]Move{"orders": test.move}})
		if answer := d.Answers[frozen.Object]; answer.Free != test.free || (answer.Present > 0) != test.present {
			t.Errorf("%+v: %+v", test, answer)
		}
	}
}

// TestRefused: what a broker refuses is told with its words, and not sent again.
func TestRefused(t *testing.T) {
	refusing := at("b-0")
	refusing.Refused = map[string]string{"orders": "no"}
	d := Decide(Topics(), []Claim{claim()}, Situation[admin.TopicConfig]{Places: []Place[admin.TopicConfig]{refusing, at("b-1")}})
	answer := d.Answers[claim().Object]
	if answer.Reason != v1alpha1.ConditionRefused || answer.Message != "b-0 refuses it: no" || len(d.Puts["b-0"]) > 0 || len(d.Puts["b-1"]) != 1 {
		t.Errorf("answer %+v, puts %v", answer, d.Puts)
	}
}

// TestSum: one Broker's trouble is the resource's.
func TestSum(t *testing.T) {
	one := Answer{Of: 2, Done: 2, Present: 2, ReadQueues: 8, WriteQueues: 4, Gone: true}
	two := Answer{Of: 3, Done: 1, Present: 2, ReadQueues: 4, WriteQueues: 4, Reason: "R", Message: "m", Draining: "d"}
	want := Answer{Of: 5, Done: 3, Present: 4, ReadQueues: 8, WriteQueues: 4, Reason: "R", Message: "m", Draining: "d"}
	if diff := cmp.Diff(want, Sum([]Answer{one, two})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Sum(nil); got != (Answer{}) {
		t.Errorf("of none: %+v", got)
	}
}

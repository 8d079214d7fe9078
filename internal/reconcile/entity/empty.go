// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
)

const (
	// fenceTime is for how long an entry takes nothing before its end counts: a message that was taken before is counted by then.
	fenceTime = 2 * time.Second
	// emptyInterval is how often it is looked whether an entry has become empty.
	emptyInterval = 10 * time.Second
	// emptyTime bounds the looks of one turn, so that those that are found empty go while the others wait.
	emptyTime = 5 * time.Second
)

// emptiness is what is known of an entry that is deleted if it is empty.
type emptiness struct {
	// fenced is since when it takes nothing, zero if it does.
	fenced time.Time
	// due is when it is looked at next, and answer what the last look brought.
	due    time.Time
	answer entity.Answer
}

// emptied are the deletions that can be done: nothing is in the entries, and nothing can come to them any more. Of the others it
// says why not. Those that are fenced come first, so that each is so for a moment only, however many there are.
func (t *turn[E]) emptied(ctx context.Context, deletions []entity.Deletion) (empty []entity.Deletion) {
	for _, d := range deletions {
		if t.emptiness[d.Object] == nil {
			waits := entity.Answer{Of: len(t.places), Present: len(d.Places), Reason: v1alpha1.ReasonDeleting, Message: "whether it is empty is looked at soon"}
			t.emptiness[d.Object] = &emptiness{due: t.now, answer: waits}
		}
	}
	slices.SortStableFunc(deletions, func(a, b entity.Deletion) int {
		one, other := t.emptiness[a.Object], t.emptiness[b.Object]
		if one.fenced.IsZero() != other.fenced.IsZero() {
			return cmp.Compare(other.fenced.Unix(), one.fenced.Unix())
		}
		return one.due.Compare(other.due)
	})

	end := time.Now().Add(emptyTime)
	for _, d := range deletions {
		e := t.emptiness[d.Object]
		switch {
		case t.now.Before(e.due):
			t.said[d.Object] = e.answer
			t.sooner(e.due.Sub(t.now))
		case time.Now().After(end):
			t.said[d.Object] = e.answer
			t.sooner(time.Millisecond)
		case t.isEmpty(ctx, d, e):
			empty = append(empty, d)
		}
	}
	return empty
}

// isEmpty looks at an entry, and fences it if nothing is in it. It is true when nothing has come since.
func (t *turn[E]) isEmpty(ctx context.Context, d entity.Deletion, e *emptiness) bool {
	later := func(reason, message string, again time.Duration) bool {
		t.say(d, reason, message, again)
		e.due, e.answer = t.now.Add(again), t.said[d.Object]
		return false
	}
	fenced := t.Fence != nil
	content := ""
	for _, i := range t.at(d) {
		has := t.places[i].Has[d.Name]
		fenced = fenced && t.Rules.Fenced(has)
		holds, err := t.Holds(ctx, t.client, Server{t.groups[i].master, desired.ClusterName(t.view.broker)}, d.Claim, has)
		if err != nil {
			return later(v1alpha1.ReasonDeleting, fmt.Sprintf("it cannot be told whether it is empty at %s: %s", t.places[i].Name, tell(err)), retrySoon)
		}
		if holds != "" && content == "" {
			content = fmt.Sprintf("%s has %s", t.places[i].Name, holds)
		}
	}
	const closing = "it is empty and takes nothing any more; it is looked at once more"
	switch {
	case content != "":
		e.fenced = time.Time{}
		t.reopen(ctx, d)
		return later(v1alpha1.ReasonNotEmpty, content, emptyInterval)
	case t.Fence == nil:
		return true
	case !fenced:
		e.fenced = t.now
		t.fence(ctx, d)
		return later(v1alpha1.ReasonDeleting, closing, fenceTime)
	case e.fenced.IsZero(): // by an operator before this one
		e.fenced = t.now
	}
	if t.now.Sub(e.fenced) < fenceTime {
		return later(v1alpha1.ReasonDeleting, closing, fenceTime)
	}
	return true
}

// fence an entry everywhere.
func (t *turn[E]) fence(ctx context.Context, d entity.Deletion) {
	for _, i := range t.at(d) {
		t.put(ctx, i, []E{t.Fence(t.places[i].Has[d.Name])})
	}
}

// reopen an entry that was fenced, because something is in it.
func (t *turn[E]) reopen(ctx context.Context, d entity.Deletion) {
	for _, i := range t.at(d) {
		has := t.places[i].Has[d.Name]
		if t.Fence == nil || !t.Rules.Fenced(has) {
			continue
		}
		if wanted, conflict := t.Rules.Wanted(d.Claim, &has); conflict == "" {
			t.put(ctx, i, []E{wanted})
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
)

const (
	// noticeTime is within what time clients have noticed that there are fewer queues for writing: they ask for routes every 30 s.
	noticeTime = time.Minute
	// shrinkInterval is how often it is looked whether what is left has been consumed.
	shrinkInterval = 10 * time.Second
	// shrinkAtOnce bounds what one turn looks at: each costs some requests.
	shrinkAtOnce = 32
)

// surplus of an entry that is to become smaller.
type surplus struct {
	since, looked time.Time
	left          string
}

// shrink what has become empty. It reports whether anything was changed.
func (t *turn[E]) shrink(ctx context.Context) (changed bool) {
	if t.Surplus == nil {
		return false
	}
	found := map[[2]string]bool{}
	looked := 0
	for i := range t.places {
		place := &t.places[i]
		place.Held = map[string]string{}
		for _, c := range t.claims {
			has, exists := place.Has[c.Name]
			if !exists || place.Closed || !t.mayChange(c) || !t.Surplus(c, has) || !t.asSpecified(c, has) {
				continue
			}
			key := [2]string{place.Name, c.Name}
			found[key] = true
			if t.surplus[key] == nil {
				t.surplus[key] = &surplus{since: t.now}
			}
			switch s := t.surplus[key]; {
			case !t.ripe(s):
			case looked == shrinkAtOnce:
				t.sooner(time.Second)
			default:
				looked++
				changed = t.shrinkOne(ctx, i, c, s) || changed
			}
			if left := t.surplus[key].left; left != "" {
				place.Held[c.Name] = left
			}
		}
	}
	for key := range t.surplus {
		if !found[key] {
			delete(t.surplus, key)
		}
	}
	return changed
}

// mayChange reports whether a claim is to be acted on.
func (t *turn[E]) mayChange(c entity.Claim) bool {
	return c.Deletion == "" && !c.Frozen && !t.moves[c.Name].Holds(c.Created) && !t.view.broker.Spec.Paused
}

// asSpecified reports whether an entry is as specified but for its surplus. Else it may be somebody else's, or the broker did not
// take that there are fewer queues for writing: what came to the others would not be read any more.
func (t *turn[E]) asSpecified(c entity.Claim, has E) bool {
	wanted, conflict := t.Rules.Wanted(c, &has)
	return conflict == "" && len(t.Rules.Differences(has, wanted)) == 0
}

// ripe: clients have had time to notice, and it was not looked at just now.
func (t *turn[E]) ripe(s *surplus) bool {
	due := s.since.Add(noticeTime)
	if next := s.looked.Add(shrinkInterval); next.After(due) {
		due = next
	}
	if t.now.Before(due) {
		t.sooner(due.Sub(t.now))
		return false
	}
	return true
}

func (t *turn[E]) shrinkOne(ctx context.Context, i int, c entity.Claim, s *surplus) bool {
	place := &t.places[i]
	left, err := t.Shrink(ctx, t.client, t.groups[i].master, c, place.Has[c.Name])
	s.looked = t.now
	if err != nil {
		left = "it cannot be told whether they are: " + tell(err)
	}
	changed := left != s.left || left == ""
	s.left = left
	if left != "" {
		t.sooner(shrinkInterval)
	}
	return changed
}

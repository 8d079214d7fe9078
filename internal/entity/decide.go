// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Decision is what is to be done next, and what to tell the resources if it is all that can be done.
type Decision[E any] struct {
	// Puts are the entries that groups are to get, by brokerName.
	Puts map[string][]E
	// Changes tell users of entries that somebody else has made or changed, and that are changed.
	Changes []Change
	// Deletions are those that can be gone on with.
	Deletions []Deletion
	Answers   map[types.NamespacedName]Answer
}

// Change of an entry that somebody else has made or changed.
type Change struct {
	Object types.NamespacedName
	Reason v1alpha1.EventReason
	Text   string
}

// Deletion of an entry. Places are the groups that have it.
type Deletion struct {
	Claim
	Places []string
}

// Decide compares what is wanted with what is there.
func Decide[E any](rules Rules[E], claims []Claim, s Situation[E]) Decision[E] {
	d := Decision[E]{Puts: map[string][]E{}, Answers: make(map[types.NamespacedName]Answer, len(claims))}
	for _, c := range claims {
		var answer Answer
		if rules.Recall != nil {
			rules.Recall(&c, s.Places)
		}
		why, reserved := s.Reserved[c.Name]
		switch {
		case reserved && c.Deletion == "":
			answer = Answer{Of: len(s.Places), Reason: v1alpha1.ConditionInvalidSpec, Message: why}
		case reserved:
			answer = Answer{Of: len(s.Places), Gone: true, Kept: true}
		case c.Deletion == "":
			d.keep(rules, c, s, &answer)
		case c.Deletion == v1alpha1.Retain:
			d.letGo(rules, c, s, &answer)
		default:
			d.remove(rules, c, s, &answer)
		}
		d.Answers[c.Object] = answer
	}
	return d
}

// keep an entry as it is specified.
func (d *Decision[E]) keep(rules Rules[E], c Claim, s Situation[E], answer *Answer) {
	puts := map[string]E{}
	var changes []Change
	for _, place := range s.Places {
		if place.Closed {
			continue
		}
		answer.Of++
		if place.Away != "" {
			answer.Unseen = true
			if place.Passing && c.Settled() && !c.Frozen {
				answer.Done++ // as it was before
			} else {
				answer.fail(v1alpha1.ReasonWaitingForBrokers, fmt.Sprintf("%s: %s", place.Name, place.Away))
			}
			continue
		}
		wanted, change := d.compare(rules, c, place, answer)
		if wanted == nil {
			continue
		}
		puts[place.Name] = *wanted
		if change != nil {
			changes = append(changes, *change)
		}
	}

	switch move := s.Moves[c.Name]; {
	case move.Holds(c.Created):
		answer.only(move.reason(), move.message(c.Name))
	case c.Frozen && answer.Reason == v1alpha1.ReasonWaitingForBrokers: // else it would be taken for missing
	case c.Frozen:
		answer.free()
	case answer.Reason == rules.conflict(): // nothing is done anywhere
	case answer.Of == 0:
		answer.fail(v1alpha1.ReasonWaitingForBrokers, "no broker group is open to clients")
	case s.Paused && len(puts) > 0:
		answer.fail(v1alpha1.ReasonPaused, "the cluster is paused, so nothing is changed in RocketMQ: remove spec.paused")
	default:
		for name, wanted := range puts {
			answer.fail(v1alpha1.ReasonUpdating, name+" is about to get it")
			d.Puts[name] = append(d.Puts[name], wanted)
		}
		d.Changes = append(d.Changes, changes...)
	}
}

// compare what a group has with what it is to have; nil if that is the same, or if it must not be changed.
func (d *Decision[E]) compare(rules Rules[E], c Claim, place Place[E], answer *Answer) (*E, *Change) {
	var current *E
	if has, exists := place.Has[c.Name]; exists {
		current = &has
		answer.Present++
		rules.Describe(c, place, has, answer)
	}
	wanted, conflict := rules.Wanted(c, current)
	var differences []string
	if current != nil {
		differences = rules.Differences(*current, wanted)
	}
	switch {
	case conflict != "":
		answer.only(rules.conflict(), fmt.Sprintf("%s: %s", place.Name, conflict))
		return nil, nil
	case current != nil && len(differences) == 0:
		answer.Done++
		return nil, nil
	case place.Refused[c.Name] != "":
		answer.fail(v1alpha1.ConditionRefused, fmt.Sprintf("%s refuses it: %s", place.Name, place.Refused[c.Name]))
		return nil, nil
	}

	change := Change{Object: c.Object}
	switch {
	case c.Settled() && current == nil:
		change.Reason, change.Text = v1alpha1.EventPutBack, fmt.Sprintf("%s was missing at %s: it is made anew", c.Name, place.Name)
	case c.Settled():
		change.Reason, change.Text = v1alpha1.EventPutBack, fmt.Sprintf("%s was changed at %s and is as specified again: %s", c.Name, place.Name, strings.Join(differences, ", "))
	case !c.Owned() && !c.Made && current != nil:
		change.Reason, change.Text = v1alpha1.EventAdopted, fmt.Sprintf("%s existed at %s and is changed: %s", c.Name, place.Name, strings.Join(differences, ", "))
	default:
		return &wanted, nil
	}
	return &wanted, &change
}

func (r Rules[E]) conflict() string { return cmp.Or(r.Conflict, v1alpha1.ConditionTypeConflict) }

// remove an entry. One that the resource could not have changed either is somebody else's, and so is what other groups have of it
// if the resource never had it on all.
func (d *Decision[E]) remove(rules Rules[E], c Claim, s Situation[E], answer *Answer) {
	var places []string
	foreign := false
	for _, place := range s.Places {
		answer.Of++
		if place.Away != "" {
			answer.fail(v1alpha1.ReasonWaitingForBrokers, fmt.Sprintf("%s: %s", place.Name, place.Away))
			continue
		}
		has, exists := place.Has[c.Name]
		if !exists {
			continue
		}
		if _, conflict := rules.Wanted(c, &has); conflict != "" {
			foreign = true
			continue
		}
		answer.Present++
		places = append(places, place.Name)
	}

	switch move := s.Moves[c.Name]; {
	case c.Frozen && move.Transfer == "" && answer.Present > 0: // the TopicTransfer gave it back
		answer.free()
	case c.Frozen && move.Left(), foreign && (!c.Owned() || len(places) == 0):
		answer.only("", "") // what is there now is not what this resource made
		answer.Gone, answer.Kept = true, true
	case move.Holds(c.Created):
		answer.only(move.reason(), move.message(c.Name))
	case answer.Reason != "":
	case answer.Of == 0:
		answer.fail(v1alpha1.ReasonWaitingForBrokers, "the Broker has no broker group yet")
	case c.Frozen:
		answer.Gone, answer.Kept = true, true
	case s.Paused:
		answer.fail(v1alpha1.ReasonPaused, "the cluster is paused, so nothing is deleted in RocketMQ: remove spec.paused")
	default:
		answer.fail(v1alpha1.ReasonDeleting, "it is being deleted in RocketMQ")
		d.Deletions = append(d.Deletions, Deletion{c, places})
	}
}

// letGo of an entry, as it was before its deletion began. Groups that are away or refuse that keep no resource.
func (d *Decision[E]) letGo(rules Rules[E], c Claim, s Situation[E], answer *Answer) {
	answer.Of, answer.Gone, answer.Kept = len(s.Places), true, true
	for _, place := range s.Places {
		has, exists := place.Has[c.Name]
		if !exists || rules.Fenced == nil || !rules.Fenced(has) || place.Refused[c.Name] != "" {
			continue
		}
		if wanted, conflict := rules.Wanted(c, &has); conflict == "" {
			answer.fail(v1alpha1.ReasonDeleting, "it is about to take messages again at "+place.Name)
			answer.Gone, answer.Kept = false, false
			d.Puts[place.Name] = append(d.Puts[place.Name], wanted)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// part of a cluster: what it is to be, and what it is.
type part struct {
	desired.Part
	// live is the resource, nil if there is none.
	live v1alpha1.Resource
	seen state
	// waits for another part: until that one is well, the resource stays as it is.
	waits *part
	// wrote: the resource was changed in this pass, so its status is about an older spec.
	wrote bool
	// refused says why the resource cannot be as the cluster asks; nil if it can.
	refused *metav1.Condition
}

// state is what all kinds say of themselves.
type state struct {
	image, members string
	observed       int64
	conditions     []metav1.Condition
}

// stateOf a resource.
func stateOf(r v1alpha1.Resource) state {
	return state{desired.Image(r), r.GetMembers(), r.Common().ObservedGeneration, r.Common().Conditions}
}

// observed reports whether the resource's status is about what it is asked to be.
func (p *part) observed() bool {
	return p.live != nil && !p.wrote && p.refused == nil && p.seen.observed == p.live.GetGeneration()
}

// condition is the part's Ready or UpToDate. A part that was not made or not observed yet says so.
func (p *part) condition(condition string) metav1.Condition {
	found := meta.FindStatusCondition(p.seen.conditions, condition)
	switch {
	case p.refused != nil && (p.live == nil || condition == v1alpha1.ConditionUpToDate):
		return metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: p.refused.Reason, Message: p.refused.Message}
	case p.live == nil, found == nil && condition == v1alpha1.ConditionReady:
		return metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonCreating, Message: "it is being created"}
	case p.waits != nil && condition == v1alpha1.ConditionUpToDate:
		return metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUpdating,
			Message: fmt.Sprintf("it goes from %s to %s after %s", p.seen.image, *p.Image, p.waits)}
	case found == nil, condition == v1alpha1.ConditionUpToDate && (!p.observed() || found.ObservedGeneration != p.live.GetGeneration()):
		return metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUpdating,
			Message: "its status is not yet about its newest spec"}
	}
	return *found
}

// well reports whether the part runs what the cluster asks for, so that the next one may change its version.
func (p *part) well() bool {
	return p.observed() && p.waits == nil && !p.changesImage() &&
		p.condition(v1alpha1.ConditionReady).Status == metav1.ConditionTrue &&
		p.condition(v1alpha1.ConditionUpToDate).Status == metav1.ConditionTrue
}

// changesImage reports whether a part that exists is asked for another image than it has.
func (p *part) changesImage() bool {
	return p.live != nil && *p.Image != "" && p.seen.image != *p.Image
}

// holdParts lets one part after the other change its image: one that exists waits until all before it are well with theirs.
// It waits with its whole spec, so that its pods are replaced once.
func holdParts(parts []*part) {
	var first *part // that is not well
	for _, p := range parts {
		if first != nil && p.changesImage() {
			p.waits = first
		}
		if first == nil && !p.well() {
			first = p
		}
	}
}

// sum is one condition over all parts, True if it is with each. The reason is the first part's for which it is not: others
// depend on that one.
func sum(parts []*part, condition, good string) metav1.Condition {
	out := metav1.Condition{Type: condition, Status: metav1.ConditionTrue, Reason: condition, Message: good}
	var messages []string
	for _, p := range parts {
		c := p.condition(condition)
		if c.Status == metav1.ConditionTrue {
			continue
		}
		if out.Status == metav1.ConditionTrue {
			out.Status, out.Reason = c.Status, c.Reason
		}
		if c.Status == metav1.ConditionFalse {
			out.Status = metav1.ConditionFalse // known to be so, which is more than not known
		}
		messages = append(messages, fmt.Sprintf("%s: %s: %s", p, c.Reason, c.Message))
	}
	if len(messages) > 0 {
		out.Message = strings.Join(messages, "; ")
	}
	return out
}

// troubles of all parts, one condition for each kind of trouble.
func troubles(parts []*part) []metav1.Condition {
	var out []metav1.Condition
	add := func(p *part, c metav1.Condition) {
		c.Message = p.String() + ": " + c.Message
		if other := meta.FindStatusCondition(out, c.Type); other != nil {
			other.Message += "; " + c.Message
			return
		}
		out = append(out, c)
	}
	for _, p := range parts {
		if p.refused != nil {
			add(p, *p.refused)
		}
		for _, c := range p.seen.conditions {
			if c.Type != v1alpha1.ConditionReady && c.Type != v1alpha1.ConditionUpToDate {
				add(p, c)
			}
		}
	}
	return out
}

// phase is the cluster's state in one word; complete says that every part was Ready at once before.
func phase(ready, upToDate metav1.Condition, refused, complete bool) v1alpha1.ClusterPhase {
	switch {
	case ready.Status == metav1.ConditionTrue && upToDate.Status == metav1.ConditionTrue:
		return v1alpha1.PhaseRunning
	case refused:
		return v1alpha1.PhaseDegraded
	case !complete:
		return v1alpha1.PhaseCreating
	case upToDate.Status != metav1.ConditionTrue:
		return v1alpha1.PhaseUpdating
	default:
		return v1alpha1.PhaseDegraded
	}
}

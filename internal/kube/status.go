// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Waiting says what a reconcile waits for. It is no error: something will wake it.
type Waiting struct {
	Reason  string
	Message string
	// Again is how soon to look again, 0 if a watch shows that the wait is over.
	Again time.Duration
}

// Wait makes a Waiting.
func Wait(reason, format string, args ...any) *Waiting {
	return &Waiting{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// LookAgain is for a wait whose end no watch shows: the pass is repeated after that time.
func (w *Waiting) LookAgain(after time.Duration) *Waiting {
	w.Again = after
	return w
}

// Conditions are those of one resource during one pass. A trouble that a complete pass does not raise again is over.
type Conditions struct {
	generation int64
	list       *[]metav1.Condition
	before     []metav1.Condition
	raised     map[string]bool
}

// NewConditions starts a pass over a resource's conditions.
func NewConditions(generation int64, list *[]metav1.Condition) *Conditions {
	return &Conditions{generation: generation, list: list, before: slices.Clone(*list), raised: map[string]bool{}}
}

// Set sets a condition. If a pass sets one twice, the last call counts; the condition's time is that of the last change between two
// passes, not within one.
func (c *Conditions) Set(condition string, status metav1.ConditionStatus, reason, message string) {
	c.raised[condition] = true
	now, before := meta.FindStatusCondition(*c.list, condition), meta.FindStatusCondition(c.before, condition)
	if now != nil && before != nil {
		*now = *before
	}
	meta.SetStatusCondition(c.list, metav1.Condition{
		Type: condition, Status: status, Reason: reason, Message: shorten(message), ObservedGeneration: c.generation,
	})
}

// Raise sets a trouble. If a pass raises it several times, the condition has all messages.
func (c *Conditions) Raise(condition, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if c.raised[condition] {
		if before := meta.FindStatusCondition(*c.list, condition); before != nil {
			message = before.Message + "; " + message
		}
	}
	c.Set(condition, metav1.ConditionTrue, condition, message)
}

// Raised reports whether this pass raised the trouble.
func (c *Conditions) Raised(condition string) bool { return c.raised[condition] }

// Had reports whether the condition was there before this pass.
func (c *Conditions) Had(condition string) bool {
	return meta.FindStatusCondition(c.before, condition) != nil
}

// Keep a condition as it was before this pass, if it was there.
func (c *Conditions) Keep(condition string) {
	if meta.FindStatusCondition(c.before, condition) != nil {
		c.raised[condition] = true
	}
}

// Message of a condition, raised in this pass or before.
func (c *Conditions) Message(condition string) string {
	if found := meta.FindStatusCondition(*c.list, condition); found != nil {
		return found.Message
	}
	return ""
}

// Reason of a condition, "" if it is not there.
func (c *Conditions) Reason(condition string) string {
	if found := meta.FindStatusCondition(*c.list, condition); found != nil {
		return found.Reason
	}
	return ""
}

// Since is when a condition got the status that it had before this pass, zero if it was not there.
func (c *Conditions) Since(condition string) metav1.Time {
	if found := meta.FindStatusCondition(c.before, condition); found != nil {
		return found.LastTransitionTime
	}
	return metav1.Time{}
}

// Complete ends a pass that looked at everything: it removes the troubles that were not raised, and sorts the rest.
func (c *Conditions) Complete() {
	*c.list = slices.DeleteFunc(*c.list, func(condition metav1.Condition) bool {
		return condition.Type != v1alpha1.ConditionReady && condition.Type != v1alpha1.ConditionUpToDate &&
			!c.raised[condition.Type]
	})
	rank := map[string]int{v1alpha1.ConditionReady: -2, v1alpha1.ConditionUpToDate: -1}
	sort.SliceStable(*c.list, func(i, j int) bool {
		a, b := (*c.list)[i].Type, (*c.list)[j].Type
		if rank[a] != rank[b] {
			return rank[a] < rank[b]
		}
		return a < b
	})
}

// PatchStatus writes the status of after if it differs from that of before, the object as it was read. If the object has changed since,
// the error is a conflict: the next pass sees the newer one.
func PatchStatus(ctx context.Context, c client.Client, before, after client.Object) error {
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	if err := c.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.FieldOwner(FieldOwner)); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}

// shorten keeps a message within the API's limit for conditions.
func shorten(message string) string {
	const limit = 32768
	message = strings.TrimSpace(message)
	if len(message) > limit {
		return strings.ToValidUTF8(message[:limit], "")
	}
	return message
}

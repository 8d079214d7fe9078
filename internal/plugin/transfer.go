// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

func (o *options) transferCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "transfer [NAME]",
		Aliases: []string{"transfers"},
		Short:   "List TopicTransfers, or show how far one is, how long each step took and how much time it has left",
		Long: "List TopicTransfers, or show how far one is, how long each step took and how much time it has left.\n" +
			"With --watch it ends when the transfer does, and fails if that was rolled back.",
		Args:              arguments(0, 1, ""),
		ValidArgsFunction: o.completeArg(transferNames),
		RunE:              o.runWatched(o.transfer),
	}
	o.watches(cmd, "go on until the transfer has ended")
	cmd.Flags().BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "list those of all namespaces")
	return cmd
}

func transferNames(ctx context.Context, a *Access) ([]string, error) {
	var list v1alpha1.TopicTransferList
	err := a.list(ctx, a.Namespace, &list)
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out, err
}

func (o *options) transfer(ctx context.Context, a *Access, args []string) (report, error) {
	if len(args) == 0 {
		return o.transfers(ctx, a)
	}
	if o.allNamespaces {
		return nil, errors.New("a name has one namespace: use -n instead of -A")
	}
	var t v1alpha1.TopicTransfer
	err := a.Client.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: args[0]}, &t)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("no TopicTransfer %s in namespace %s: list them with: kubectl rocketmq transfer -A", args[0], a.Namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("get TopicTransfer %s: %w", args[0], err)
	}
	return newTransferReport(&t, time.Now().UTC()), nil
}

func (o *options) transfers(ctx context.Context, a *Access) (report, error) {
	namespace := a.Namespace
	if o.allNamespaces {
		namespace = ""
	}
	var list v1alpha1.TopicTransferList
	if err := a.list(ctx, namespace, &list); err != nil {
		return nil, err
	}
	r := &transfersReport{At: time.Now().UTC(), Transfers: []transferReport{}}
	for i := range list.Items {
		r.Transfers = append(r.Transfers, *newTransferReport(&list.Items[i], r.At))
	}
	return r, nil
}

type transfersReport struct {
	At        time.Time        `json:"at"`
	Transfers []transferReport `json:"transfers"`
}

type transferReport struct {
	At        time.Time `json:"at"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Topic     string    `json:"topic"`
	// Source and Target are RocketMQ cluster names, empty while they are not found.
	Source string `json:"source,omitempty"`
	Target string `json:"target,omitempty"`
	Phase  string `json:"phase"`
	// Steps are those so far, and those to come if nothing goes wrong.
	Steps []transferStep `json:"steps"`
	// Seconds from the beginning to now, or to the end.
	Seconds float64 `json:"seconds"`
	// Deadline is when the current step is given up.
	Deadline time.Time `json:"deadline,omitzero"`
	// Held since: the source is drained, and spec.holdBeforeClean holds it.
	Held time.Time `json:"held,omitzero"`
	// Lag is the number of messages left at the source, to two digits.
	Lag    *int64     `json:"lag,omitempty"`
	Groups []groupLag `json:"groups,omitempty"`
	// Message is what it waits for, or has done.
	Message  string    `json:"message,omitempty"`
	Problems []problem `json:"problems,omitempty"`
	// RollBackReason is why it is, or was, rolled back.
	RollBackReason string   `json:"rollBackReason,omitempty"`
	Left           []string `json:"left,omitempty"`
}

// transferStep is a phase. One that is to come has no Began.
type transferStep struct {
	Phase   string    `json:"phase"`
	Began   time.Time `json:"began,omitzero"`
	Seconds float64   `json:"seconds,omitempty"`
}

type groupLag struct {
	Group string `json:"group"`
	// Stays: it consumes the topic at the source, and does not move.
	Stays bool  `json:"stays,omitempty"`
	Lag   int64 `json:"lag"`
}

func newTransferReport(t *v1alpha1.TopicTransfer, now time.Time) *transferReport {
	status := &t.Status
	r := &transferReport{
		At: now, Namespace: t.Namespace, Name: t.Name, Topic: t.Spec.Topic,
		Source: t.Spec.SourceCluster, Target: t.Spec.TargetCluster, Phase: cmp.Or(string(status.Phase), "Unknown"),
		Lag: status.Lag, RollBackReason: status.RollBackReason, Left: status.Left,
	}
	if status.Source != nil {
		r.Source = status.Source.Cluster
	}
	if status.Target != nil {
		r.Target = status.Target.Cluster
	}
	if status.HeldSince != nil {
		r.Held = status.HeldSince.UTC()
	}
	for _, g := range status.Groups {
		lag := groupLag{Group: g.Name, Stays: g.Stays}
		for _, at := range g.Lags {
			lag.Lag += at.Messages
		}
		r.Groups = append(r.Groups, lag)
	}
	if ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); ready != nil {
		r.Message = ready.Message
	}
	r.Problems = transferProblems(t)
	r.addSteps(status)
	r.addDeadline(&t.Spec)
	return r
}

// transferProblems are those that Ready does not tell: that is what it does, and no trouble.
func transferProblems(t *v1alpha1.TopicTransfer) []problem {
	status := newStatus(t)
	return slices.DeleteFunc(status.Problems, func(p problem) bool { return p.Condition == v1alpha1.ConditionReady })
}

// addSteps that were taken, with the time until the next one began, and those to come.
func (r *transferReport) addSteps(status *v1alpha1.TopicTransferStatus) {
	taken := slices.SortedStableFunc(slices.Values(status.Steps), func(a, b v1alpha1.TransferStep) int {
		return a.Since.Compare(b.Since.Time)
	})
	for i, step := range taken {
		until := r.At
		if i+1 < len(taken) {
			until = taken[i+1].Since.Time
		}
		s := transferStep{Phase: string(step.Phase), Began: step.Since.UTC()}
		if !finished(step.Phase) {
			s.Seconds = max(0, until.Sub(step.Since.Time)).Seconds()
		}
		r.Steps = append(r.Steps, s)
		r.Seconds += s.Seconds
	}
	path := []v1alpha1.TransferPhase{
		v1alpha1.TransferPending, v1alpha1.TransferCreateTarget, v1alpha1.TransferForbidWrites, v1alpha1.TransferDrain,
		v1alpha1.TransferCleanSource, v1alpha1.TransferCompleted,
	}
	if status.Phase == v1alpha1.TransferRollBack || status.Phase == v1alpha1.TransferRolledBack {
		path = []v1alpha1.TransferPhase{v1alpha1.TransferRollBack, v1alpha1.TransferRolledBack}
	}
	for _, phase := range path {
		if !slices.ContainsFunc(taken, func(s v1alpha1.TransferStep) bool { return s.Phase == phase }) {
			r.Steps = append(r.Steps, transferStep{Phase: string(phase)})
		}
	}
}

func finished(phase v1alpha1.TransferPhase) bool {
	return phase == v1alpha1.TransferCompleted || phase == v1alpha1.TransferRolledBack
}

// addDeadline of the steps after which everything is taken back. A drain that is held has all the time.
func (r *transferReport) addDeadline(spec *v1alpha1.TopicTransferSpec) {
	var limit *metav1.Duration
	switch v1alpha1.TransferPhase(r.Phase) {
	case v1alpha1.TransferCreateTarget, v1alpha1.TransferForbidWrites:
		limit = spec.StepTimeout
	case v1alpha1.TransferDrain:
		limit = spec.DrainTimeout
	}
	i := slices.IndexFunc(r.Steps, func(s transferStep) bool { return s.Phase == r.Phase })
	if limit == nil || i < 0 || r.Steps[i].Began.IsZero() || (!r.Held.IsZero() && spec.HoldBeforeClean) {
		return
	}
	r.Deadline = r.Steps[i].Began.Add(limit.Duration)
}

func (r *transferReport) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "TopicTransfer %s/%s: topic %s from %s to %s, %s, %s so far\n\n",
		r.Namespace, r.Name, r.Topic, or(r.Source), or(r.Target), r.Phase, took(r.Seconds))
	steps := newTable("STEP", "BEGAN", "TOOK", "REMAINING")
	for _, s := range r.Steps {
		began, length := "-", "-"
		if !s.Began.IsZero() {
			began = s.Began.Format(time.DateTime)
			if !finished(v1alpha1.TransferPhase(s.Phase)) {
				length = took(s.Seconds)
			}
		}
		remaining := ""
		if s.Phase == r.Phase {
			remaining = r.remaining()
		}
		steps.row(s.Phase, began, length, remaining)
	}
	out.WriteString(steps.String())
	if len(r.Groups) > 0 {
		groups := newTable("CONSUMER GROUP", "LEFT AT THE SOURCE")
		for _, g := range r.Groups {
			left := fmt.Sprint(g.Lag)
			if g.Stays {
				left += " (does not move)"
			}
			groups.row(g.Group, left)
		}
		fmt.Fprintf(&out, "\n%s", groups)
	}
	r.sentences(&out)
	return out.String()
}

// sentences are printed last, because they are what to read.
func (r *transferReport) sentences(out *strings.Builder) {
	out.WriteByte('\n')
	if r.Message != "" {
		fmt.Fprintf(out, "%s\n", r.Message)
	}
	if r.RollBackReason != "" && !strings.Contains(r.Message, r.RollBackReason) {
		fmt.Fprintf(out, "Rolled back: %s\n", r.RollBackReason)
	}
	for _, left := range r.Left {
		fmt.Fprintf(out, "Left behind: %s\n", left)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(out, "%s\n", strings.TrimPrefix(p.Condition+": "+p.Message, ": "))
	}
}

// remaining work and time of the current step.
func (r *transferReport) remaining() string {
	var parts []string
	if r.Phase == string(v1alpha1.TransferDrain) && r.Lag != nil {
		parts = append(parts, fmt.Sprintf("about %d messages", *r.Lag))
	}
	switch {
	case !r.Deadline.IsZero():
		parts = append(parts, fmt.Sprintf("%s until it is rolled back", duration.HumanDuration(max(0, r.Deadline.Sub(r.At)))))
	case !r.Held.IsZero():
		parts = append(parts, fmt.Sprintf("held for %s by spec.holdBeforeClean", ago(r.At, r.Held)))
	}
	return strings.Join(parts, ", ")
}

func took(seconds float64) string {
	return duration.HumanDuration(time.Duration(seconds * float64(time.Second)))
}

func (r *transferReport) ended() (bool, error) {
	if r.Phase == string(v1alpha1.TransferRolledBack) {
		return true, fmt.Errorf("TopicTransfer %s/%s was rolled back: %s", r.Namespace, r.Name, r.RollBackReason)
	}
	return r.Phase == string(v1alpha1.TransferCompleted), nil
}

func (r *transferReport) lines() []line {
	text := fmt.Sprintf("TopicTransfer %s/%s: %s after %s", r.Namespace, r.Name, r.Phase, took(r.secondsBefore()))
	if r.Message != "" {
		text += ": " + r.Message
	}
	return []line{{r.Namespace + "/" + r.Name, text}}
}

// secondsBefore the current phase: a line must not differ only because time goes by.
func (r *transferReport) secondsBefore() float64 {
	seconds := 0.0
	for _, s := range r.Steps {
		if s.Phase != r.Phase {
			seconds += s.Seconds
		}
	}
	return seconds
}

func (r *transfersReport) text() string {
	if len(r.Transfers) == 0 {
		return "No TopicTransfers: see all with -A.\n"
	}
	t := newTable("NAMESPACE", "NAME", "TOPIC", "FROM", "TO", "PHASE", "TOOK", "REMAINING")
	for _, tr := range r.Transfers {
		t.row(tr.Namespace, tr.Name, tr.Topic, or(tr.Source), or(tr.Target), tr.Phase, took(tr.Seconds), tr.remaining())
	}
	return t.String()
}

func (r *transfersReport) lines() []line {
	var lines []line
	for i := range r.Transfers {
		lines = append(lines, r.Transfers[i].lines()...)
	}
	return lines
}

// ended: others may be created.
func (r *transfersReport) ended() (bool, error) { return false, nil }

// SPDX-License-Identifier: Apache-2.0

// Package copying gives a new broker group what clients will look for there: the topics, consumer groups and offsets of another group,
// and the users where brokers ask for credentials.
// It works beside the passes of a Broker.
package copying

import (
	"context"
	"fmt"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
)

// How much a part of a copy is; the status tells the progress from part to part.
const (
	mostEntries = 2500
	mostOffsets = 20000
)

// Job copies from one group's master to another one's.
type Job struct {
	Client         *admin.Client
	Source, Target metadata.Broker
	// Members of the target are those that are to know the source's users; none where brokers ask for no credentials.
	Members []metadata.Broker
}

// Result says why the copy is not complete, with no reason if it is.
type Result struct {
	Reason, Message string
	// Topics and Groups are how many the source has. Plan is what the target has otherwise.
	Topics, Groups int
	Plan           metadata.Plan
}

// Progress before anything is known.
func (j Job) Progress() string {
	return fmt.Sprintf("%s stays hidden from clients until it has the topics, consumer groups and offsets of %s", j.Target.Group, j.Source.Name)
}

// Run copies a part, if there is something left to copy.
func (j Job) Run(ctx context.Context) Result {
	has, err := metadata.Read(ctx, j.Client, j.Target)
	if err != nil {
		return j.fails(v1alpha1.ReasonTargetUnreachable, "%s does not answer: %s", j.Target.Name, err)
	}
	wanted, err := metadata.Read(ctx, j.Client, j.Source)
	if err != nil {
		return j.fails(v1alpha1.ReasonSourceUnreachable, "%s, whose topics and consumer groups it is to get, does not answer: %s", j.Source.Name, err)
	}
	ends, err := metadata.Ends(ctx, j.Client, j.Target.Addr, wanted, has)
	if err != nil {
		return j.fails(v1alpha1.ReasonTargetUnreachable, "%s", err)
	}

	plan := metadata.ForNewGroup(wanted, has, ends)
	if plan.Empty() {
		if err := metadata.CopyModes(ctx, j.Client, j.Source.Addr, j.Target.Addr, wanted); err != nil {
			return j.fails(v1alpha1.ReasonTargetUnreachable, "the request modes of consumer groups could not be copied from %s: %s", j.Source.Name, err)
		}
		if why := j.shareUsers(ctx); why != "" {
			return j.fails(v1alpha1.ReasonTargetUnreachable, "%s", why)
		}
		return Result{Topics: len(wanted.Topics), Groups: len(wanted.Groups), Plan: plan}
	}
	progress := fmt.Sprintf("%s: copied %d/%d topics, %d/%d consumer groups, %d offsets to go", j.Progress(),
		len(wanted.Topics)-len(plan.Topics), len(wanted.Topics), len(wanted.Groups)-len(plan.Groups), len(wanted.Groups), len(plan.Offsets))
	if err := plan.Apply(ctx, j.Client, j.Target.Addr, has, metadata.Limits{Entries: mostEntries, Offsets: mostOffsets}); err != nil {
		return Result{Reason: v1alpha1.ReasonTargetUnreachable, Message: fmt.Sprintf("%s; writing to %s failed and is tried again: %s", progress, j.Target.Name, err)}
	}
	return Result{Reason: v1alpha1.ReasonCopying, Message: progress}
}

// shareUsers with every member, because each keeps them for itself. It says why that is not done, "" if it is.
func (j Job) shareUsers(ctx context.Context) (why string) {
	for _, member := range j.Members {
		if _, err := metadata.ShareUsers(ctx, j.Client, j.Source.Addr, member.Addr); err != nil {
			return fmt.Sprintf("the users of %s could not be copied to %s, which is tried again: %s", j.Source.Name, member.Name, err)
		}
	}
	return ""
}

func (j Job) fails(reason, format string, args ...any) Result {
	return Result{Reason: reason, Message: j.Target.Group + " stays hidden from clients: " + fmt.Sprintf(format, args...)}
}

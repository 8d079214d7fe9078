package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

const (
	// copyTimeout bounds a part of a copy.
	copyTimeout = 15 * time.Second
	// copyInterval is how soon the next part follows.
	copyInterval = 100 * time.Millisecond
	// copyEntries and copyOffsets are how much a part is; the status tells the progress from pass to pass.
	copyEntries = 2500
	copyOffsets = 20000
)

// copyMetadata gives hidden groups the topics, consumer groups and offsets that clients will look for.
func (p *brokerPass) copyMetadata(context.Context) (*kube.Waiting, error) {
	for _, g := range p.fleet.Groups {
		if g.State() != scale.Hidden || g.Number >= desired.GroupCount(p.broker) {
			continue
		}
		reason, message := p.copyTo(g)
		if reason == "" {
			p.copied = append(p.copied, g)
			continue
		}
		p.Conditions.Set(v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, reason, message)
		return nil, nil // one after the other: they have the same source
	}
	return nil, nil
}

func (p *brokerPass) isCopied(g *fleet.Group) bool { return slices.Contains(p.copied, g) }

// copyTo has a part of the copy done. It returns why the copy is not complete, "" if it is.
func (p *brokerPass) copyTo(g *fleet.Group) (reason, message string) {
	hidden := func(reason, format string, args ...any) (string, string) {
		return reason, g.Name + " stays hidden from clients: " + fmt.Sprintf(format, args...)
	}
	from, reason, why := p.fleet.Source(g)
	if reason != "" {
		p.LookAgain(pass.Soon)
		return hidden(reason, "%s", why)
	}
	target, source := g.Master(), from.Master()
	if target == nil {
		p.LookAgain(pass.Soon)
		return hidden(v1alpha1.ReasonTargetUnreachable, "it has no master yet")
	}
	job := copying{client: p.Reach.Client, source: p.metadataOf(source, from), target: p.metadataOf(target, g)}
	found := pass.Do(p.jobs, client.ObjectKeyFromObject(p.broker), "copy to "+g.Name, job.source.Addr+" "+job.target.Addr, copyTimeout, job.run)
	switch { // the end of a run wakes the next pass
	case !found.Fresh:
	case found.Result.reason == v1alpha1.ReasonCopying:
		p.LookAgain(copyInterval)
	default:
		p.LookAgain(pass.Soon)
	}
	switch {
	case !found.Known && p.Conditions.Had(v1alpha1.ConditionMetadataCopy): // told by an operator before this one, or of another master
		return p.Conditions.Reason(v1alpha1.ConditionMetadataCopy), p.Conditions.Message(v1alpha1.ConditionMetadataCopy)
	case !found.Known:
		return v1alpha1.ReasonCopying, job.progress()
	case found.Result.reason != "":
		return found.Result.reason, found.Result.message
	case !pods.Ready(target.Pod): // it may refuse messages (probe.Prober.Ready)
		return hidden(v1alpha1.ReasonTargetUnreachable, "it has the topics and consumer groups of %s, but its own master %s is not ready", source.Name, target.Name)
	case !found.Fresh: // it is compared once more before the group is opened
		return v1alpha1.ReasonCopying, job.progress()
	}
	p.announceCopy(g, source, target, found.Result)
	return "", ""
}

// copying the tables of one master to another one.
type copying struct {
	client         *admin.Client
	source, target metadata.Broker
}

// copied says why the copy is not complete, with no reason if it is.
type copied struct {
	reason, message string
	topics, groups  int // that the source has
	plan            metadata.Plan
}

func (c copying) progress() string {
	return fmt.Sprintf("%s stays hidden from clients until it has the topics, consumer groups and offsets of %s", c.target.Group, c.source.Name)
}

func (c copying) fails(reason, format string, args ...any) copied {
	return copied{reason: reason, message: c.target.Group + " stays hidden from clients: " + fmt.Sprintf(format, args...)}
}

// run does a part of the copy, if there is something left to do.
func (c copying) run(ctx context.Context) copied {
	has, err := metadata.Read(ctx, c.client, c.target)
	if err != nil {
		return c.fails(v1alpha1.ReasonTargetUnreachable, "%s does not answer: %s", c.target.Name, err)
	}
	wanted, err := metadata.Read(ctx, c.client, c.source)
	if err != nil {
		return c.fails(v1alpha1.ReasonSourceUnreachable, "%s, whose topics and consumer groups it is to get, does not answer: %s", c.source.Name, err)
	}
	ends, err := metadata.Ends(ctx, c.client, c.target.Addr, wanted, has)
	if err != nil {
		return c.fails(v1alpha1.ReasonTargetUnreachable, "%s", err)
	}

	plan := metadata.ForNewGroup(wanted, has, ends)
	if plan.Empty() {
		if err := metadata.CopyModes(ctx, c.client, c.source.Addr, c.target.Addr, wanted); err != nil {
			return c.fails(v1alpha1.ReasonTargetUnreachable, "the request modes of consumer groups could not be copied from %s: %s", c.source.Name, err)
		}
		return copied{topics: len(wanted.Topics), groups: len(wanted.Groups), plan: plan}
	}
	progress := fmt.Sprintf("%s: copied %d/%d topics, %d/%d consumer groups, %d offsets to go", c.progress(),
		len(wanted.Topics)-len(plan.Topics), len(wanted.Topics), len(wanted.Groups)-len(plan.Groups), len(wanted.Groups), len(plan.Offsets))
	if err := plan.Apply(ctx, c.client, c.target.Addr, has, metadata.Limits{Entries: copyEntries, Offsets: copyOffsets}); err != nil {
		return copied{reason: v1alpha1.ReasonTargetUnreachable, message: fmt.Sprintf("%s; writing to %s failed and is tried again: %s", progress, c.target.Name, err)}
	}
	return copied{reason: v1alpha1.ReasonCopying, message: progress}
}

// metadataOf a group is read and written at this member.
func (p *brokerPass) metadataOf(m *fleet.Member, g *fleet.Group) metadata.Broker {
	return metadata.Broker{Name: m.Name, Addr: m.Dialable, Cluster: desired.ClusterName(p.broker), Group: g.Name}
}

// announceCopy says what came out of a copy, and what the target has otherwise.
func (p *brokerPass) announceCopy(g *fleet.Group, source, target *fleet.Member, done copied) {
	p.Event(target.Pod, v1alpha1.EventMetadataCopied, "%s has the %d topics and %d consumer groups of %s", g.Name, done.topics, done.groups, source.Name)
	if len(done.plan.Differ) > 0 {
		p.Warn(target.Pod, v1alpha1.EventMetadataDiffers, "%s has topics or consumer groups with other settings than at %s, and keeps its own: %s",
			g.Name, source.Name, some(done.plan.Differ))
	}
	if len(done.plan.Gone) > 0 {
		p.Warn(target.Pod, v1alpha1.EventMetadataLeftOver, "%s still has topics from before, which %s does not have; delete them if they are not wanted: %s",
			g.Name, source.Name, some(done.plan.Gone))
	}
}

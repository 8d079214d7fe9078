package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	// copyTimeout bounds the part of a copy that one pass does.
	copyTimeout = 15 * time.Second
	// copyInterval is how soon the next part follows.
	copyInterval = 100 * time.Millisecond
	// copyEntries and copyOffsets are how much a part is; the status tells the progress from pass to pass.
	copyEntries = 2500
	copyOffsets = 20000
)

// copyMetadata gives hidden groups the topics, consumer groups and offsets that clients will look for.
func (p *brokerPass) copyMetadata(ctx context.Context) (*kube.Waiting, error) {
	for _, g := range p.fleet.Groups {
		if g.State() != scale.Hidden || g.Number >= desired.GroupCount(p.broker) {
			continue
		}
		reason, message := p.copyTo(ctx, g)
		switch reason {
		case "":
			p.copied = append(p.copied, g)
			continue
		case v1alpha1.ReasonCopying:
			p.LookAgain(copyInterval)
		default:
			p.LookAgain(pass.Soon)
		}
		p.Conditions.Set(v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, reason, message)
		return nil, nil // one after the other: they have the same source
	}
	return nil, nil
}

func (p *brokerPass) isCopied(g *fleet.Group) bool { return slices.Contains(p.copied, g) }

// copyTo does a part of the copy. It returns why the copy is not complete, "" if it is.
func (p *brokerPass) copyTo(ctx context.Context, g *fleet.Group) (reason, message string) {
	hidden := func(reason, format string, args ...any) (string, string) {
		return reason, g.Name + " stays hidden from clients: " + fmt.Sprintf(format, args...)
	}
	from, reason, why := p.fleet.Source(g)
	if reason != "" {
		return hidden(reason, "%s", why)
	}
	target, source := g.Master(), from.Master()
	if target == nil {
		return hidden(v1alpha1.ReasonTargetUnreachable, "it has no master yet")
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	has, err := metadata.Read(ctx, p.Reach.Client, p.metadataOf(target.Dialable, g.Name))
	if err != nil {
		return hidden(v1alpha1.ReasonTargetUnreachable, "%s does not answer: %s", target.Name, err)
	}
	wanted, err := metadata.Read(ctx, p.Reach.Client, p.metadataOf(source.Dialable, from.Name))
	if err != nil {
		return hidden(v1alpha1.ReasonSourceUnreachable, "%s, whose topics and consumer groups it is to get, does not answer: %s", source.Name, err)
	}
	ends, err := metadata.Ends(ctx, p.Reach.Client, target.Dialable, wanted, has)
	if err != nil {
		return hidden(v1alpha1.ReasonTargetUnreachable, "%s", err)
	}

	plan := metadata.ForNewGroup(wanted, has, ends)
	if plan.Empty() {
		if !pods.Ready(target.Pod) { // it may refuse messages (probe.Prober.Ready)
			return hidden(v1alpha1.ReasonTargetUnreachable, "it has the topics and consumer groups of %s, but its own master %s is not ready", source.Name, target.Name)
		}
		p.announceCopy(g, source, target, wanted, plan)
		return "", ""
	}
	progress := fmt.Sprintf("%s stays hidden from clients until it has the topics, consumer groups and offsets of %s: "+
		"copied %d/%d topics, %d/%d consumer groups, %d offsets to go", g.Name, source.Name,
		len(wanted.Topics)-len(plan.Topics), len(wanted.Topics), len(wanted.Groups)-len(plan.Groups), len(wanted.Groups), len(plan.Offsets))
	if err := plan.Apply(ctx, p.Reach.Client, target.Dialable, has, metadata.Limits{Entries: copyEntries, Offsets: copyOffsets}); err != nil {
		return v1alpha1.ReasonTargetUnreachable, fmt.Sprintf("%s; writing to %s failed and is tried again: %s", progress, target.Name, err)
	}
	return v1alpha1.ReasonCopying, progress
}

// metadataOf a group is read and written at this address.
func (p *brokerPass) metadataOf(addr, group string) metadata.Broker {
	return metadata.Broker{Addr: addr, Cluster: desired.ClusterName(p.broker), Group: group}
}

// announceCopy says what came out of a copy, and what the target has otherwise.
func (p *brokerPass) announceCopy(g *fleet.Group, source, target *fleet.Member, wanted *metadata.Tables, plan metadata.Plan) {
	p.Event(target.Pod, v1alpha1.EventMetadataCopied, "%s has the %d topics and %d consumer groups of %s", g.Name, len(wanted.Topics), len(wanted.Groups), source.Name)
	if len(plan.Differ) > 0 {
		p.Warn(target.Pod, v1alpha1.EventMetadataDiffers, "%s has topics or consumer groups with other settings than at %s, and keeps its own: %s",
			g.Name, source.Name, some(plan.Differ))
	}
	if len(plan.Gone) > 0 {
		p.Warn(target.Pod, v1alpha1.EventMetadataLeftOver, "%s still has topics from before, which %s does not have; delete them if they are not wanted: %s",
			g.Name, source.Name, some(plan.Gone))
	}
}

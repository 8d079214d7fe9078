// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/copying"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

const (
	// copyTimeout bounds a part of a copy.
	copyTimeout = 15 * time.Second
	// copyInterval is how soon the next part follows.
	copyInterval = 100 * time.Millisecond
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
	job := copying.Job{Client: p.client, Source: p.metadataOf(source, from), Target: p.metadataOf(target, g)}
	if p.deps.Auth.Secret != "" {
		job.Members = p.membersOf(g, target)
	}
	found := pass.Do(p.jobs, client.ObjectKeyFromObject(p.broker), "copy to "+g.Name, fmt.Sprint(job.Source.Addr, job.Target.Addr, job.Members), copyTimeout, job.Run)
	switch { // the end of a run wakes the next pass
	case !found.Fresh:
	case found.Result.Reason == v1alpha1.ReasonCopying:
		p.LookAgain(copyInterval)
	default:
		p.LookAgain(pass.Soon)
	}
	switch {
	case !found.Known && p.Conditions.Had(v1alpha1.ConditionMetadataCopy): // told by an operator before this one, or of another master
		return p.Conditions.Reason(v1alpha1.ConditionMetadataCopy), p.Conditions.Message(v1alpha1.ConditionMetadataCopy)
	case !found.Known:
		return v1alpha1.ReasonCopying, job.Progress()
	case found.Result.Reason != "":
		return found.Result.Reason, found.Result.Message
	case !pods.Ready(target.Pod): // it may refuse messages (probe.Prober.Ready)
		return hidden(v1alpha1.ReasonTargetUnreachable, "it has the topics and consumer groups of %s, but its own master %s is not ready", source.Name, target.Name)
	case !found.Fresh: // it is compared once more before the group is opened
		return v1alpha1.ReasonCopying, job.Progress()
	}
	p.announceCopy(g, source, target, found.Result)
	return "", ""
}

// membersOf a group that has this master: it, and the slaves that are ready, any of which may be master next.
func (p *brokerPass) membersOf(g *fleet.Group, master *fleet.Member) []metadata.Broker {
	members := []metadata.Broker{p.metadataOf(master, g)}
	for _, slave := range g.Slaves(master) {
		members = append(members, p.metadataOf(slave, g))
	}
	return members
}

// metadataOf a group is read and written at this member.
func (p *brokerPass) metadataOf(m *fleet.Member, g *fleet.Group) metadata.Broker {
	return metadata.Broker{Name: m.Name, Addr: m.Dialable, Cluster: desired.ClusterName(p.broker), Group: g.Name}
}

// announceCopy says what came out of a copy, and what the target has otherwise.
func (p *brokerPass) announceCopy(g *fleet.Group, source, target *fleet.Member, done copying.Result) {
	p.Event(target.Pod, v1alpha1.EventMetadataCopied, "%s has the %d topics and %d consumer groups of %s", g.Name, done.Topics, done.Groups, source.Name)
	if len(done.Plan.Differ) > 0 {
		p.Warn(target.Pod, v1alpha1.EventMetadataDiffers, "%s has topics or consumer groups with other settings than at %s, and keeps its own: %s",
			g.Name, source.Name, some(done.Plan.Differ))
	}
	if len(done.Plan.Gone) > 0 {
		p.Warn(target.Pod, v1alpha1.EventMetadataLeftOver, "%s still has topics from before, which %s does not have; delete them if they are not wanted: %s",
			g.Name, source.Name, some(done.Plan.Gone))
	}
}

// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// cleanTimeout bounds what one pass asks of the controllers.
const cleanTimeout = 3 * time.Second

// advance moves each group on in its life. The new state is only recorded here: the next pass acts on it.
func (p *brokerPass) advance(ctx context.Context) (*kube.Waiting, error) {
	drain := time.Duration(desired.DrainSeconds(p.broker)) * time.Second
	for _, g := range p.fleet.Groups {
		unshared, shared := "", false
		if g.State() == scale.Closed && p.fleet.Drained(g) && p.fleet.Fenced(g) {
			unshared, shared = p.shareOffsets(g)
		}
		next, why := scale.Next(p.fleet.Life(g, p.isCopied(g), shared), drain)
		moved, waiting, err := p.record(ctx, g, next)
		if waiting != nil || err != nil {
			return waiting, err
		}
		switch {
		case moved:
			p.Event(g.Set, v1alpha1.EventGroupState, "group %s goes from %s to %s: %s", g.Name, g.State(), next, why)
		case p.fleet.Removable(g):
			if err := p.removeGroup(ctx, g); err != nil {
				return nil, err
			}
		case g.State().Leaving():
			p.draining("%s", p.fleet.Leaving(g, unshared))
		case p.fleet.Staying(g) != "":
			p.draining("%s", p.fleet.Staying(g))
		}
	}
	return nil, nil
}

// record the next state of a group at its StatefulSet, and whether the wish to force it out is from before it began to leave.
// It reports whether the state is another one.
func (p *brokerPass) record(ctx context.Context, g *fleet.Group, next scale.State) (moved bool, waiting *kube.Waiting, err error) {
	stale := scale.StaleForce(g.State(), next, g.Record.StaleForce, p.fleet.ForceAsked(g))
	delete(g.Set.Annotations, v1alpha1.AnnotationForceStale)
	if stale {
		g.Set.Annotations[v1alpha1.AnnotationForceStale] = "true"
	}
	moved = next != g.State()
	if moved {
		g.Set.Annotations[v1alpha1.AnnotationState] = string(next)
		g.Set.Annotations[v1alpha1.AnnotationStateSince] = time.Now().UTC().Format(time.RFC3339)
	}
	if !moved && stale == g.Record.StaleForce {
		return false, nil, nil
	}
	waiting, err = p.Apply(ctx, g.Set)
	g.Record.StaleForce = stale
	return moved, waiting, err
}

// draining says what a group or a member that leaves waits for. Much of that is on no watch.
func (p *brokerPass) draining(format string, args ...any) {
	p.Conditions.Raise(v1alpha1.ConditionDraining, format, args...)
	p.LookAgain(pass.Soon)
}

// shareOffsets lets the slaves of a group that leaves know how far everything is consumed: one that is elected when the
// group comes back would hand out again what it does not know. By themselves they ask every 10 s (SlaveSynchronize), on
// 5.5.0 in vain. It returns whether they know now, and what kept that when it was last tried, "" for nothing.
func (p *brokerPass) shareOffsets(g *fleet.Group) (unshared string, shared bool) {
	master := g.Master()
	if master == nil {
		return "the group has no master", false
	}
	from := p.metadataOf(master, g)
	var to []metadata.Broker
	input := master.Dialable
	for _, slave := range g.Slaves(master) {
		to = append(to, p.metadataOf(slave, g))
		input += " " + slave.Dialable
	}
	asks := p.client
	found := pass.Do(p.jobs, client.ObjectKeyFromObject(p.broker), "share offsets of "+g.Name, input, copyTimeout, func(ctx context.Context) string {
		if err := metadata.ShareOffsets(ctx, asks, from, to); err != nil {
			return err.Error()
		}
		return ""
	})
	return found.Result, found.Fresh && found.Result == ""
}

// shrink lets surplus members go, one group and one member at a time.
func (p *brokerPass) shrink(ctx context.Context) (*kube.Waiting, error) {
	for _, g := range p.fleet.Groups {
		if !g.State().Leaving() && g.Record.Members > desired.MemberCount(p.broker) {
			return p.shrinkGroup(ctx, g)
		}
	}
	return nil, nil
}

func (p *brokerPass) shrinkGroup(ctx context.Context, g *fleet.Group) (*kube.Waiting, error) {
	step := p.fleet.Shrink(g)
	leaving := g.Members[len(g.Members)-1]
	switch {
	case step.Waiting != "":
		p.draining("%s", step.Waiting)
		return nil, nil
	case step.HandOver != "":
		p.draining("%s is the master: it hands over to another member before it is removed", step.HandOver)
		if !leaving.Runs() {
			return nil, nil
		}
		p.Event(leaving.Pod, v1alpha1.EventHandingOver, "%s is to leave %s and hands over to another member first", leaving.Name, g.Name)
		return nil, p.DeletePod(ctx, leaving.Pod)
	}

	p.draining("%s is being removed from %s", leaving.Name, g.Name)
	smaller := g.Set.DeepCopy()
	smaller.Spec.Replicas = new(int32(step.Members))
	if waiting, err := p.Apply(ctx, smaller); waiting != nil || err != nil {
		return waiting, err
	}
	p.Event(g.Set, v1alpha1.EventScaled, "group %s goes from %d to %d members", g.Name, len(g.Members), step.Members)
	return nil, nil
}

// cleanRecords removes from the controllers what is on no disk any more: members that left with their disk, and the old
// identity of one that came back on an empty disk. A retained disk keeps its record: without it, its broker could
// never register again.
func (p *brokerPass) cleanRecords(ctx context.Context) (*kube.Waiting, error) {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	for _, g := range p.fleet.Groups {
		gone := p.fleet.GoneReplicas(g)
		if len(gone) == 0 {
			continue
		}
		err := p.client.CleanBrokerData(ctx, p.fleet.Leader, desired.ClusterName(p.broker), g.Name, gone...)
		if err != nil {
			p.Retry(g.Set, v1alpha1.EventRecordNotCleaned, "the controllers still list brokers %v of %s, whose disks are gone; "+
				"removing the entries failed and is tried again: %s", gone, g.Name, err)
			continue
		}
		p.Event(g.Set, v1alpha1.EventRecordCleaned, "the controllers no longer list brokers %v of %s, whose disks are gone", gone, g.Name)
	}
	return nil, nil
}

// some of many names.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

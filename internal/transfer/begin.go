// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"maps"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
)

// pending checks everything that can be checked before anything is changed, and records what it found.
func (d *decider) pending() {
	if d.seen.Deleting {
		d.wait(string(v1alpha1.TransferPending), "nothing was changed")
		return
	}
	if d.spec.Abort {
		d.Status.RollBackReason = "spec.abort is set"
		d.enter(v1alpha1.TransferRolledBack, "nothing was changed: %s", d.Status.RollBackReason)
		return
	}
	d.identify()
	found := d.obstacle()
	switch {
	case found != nil && d.longerThan(d.stepTimeout(), d.Status.PhaseSince):
		d.Status.RollBackReason = found.Message
		d.enter(v1alpha1.TransferRolledBack, "nothing was changed: %s", found.Message)
		d.Waiting.Reason = found.Reason
	case found != nil:
		d.Waiting = *found
	default:
		d.snapshot()
		d.enter(v1alpha1.TransferCreateTarget, "moves topic %s with %s from cluster %s to cluster %s", d.spec.Topic,
			d.movedCount(), d.seen.Source.Cluster, d.seen.Target.Cluster)
	}
}

// identify records which clusters these are, so that the user can see it.
func (d *decider) identify() {
	for _, c := range []struct {
		seen     *Cluster
		recorded **v1alpha1.TransferCluster
	}{{&d.seen.Source, &d.Status.Source}, {&d.seen.Target, &d.Status.Target}} {
		*c.recorded = nil
		if c.seen.Cluster != "" {
			*c.recorded = &v1alpha1.TransferCluster{Name: c.seen.Name, Namespace: c.seen.Namespace, Cluster: c.seen.Cluster}
		}
	}
}

func (d *decider) obstacle() *Obstacle {
	source, target := &d.seen.Source, &d.seen.Target
	if strings.HasPrefix(d.spec.Topic, admin.RetryTopic("")) || strings.HasPrefix(d.spec.Topic, admin.DeadTopic("")) || admin.IsSystemTopic(d.spec.Topic, source.Cluster, "") {
		return obstacle(v1alpha1.ReasonSystemTopic, "topic %s is RocketMQ's own: each cluster has one, and none can be moved", d.spec.Topic)
	}
	for _, c := range []*Cluster{source, target} {
		if c.Obstacle != nil {
			return c.Obstacle
		}
	}
	if source.Name == target.Name && source.Namespace == target.Namespace {
		return obstacle(v1alpha1.ReasonSameCluster, "source and target are both Broker %s/%s: name two", source.Namespace, source.Name)
	}
	if source.Cluster == target.Cluster && source.sharesNameServers(target) {
		return obstacle(v1alpha1.ReasonSameCluster, "Brokers %s and %s make up one cluster, %s, at the same name servers", source.Name, target.Name, source.Cluster)
	}
	if d.seen.Obstacle != nil {
		return d.seen.Obstacle
	}
	for _, c := range []*Cluster{source, target} {
		if unknown := c.unknown(); unknown != nil {
			return unknown
		}
	}
	return d.contentObstacle()
}

// contentObstacle is an obstacle in the topic or the consumer groups.
func (d *decider) contentObstacle() *Obstacle {
	var having []Broker
	writable, consumed, messages := false, false, false
	for _, b := range d.seen.Source.Brokers {
		if admin.IsSystemTopic(d.spec.Topic, d.seen.Source.Cluster, b.Name) {
			return obstacle(v1alpha1.ReasonSystemTopic, "topic %s is RocketMQ's own: each cluster has one, and none can be moved", d.spec.Topic)
		}
		if b.Topic == nil {
			continue
		}
		having = append(having, b)
		writable = writable || b.Topic.Perm&admin.PermWrite != 0
		consumed = consumed || len(b.Consumers) > 0
		for _, q := range b.Queues {
			messages = messages || q.MaxOffset > q.MinOffset
		}
	}
	switch {
	case len(having) == 0:
		return obstacle(v1alpha1.ReasonTopicMissing, "no broker of cluster %s has topic %s", d.seen.Source.Cluster, d.spec.Topic)
	case !writable:
		return obstacle(v1alpha1.ReasonNoWritePermission, "topic %s has no write permission at cluster %s: give it back (perm 6) if nobody withdrew it on purpose", d.spec.Topic, d.seen.Source.Cluster)
	}
	for _, group := range d.spec.Groups {
		if _, exists := d.settings(group, 0); !exists {
			return obstacle(v1alpha1.ReasonGroupMissing, "no broker of cluster %s has consumer group %s, which spec.groups names", d.seen.Source.Cluster, group)
		}
	}
	if len(d.open()) == 0 {
		return obstacle(v1alpha1.ReasonNoWritePermission, "no broker of cluster %s lets clients write", d.seen.Target.Cluster)
	}
	if !consumed && messages && len(d.spec.Groups) == 0 && !d.spec.DiscardUnconsumed {
		return d.unconsumed(having)
	}
	return d.conflict(having)
}

func (d *decider) unconsumed(brokers []Broker) *Obstacle {
	sum := int64(0)
	var names []string
	for _, b := range brokers {
		here := int64(0)
		for _, q := range b.Queues {
			here += q.MaxOffset - q.MinOffset
		}
		if here > 0 {
			sum += here
			names = append(names, b.Name)
		}
	}
	return obstacle(v1alpha1.ReasonUnconsumed, "no consumer group consumes topic %s, so the %d messages at %s would be lost: consume them, or create the TopicTransfer "+
		"with discardUnconsumed: true", d.spec.Topic, fleet.Rounded(sum), strings.Join(names, ", "))
}

// open are the brokers of the target that take part. A hidden broker gets its metadata from the others later; a draining one needs
// none.
func (d *decider) open() []Broker {
	return slices.DeleteFunc(slices.Clone(d.seen.Target.Brokers), func(b Broker) bool { return b.Perm&admin.PermWrite == 0 })
}

// conflict is an obstacle if the target already has the topic and its settings do not fit the source's messages or clients.
func (d *decider) conflict(having []Broker) *Obstacle {
	for i, b := range d.open() {
		has, wanted := b.Topic, having[i%len(having)].Topic
		switch {
		case has == nil:
		case messageType(has) != messageType(wanted):
			return obstacle(v1alpha1.ReasonTargetConflict, "%s has a topic %s for messages of type %s, not %s: remove it, or move to another cluster", b.Name, d.spec.Topic,
				messageType(has), messageType(wanted))
		case has.ReadQueues < wanted.ReadQueues || has.WriteQueues < wanted.WriteQueues:
			return obstacle(v1alpha1.ReasonTargetConflict, "%s has a topic %s with only %d queues to read and %d to write, not %d and %d: give it as many, or remove it", b.Name,
				d.spec.Topic, has.ReadQueues, has.WriteQueues, wanted.ReadQueues, wanted.WriteQueues)
		case wanted.Perm&^has.Perm != 0:
			return obstacle(v1alpha1.ReasonTargetConflict, "%s has a topic %s with permission %d, not %d: give it that, or remove it", b.Name, d.spec.Topic, has.Perm, wanted.Perm)
		}
	}
	return nil
}

// messageType is the topic's attribute, TopicMessageType.NORMAL if it has none.
func messageType(t *admin.TopicConfig) string {
	if kind := t.Attributes["message.type"]; kind != "" {
		return kind
	}
	return "NORMAL"
}

// snapshot records the source as it was found.
func (d *decider) snapshot() {
	var having []Broker
	for _, b := range d.seen.Source.Brokers {
		d.Status.Source.Brokers = append(d.Status.Source.Brokers, v1alpha1.TransferBroker{Name: b.Name, Topic: recorded(b.Topic)})
		if b.Topic != nil {
			having = append(having, b)
		}
	}
	d.Status.Groups = d.groups()
	for i, b := range d.open() {
		broker := v1alpha1.TransferBroker{Name: b.Name, Topic: recorded(b.Topic), Wanted: recorded(having[i%len(having)].Topic)}
		for _, group := range d.moved() {
			if _, exists := b.Groups[group]; !exists {
				broker.CreatedGroups = append(broker.CreatedGroups, group)
			}
		}
		d.Status.Target.Brokers = append(d.Status.Target.Brokers, broker)
	}
}

// groups are those that consume the topic at a broker of the source, and those that the spec names.
func (d *decider) groups() []v1alpha1.TransferGroup {
	found := map[string]v1alpha1.TransferGroup{}
	for _, b := range d.seen.Source.Brokers {
		for _, group := range b.Consumers {
			if _, exists := d.settings(group, 0); exists { // the offsets of a deleted group may still be there
				found[group] = v1alpha1.TransferGroup{Name: group, Stays: len(d.spec.Groups) > 0}
			}
		}
	}
	for _, group := range d.spec.Groups {
		found[group] = v1alpha1.TransferGroup{Name: group}
	}
	return slices.Collect(func(yield func(v1alpha1.TransferGroup) bool) {
		for _, name := range slices.Sorted(maps.Keys(found)) {
			if !yield(found[name]) {
				return
			}
		}
	})
}

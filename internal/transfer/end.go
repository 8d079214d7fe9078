// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// cleanSource is repeated until nothing remains. Everything is consumed by now, so there is no way back and no need for one.
func (d *decider) cleanSource() {
	d.clean()
	limit := d.stepTimeout()
	if d.Status.UnroutedSince != nil {
		limit += noticeTime
	}
	if d.Recorded && d.longerThan(limit, d.Status.PhaseSince) {
		d.Stalled = d.Waiting.Message
	}
}

func (d *decider) clean() {
	source := &d.seen.Source
	if source.Gone {
		d.complete("cluster " + d.Status.Source.Cluster + " does not exist any more, so nothing was cleaned there")
		return
	}
	if d.spec.StrictOrder && !d.seen.Target.Gone {
		if unknown := d.seen.Target.unknown(); unknown != nil {
			d.Waiting = *unknown
			return
		}
		if actions := d.openTopics(); len(actions) > 0 {
			d.do(actions, "cluster %s opens topic %s", d.Status.Target.Cluster, d.spec.Topic)
			return
		}
	}
	if source.Obstacle != nil {
		d.Waiting = *source.Obstacle
		return
	}
	actions, left := d.cleanTopics()
	if d.Recorded && len(actions)+len(left) == 0 {
		actions, left = d.cleanRoutes()
	}
	if d.Recorded && len(actions) > 0 && d.Status.UnroutedSince != nil { // a producer has created the topic again
		d.Status.UnroutedSince = nil
		d.record(string(d.Status.Phase), "cluster %s has topic %s again", d.Status.Source.Cluster, d.spec.Topic)
	}
	if d.Recorded && len(actions)+len(left) == 0 {
		left = d.unnoticed()
	}
	if d.Recorded && len(actions)+len(left) == 0 {
		actions = d.cleanGroups()
	}
	if d.Recorded && len(actions)+len(left) == 0 && !d.longerThan(d.stepTimeout(), d.Status.PhaseSince) {
		left = d.stale()
	}
	switch {
	case !d.Recorded:
	case len(actions) > 0:
		var what []string
		for _, a := range actions {
			what = append(what, a.String())
		}
		d.do(actions, "cluster %s is cleaned: %s", d.Status.Source.Cluster, some(append(what, left...)))
	case len(left) > 0:
		d.wait(string(d.Status.Phase), "cluster %s is not clean yet: %s", d.Status.Source.Cluster, some(left))
	default:
		d.complete(append(d.kept(), d.stale()...)...)
	}
}

// stale says which slaves would bring back what was changed, if they were elected now.
func (d *decider) stale() (left []string) {
	for i := range d.Status.Source.Brokers {
		if now := d.seen.Source.broker(d.Status.Source.Brokers[i].Name); now != nil && len(now.Stale) > 0 {
			left = append(left, fmt.Sprintf("a slave of %s (%s) has not taken over yet how topic %s is at its master, and would bring back what it has if it became "+
				"master", now.Name, strings.Join(now.Stale, ", "), d.spec.Topic))
		}
	}
	return left
}

func (d *decider) complete(left ...string) {
	d.Status.Left, d.Status.FencedSince, d.Status.UnroutedSince = left, nil, nil
	zero := int64(0)
	d.Status.Lag = &zero
	for i := range d.Status.Groups {
		d.Status.Groups[i].Lags = nil
	}
	text := fmt.Sprintf("topic %s with %s is at cluster %s", d.spec.Topic, d.movedCount(), d.Status.Target.Cluster)
	if len(left) > 0 {
		text += "; " + some(left)
	}
	d.enter(v1alpha1.TransferCompleted, "%s", text)
}

// cleanTopics deletes the topic where it is fenced and consumed. If a producer with an old route has created it again meanwhile, it is
// first consumed and fenced.
func (d *decider) cleanTopics() (actions []Action, left []string) {
	var ready []fenced
	for i := range d.Status.Source.Brokers {
		b := &d.Status.Source.Brokers[i]
		now := d.seen.Source.broker(b.Name)
		switch {
		case now == nil:
		case now.Err != "":
			left = append(left, fmt.Sprintf("%s: %s", b.Name, now.Err))
		case now.Topic == nil:
		case d.unconsumedAt(now) && now.fenced(): // messages that came before the fence
			actions = append(actions, Action{Kind: PutTopic, Broker: b.Name, WantedTopic: closed(d.config(topicOf(d.Status.Source))), CurrentTopic: now.Topic})
		case d.unconsumedAt(now):
			left = append(left, fmt.Sprintf("%s got messages again, which are to be consumed first", b.Name))
		default:
			ready = append(ready, fenced{b.Name, now})
		}
	}
	if len(actions) > 0 || len(ready) == 0 {
		return actions, left
	}
	if !d.fence(false, ready) {
		if d.Recorded {
			left = append(left, d.Waiting.Message)
		}
		return d.Actions, left
	}
	for _, t := range ready {
		actions = append(actions, Action{Kind: DeleteTopic, Broker: t.name, CurrentTopic: t.now.Topic})
	}
	return actions, left
}

// topicOf is the topic as it was found first.
func topicOf(c *v1alpha1.TransferCluster) *v1alpha1.TransferTopic {
	for _, b := range c.Brokers {
		if b.Topic != nil {
			return b.Topic
		}
	}
	return nil
}

func (d *decider) unconsumedAt(now *Broker) bool {
	for _, g := range d.Status.Groups {
		if (!g.Stays || !d.spec.DiscardUnconsumed) && lag(now, g.Name) > 0 {
			return true
		}
	}
	return false
}

func (d *decider) cleanRoutes() (actions []Action, left []string) {
	for _, n := range d.seen.Source.NameServers {
		switch {
		case n.Err != "":
			left = append(left, fmt.Sprintf("name server %s: %s", n.Addr, n.Err))
		case n.leadsTo(d.Status.Source.Brokers):
			actions = append(actions, Action{Kind: DeleteRoute, NameServer: n.Addr})
		}
	}
	return actions, left
}

// unnoticed are the consumer groups whose consumers may still hold the source's queues. Such a consumer remembers its position in a
// queue. If the topic were created again there, it would go on from that position, and skip messages.
func (d *decider) unnoticed() (left []string) {
	for _, g := range d.Status.Groups {
		if slices.ContainsFunc(d.seen.Source.Brokers, func(b Broker) bool { return b.Online[g.Name] }) {
			left = append(left, fmt.Sprintf("consumers of %s get %.0f s to notice that topic %s has left", g.Name, noticeTime.Seconds(), d.spec.Topic))
		}
	}
	switch {
	case len(left) > 0 && d.Status.UnroutedSince == nil:
		now := metav1.NewTime(d.seen.Now)
		d.Status.UnroutedSince = &now
		d.record(string(d.Status.Phase), "%s", some(left))
	case d.longerThan(noticeTime, d.Status.UnroutedSince):
		return nil
	}
	return left
}

// cleanGroups removes each consumer group once, unless it consumes other topics. Consumers that are still connected may create it
// again, with default settings, until they notice that the topic is gone.
func (d *decider) cleanGroups() (actions []Action) {
	for _, group := range d.moved() {
		if len(d.otherTopics(group)) > 0 {
			continue
		}
		for _, b := range d.Status.Source.Brokers {
			now := d.seen.Source.broker(b.Name)
			if now == nil || slices.Contains(b.CleanedGroups, group) {
				continue
			}
			if _, exists := now.Groups[group]; exists {
				actions = append(actions, Action{Kind: RemoveGroup, Broker: b.Name, Group: group})
			}
		}
	}
	return actions
}

// otherTopics are those that a consumer group also consumes at the source.
func (d *decider) otherTopics(group string) []string {
	var topics []string
	for _, b := range d.seen.Source.Brokers {
		topics = append(topics, b.Others[group]...)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// kept says which consumer groups stay at the source, and why.
func (d *decider) kept() (left []string) {
	for _, group := range d.moved() {
		if others := d.otherTopics(group); len(others) > 0 {
			left = append(left, fmt.Sprintf("consumer group %s stays at cluster %s too, where it consumes %s", group, d.Status.Source.Cluster, some(others)))
		}
	}
	return left
}

// rollBack restores the source as it was, then removes from the target what is not in use.
func (d *decider) rollBack() {
	if actions, left := d.restoreSource(); len(actions)+len(left) > 0 {
		d.do(actions, "cluster %s gets topic %s back as it was%s", d.Status.Source.Cluster, d.spec.Topic, because(left))
		if d.longerThan(d.stepTimeout(), d.Status.PhaseSince) {
			d.Stalled = d.Waiting.Message
		}
		return
	}
	left, done := d.clearTarget()
	if !done {
		return
	}
	left = append(left, d.stale()...)
	d.Status.Left, d.Status.FencedSince = left, nil
	text := fmt.Sprintf("cluster %s has topic %s as before: %s", d.Status.Source.Cluster, d.spec.Topic, d.Status.RollBackReason)
	if d.seen.Source.Gone {
		text = fmt.Sprintf("cluster %s does not exist any more: %s", d.Status.Source.Cluster, d.Status.RollBackReason)
	}
	if len(left) > 0 {
		text += ". Left behind: " + some(left)
	}
	d.enter(v1alpha1.TransferRolledBack, "%s", text)
}

func (d *decider) restoreSource() (actions []Action, left []string) {
	source := &d.seen.Source
	switch {
	case source.Gone:
		return nil, nil
	case source.Obstacle != nil:
		return nil, []string{source.Obstacle.Message}
	}
	d.sources(func(b *v1alpha1.TransferBroker, now *Broker) {
		if now.Err != "" {
			left = append(left, fmt.Sprintf("%s: %s", b.Name, now.Err))
			return
		}
		wanted := d.config(b.Topic)
		if now.Topic != nil {
			wanted.ReadQueues = max(wanted.ReadQueues, now.Topic.ReadQueues) // somebody may have added queues, and they may have messages
		}
		if now.Topic == nil || !now.Topic.Equal(wanted) {
			actions = append(actions, Action{Kind: PutTopic, Broker: b.Name, WantedTopic: wanted, CurrentTopic: now.Topic})
		}
	})
	if len(actions)+len(left) == 0 && !d.longerThan(d.stepTimeout(), d.Status.PhaseSince) {
		left = d.stale()
	}
	return actions, left
}

// clearTarget removes what this transfer has created. It returns what is left, and whether it is done.
func (d *decider) clearTarget() (left []string, done bool) {
	target := &d.seen.Target
	if target.Gone {
		return nil, true
	}
	if unknown := target.unknown(); unknown != nil {
		if d.longerThan(d.stepTimeout(), d.Status.PhaseSince) {
			return []string{fmt.Sprintf("what was made at cluster %s, because it could not be reached: %s", d.Status.Target.Cluster, unknown.Message)}, true
		}
		d.Waiting = *unknown
		return nil, false
	}
	actions, left, clean := d.clearTopics()
	if !d.Recorded {
		return nil, false
	}
	if len(actions) == 0 && clean {
		for _, n := range target.NameServers {
			if n.leadsTo(d.Status.Target.Brokers) {
				actions = append(actions, Action{Kind: DeleteRoute, Target: true, NameServer: n.Addr})
			}
		}
	}
	if len(actions) == 0 {
		var kept []string
		actions, kept = d.clearGroups()
		left = append(left, kept...)
	}
	if len(actions) > 0 {
		d.do(actions, "cluster %s loses what it got", d.Status.Target.Cluster)
		return nil, false
	}
	return left, d.Waiting.Reason == ""
}

// clearTopics deletes topics that nobody has written to. clean: no broker of the target has the topic any more.
func (d *decider) clearTopics() (actions []Action, left []string, clean bool) {
	clean = true
	var empty []fenced
	d.targets(func(_ int, b *v1alpha1.TransferBroker, now *Broker) {
		clean = clean && now.Topic == nil
		if b.Topic != nil || now.Topic == nil {
			return
		}
		readable := closed(d.config(b.Wanted))
		because := ""
		switch {
		case now.messages():
			because = "it has messages, which consumers can read"
		case now.Half+now.Delayed > 0:
			because = "messages are on their way to it, delayed or in a transaction"
		default:
			empty = append(empty, fenced{b.Name, now})
			return
		}
		left = append(left, fmt.Sprintf("topic %s at %s, closed, because %s", d.spec.Topic, b.Name, because))
		if !now.Topic.Equal(readable) {
			actions = append(actions, Action{Kind: PutTopic, Target: true, Broker: b.Name, WantedTopic: readable, CurrentTopic: now.Topic})
		}
	})
	if len(actions) == 0 && len(empty) > 0 {
		if d.fence(true, empty) {
			for _, t := range empty {
				actions = append(actions, Action{Kind: DeleteTopic, Target: true, Broker: t.name, CurrentTopic: t.now.Topic})
			}
		} else {
			actions = d.Actions
		}
	}
	for _, b := range d.seen.Target.Brokers {
		clean = clean && b.Topic == nil
	}
	return actions, left, clean
}

// clearGroups removes the consumer groups that this transfer has created and that nobody uses.
func (d *decider) clearGroups() (actions []Action, left []string) {
	d.targets(func(_ int, b *v1alpha1.TransferBroker, now *Broker) {
		for _, group := range b.CreatedGroups {
			_, exists := now.Groups[group]
			switch {
			case !exists:
			case now.Topic != nil:
				left = append(left, fmt.Sprintf("consumer group %s at %s, because topic %s is there", group, b.Name, d.spec.Topic))
			case now.Online[group]:
				left = append(left, fmt.Sprintf("consumer group %s at %s, because consumers are connected", group, b.Name))
			case len(now.Others[group]) > 0:
				left = append(left, fmt.Sprintf("consumer group %s at %s, because it consumes %s", group, b.Name, some(now.Others[group])))
			default:
				actions = append(actions, Action{Kind: RemoveGroup, Target: true, Broker: b.Name, Group: group})
			}
		}
	})
	return actions, left
}

func because(left []string) string {
	if len(left) == 0 {
		return ""
	}
	return ": " + some(left)
}

// some lists the first few of many.
func some(what []string) string {
	const most = 5
	if len(what) <= most {
		return strings.Join(what, "; ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(what[:most], "; "), len(what)-most)
}

// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
)

// createTarget creates the consumer groups, then the topic without write permission, then the offsets. Only then may clients write.
func (d *decider) createTarget() {
	for _, c := range []*Cluster{&d.seen.Source, &d.seen.Target} {
		if unknown := c.unknown(); unknown != nil {
			d.Waiting = *unknown
			return
		}
	}
	if what, actions := d.lacking(); what != "" {
		d.do(actions, "cluster %s %s", d.Status.Target.Cluster, what)
		return
	}
	for _, n := range d.seen.Target.NameServers {
		for _, b := range d.Status.Target.Brokers {
			wanted := b.Wanted.Perm
			if d.spec.StrictOrder || b.Topic != nil {
				wanted &^= admin.PermWrite
			}
			if perm, known := n.Perms[b.Name]; !known || int(wanted)&^perm != 0 {
				d.wait(string(d.Status.Phase), "name server %s does not show topic %s at %s yet", n.Addr, d.spec.Topic, b.Name)
				return
			}
		}
	}
	d.enter(v1alpha1.TransferForbidWrites, "cluster %s has topic %s and its consumer groups; producers are asked to leave cluster %s", d.Status.Target.Cluster,
		d.spec.Topic, d.Status.Source.Cluster)
}

// lacking is what the target gets next, "" if it has everything.
func (d *decider) lacking() (what string, actions []Action) {
	for _, stage := range []struct {
		what string
		next func() []Action
	}{
		{"gets the consumer groups", d.putGroups},
		{"gets topic " + d.spec.Topic, d.putTopics},
		{"gets consumer offsets", d.putOffsets},
		{"opens topic " + d.spec.Topic, d.openTopics},
	} {
		if actions := stage.next(); len(actions) > 0 {
			return stage.what, actions
		}
	}
	return "", nil
}

// targets are the recorded brokers of the target that exist.
func (d *decider) targets(visit func(place int, b *v1alpha1.TransferBroker, now *Broker)) {
	for i := range d.Status.Target.Brokers {
		b := &d.Status.Target.Brokers[i]
		if now := d.seen.Target.broker(b.Name); now != nil {
			visit(i, b, now)
		}
	}
}

// sources are the recorded brokers of the source that had the topic and exist.
func (d *decider) sources(visit func(b *v1alpha1.TransferBroker, now *Broker)) {
	for i := range d.Status.Source.Brokers {
		b := &d.Status.Source.Brokers[i]
		if now := d.seen.Source.broker(b.Name); now != nil && b.Topic != nil {
			visit(b, now)
		}
	}
}

// putGroups creates the consumer groups that are missing. If consumers have created one meanwhile, with default settings, it gets the
// right ones.
func (d *decider) putGroups() (actions []Action) {
	d.targets(func(place int, b *v1alpha1.TransferBroker, now *Broker) {
		for _, group := range b.CreatedGroups {
			wanted, ok := d.settings(group, place)
			has, exists := now.Groups[group]
			if !ok || (exists && has.Equal(wanted)) {
				continue
			}
			a := Action{Kind: PutGroup, Target: true, Broker: b.Name, Group: group, WantedGroup: wanted}
			if exists {
				a.CurrentGroup = &has
			}
			actions = append(actions, a)
		}
	})
	return actions
}

func (d *decider) putTopics() (actions []Action) {
	d.targets(func(_ int, b *v1alpha1.TransferBroker, now *Broker) {
		wanted := d.config(b.Wanted)
		if b.Topic != nil || (now.Topic != nil && (now.Topic.Equal(wanted) || now.Topic.Equal(closed(wanted)))) {
			return
		}
		actions = append(actions, Action{Kind: PutTopic, Target: true, Broker: b.Name, WantedTopic: closed(wanted), CurrentTopic: now.Topic})
	})
	return actions
}

// putOffsets stores an offset where a consumer group has none. In a new queue that is the start, so that nothing is skipped. In a queue
// that existed it is the end, so that nothing old comes again, unless the group is already consuming there.
func (d *decider) putOffsets() (actions []Action) {
	d.targets(func(_ int, b *v1alpha1.TransferBroker, now *Broker) {
		if now.Topic == nil {
			return
		}
		var offsets []admin.ConsumerOffset
		for _, group := range d.moved() {
			if b.Topic != nil && now.Online[group] {
				continue
			}
			for queue := range max(now.Topic.ReadQueues, now.Topic.WriteQueues) {
				if _, has := now.Offsets[group][queue]; has {
					continue
				}
				o := admin.ConsumerOffset{Topic: d.spec.Topic, Group: group, Queue: queue}
				if b.Topic != nil {
					o.Offset = now.Queues[queue].MaxOffset
				}
				offsets = append(offsets, o)
			}
		}
		if len(offsets) > 0 {
			actions = append(actions, Action{Kind: PutOffsets, Target: true, Broker: b.Name, Offsets: offsets})
		}
	})
	return actions
}

// openTopics gives write permission to the topics that were created, unless producers are to wait.
func (d *decider) openTopics() []Action {
	if d.spec.StrictOrder && d.Status.Phase != v1alpha1.TransferCleanSource {
		return nil
	}
	var actions []Action
	d.targets(func(_ int, b *v1alpha1.TransferBroker, now *Broker) {
		if wanted := d.config(b.Wanted); b.Topic == nil && now.Topic != nil && !now.Topic.Equal(wanted) {
			actions = append(actions, Action{Kind: PutTopic, Target: true, Broker: b.Name, WantedTopic: wanted, CurrentTopic: now.Topic})
		}
	})
	return actions
}

func (d *decider) forbidWrites() {
	if unknown := d.seen.Source.unknown(); unknown != nil {
		d.Waiting = *unknown
		return
	}
	if d.adopt() {
		return
	}
	actions := d.closeSource()
	if len(actions) > 0 {
		d.do(actions, "cluster %s withdraws write permission from topic %s", d.Status.Source.Cluster, d.spec.Topic)
		return
	}
	for _, n := range d.seen.Source.NameServers {
		for _, b := range d.Status.Source.Brokers {
			if n.Perms[b.Name]&admin.PermWrite != 0 {
				d.wait(string(d.Status.Phase), "name server %s still shows topic %s writable at %s", n.Addr, d.spec.Topic, b.Name)
				return
			}
		}
	}
	d.enter(v1alpha1.TransferDrain, "clients that ask for routes no longer send to cluster %s; what is left there is consumed", d.Status.Source.Cluster)
}

// closeSource withdraws write permission wherever the source has it.
func (d *decider) closeSource() (actions []Action) {
	d.sources(func(b *v1alpha1.TransferBroker, now *Broker) {
		if now.Topic != nil && now.Topic.Perm&admin.PermWrite != 0 {
			actions = append(actions, Action{Kind: PutTopic, Broker: b.Name, WantedTopic: closed(*now.Topic), CurrentTopic: now.Topic})
		}
	})
	return actions
}

// adopt records what has joined since: a broker with the topic, or a consumer group. It reports whether there was any.
func (d *decider) adopt() bool {
	known := map[string]int{}
	first := -1
	for i, b := range d.Status.Source.Brokers {
		known[b.Name] = i
		if first < 0 && b.Topic != nil {
			first = i
		}
	}
	for _, b := range d.seen.Source.Brokers {
		i, listed := known[b.Name]
		if b.Topic == nil || (listed && d.Status.Source.Brokers[i].Topic != nil) {
			continue
		}
		topic := recorded(b.Topic)
		topic.Perm = d.Status.Source.Brokers[first].Topic.Perm // its permission may be a copy of one that has already been withdrawn
		if !listed {
			d.Status.Source.Brokers = append(d.Status.Source.Brokers, v1alpha1.TransferBroker{Name: b.Name})
			i = len(d.Status.Source.Brokers) - 1
		}
		d.Status.Source.Brokers[i].Topic = topic
		d.enter(v1alpha1.TransferForbidWrites, "%s has topic %s now, and is drained too", b.Name, d.spec.Topic)
		return true
	}
	for _, g := range d.groups() {
		if slices.ContainsFunc(d.Status.Groups, func(have v1alpha1.TransferGroup) bool { return have.Name == g.Name }) {
			continue
		}
		d.Status.Groups = append(d.Status.Groups, g)
		if g.Stays {
			d.record(string(d.Status.Phase), "consumer group %s consumes topic %s now, and stays", g.Name, d.spec.Topic)
			return true
		}
		for i := range d.Status.Target.Brokers {
			b := &d.Status.Target.Brokers[i]
			if now := d.seen.Target.broker(b.Name); now != nil && now.Err == "" {
				if _, exists := now.Groups[g.Name]; !exists {
					b.CreatedGroups = append(b.CreatedGroups, g.Name)
				}
			}
		}
		d.enter(v1alpha1.TransferCreateTarget, "consumer group %s consumes topic %s now, and moves too", g.Name, d.spec.Topic)
		return true
	}
	return false
}

// drain waits until everything is consumed, then fences the topic and looks once more. Only if everything is still consumed the topic
// may be deleted.
func (d *decider) drain() {
	if held := d.Status.HeldSince; held != nil && !d.spec.HoldBeforeClean { // the time that it was held does not count
		since := d.drainSince()
		since.Time = since.Add(d.seen.Now.Sub(held.Time))
		d.Status.HeldSince = nil
		d.record(string(v1alpha1.TransferDrain), "cluster %s is held no longer", d.Status.Source.Cluster)
		return
	}
	if unknown := d.seen.Source.unknown(); unknown != nil {
		d.Waiting = *unknown
		return
	}
	if d.adopt() {
		return
	}
	if actions := d.closeSource(); len(actions) > 0 { // a new master lacked this change
		d.do(actions, "cluster %s withdraws write permission from topic %s again", d.Status.Source.Cluster, d.spec.Topic)
		return
	}
	if lost := d.lostTopic(); lost != "" {
		d.wait(string(v1alpha1.TransferDrain), "%s has no topic %s now. A new master gets it back soon; if it was deleted there, set spec.abort to have it as before", lost, d.spec.Topic)
		return
	}
	d.countLags()
	left, unknown := d.left(), d.seen.Target.unknown()
	switch {
	case left != "":
		d.unfence(string(v1alpha1.TransferDrain), left)
	case d.spec.HoldBeforeClean:
		d.unfence(v1alpha1.ReasonHolding, fmt.Sprintf("cluster %s is drained. Repoint the clients that use other name servers, then set spec.holdBeforeClean to false "+
			"to delete topic %s there, or spec.abort to take everything back", d.Status.Source.Cluster, d.spec.Topic))
		if d.Status.HeldSince == nil {
			now := metav1.NewTime(d.seen.Now)
			d.Status.HeldSince = &now
			d.record(v1alpha1.ReasonHolding, "%s", d.Waiting.Message)
		}
	case unknown != nil:
		d.unfence(unknown.Reason, unknown.Message)
	default:
		var topics []fenced
		d.sources(func(b *v1alpha1.TransferBroker, now *Broker) { topics = append(topics, fenced{b.Name, now}) })
		if !d.fence(false, topics) {
			return
		}
		if what, _ := d.lacking(); what != "" { // a new master of the target lacks something
			d.enter(v1alpha1.TransferCreateTarget, "cluster %s %s once more", d.Status.Target.Cluster, what)
		} else {
			d.enter(v1alpha1.TransferCleanSource, "cluster %s is drained, and takes no message to topic %s any more; the topic and its consumer groups leave it", d.Status.Source.Cluster, d.spec.Topic)
		}
	}
}

// lostTopic is a broker of the source that had the topic and does not have it now, "" if there is none. After a failover the new master
// may lack the topic: then it shows no lag, but it has the messages.
func (d *decider) lostTopic() (name string) {
	d.sources(func(b *v1alpha1.TransferBroker, now *Broker) {
		if now.Topic == nil && name == "" {
			name = b.Name
		}
	})
	return name
}

// fenced is a broker whose topic is to be fenced.
type fenced struct {
	name string
	now  *Broker
}

// fence reports whether brokers have refused every message for so long that all earlier ones are counted. If not, it does the next step
// towards that.
func (d *decider) fence(target bool, topics []fenced) bool {
	var actions []Action
	behind := false
	for _, t := range topics {
		behind = behind || t.now.Behind
		if t.now.Topic != nil && !t.now.fenced() {
			actions = append(actions, Action{Kind: PutTopic, Target: target, Broker: t.name, WantedTopic: fence(*t.now.Topic), CurrentTopic: t.now.Topic})
		}
	}
	const text = "topic %s refuses every message now; checking once more that all are consumed"
	switch since := d.Status.FencedSince; {
	case len(actions) > 0 && since != nil: // the time must not count from an earlier fence
		d.Status.FencedSince = nil
		d.record(string(d.Status.Phase), text, d.spec.Topic)
	case len(actions) > 0:
		d.do(actions, text, d.spec.Topic)
	case since == nil:
		now := metav1.NewTime(d.seen.Now)
		d.Status.FencedSince = &now
		d.record(string(d.Status.Phase), text, d.spec.Topic)
	case behind || !d.longerThan(fenceTime, since):
		d.wait(string(d.Status.Phase), text, d.spec.Topic)
	default:
		return true
	}
	return false
}

// unfence lifts the fence for consumers, and waits.
func (d *decider) unfence(reason, message string) {
	var actions []Action
	d.sources(func(b *v1alpha1.TransferBroker, now *Broker) {
		if now.fenced() {
			actions = append(actions, Action{Kind: PutTopic, Broker: b.Name, WantedTopic: closed(d.config(b.Topic)), CurrentTopic: now.Topic})
		}
	})
	switch {
	case len(actions) > 0:
		d.do(actions, "%s", message)
	case d.Status.FencedSince != nil:
		d.Status.FencedSince = nil
		d.record(reason, "%s", message)
	default:
		d.wait(reason, "%s", message)
	}
}

// countLags records the lags, for the user to see.
func (d *decider) countLags() {
	total := int64(0)
	for i := range d.Status.Groups {
		g := &d.Status.Groups[i]
		g.Lags = nil
		d.sources(func(b *v1alpha1.TransferBroker, now *Broker) {
			if n := lag(now, g.Name); n > 0 {
				total += n
				g.Lags = append(g.Lags, v1alpha1.TransferLag{Broker: b.Name, Messages: fleet.Rounded(n)})
			}
		})
	}
	total = fleet.Rounded(total)
	d.Status.Lag = &total
}

// left says what keeps the source from being drained, "" if nothing does. It has no exact numbers, because the status is written
// whenever this text changes.
func (d *decider) left() string {
	var found []string
	for _, g := range d.Status.Groups {
		for _, l := range g.Lags {
			text := fmt.Sprintf("consumer group %s lags %d at %s", g.Name, l.Messages, l.Broker)
			if b := d.seen.Source.broker(l.Broker); !b.Online[g.Name] {
				text += " and is offline: start it"
			}
			switch {
			case !g.Stays:
				found = append(found, text)
			case !d.spec.DiscardUnconsumed:
				found = append(found, text+", or create the TopicTransfer anew with discardUnconsumed: true, because spec.groups does not name it")
			}
		}
	}
	d.sources(func(b *v1alpha1.TransferBroker, now *Broker) { found = append(found, d.leftAt(b.Name, now)...) })
	const named = 5
	if len(found) > named {
		found = append(found[:named], fmt.Sprintf("%d more", len(found)-named))
	}
	return strings.Join(found, "; ")
}

// leftAt says what else is left at a broker: what shows in no group's lag.
func (d *decider) leftAt(broker string, now *Broker) (found []string) {
	messages, recent := false, false
	for _, q := range now.Queues {
		messages = messages || q.MaxOffset > q.MinOffset
		recent = recent || d.seen.Now.UnixMilli()-q.LastUpdateMillis < routePoll.Milliseconds()
	}
	if messages && len(d.Status.Groups) == 0 && !d.spec.DiscardUnconsumed {
		found = append(found, fmt.Sprintf("no consumer group consumes the messages at %s: create one, or create the TopicTransfer anew with discardUnconsumed: true", broker))
	}
	if recent {
		found = append(found, fmt.Sprintf("producers sent to %s within the last %.0f s", broker, routePoll.Seconds()))
	}
	for _, kind := range []struct {
		n    int64
		what string
	}{{now.Delayed, "delayed messages"}, {now.Half, "unfinished transactions"}, {now.Inflight, "records of messages at POP consumers"}} {
		if kind.n > 0 {
			found = append(found, fmt.Sprintf("%s has %d %s", broker, fleet.Rounded(kind.n), kind.what))
		}
	}
	return found
}

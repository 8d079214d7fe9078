// SPDX-License-Identifier: Apache-2.0

package topictransfer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/transfer"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const (
	// lookTimeout bounds a look at both clusters, however many of their servers are dead.
	lookTimeout = 8 * time.Second
	// questions at once to one broker.
	questions = 16
)

// look asks all servers of both clusters, at the same time, for what the phase needs to know.
func (p *transferPass) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var wg sync.WaitGroup
	p.lookAt(ctx, &wg, transfer.Source, &p.source, &p.seen.Source)
	p.lookAt(ctx, &wg, transfer.Target, &p.target, &p.seen.Target)
	wg.Wait()
	return nil
}

func (p *transferPass) lookAt(ctx context.Context, wg *sync.WaitGroup, side transfer.Side, found *cluster, seen *transfer.Cluster) {
	if found.broker == nil {
		return
	}
	status := &p.transfer.Status
	recorded := status.Source
	if side == transfer.Target {
		recorded = status.Target
	}

	seen.Brokers = make([]transfer.Broker, 0, len(found.masters))
	for name := range found.masters {
		seen.Brokers = append(seen.Brokers, transfer.Broker{Name: name})
	}
	for i := range seen.Brokers {
		wg.Go(func() {
			b := &seen.Brokers[i]
			if found.unsettled[b.Name] && status.Phase != v1alpha1.TransferRollBack {
				b.Err = "missing topics and consumer groups of its new master are being restored"
				return
			}
			l := look{
				asker: p.asker.as(found.client), addr: found.masters[b.Name], slaves: found.slaves[b.Name], cluster: seen.Cluster, topic: p.transfer.Spec.Topic, side: side,
				needs: transfer.Needs(status.Phase, side, status.FencedSince != nil), recorded: recordedBroker(recorded, b.Name), groups: status.Groups, into: b,
			}
			if err := l.at(ctx); err != nil {
				*b = transfer.Broker{Name: b.Name, Err: tell(err)}
			}
		})
	}
	seen.NameServers = make([]transfer.NameServer, len(found.nameServers))
	for i, addr := range found.nameServers {
		wg.Go(func() { seen.NameServers[i] = p.route(ctx, addr, seen.Cluster) })
	}
}

func recordedBroker(c *v1alpha1.TransferCluster, name string) *v1alpha1.TransferBroker {
	if c == nil {
		return nil
	}
	for i := range c.Brokers {
		if c.Brokers[i].Name == name {
			return &c.Brokers[i]
		}
	}
	return nil
}

// plain is an error whose text is always the same.
type plain string

func (p plain) Error() string { return string(p) }

// tell an error in words that are the same the next time: they are written down whenever they change.
func tell(err error) string {
	var refused *remoting.ResponseError
	var ours plain
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case errors.As(err, &ours):
		return ours.Error()
	}
	return "it does not answer"
}

// route of the topic at one name server, as far as it leads to a cluster.
func (p *transferPass) route(ctx context.Context, addr, cluster string) transfer.NameServer {
	n := transfer.NameServer{Addr: addr, Perms: map[string]int{}}
	route, err := p.Reach.Client.TopicRoute(ctx, addr, p.transfer.Spec.Topic)
	if remoting.IsCode(err, remoting.TopicNotExist) {
		return n
	}
	if err != nil {
		n.Err = tell(err)
		return n
	}
	for _, q := range route.Queues {
		if slices.ContainsFunc(route.Brokers, func(b admin.BrokerData) bool { return b.Name == q.Broker && b.Cluster == cluster }) {
			n.Perms[q.Broker] = q.Perm
		}
	}
	return n
}

// look at one broker.
type look struct {
	asker
	addr, cluster, topic string
	slaves               []string
	side                 transfer.Side
	needs                transfer.Questions
	recorded             *v1alpha1.TransferBroker // nil if it is not
	groups               []v1alpha1.TransferGroup
	into                 *transfer.Broker
}

func (l *look) at(ctx context.Context) error {
	if l.addr == "" {
		return plain("it has no master")
	}
	status, err := l.HAStatus(ctx, l.addr)
	if err != nil {
		return err
	}
	if !status.Master {
		return plain("its master is another one now")
	}
	for _, step := range []func(context.Context) error{l.permission, l.topicConfig, l.consumers, l.settings, l.progress, l.ends, l.uses, l.stale} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *look) permission(ctx context.Context) (err error) {
	if l.needs.Perm {
		l.into.Perm, err = l.BrokerPermission(ctx, l.addr)
	}
	return err
}

func (l *look) topicConfig(ctx context.Context) error {
	topic, err := l.Topic(ctx, l.addr, l.topic)
	if remoting.IsCode(err, remoting.TopicNotExist) {
		return nil
	}
	l.into.Topic = topic
	return err
}

// stale finds the slaves that lag behind what was changed at their master. One that does not answer takes its master's tables before
// it can be elected.
func (l *look) stale(ctx context.Context) error {
	if !l.needs.Slaves {
		return nil
	}
	for _, slave := range l.slaves {
		topic, err := l.Topic(ctx, slave, l.topic)
		if err != nil && !remoting.IsCode(err, remoting.TopicNotExist) {
			continue
		}
		differs := (topic == nil) != (l.into.Topic == nil) || (topic != nil && !topic.Equal(*l.into.Topic))
		if !differs && l.recorded != nil && len(l.recorded.CleanedGroups) > 0 {
			groups, err := l.Groups(ctx, slave)
			differs = err == nil && slices.ContainsFunc(l.recorded.CleanedGroups, func(group string) bool {
				_, has := groups[group]
				_, masterHas := l.into.Groups[group]
				return has && !masterHas
			})
		}
		if differs {
			l.into.Stale = append(l.into.Stale, slave)
		}
	}
	return nil
}

// ends asks, where nothing seems to be left, for the messages that come to their queue only later, before the queues once
// more: so one that moves on meanwhile counts at least once. Many transfers that wait should cost brokers little.
func (l *look) ends(ctx context.Context) error {
	if !l.needs.Pending || l.into.Topic == nil || slices.ContainsFunc(l.groups, func(g v1alpha1.TransferGroup) bool { return l.lags(g.Name) }) {
		return nil
	}
	for _, step := range []func(context.Context) error{l.pending, l.progress, l.delayedAgain} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// consumers of the topic.
func (l *look) consumers(ctx context.Context) error {
	if !l.needs.Consumers || l.into.Topic == nil {
		return nil
	}
	groups, err := l.TopicConsumers(ctx, l.addr, l.topic)
	l.into.Consumers = slices.DeleteFunc(groups, admin.IsSystemGroup)
	return err
}

// settings of the groups, where one may be copied, made or removed.
func (l *look) settings(ctx context.Context) (err error) {
	if l.needs.Groups == transfer.All || (l.needs.Groups == transfer.IfUnknown && slices.ContainsFunc(l.into.Consumers, l.unknown)) {
		l.into.Groups, err = l.Groups(ctx, l.addr)
	}
	return err
}

func (l *look) unknown(group string) bool {
	return !slices.ContainsFunc(l.groups, func(g v1alpha1.TransferGroup) bool { return g.Name == group })
}

// pending are the messages that come to their queue only later.
func (l *look) pending(ctx context.Context) error {
	half, err := l.HalfTopics(ctx, l.addr)
	if err != nil {
		return err
	}
	l.into.Half = half.Topics[l.topic] + half.Unread
	popped, err := l.mayPop(ctx)
	if err != nil {
		return err
	}
	if popped {
		if l.into.Inflight, err = l.PopBacklog(ctx, l.addr, l.cluster); err != nil {
			return err
		}
	}
	l.into.Delayed, err = l.delayed(ctx)
	return err
}

// delayedAgain: a message that a consumer gives back while the queues are read leaves them for a delay level.
func (l *look) delayedAgain(ctx context.Context) error {
	again, err := l.delayed(ctx)
	l.into.Delayed = max(l.into.Delayed, again)
	return err
}

// delayed messages, those that consumers gave back included.
func (l *look) delayed(ctx context.Context) (int64, error) {
	timers, err := l.TimerBacklog(ctx, l.addr)
	if err != nil {
		return 0, err
	}
	levels, err := l.DelayedTopics(ctx, l.addr)
	if err != nil {
		return 0, err
	}
	sum := levels.Unread
	topics := []string{l.topic}
	for _, g := range l.groups {
		topics = append(topics, retryTopics(g.Name, l.topic)...)
	}
	for _, topic := range topics {
		sum += timers[topic] + levels.Topics[topic]
	}
	return sum, nil
}

// mayPop: a broker does not tell of which topic its POP records are. They are not this one's if consumers of every group
// are connected that do not pop; those behind a proxy are not connected.
func (l *look) mayPop(ctx context.Context) (bool, error) {
	for _, g := range l.into.Consumers {
		connection, err := l.ConsumerConnection(ctx, l.addr, g)
		if remoting.IsCode(err, remoting.ConsumerNotOnline) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if connection.Type == "CONSUME_POP" {
			return true, nil
		}
	}
	return false, nil
}

// progress: offsets before ends, so that no lag is missed.
func (l *look) progress(ctx context.Context) error {
	if !l.needs.Progress || l.into.Topic == nil {
		return nil
	}
	offsets, err := l.Offsets(ctx, l.addr)
	if err != nil {
		return err
	}
	l.into.Offsets = map[string]map[int]int64{}
	for pair, queues := range offsets {
		if pair.Topic == l.topic {
			l.into.Offsets[pair.Group] = queues
		}
	}
	if l.into.Queues, err = l.queues(ctx); err != nil || !l.needs.Retries {
		return err
	}
	return l.retries(ctx, offsets)
}

// retries are what the groups' retry topics still hold.
func (l *look) retries(ctx context.Context, offsets map[admin.TopicGroup]map[int]int64) error {
	l.into.Retries = map[string]int64{}
	var mu sync.Mutex
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(questions)
	for _, g := range l.groups {
		for _, topic := range retryTopics(g.Name, l.topic) {
			all.Go(func() error {
				queues, err := l.TopicStats(ctx, l.addr, topic)
				if remoting.IsCode(err, remoting.TopicNotExist) {
					return nil
				}
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				for queue, q := range queues {
					l.into.Retries[g.Name] += max(0, q.MaxOffset-max(q.MinOffset, offsets[admin.TopicGroup{Topic: topic, Group: g.Name}][queue]))
				}
				return nil
			})
		}
	}
	return all.Wait()
}

// retryTopics of a group for a topic: the common one, and those of POP consumers (KeyBuilder.buildPopRetryTopic).
func retryTopics(group, topic string) []string {
	retry := admin.RetryTopic(group)
	return []string{retry, retry + "_" + topic, retry + "+" + topic}
}

// queues of the topic, also those that a fence hides.
func (l *look) queues(ctx context.Context) (map[int]admin.QueueStats, error) {
	known := l.recorded
	if l.into.Topic.ReadQueues+l.into.Topic.WriteQueues > 0 || known == nil {
		return l.TopicStats(ctx, l.addr, l.topic)
	}
	info, err := l.BrokerRuntimeInfo(ctx, l.addr)
	if err != nil {
		return nil, err
	}
	l.into.Behind = info.DispatchBehindBytes() > 0
	topic := known.Topic
	if l.side == transfer.Target {
		topic = known.Wanted
	}
	queues := map[int]admin.QueueStats{}
	if topic == nil {
		return queues, nil
	}
	for queue := range max(topic.ReadQueues, topic.WriteQueues) {
		if queues[int(queue)], err = l.QueueStats(ctx, l.addr, l.topic, int(queue)); err != nil {
			return nil, err
		}
	}
	return queues, nil
}

// uses of the groups: whether consumers are connected, and what else they consume.
func (l *look) uses(ctx context.Context) error {
	if l.needs.Connections == transfer.None {
		return nil
	}
	l.into.Online, l.into.Broadcast, l.into.Others = map[string]bool{}, map[string]bool{}, map[string][]string{}
	var mu sync.Mutex
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(questions)
	for _, g := range l.groups {
		if !l.asksFor(g.Name) {
			continue
		}
		all.Go(func() error {
			connection, err := l.ConsumerConnection(ctx, l.addr, g.Name)
			if err != nil && !remoting.IsCode(err, remoting.ConsumerNotOnline) {
				return err
			}
			var others []string
			if l.needs.Others {
				if others, err = l.others(ctx, g.Name, connection); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			l.into.Online[g.Name] = connection != nil && len(connection.Members) > 0
			l.into.Broadcast[g.Name] = connection != nil && connection.Model == "BROADCASTING"
			if len(others) > 0 {
				l.into.Others[g.Name] = others
			}
			return nil
		})
	}
	return all.Wait()
}

// asksFor says whether the connections of a group are asked for.
func (l *look) asksFor(group string) bool {
	switch l.needs.Connections {
	case transfer.Lagging:
		return l.lags(group)
	case transfer.Existing:
		_, exists := l.into.Groups[group]
		return exists
	}
	return l.recorded != nil && l.recorded.Topic != nil // consumers connect to brokers that have the topic
}

func (l *look) lags(group string) bool {
	if l.into.Retries[group] > 0 {
		return true
	}
	for queue, q := range l.into.Queues {
		if q.MaxOffset > max(q.MinOffset, l.into.Offsets[group][queue]) {
			return true
		}
	}
	return false
}

// others are the topics that a group has an offset of, or that connected members subscribe to and that are here.
func (l *look) others(ctx context.Context, group string, connection *admin.ConsumerConnection) ([]string, error) {
	topics, err := l.GroupTopics(ctx, l.addr, group)
	if err != nil {
		return nil, err
	}
	if connection != nil {
		for topic := range connection.Subscriptions {
			if slices.Contains(topics, topic) {
				continue
			}
			_, err := l.Topic(ctx, l.addr, topic)
			if err != nil && !remoting.IsCode(err, remoting.TopicNotExist) {
				return nil, err
			}
			if err == nil {
				topics = append(topics, topic)
			}
		}
	}
	own := append(retryTopics(group, l.topic), l.topic, admin.DeadTopic(group))
	topics = slices.DeleteFunc(topics, func(topic string) bool { return slices.Contains(own, topic) })
	slices.Sort(topics)
	return topics, nil
}

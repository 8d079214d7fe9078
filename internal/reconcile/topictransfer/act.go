// SPDX-License-Identifier: Apache-2.0

package topictransfer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/saved"
	"github.com/rocketmq-operator/rocketmq-operator/internal/transfer"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// actTimeout bounds what one pass does.
const actTimeout = 15 * time.Second

// act does what was decided, broker by broker at the same time. What fails is decided anew by the next look.
func (p *transferPass) act(ctx context.Context) error {
	if len(p.decision.Actions) == 0 {
		return nil
	}
	p.acted = true
	ctx, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	at := map[string][]transfer.Action{}
	for _, a := range p.decision.Actions {
		key := fmt.Sprint(a.Target, a.Broker, a.NameServer)
		at[key] = append(at[key], a)
	}
	keys := slices.Sorted(maps.Keys(at))
	errs := make([]error, len(keys))
	done := make([][]transfer.Action, len(keys))
	var all errgroup.Group
	for i, key := range keys {
		all.Go(func() error {
			done[i], errs[i] = p.actAt(ctx, at[key])
			return nil
		})
	}
	_ = all.Wait() // errors are in errs
	for i := range keys {
		for _, a := range done[i] {
			transfer.Done(&p.decision.Status, a)
		}
		if errs[i] != nil {
			p.failures = append(p.failures, errs[i])
		}
	}
	return nil
}

// actAt does the actions at one server, in order, and returns those that are done.
func (p *transferPass) actAt(ctx context.Context, actions []transfer.Action) (done []transfer.Action, err error) {
	if actions[0].Kind == transfer.PutGroup {
		return actions, p.putGroups(ctx, actions)
	}
	for _, a := range actions {
		if err := p.actOne(ctx, a); err != nil {
			return done, plain(fmt.Sprintf("%s: %s", a, tell(err)))
		}
		done = append(done, a)
	}
	return done, nil
}

func (p *transferPass) side(a transfer.Action) *cluster {
	if a.Target {
		return &p.target
	}
	return &p.source
}

// putGroups in as few requests as it goes.
func (p *transferPass) putGroups(ctx context.Context, actions []transfer.Action) error {
	current := map[string]admin.SubscriptionGroup{}
	var wanted []admin.SubscriptionGroup
	for _, a := range actions {
		wanted = append(wanted, a.WantedGroup)
		if a.CurrentGroup != nil {
			current[a.Group] = *a.CurrentGroup
		}
	}
	side := p.side(actions[0])
	_, err := side.client.PutGroups(ctx, side.masters[actions[0].Broker], current, wanted)
	return err
}

func (p *transferPass) actOne(ctx context.Context, a transfer.Action) error {
	side := p.side(a)
	addr := side.masters[a.Broker]
	switch a.Kind {
	case transfer.PutTopic:
		return side.client.PutTopic(ctx, addr, a.CurrentTopic, a.WantedTopic)
	case transfer.PutOffsets:
		_, err := side.client.PutOffsets(ctx, addr, a.Offsets)
		return err
	case transfer.DeleteTopic:
		if err := p.forget(ctx, side, a.Broker, nil, p.transfer.Spec.Topic); err != nil {
			return err
		}
		return side.client.DeleteTopic(ctx, addr, p.transfer.Spec.Topic)
	case transfer.DeleteRoute:
		return p.Reach.Client.DeleteTopicRoute(ctx, a.NameServer, desired.ClusterName(side.broker), p.transfer.Spec.Topic)
	case transfer.RemoveGroup:
		return p.removeGroup(ctx, side, a)
	}
	return fmt.Errorf("nobody knows how to %s", a.Kind)
}

// removeGroup with its retry topic, which keeps its consumers coming, and its dead letters if there are none.
func (p *transferPass) removeGroup(ctx context.Context, side *cluster, a transfer.Action) error {
	addr := side.masters[a.Broker]
	topics := []string{admin.RetryTopic(a.Group)}
	dead, err := side.client.TopicStats(ctx, addr, admin.DeadTopic(a.Group))
	if err != nil && !remoting.IsCode(err, remoting.TopicNotExist) {
		return err
	}
	if err == nil && !slices.ContainsFunc(slices.Collect(maps.Values(dead)), func(q admin.QueueStats) bool { return q.MaxOffset > q.MinOffset }) {
		topics = append(topics, admin.DeadTopic(a.Group))
	}
	if err := p.forget(ctx, side, a.Broker, []string{a.Group}, topics...); err != nil {
		return err
	}
	for _, topic := range topics {
		if err := side.client.DeleteTopic(ctx, addr, topic); err != nil {
			return err
		}
		for _, nameServer := range side.nameServers {
			if a.Target {
				break // other brokers there may have it
			}
			if err := p.Reach.Client.DeleteTopicRoute(ctx, nameServer, desired.ClusterName(side.broker), topic); err != nil {
				return err
			}
		}
	}
	return side.client.DeleteGroup(ctx, addr, a.Group, true)
}

// forget what is about to be deleted, so that a failover does not bring it back.
func (p *transferPass) forget(ctx context.Context, side *cluster, broker string, groups []string, topics ...string) error {
	_, err := saved.Forget(ctx, p.Env, side.broker, broker, topics, groups)
	return err
}

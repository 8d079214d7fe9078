// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// electTimeout bounds what one pass asks of the controllers for an unclean election.
const electTimeout = 5 * time.Second

// electUnclean names groups without a master and without a member that may become one, and lets a member that lacks
// messages become one where the user allows it. The controllers are told to accept that only for the one request.
func (p *brokerPass) electUnclean(ctx context.Context) (*kube.Waiting, error) {
	if p.controller == nil {
		return nil, nil
	}
	for i, g := range p.fleet.Groups {
		status := p.broker.Status.Groups[i] // of the same groups: see showGroups
		orphaned := p.fleet.Orphaned(g, status)
		why, err := p.hesitation(ctx, g, orphaned)
		if err != nil {
			return nil, err
		}
		next := p.fleet.Election(g, status, orphaned, why)

		forbidden := !next.Forbid || p.forbidUnclean(ctx, g)
		if next.Elect && !p.electAny(ctx, g) {
			why = "the unclean election that you allowed has failed so far, and is tried again"
		}
		if orphaned {
			p.Conditions.Raise(v1alpha1.ConditionNoMaster, "%s", p.fleet.Choices(g, why))
		}
		if !forbidden || next.Stage == g.Record.Unclean {
			continue
		}
		if waiting, err := p.recordUnclean(ctx, g, next.Stage); waiting != nil || err != nil {
			return waiting, err
		}
	}
	return nil, nil
}

// hesitation says what keeps the election that the user allows in an orphaned group.
func (p *brokerPass) hesitation(ctx context.Context, g *fleet.Group, orphaned bool) (string, error) {
	if !orphaned || !p.fleet.UncleanAllowed(g) || g.Record.Unclean == scale.UncleanOver {
		return "", nil
	}
	var list v1alpha1.BrokerList
	if err := p.Client.List(ctx, &list); err != nil {
		return "", fmt.Errorf("list Brokers: %w", err)
	}
	return p.fleet.Hesitation(g, list.Items), nil
}

func (p *brokerPass) recordUnclean(ctx context.Context, g *fleet.Group, stage scale.Unclean) (*kube.Waiting, error) {
	g.Set.Annotations[v1alpha1.AnnotationUncleanElection] = string(stage)
	if stage == "" {
		delete(g.Set.Annotations, v1alpha1.AnnotationUncleanElection)
	}
	return p.Apply(ctx, g.Set)
}

// electAny lets the controllers elect the member with the most messages, whoever it is, and forbids that again at once.
func (p *brokerPass) electAny(ctx context.Context, g *fleet.Group) bool {
	asking, cancel := context.WithTimeout(ctx, electTimeout)
	defer cancel()
	leader := p.fleet.Leader
	err := p.client.UpdateControllerConfig(asking, leader, map[string]string{admin.ElectUncleanMaster: "true"})
	if err != nil {
		p.forbidUnclean(ctx, g) // it may have taken it without an answer
		p.Retry(g.Set, v1alpha1.EventUncleanElectionFailed, "the unclean election in %s failed and is tried again: the controllers did not accept "+
			"the property that allows it: %s", g.Name, err)
		return false
	}
	result, err := p.client.ElectMaster(asking, leader, admin.ElectMasterRequest{ClusterName: desired.ClusterName(p.broker), BrokerName: g.Name})
	p.forbidUnclean(ctx, g)
	if err != nil {
		p.Retry(g.Set, v1alpha1.EventUncleanElectionFailed, "the unclean election in %s failed and is tried again: %s", g.Name, err)
		return false
	}
	p.Warn(g.Set, v1alpha1.EventUncleanElection, "%s", p.fleet.Elected(g, result.MasterAddr))
	return true
}

// forbidUnclean gives every controller its usual property back, and reports whether all took it. One that is restarted
// has it from its settings.
func (p *brokerPass) forbidUnclean(ctx context.Context, g *fleet.Group) bool {
	targets, err := p.Reach.Controllers(ctx, p.broker.Status.ControllerRef)
	if err != nil || len(targets) == 0 {
		return false // the next pass lists them again
	}
	ctx, cancel := context.WithTimeout(ctx, electTimeout)
	defer cancel()
	took := p.EndUnclean(ctx, g.Set, targets, fleet.MayElectUnclean(p.controller))
	return len(took) == len(targets)
}

// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
)

// observe takes in the last answer and says what to ask next.
func (p *brokerPass) observe(ctx context.Context) (*kube.Waiting, error) {
	key := client.ObjectKeyFromObject(p.broker)
	answer, age, asked := p.observed.Latest(key)
	p.unasked = !asked && len(p.broker.Status.Groups) > 0
	seen := fleet.Seen{
		Broker: p.broker, Installation: p.Installation, Dependencies: p.deps, Pods: p.pods, Now: time.Now(),
		At: time.Now().Add(-age),
	}
	if asked {
		seen.Answer, seen.Known = &answer.Answer, age < observe.MaxAge && len(answer.Registered) > 0
	}
	backlogs, _, _ := p.backlogs.Latest(key)
	seen.Backlogs = backlogs.Counted
	p.fleet = fleet.See(seen, p.groups)
	if !p.unasked {
		p.showGroups()
	}

	targets := p.fleet.Targets()
	var err error
	if targets.NameServers, err = p.Reach.NameServers(ctx, p.broker.Status.NameServiceRef, p.deps.NameServers); err != nil {
		return nil, err
	}
	if targets.Controllers, err = p.Reach.Controllers(ctx, p.broker.Status.ControllerRef); err != nil {
		return nil, err
	}
	var glance observe.Glance[*observe.Brokers]
	if p.controller != nil {
		glance = observe.GlanceBrokers(p.client, targets.Groups)
	}
	p.observed.WatchClosely(key, observe.ProbeBrokers(p.client, targets), glance, !p.fleet.Converged())
	if leaving := p.fleet.LeavingMasters(); len(leaving) > 0 {
		p.backlogs.Watch(key, observe.ProbeBacklogs(p.client, leaving, targets.Cluster), true)
	} else if !p.unasked {
		p.backlogs.Forget(key)
	}
	if p.unasked {
		return kube.Wait(v1alpha1.ReasonUnreachable, "the operator has just started and has not asked the servers yet"), nil
	}
	return nil, nil
}

// showGroups in the status.
func (p *brokerPass) showGroups() {
	status := &p.broker.Status
	var news []fleet.News
	status.Groups, news = p.fleet.Status(status.Groups)
	status.Members, status.Masters = p.fleet.Summary()
	for _, n := range news {
		p.Event(n.Pod, n.Reason, "%s", n.Message)
	}
}

// labelRoles makes the pods' role label follow their real role.
func (p *brokerPass) labelRoles(ctx context.Context) (*kube.Waiting, error) {
	if !p.fleet.Known {
		return nil, nil
	}
	roles := map[string]v1alpha1.Role{}
	for _, g := range p.fleet.Groups {
		for _, m := range g.Members {
			roles[m.Name] = m.Role
		}
	}
	for i := range p.pods {
		pod := &p.pods[i]
		role := string(roles[pod.Name])
		if pod.Labels[desired.LabelRole] == role {
			continue
		}
		labelled := pod.DeepCopy()
		if role == "" {
			delete(labelled.Labels, desired.LabelRole)
		} else {
			labelled.Labels[desired.LabelRole] = role
		}
		if err := p.Client.Patch(ctx, labelled, client.MergeFrom(pod), client.FieldOwner(kube.FieldOwner)); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("label pod %s: %w", pod.Name, err)
		}
		p.pods[i] = *labelled
	}
	return nil, nil
}

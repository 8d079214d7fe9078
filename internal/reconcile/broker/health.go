// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// raiseTroubles names what is wrong while the brokers that work go on.
func (p *brokerPass) raiseTroubles(ctx context.Context) (*kube.Waiting, error) {
	if err := p.PodTroubles(ctx, p.pods); err != nil {
		return nil, err
	}
	for _, trouble := range p.fleet.Troubles(p.broker.Status.Groups) {
		p.Conditions.Raise(trouble.Condition, "%s", trouble.Message)
	}
	return nil, nil
}

// awaitReady is the answer of the pass: every member registered in its place, every group with a master and open to clients.
func (p *brokerPass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	for _, condition := range []string{v1alpha1.ConditionControllerStateLost, v1alpha1.ConditionBrokerNameConflict, v1alpha1.ConditionNoMaster} {
		if p.Conditions.Raised(condition) {
			return kube.Wait(condition, "%s", p.Conditions.Message(condition)).LookAgain(pass.Later), nil
		}
	}
	if waiting, err := p.NotReady(ctx, p.pods, p.fleet.Wanted(), p.fleet.Lacks()); waiting != nil || err != nil {
		return waiting, err
	}
	if why := p.fleet.Unreached(); why != "" {
		return kube.Wait(v1alpha1.ReasonUnreachable, "%s", why), nil
	}
	if trouble := p.fleet.Unregistered(); trouble != nil {
		return kube.Wait(trouble.Condition, "%s", trouble.Message).LookAgain(pass.Later), nil
	}
	if p.Conditions.Raised(v1alpha1.ConditionMetadataCopy) {
		return kube.Wait(v1alpha1.ConditionMetadataCopy, "%s", p.Conditions.Message(v1alpha1.ConditionMetadataCopy)), nil
	}
	if len(p.copied) > 0 {
		return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s has all topics and consumer groups; the operator opens it to clients next",
			p.copied[0].Name).LookAgain(pass.Later), nil
	}
	if why := p.fleet.NotOpen(); why != "" {
		return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s", why).LookAgain(pass.Later), nil
	}
	return nil, nil
}

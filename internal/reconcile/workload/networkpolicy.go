// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// ApplyNetworkPolicy follows the spec both ways. It comes before the pods, so that none is ever without it, and before what a
// resource waits for, so that it can be switched at any time.
func (p *Pass) ApplyNetworkPolicy(ctx context.Context) (*kube.Waiting, error) {
	policy, wanted, err := p.Installation.NetworkPolicy(p.Owner)
	if err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	if !wanted {
		return nil, p.Remove(ctx, policy)
	}
	if why := desired.WithoutPolicy(p.Owner); why != "" {
		p.Conditions.Raise(v1alpha1.ConditionPolicyWithoutEffect, "%s", why)
	}
	return p.Apply(ctx, policy)
}

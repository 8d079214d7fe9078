// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"

	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
)

// replaceOutdated moves the pods to the current spec, one at a time.
func (p *brokerPass) replaceOutdated(ctx context.Context) (*kube.Waiting, error) {
	lower := "which needs no restart"
	if len(p.broker.Spec.Volumes) > 0 { // then it does: desired.LiveConfig
		lower = "and tell the running brokers: kubectl rocketmq brokers config set POD minInSyncReplicas=1"
	}
	return nil, p.Roll(ctx, p.pods, rollout.Next(p.fleet.Rollout(p.MayLose)), "Add a slave (replicaPerGroup); or set config.minInSyncReplicas lower, "+lower+
		"; or delete the pods yourself, slaves first: what is sent to the group meanwhile is refused, and goes to other groups if there are any")
}

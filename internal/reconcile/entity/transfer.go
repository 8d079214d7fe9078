// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"cmp"
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// transfer is what TopicTransfers do to a resource.
type transfer struct {
	// left: one has moved it away for good. over: it was recorded that one moves it, and there is no such transfer any more.
	left, over bool
}

// transferredBy is the status field that remembers the TopicTransfer. What is written where none can be is lost.
func (p *entityPass[E]) transferredBy() *string {
	return cmp.Or(p.entity.EntityTransfer(), new(string))
}

// followTransfer records the TopicTransfer that moves what the resource stands for to another cluster. The record stays when
// the transfer is gone, so that it is not made anew here.
func (p *entityPass[E]) followTransfer(ctx context.Context) (*kube.Waiting, error) { //nolint:unparam // a pass.Step
	if p.entity.EntityTransfer() == nil {
		return nil, nil
	}
	var list v1alpha1.TopicTransferList
	if err := p.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list TopicTransfers: %w", err)
	}
	found := false
	created := p.entity.GetCreationTimestamp()
	for i := range p.brokers {
		move := entity.Moves(list.Items, client.ObjectKeyFromObject(&p.brokers[i]), p.kind.Topics)[p.entity.EntityName()]
		switch {
		case move.Transfer == "", move.Source && !move.Holds(created):
		case move.Source:
			*p.transferredBy(), p.transfer.left, found = move.Transfer, move.Left(), true
		default:
			*p.transferredBy(), found = "", true // it has come, or comes back
		}
	}
	p.transfer.over = !found && *p.transferredBy() != ""
	return nil, nil
}

// transferred reports whether a TopicTransfer has moved it away for good. One that is gone had completed if nothing is left.
func (p *entityPass[E]) transferred() bool {
	known := meta.IsStatusConditionTrue(p.Before.Common().Conditions, v1alpha1.ConditionTransferred)
	return p.transfer.left || p.transfer.over && (known || p.answer.Free && p.answer.Present == 0)
}

// givenBack reports whether the TopicTransfer that moved it is gone, and has left it here. Answers from before it was gone say
// nothing of that.
func (p *entityPass[E]) givenBack() bool {
	return p.transfer.over && p.answer.Free && p.answer.Present > 0
}

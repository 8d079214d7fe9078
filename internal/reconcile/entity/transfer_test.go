// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// TestTransferIsGone: when the object of a TopicTransfer is gone, a look from before that says nothing of what the transfer has
// left here: the next one decides.
func TestTransferIsGone(t *testing.T) {
	has := map[string]admin.TopicConfig{"orders": {Name: "orders"}}
	moving := map[string]entity.Move{"orders": {Transfer: "ns/move", Source: true}}
	for name, test := range map[string]struct {
		moves    map[string]entity.Move
		has      map[string]admin.TopicConfig
		reason   string
		transfer string
	}{
		"not looked at yet":   {moving, has, v1alpha1.ReasonTransferring, "ns/move"},
		"the topic has left":  {nil, nil, v1alpha1.ConditionTransferred, "ns/move"},
		"it was given back":   {nil, has, v1alpha1.ReasonTransferring, ""},
		"it left before that": {moving, nil, v1alpha1.ReasonTransferring, "ns/move"},
	} {
		t.Run(name, func(t *testing.T) {
			topic := &v1alpha1.Topic{}
			topic.Name, topic.Status.Transfer = "orders", "ns/move"
			claim := entity.Claim{Name: "orders", Spec: &topic.Spec, Frozen: true}
			situation := entity.Situation[admin.TopicConfig]{Places: []entity.Place[admin.TopicConfig]{{Name: "b-0", Has: test.has}}, Moves: test.moves}
			p := &entityPass[admin.TopicConfig]{
				Base: pass.Begin(nil, topic), kind: Topics(), entity: topic, transfer: transfer{over: true},
				answer: entity.Decide(Topics().Rules, []entity.Claim{claim}, situation).Answers[claim.Object],
			}
			if waiting := p.judge(); waiting.Reason != test.reason || topic.Status.Transfer != test.transfer {
				t.Errorf("%s, and status.transfer %q", waiting.Reason, topic.Status.Transfer)
			}
		})
	}
}

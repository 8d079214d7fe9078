// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// transferOf orders and its groups from one Broker to another, since a second.
func transferOf(name, from, to string, phase v1alpha1.TransferPhase, second int64) v1alpha1.TopicTransfer {
	return v1alpha1.TopicTransfer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name},
		Spec:       v1alpha1.TopicTransferSpec{Topic: "orders"},
		Status: v1alpha1.TopicTransferStatus{
			Phase: phase, PhaseSince: new(metav1.NewTime(time.Unix(second, 0))),
			Source: &v1alpha1.TransferCluster{Namespace: "ns", Name: from, Brokers: []v1alpha1.TransferBroker{{Name: from + "-0", CleanedGroups: []string{"billing"}}}},
			Target: &v1alpha1.TransferCluster{Namespace: "ns", Name: to},
			Groups: []v1alpha1.TransferGroup{{Name: "billing"}, {Name: "audit"}, {Name: "other", Stays: true}},
		},
	}
}

func TestMoves(t *testing.T) {
	finished := func(second int64) metav1.Time { return metav1.NewTime(time.Unix(second, 0)) }
	drain, completed := v1alpha1.TransferDrain, v1alpha1.TransferCompleted
	for _, test := range []struct {
		name      string
		transfers []v1alpha1.TopicTransfer
		topics    bool
		want      map[string]Move
	}{
		{"nothing moves before it has begun, and after it was taken back", []v1alpha1.TopicTransfer{
			transferOf("x", "a", "b", "", 1), transferOf("y", "a", "b", v1alpha1.TransferPending, 1), transferOf("z", "a", "b", v1alpha1.TransferRolledBack, 1)}, true, map[string]Move{}},
		{"a topic leaves", []v1alpha1.TopicTransfer{transferOf("x", "a", "b", drain, 1)}, true, map[string]Move{"orders": {Transfer: "ns/x", Source: true, Other: "ns/b"}}},
		{"a topic comes", []v1alpha1.TopicTransfer{transferOf("x", "b", "a", drain, 1)}, true, map[string]Move{"orders": {Transfer: "ns/x", Other: "ns/b"}}},
		{"others' topics", []v1alpha1.TopicTransfer{transferOf("x", "b", "c", drain, 1)}, true, map[string]Move{}},
		{"a topic has left", []v1alpha1.TopicTransfer{transferOf("x", "a", "b", completed, 1)}, true,
			map[string]Move{"orders": {Transfer: "ns/x", Source: true, Other: "ns/b", Finished: finished(1)}}},
		{"the groups that move", []v1alpha1.TopicTransfer{transferOf("x", "a", "b", drain, 1)}, false,
			map[string]Move{"billing": {Transfer: "ns/x", Source: true, Other: "ns/b"}, "audit": {Transfer: "ns/x", Source: true, Other: "ns/b"}}},
		{"the groups that have left; one stayed for another topic", []v1alpha1.TopicTransfer{transferOf("x", "a", "b", completed, 1)}, false,
			map[string]Move{"billing": {Transfer: "ns/x", Source: true, Other: "ns/b", Finished: finished(1)}}},
		{"it has come back since", []v1alpha1.TopicTransfer{transferOf("back", "b", "a", completed, 9), transferOf("away", "a", "b", completed, 1)}, true,
			map[string]Move{"orders": {Transfer: "ns/back", Other: "ns/b", Finished: finished(9)}}},
		{"one that goes on counts", []v1alpha1.TopicTransfer{transferOf("again", "a", "b", drain, 1), transferOf("back", "b", "a", completed, 9)}, true,
			map[string]Move{"orders": {Transfer: "ns/again", Source: true, Other: "ns/b"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Moves(test.transfers, types.NamespacedName{Namespace: "ns", Name: "a"}, test.topics)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

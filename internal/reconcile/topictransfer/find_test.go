// SPDX-License-Identifier: Apache-2.0

package topictransfer

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

func TestGoesFirst(t *testing.T) {
	transferOf := func(name string, second int64, phase v1alpha1.TransferPhase) *v1alpha1.TopicTransfer {
		out := &v1alpha1.TopicTransfer{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, CreationTimestamp: metav1.Unix(second, 0)}}
		out.Status.Phase = phase
		return out
	}
	for _, c := range []struct {
		name          string
		first, second *v1alpha1.TopicTransfer
	}{
		{"the older one", transferOf("b", 1, ""), transferOf("a", 2, "")},
		{"by name in the same second", transferOf("a", 1, v1alpha1.TransferPending), transferOf("b", 1, "")},
		{"one that has begun, though it is younger", transferOf("b", 2, v1alpha1.TransferDrain), transferOf("a", 1, v1alpha1.TransferPending)},
		{"one that has begun, in the same second", transferOf("b", 1, v1alpha1.TransferCreateTarget), transferOf("a", 1, "")},
		{"the older one of two that have begun", transferOf("b", 1, v1alpha1.TransferDrain), transferOf("a", 2, v1alpha1.TransferDrain)},
	} {
		if !goesFirst(c.first, c.second) || goesFirst(c.second, c.first) {
			t.Errorf("%s: it does not go first, or the other does too", c.name)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package topictransfer

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestPace: a transfer that waits for hours costs brokers little, and one that refuses messages is never late.
func TestPace(t *testing.T) {
	now := time.Now()
	since := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(-d)} }
	for _, test := range []struct {
		name   string
		status v1alpha1.TopicTransferStatus
		want   time.Duration
	}{
		{"just begun", v1alpha1.TopicTransferStatus{PhaseSince: since(0)}, time.Second},
		{"a minute", v1alpha1.TopicTransferStatus{PhaseSince: since(time.Minute)}, time.Second},
		{"ten minutes", v1alpha1.TopicTransferStatus{PhaseSince: since(10 * time.Minute)}, 10 * time.Second},
		{"days", v1alpha1.TopicTransferStatus{PhaseSince: since(48 * time.Hour)}, 15 * time.Second},
		{"refusing messages", v1alpha1.TopicTransferStatus{PhaseSince: since(48 * time.Hour), FencedSince: since(0)}, time.Second},
		{"without a route", v1alpha1.TopicTransferStatus{PhaseSince: since(48 * time.Hour), UnroutedSince: since(0)}, time.Second},
		{"not begun", v1alpha1.TopicTransferStatus{}, time.Second},
	} {
		if got := pace(&test.status, now); got != test.want {
			t.Errorf("%s: a look every %s, want %s", test.name, got, test.want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// TestExpansionStalls: a driver that does nothing for minutes is told, with what Kubernetes knows of it.
func TestExpansionStalls(t *testing.T) {
	for name, test := range map[string]struct {
		since  time.Duration // 0 for just now
		state  corev1.PersistentVolumeClaimConditionType
		reason string
		says   []string
	}{
		"it begins":         {0, "", v1alpha1.ReasonExpanding, []string{"PersistentVolumeClaim data-b-0-0 grows from 8Gi to 9Gi"}},
		"it takes its time": {time.Minute, corev1.PersistentVolumeClaimResizing, v1alpha1.ReasonExpanding, []string{"grows from 8Gi to 9Gi: waiting for the driver"}},
		"nothing happens":   {time.Hour, "", v1alpha1.ReasonExpansionStalled, []string{"still has 8Gi instead of 9Gi", `StorageClass "fast"`}},
		"it needs a restart": {time.Hour, corev1.PersistentVolumeClaimFileSystemResizePending, v1alpha1.ReasonExpansionStalled,
			[]string{"waiting for the driver", "kubectl delete pod -n mq b-0-0"}},
	} {
		t.Run(name, func(t *testing.T) {
			var list []metav1.Condition
			if test.since > 0 {
				list = append(list, metav1.Condition{Type: v1alpha1.ConditionVolumeExpansion, Status: metav1.ConditionTrue,
					Reason: v1alpha1.ReasonExpanding, LastTransitionTime: metav1.NewTime(time.Now().Add(-test.since))})
			}
			p := &Pass{Base: pass.Base{Conditions: kube.NewConditions(1, &list)}}
			claim := &corev1.PersistentVolumeClaim{}
			claim.Namespace, claim.Name, claim.Spec.StorageClassName = "mq", "data-b-0-0", new("fast")
			if test.state != "" {
				claim.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: test.state, Message: "waiting for the driver"}}
			}
			p.tellExpanding(claim, "b-0-0", resource.MustParse("9Gi"), resource.MustParse("8Gi"))
			if got := p.Conditions.Reason(v1alpha1.ConditionVolumeExpansion); got != test.reason {
				t.Errorf("reason %s, want %s", got, test.reason)
			}
			for _, part := range test.says {
				if got := p.Conditions.Message(v1alpha1.ConditionVolumeExpansion); !strings.Contains(got, part) {
					t.Errorf("%q lacks %q", got, part)
				}
			}
		})
	}
}

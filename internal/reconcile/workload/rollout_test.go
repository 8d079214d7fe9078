// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLossOf(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "b-0-0", UID: "12345678-abcd"}}
	if got := lossOf(pod); got != "b-0-0.12345678" {
		t.Errorf("the annotation's value is %q", got)
	}
}

// SPDX-License-Identifier: Apache-2.0

package grace

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// TestTells: the agent of a pod that is being deleted learns how much time is left, again if it did not hear it, and only as long
// as that makes a difference.
func TestTells(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*corev1.Pod)
		err    error
		tells  bool
		again  bool
	}{
		"deleted just now":        {func(*corev1.Pod) {}, nil, true, false},
		"it does not answer":      {func(*corev1.Pod) {}, errors.New("refused"), true, true},
		"deleted a while ago":     {func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: time.Now().Add(60 * time.Second)} }, nil, false, false},
		"its time is over":        {func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: time.Now().Add(-time.Second)} }, nil, false, false},
		"its server does not run": {func(pod *corev1.Pod) { pod.Status.ContainerStatuses = nil }, nil, false, false},
		"it never had an address": {func(pod *corev1.Pod) { pod.Status.PodIP = "" }, nil, false, false},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: "mq", Name: "b-0-0", Finalizers: []string{"test/hold"},
			DeletionTimestamp: &metav1.Time{Time: time.Now().Add(118 * time.Second)}, DeletionGracePeriodSeconds: new(int64(120)),
		}}
		pod.Status.PodIP = "10.0.0.1"
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.Container, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}}}
		test.change(pod)

		told := time.Duration(0)
		r := New(&pass.Env{Client: fake.NewClientBuilder().WithObjects(pod).Build()})
		r.Tell = func(_ context.Context, addr string, left time.Duration) error {
			if addr != "10.0.0.1:10911" {
				t.Errorf("%s: told is %s", name, addr)
			}
			told = left
			return test.err
		}
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(pod)})
		if err != nil {
			t.Fatal(err)
		}
		if (told != 0) != test.tells || told > 118*time.Second || (test.tells && told < 110*time.Second) {
			t.Errorf("%s: told %s", name, told)
		}
		if (result.RequeueAfter > 0) != test.again {
			t.Errorf("%s: again after %s", name, result.RequeueAfter)
		}
	}
	r := New(&pass.Env{Client: fake.NewClientBuilder().Build()})
	if result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "mq", Name: "gone"}}); err != nil || result.RequeueAfter != 0 {
		t.Errorf("a pod that is gone: %v, %v", result, err)
	}
}

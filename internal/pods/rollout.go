// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
)

// overdue is how long an outdated pod may take to become ready before its old spec is blamed.
const overdue = 3 * time.Minute

// ForRollout is a pod as the rollout sees it, as far as Kubernetes knows it.
func ForRollout(pod *corev1.Pod, wanted Revision) rollout.Pod {
	out := rollout.Pod{Name: pod.Name, Outdated: Outdated(pod, wanted), Ready: Ready(pod), Terminating: pod.DeletionTimestamp != nil}
	if !out.Ready {
		out.Stuck = Stuck(pod)
	}
	return out
}

// BlameOldSpec makes a pod stuck that nobody can use and that has not become ready for long, for no reason that Kubernetes
// knows: a setting of its old spec may keep the server from ever answering.
func BlameOldSpec(member *rollout.Pod, pod *corev1.Pod, now time.Time) {
	if member.Outdated && member.Stuck == "" && !member.Ready && now.Sub(unreadySince(pod).Time) > overdue {
		member.Stuck = fmt.Sprintf("it has not been ready for over %s", overdue)
	}
}

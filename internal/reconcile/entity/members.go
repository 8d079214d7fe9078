// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// membersOf a Broker: slaves too, and those of groups that clients do not see yet, because each has to know what is asked of it before
// it may become master, or is opened.
func (k *keeper[E]) membersOf(ctx context.Context, b *v1alpha1.Broker, now time.Time) ([]group, error) {
	var list corev1.PodList
	err := k.Client.List(ctx, &list, client.InNamespace(b.Namespace), client.MatchingLabels(desired.Selector(b.Name, desired.Broker, "")), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list pods of Broker %s: %w", k.broker, err)
	}
	running := map[string]*corev1.Pod{}
	for i := range list.Items {
		if pod := &list.Items[i]; pod.Status.PodIP != "" && pod.DeletionTimestamp == nil && !pods.Ended(*pod) {
			running[pod.Name] = pod
		}
	}

	var members []group
	for _, status := range b.Status.Groups {
		if scale.State(status.State) == scale.Removing {
			continue
		}
		for _, member := range status.Members {
			g := group{name: member.Pod, away: "its pod does not run"}
			if pod := running[member.Pod]; pod != nil {
				g.away, g.master = "", pods.BrokerAddr(pod)
				g.term = fmt.Sprintf("%s/%d/%s", pod.UID, pods.Restarts(pod), member.Role)
			}
			g.passing = g.away != "" && k.isPassing(g.name, now)
			members = append(members, g)
		}
	}
	return members, nil
}

// accounts of the operator, the proxies and the brokers themselves: no resource may change them.
func (t *turn[E]) accounts(ctx context.Context) (map[string]string, error) {
	b := t.view.broker
	names, err := t.Reach.Accounts(ctx, b)
	reserved := map[string]string{}
	for _, name := range names {
		reserved[name] = fmt.Sprintf("%s is an account of the operator, the proxies or the brokers themselves (Secret %s): create this resource anew with another name in %s",
			name, desired.BrokerAuthSecret(b), t.Field)
	}
	return reserved, err
}

// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/probe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
)

// configureTimeout bounds what one pass tells the brokers of a resource, which happens at the same time.
const configureTimeout = 3 * time.Second

// configureLive gives every broker, master or slave, the addresses, permission, fence and live properties (settings.LiveKeys)
// that it does not run with. They take effect within seconds and without a restart. A broker that does not answer gets them
// when it does, and one that is stopping none: agents of older releases do not mark it (see settings.HeldByAgent), but say so.
func (p *brokerPass) configureLive(ctx context.Context) (*kube.Waiting, error) {
	misconfigured := p.fleet.Misconfigured()
	if len(misconfigured) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, configureTimeout)
	defer cancel()
	told, errs := make([]bool, len(misconfigured)), make([]error, len(misconfigured))
	var wg sync.WaitGroup
	for i, m := range misconfigured {
		wg.Go(func() {
			if pods.Ready(m.Pod) || !probe.Stopping(ctx, m.Dialable) {
				told[i], errs[i] = true, p.client.UpdateBrokerConfig(ctx, m.Dialable, m.Wanted)
			}
		})
	}
	wg.Wait()

	for i, m := range misconfigured {
		switch {
		case !told[i]:
		case errs[i] != nil:
			p.Retry(m.Pod, v1alpha1.EventPropertiesNotUpdated, "%s did not take %s while running, which is tried again: %s", m.Name, m, errs[i])
		default:
			p.Event(m.Pod, v1alpha1.EventPropertiesUpdated, "%s now runs with %s", m.Name, m)
		}
	}
	return nil, nil
}

// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/probe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/handover"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// grace is the time in which the container must stop. Kubernetes does not tell a container how long that is. Whoever deletes a pod may
// give it less time than its template does (kubectl --grace-period, eviction), and so does a node that is shut down or short of memory.
// So the agent counts on a short time until the operator, which sees the pod's deletion, tells it the real one.
type grace struct {
	// full is the grace period of the pod's template.
	full time.Duration

	mu   sync.Mutex
	told time.Time // when the container will be killed, according to the operator; zero if it has not said
}

// tell records that the container will be killed after this time.
func (g *grace) tell(left time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = time.Now().Add(left)
}

// end is when the container will be killed, as far as is known now, if it was told to stop at that time.
func (g *grace) end(began time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	latest := began.Add(g.full)
	if g.told.IsZero() {
		return began.Add(min(g.full, settings.ShortGraceSeconds*time.Second))
	}
	if g.told.Before(latest) {
		return g.told
	}
	return latest
}

// handoverEnd is when the handover must be over. Java gets the rest to flush its store: a third, if the time is short.
func (g *grace) handoverEnd(began time.Time) time.Time {
	end := g.end(began)
	return end.Add(-min(settings.StopSeconds*time.Second, end.Sub(began)/3))
}

// graceOf is the grace period of a broker: that of its pod's template, or one computed from the settings if the template is too old to
// say.
func (c *config) graceOf(started *settings.BrokerSettings) *grace {
	if c.grace > 0 {
		return &grace{full: c.grace}
	}
	return &grace{full: time.Duration(started.GraceSeconds()) * time.Second}
}

// handOver moves mastership to a slave before java is told to stop.
func (c *config) handOver(ctx context.Context, in render.Input, client *admin.Client, grace *grace) {
	began := time.Now()
	now := c.brokerNow(in)
	group, _, _ := render.SplitPodName(in.PodName) // checked by render.Properties
	err := handover.Master{
		Admin: client, Addr: c.address(in), Address: render.Address(in),
		Cluster: now.ClusterName, Group: group, Mode: now.Mode,
		NameServers: now.NameServers, Controllers: now.Controllers, Stopping: probe.Stopping, Tell: in.Credentials != nil,
		Drain: time.Duration(now.DrainSeconds) * time.Second,
		Until: func() time.Time { return grace.handoverEnd(began) },
		Log:   func(format string, args ...any) { logf("INFO", format, args...) },
	}.Run(ctx)
	if err != nil {
		logf("WARN", "stopping without a handover: %s", err)
	}
}

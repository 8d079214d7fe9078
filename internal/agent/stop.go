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

// grace is the time in which the container must stop. Kubernetes tells a container nothing of it: whoever deletes a pod may give
// it less than its template does (kubectl --grace-period, eviction), and so does a node that is shut down or that takes memory
// back. So the agent counts on little until the operator, which sees the pod's deletion, says how much there is.
type grace struct {
	// full is what the pod's template gives.
	full time.Duration

	mu   sync.Mutex
	told time.Time // when the container is killed, as the operator said; zero if it has not
}

// tell that the container is killed so much later.
func (g *grace) tell(left time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = time.Now().Add(left)
}

// end is when a container is killed that was told to stop then, as far as is known now.
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

// handoverEnd leaves the rest to java, which flushes its store: a third of a short time.
func (g *grace) handoverEnd(began time.Time) time.Time {
	end := g.end(began)
	return end.Add(-min(settings.StopSeconds*time.Second, end.Sub(began)/3))
}

// graceOf a broker: its pod's template gives it, and with an older template what the settings come to.
func (c *config) graceOf(started *settings.BrokerSettings) *grace {
	if c.grace > 0 {
		return &grace{full: c.grace}
	}
	return &grace{full: time.Duration(started.GraceSeconds()) * time.Second}
}

// handOver gives a master's place to a slave before java is told to stop.
func (c *config) handOver(ctx context.Context, in render.Input, client *admin.Client, grace *grace) {
	began := time.Now()
	now := c.brokerNow(in)
	group, _, _ := render.SplitPodName(in.PodName) // checked by render.Properties
	err := handover.Master{
		Admin: client, Addr: c.address(in), Address: render.Address(in),
		Cluster: now.ClusterName, Group: group, Mode: now.Mode,
		NameServers: now.NameServers, Controllers: now.Controllers, Stopping: probe.Stopping,
		Drain: time.Duration(now.DrainSeconds) * time.Second,
		Until: func() time.Time { return grace.handoverEnd(began) },
		Log:   func(format string, args ...any) { logf("INFO", format, args...) },
	}.Run(ctx)
	if err != nil {
		logf("WARN", "stopping without a handover: %s", err)
	}
}

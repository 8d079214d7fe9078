package agent

import (
	"context"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

const (
	// followInterval is how often a broker is asked whether it knows where to replicate from.
	followInterval = 2 * time.Second
	// followCheck is at every which time what it knows is compared with what its master says.
	followCheck = 5
	// followTimeout bounds the asking and the telling.
	followTimeout = 5 * time.Second
)

// follower tells a slave where its master replicates from. RocketMQ's slaves forget that whenever the master changes
// (AutoSwitchHAService.changeToSlave), and learn it from a name server's answer to a registration
// (BrokerController.handleRegisterBrokerResult): the one that they make at once mostly comes before the new master's own, and
// the next is up to 30 s away. Until then they know nothing, or a master that is gone; nothing is replicated, and nobody could
// take over.
type follower struct {
	admin *admin.Client
	// server is where the broker answers, group its brokerName.
	server, group string
	// controllers returns their present addresses.
	controllers func() []string
	// stopping says whether the broker is on its way out: it needs nothing any more, and while it hands over it is neither master
	// nor slave.
	stopping func() bool
}

// run looks until ctx ends.
func (f follower) run(ctx context.Context) {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !f.stopping() {
				f.look(ctx, n%followCheck == 0)
			}
		}
	}
}

// look is tried again soon, whatever it misses. A slave that knows something is left alone unless that is to be checked. The
// controllers say who is master, and only a broker that knows that it is one says where it replicates from: a name server may
// go on showing a former one.
func (f follower) look(ctx context.Context, check bool) {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	status, err := f.admin.HAStatus(ctx, f.server)
	if err != nil || status.Master {
		return
	}
	knows := status.Source.MasterAddr
	if knows != "" && !check {
		return
	}
	leader := f.admin.Leader(ctx, f.controllers())
	if leader == "" {
		return
	}
	states, err := f.admin.SyncStateData(ctx, leader, f.group)
	if err != nil || states[f.group].MasterAddr == "" {
		return
	}
	source, err := f.admin.HAAddress(ctx, states[f.group].MasterAddr)
	if err != nil || source == "" || source == knows {
		return
	}
	if err := f.admin.Follow(ctx, f.server, source); err != nil {
		logf("WARN", "the broker could not be told to replicate from %s: %s", source, err)
		return
	}
	logf("INFO", "the broker is told to replicate from %s", source)
}

// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

const (
	// followInterval is how often the follower checks that the slave has an address to replicate from.
	followInterval = 2 * time.Second
	// followCheck: every fifth time, that address is also compared with what the master says.
	followCheck = 5
	// followTimeout bounds one such check.
	followTimeout = 5 * time.Second
)

// follower tells a slave where its master replicates from. A slave of RocketMQ forgets that address when the master changes
// (AutoSwitchHAService.changeToSlave), and learns the new one from a name server's answer to its registration
// (BrokerController.handleRegisterBrokerResult). It registers at once, but mostly before the new master does, and the next registration
// is up to 30 s away. Until then it has no address or that of the former master, so it replicates nothing and could not take over.
type follower struct {
	admin *admin.Client
	// server is the broker's own address, group its brokerName.
	server, group string
	// controllers returns their present addresses.
	controllers func() []string
	// stopping says whether the broker is being stopped. Then it needs no address, and during its handover it is neither master nor
	// slave.
	stopping func() bool
}

// run checks the slave until ctx ends.
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

// look checks the slave once; if something is missing, the next look is soon. A slave that has an address keeps it, unless check is
// set. The controllers say who is master. The address comes from the master itself, because a name server may still show a former one.
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
	leader, err := f.admin.FindLeader(ctx, f.controllers())
	if err != nil {
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

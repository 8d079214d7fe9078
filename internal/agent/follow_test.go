// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// TestSlaveFollowsNewMaster: real controllers elect the slave, and the former master replicates from it long before it registers
// again by itself, also if it has been told of somebody else.
func TestSlaveFollowsNewMaster(t *testing.T) {
	t.Parallel()
	const (
		group      = "broker-a"
		registered = "60000" // RocketMQ's longest registerNameServerPeriod
		soon       = 50 * time.Second
	)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := rocketmq.New(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	nameServer, err := s.NameServer()
	must(err)
	controllers, err := s.Controllers(1)
	must(err)
	must(rocketmq.AllReady(ctx, nameServer, controllers[0]))
	for range 2 {
		broker, err := s.Broker(rocketmq.Broker{Cluster: "a", Name: group, NameServers: []*rocketmq.Server{nameServer}, Controllers: controllers,
			Properties: map[string]string{"registerNameServerPeriod": registered}})
		must(err)
		must(broker.Ready(ctx))
	}
	await := func(there func() bool) {
		t.Helper()
		for !there() {
			must(ctx.Err())
			time.Sleep(100 * time.Millisecond)
		}
	}
	var state admin.SyncState
	bothInSync := func() bool {
		states, err := s.Admin.SyncStateData(ctx, controllers[0].Addr, group)
		must(err)
		state = states[group]
		return len(state.InSync) == 2
	}
	await(bothInSync)
	for _, told := range []string{"", "127.0.0.1:1"} {
		former, next := state.MasterAddr, state.InSync[slices.IndexFunc(state.InSync, func(r admin.Replica) bool { return r.ID != state.MasterID })]
		began := time.Now()
		_, err := s.Admin.ElectMaster(ctx, controllers[0].Addr, admin.ElectMasterRequest{ClusterName: "a", BrokerName: group, BrokerID: next.ID})
		must(err)
		if told != "" {
			await(func() bool {
				status, err := s.Admin.HAStatus(ctx, former)
				return err == nil && !status.Master
			})
			time.Sleep(2 * time.Second) // until it has forgotten the master before
			must(s.Admin.Follow(ctx, former, told))
		}
		following, stop := context.WithCancel(ctx)
		for _, server := range []string{former, next.Addr} {
			go follower{
				admin: s.Admin, server: server, group: group, stopping: func() bool { return false },
				controllers: func() []string { return []string{"127.0.0.1:1", controllers[0].Addr} },
			}.run(following)
		}
		await(bothInSync)
		stop()
		took := time.Since(began)
		t.Logf("both are in sync %.1f s after the election", took.Seconds())
		if took > soon || state.MasterAddr != next.Addr {
			t.Errorf("%s is in sync %s after %s was elected, want %s at most; the master is %s", former, took, next.Addr, soon, state.MasterAddr)
		}
		status, err := s.Admin.HAStatus(ctx, former)
		must(err)
		source, err := s.Admin.HAAddress(ctx, next.Addr)
		must(err)
		if status.Master || source == "" || status.Source.MasterAddr != source {
			t.Errorf("%s has the state %+v, want a slave of %q", former, status, source)
		}
		if source, err := s.Admin.HAAddress(ctx, former); err != nil || source != "" {
			t.Errorf("the slave %s says that slaves replicate from %q (%v)", former, source, err)
		}
	}
}

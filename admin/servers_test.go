// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

const (
	cluster = "cluster-a"
	group   = "broker-a"

	startLimit = 3 * time.Minute // on a starved machine; usually 15 s
	stepLimit  = time.Minute
)

// fixture is one small cluster that all tests of the package share.
type fixture struct {
	servers                   *rocketmq.Servers
	admin                     *admin.Client
	nameServer, controller    *rocketmq.Server
	lonelyController          *rocketmq.Server // never has a leader
	firstMember, secondMember *rocketmq.Server // of group; the first starts as master
	static                    *rocketmq.Server // a group of its own, without controller, with delivery by time and POP
	start                     func() error
}

var shared = newFixture()

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.servers != nil {
		dir := shared.servers.Dir()
		shared.servers.Close()
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func newFixture() *fixture {
	f := new(fixture)
	f.start = sync.OnceValue(f.startServers)
	return f
}

// running returns the shared cluster, started by the first test that asks.
func running(t *testing.T) (*fixture, context.Context) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs RocketMQ's servers")
	}
	if err := shared.start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), stepLimit)
	t.Cleanup(cancel)
	return shared, ctx
}

func (f *fixture) startServers() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	dir, err := os.MkdirTemp("", "rocketmq-admin-test-")
	if err != nil {
		return err
	}
	if f.servers, err = rocketmq.Open(dir); err != nil {
		return err
	}
	f.admin = f.servers.Admin
	if f.nameServer, err = f.servers.NameServer(); err != nil {
		return err
	}
	controllers, err := f.servers.Controllers(1)
	if err != nil {
		return err
	}
	f.controller = controllers[0]
	if f.lonelyController, err = f.servers.LonelyController(); err != nil {
		return err
	}
	if err := rocketmq.AllReady(ctx, f.nameServer, f.controller, f.lonelyController); err != nil {
		return err
	}
	nameServers := []*rocketmq.Server{f.nameServer}
	f.static, err = f.servers.Broker(rocketmq.Broker{
		Cluster: "cluster-b", Name: "static", NameServers: nameServers,
		Properties: map[string]string{"timerWheelEnable": "true"},
		Flags:      []string{"-Xmx256m", "-XX:MaxDirectMemorySize=128m"},
	})
	if err != nil {
		return err
	}
	member := rocketmq.Broker{
		Cluster: cluster, Name: group, NameServers: nameServers, Controllers: controllers,
		Properties: map[string]string{ // with the defaults of 5 s each an election takes up to half a minute to settle
			"haSendHeartbeatInterval": "500", "checkSyncStateSetPeriod": "1000", "syncBrokerMetadataPeriod": "1000",
		},
	}
	if f.firstMember, err = f.servers.Broker(member); err != nil {
		return err
	}
	if err := f.firstMember.Ready(ctx); err != nil { // so that it gets id 1 and is the master
		return err
	}
	if f.secondMember, err = f.servers.Broker(member); err != nil {
		return err
	}
	return rocketmq.AllReady(ctx, f.static, f.secondMember)
}

// eventually repeats a look until it shows what is wanted.
func eventually(ctx context.Context, t *testing.T, what string, look func() (done bool, err error)) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := look()
		if done && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v, last error: %v", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// bothInSync waits until both members of the group are in the SyncStateSet and returns its state.
func (f *fixture) bothInSync(ctx context.Context, t *testing.T) admin.SyncState {
	t.Helper()
	var state admin.SyncState
	eventually(ctx, t, "both members in sync", func() (bool, error) {
		states, err := f.admin.SyncStateData(ctx, f.controller.Addr, group)
		state = states[group]
		return len(state.InSync) == 2, err
	})
	return state
}

func TestClusterInfo(t *testing.T) {
	f, ctx := running(t)
	got, err := f.admin.ClusterInfo(ctx, f.nameServer.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for _, addr := range got.Brokers[group].Addrs {
		members = append(members, addr)
	}
	if len(members) != 2 || got.Brokers[group].Addrs[admin.MasterID] == "" {
		t.Errorf("members of %s: %v, want a master and a slave", group, got.Brokers[group].Addrs)
	}
	wantStatic := admin.BrokerData{Cluster: "cluster-b", Name: "static", Addrs: map[int64]string{admin.MasterID: f.static.Addr}}
	if diff := cmp.Diff(wantStatic, got.Brokers["static"]); diff != "" {
		t.Errorf("static group (-want +got):\n%s", diff)
	}
	wantClusters := map[string][]string{cluster: {group}, "cluster-b": {"static"}}
	if diff := cmp.Diff(wantClusters, got.Clusters); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
}

func TestBrokerRuntimeInfo(t *testing.T) {
	f, ctx := running(t)
	got, err := f.admin.BrokerRuntimeInfo(ctx, f.static.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Version(), "V5_") {
		t.Errorf("version is %q", got.Version())
	}
	if !got.Active() {
		t.Error("a serving master is not active")
	}
	if age := time.Since(got.BootTime()); age < 0 || age > time.Hour {
		t.Errorf("booted %v ago", age)
	}
	for name, ratio := range map[string]float64{"commit log": got.CommitLogDiskRatio(), "consume queue": got.ConsumeQueueDiskRatio()} {
		if ratio <= 0 || ratio >= 1 {
			t.Errorf("disk ratio of the %s is %v", name, ratio)
		}
	}
}

func TestBrokerConfig(t *testing.T) {
	f, ctx := running(t)
	got, err := f.admin.BrokerConfig(ctx, f.static.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"brokerName": "static", "brokerClusterName": "cluster-b", "namesrvAddr": f.nameServer.Addr, "brokerRole": "ASYNC_MASTER",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

func TestUpdateBrokerConfig(t *testing.T) {
	f, ctx := running(t)
	want := map[string]string{
		"fileReservedTime":  "50",
		"deleteWhen":        `a = b:c \d "e"	é 世 🚀`, // a string without consequences here: every kind of escape
		"unknownToRocketMQ": "1",
	}
	if err := f.admin.UpdateBrokerConfig(ctx, f.static.Addr, want); err != nil {
		t.Fatal(err)
	}
	got, err := f.admin.BrokerConfig(ctx, f.static.Addr)
	if err != nil {
		t.Fatal(err)
	}
	delete(want, "unknownToRocketMQ")
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q, want %q", key, got[key], value)
		}
	}
	if value, ok := got["unknownToRocketMQ"]; ok {
		t.Errorf("the broker kept an unknown key, value %q: the comment of UpdateBrokerConfig is wrong", value)
	}
}

func TestControllerMetadata(t *testing.T) {
	f, ctx := running(t)
	addr := f.controller.Addr
	got, err := f.admin.ControllerMetadata(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	want := &admin.ControllerMetadata{
		Group: "test", LeaderID: "n0", LeaderAddr: addr, IsLeader: true,
		Peers: []admin.ControllerPeer{{ID: "n0", Addr: addr}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestControllerWithoutLeader(t *testing.T) {
	f, ctx := running(t)
	got, err := f.admin.ControllerMetadata(ctx, f.lonelyController.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if got.IsLeader || got.LeaderID != "" || got.LeaderAddr != "" || len(got.Peers) != 2 {
		t.Errorf("metadata is %+v, want two peers and no leader", got)
	}
	_, err = f.admin.SyncStateData(ctx, f.lonelyController.Addr, group)
	if !remoting.IsCode(err, remoting.ControllerNotLeader) {
		t.Errorf("SyncStateData: %v, want CONTROLLER_NOT_LEADER", err)
	}
	_, err = f.admin.ElectMaster(ctx, f.lonelyController.Addr, admin.ElectMasterRequest{ClusterName: cluster, BrokerName: group, BrokerID: 1})
	if !remoting.IsCode(err, remoting.ControllerNotLeader) {
		t.Errorf("ElectMaster: %v, want CONTROLLER_NOT_LEADER", err)
	}
}

func TestSyncStateDataOfUnknownGroups(t *testing.T) {
	f, ctx := running(t)
	for _, names := range [][]string{nil, {"no-such-group"}} {
		got, err := f.admin.SyncStateData(ctx, f.controller.Addr, names...)
		if err != nil || len(got) != 0 {
			t.Errorf("SyncStateData(%q) = %v, %v; want nothing", names, got, err)
		}
	}
}

// TestElectMaster moves the mastership to the slave and follows it on every kind of server.
func TestElectMaster(t *testing.T) {
	f, ctx := running(t)
	before := f.bothInSync(ctx, t)
	var slave, master admin.Replica
	for _, r := range before.InSync {
		if !r.Alive {
			t.Errorf("replica %+v is not alive", r)
		}
		if r.ID == before.MasterID {
			master = r
		} else {
			slave = r
		}
	}
	wantMembers := map[string]bool{f.firstMember.Addr: true, f.secondMember.Addr: true}
	if diff := cmp.Diff(wantMembers, map[string]bool{master.Addr: true, slave.Addr: true}); diff != "" {
		t.Fatalf("members (-want +got):\n%s", diff)
	}
	f.checkReplication(ctx, t, master.Addr, slave.Addr)
	start := time.Now()
	step := func(what string) { t.Logf("%6.2f s: %s", time.Since(start).Seconds(), what) }

	elect := func(id int64) (*admin.ElectMasterResult, error) {
		return f.admin.ElectMaster(ctx, f.controller.Addr,
			admin.ElectMasterRequest{ClusterName: cluster, BrokerName: group, BrokerID: id})
	}
	if _, err := elect(master.ID); !remoting.IsCode(err, remoting.ControllerMasterStillExist) {
		t.Errorf("electing the master again: %v, want CONTROLLER_MASTER_STILL_EXIST", err)
	}
	if _, err := elect(99); !remoting.IsCode(err, remoting.ControllerElectMasterFailed, remoting.ControllerMasterStillExist) {
		t.Errorf("electing an id that does not exist: %v", err)
	}

	got, err := elect(slave.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := &admin.ElectMasterResult{
		MasterID: slave.ID, MasterAddr: slave.Addr,
		MasterEpoch: before.MasterEpoch + 1, SyncStateSetEpoch: before.SyncStateSetEpoch + 1,
		Addrs:        map[int64]string{master.ID: master.Addr, slave.ID: slave.Addr},
		SyncStateSet: []int64{slave.ID},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	step("elected")
	eventually(ctx, t, "name server shows the new master", func() (bool, error) {
		info, err := f.admin.ClusterInfo(ctx, f.nameServer.Addr)
		return err == nil && info.Brokers[group].Addrs[admin.MasterID] == slave.Addr, err
	})
	step("the name server shows the new master")
	after := f.bothInSync(ctx, t)
	step("the old master is in sync")
	if after.MasterID != slave.ID || after.MasterAddr != slave.Addr || after.MasterEpoch != before.MasterEpoch+1 {
		t.Errorf("after the election: %+v", after)
	}
	f.checkReplication(ctx, t, slave.Addr, master.Addr)
	step("the old master replicates")
}

// TestTakesMessages: a master's store does and a slave's does not, and nothing is stored by asking.
func TestTakesMessages(t *testing.T) {
	f, ctx := running(t)
	master := f.bothInSync(ctx, t).MasterAddr
	for _, broker := range []struct {
		addr, name string
		want       bool
	}{
		{f.firstMember.Addr, group, master == f.firstMember.Addr}, {f.secondMember.Addr, group, master == f.secondMember.Addr}, {f.static.Addr, "static", true},
	} {
		// Now and then a broker stores something of its own: a half message that it looked at, the record of a POP.
		grew := int64(1)
		for tries := 0; grew != 0 && tries < 3; tries++ {
			before, err := f.admin.HAStatus(ctx, broker.addr)
			must(t, err)
			if got, err := f.admin.TakesMessages(ctx, broker.addr, broker.name); err != nil || got != broker.want {
				t.Errorf("%s takes messages: %t, %v, want %t", broker.addr, got, err, broker.want)
			}
			after, err := f.admin.HAStatus(ctx, broker.addr)
			must(t, err)
			grew = after.End() - before.End()
		}
		if grew != 0 {
			t.Errorf("the log of %s grows by %d bytes each time", broker.addr, grew)
		}
	}
}

// checkReplication waits until both members of the group say that the one replicates from the other.
func (f *fixture) checkReplication(ctx context.Context, t *testing.T, master, slave string) {
	t.Helper()
	eventually(ctx, t, "replication from "+master+" to "+slave, func() (bool, error) {
		m, err := f.admin.HAStatus(ctx, master)
		if err != nil {
			return false, err
		}
		s, err := f.admin.HAStatus(ctx, slave)
		if err != nil {
			return false, err
		}
		ok := m.Master && len(m.Slaves) == 1 && m.Slaves[0].InSync && m.Slaves[0].Diff == 0 && m.InSyncSlaves == 1 &&
			!s.Master && s.Source.MasterAddr != "" && time.Since(time.UnixMilli(s.Source.LastReadMillis)) < time.Minute &&
			s.Source.MaxOffset == m.MaxOffset
		if !ok {
			return false, fmt.Errorf("master %+v, slave %+v", m, s)
		}
		return true, nil
	})
}

func TestElectMasterOfUnknownGroup(t *testing.T) {
	f, ctx := running(t)
	_, err := f.admin.ElectMaster(ctx, f.controller.Addr,
		admin.ElectMasterRequest{ClusterName: cluster, BrokerName: "no-such-group", BrokerID: 1})
	if !remoting.IsCode(err, remoting.ControllerBrokerNeedToBeRegistered) {
		t.Errorf("got %v, want CONTROLLER_BROKER_NEED_TO_BE_REGISTERED", err)
	}
}

func TestWrongKindOfServer(t *testing.T) {
	f, ctx := running(t)
	_, err := f.admin.HAStatus(ctx, f.nameServer.Addr)
	if !remoting.IsCode(err, remoting.RequestCodeNotSupported) {
		t.Errorf("a name server's HA status: %v, want REQUEST_CODE_NOT_SUPPORTED", err)
	}
	_, err = f.admin.ClusterInfo(ctx, f.static.Addr)
	if !remoting.IsCode(err, remoting.RequestCodeNotSupported) {
		t.Errorf("a broker's cluster info: %v, want REQUEST_CODE_NOT_SUPPORTED", err)
	}
}

func TestBlackListedProperty(t *testing.T) {
	f, ctx := running(t)
	err := f.admin.UpdateBrokerConfig(ctx, f.static.Addr, map[string]string{"brokerConfigPath": "/elsewhere"})
	if !remoting.IsCode(err, remoting.NoPermission) {
		t.Errorf("got %v, want NO_PERMISSION", err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// TestElectUncleanMaster: the only member of the SyncStateSet dies, and the other one may take over only while the
// controller's property allows it.
func TestElectUncleanMaster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	s := rocketmq.New(t)
	nameServer, err := s.NameServer()
	if err != nil {
		t.Fatal(err)
	}
	controllers, err := s.Controllers(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := rocketmq.AllReady(ctx, nameServer, controllers[0]); err != nil {
		t.Fatal(err)
	}
	member := rocketmq.Broker{Cluster: cluster, Name: group, NameServers: []*rocketmq.Server{nameServer}, Controllers: controllers}
	master, err := s.Broker(member)
	if err != nil {
		t.Fatal(err)
	}
	if err := master.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	// It is never in sync, and does not ask to be elected by itself (ReplicasManager.schedulingSyncBrokerMetadata).
	member.Properties = map[string]string{"asyncLearner": "true", "syncBrokerMetadataPeriod": "600000"}
	learner, err := s.Broker(member)
	if err != nil {
		t.Fatal(err)
	}
	if err := learner.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	master.Stop(ctx)
	controller := controllers[0].Addr
	eventually(ctx, t, "no master", func() (bool, error) {
		states, err := s.Admin.SyncStateData(ctx, controller, group)
		return err == nil && states[group].MasterAddr == "" && len(states[group].InSync) == 1 && !states[group].InSync[0].Alive, err
	})

	elect := func() (*admin.ElectMasterResult, error) {
		return s.Admin.ElectMaster(ctx, controller, admin.ElectMasterRequest{ClusterName: cluster, BrokerName: group})
	}
	if _, err := elect(); !remoting.IsCode(err, remoting.ControllerMasterNotAvailable) {
		t.Errorf("an election with nobody to elect: %v, want CONTROLLER_MASTER_NOT_AVAILABLE", err)
	}
	for _, allowed := range []string{"true", "false"} {
		if err := s.Admin.UpdateControllerConfig(ctx, controller, map[string]string{admin.ElectUncleanMaster: allowed}); err != nil {
			t.Fatal(err)
		}
		config, err := s.Admin.ControllerConfig(ctx, controller)
		if err != nil || config[admin.ElectUncleanMaster] != allowed {
			t.Fatalf("%s is %q, %v; want %s", admin.ElectUncleanMaster, config[admin.ElectUncleanMaster], err, allowed)
		}
		if allowed == "false" {
			continue
		}
		got, err := elect()
		if err != nil || got.MasterAddr != learner.Addr {
			t.Fatalf("elected %+v, %v; want %s", got, err, learner.Addr)
		}
	}
	eventually(ctx, t, "the name server shows the new master", func() (bool, error) {
		info, err := s.Admin.ClusterInfo(ctx, nameServer.Addr)
		return err == nil && info.Brokers[group].Addrs[admin.MasterID] == learner.Addr, err
	})
}

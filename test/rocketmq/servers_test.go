// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

const startLimit = 3 * time.Minute // on a starved machine; usually 10 s

// TestStaticGroup starts a name server, a master and a slave without controllers, and stops the slave.
func TestStaticGroup(t *testing.T) {
	s := New(t)
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	nameServer, err := s.NameServer()
	if err != nil {
		t.Fatal(err)
	}
	if err := nameServer.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	b := Broker{Cluster: "c", Name: "b", NameServers: []*Server{nameServer}}
	master, err := s.Broker(b)
	if err != nil {
		t.Fatal(err)
	}
	b.ID = 1
	slave, err := s.Broker(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := AllReady(ctx, master, slave); err != nil {
		t.Fatal(err)
	}
	info, err := s.Admin.ClusterInfo(ctx, nameServer.Addr)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]string{admin.MasterID: master.Addr, 1: slave.Addr}
	if diff := cmp.Diff(want, info.Brokers["b"].Addrs); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}

	slave.Stop(ctx)
	if _, err := s.Admin.HAStatus(ctx, slave.Addr); err == nil {
		t.Error("a stopped broker answers")
	}
}

// TestReadyShowsTheLog: a server that cannot start fails its Ready at once, with the reason.
func TestReadyShowsTheLog(t *testing.T) {
	s := New(t)
	broker, err := s.Broker(Broker{Cluster: "c", Name: "b", Properties: map[string]string{"namesrvAddr": "not an address"}})
	if err != nil {
		t.Fatal(err)
	}
	broker.ready = func(context.Context) error { return context.DeadlineExceeded } // it has no name server to show up at
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	err = broker.Ready(ctx)
	if err == nil || !strings.Contains(err.Error(), "ended: exit status") || !strings.Contains(err.Error(), "not an address") {
		t.Errorf("error %v, want the exit status and the log", err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// TestElectionIsSeen: real controllers elect another master while the cluster is looked at at leisure, and that is seen
// soon after the name server shows it.
func TestElectionIsSeen(t *testing.T) {
	const group, seenLimit = "broker-a", 20 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
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
	var brokers []string
	for range 2 {
		broker, err := s.Broker(rocketmq.Broker{Cluster: "a", Name: group, NameServers: []*rocketmq.Server{nameServer}, Controllers: controllers})
		if err != nil {
			t.Fatal(err)
		}
		if err := broker.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		brokers = append(brokers, broker.Addr)
	}
	targets := fleet.Targets{NameServers: []string{nameServer.Addr}, Controllers: []string{controllers[0].Addr}, Groups: []string{group}, Brokers: brokers, Cluster: "a",
		Followed: map[string]fleet.Mastership{group: {Term: "1", Master: brokers[0], Slaves: brokers[1:]}}}
	p := NewPoller(ctx, Options[*Brokers]{Interval: time.Minute, Timeout: ProbeTimeout, Same: SameBrokers, Complete: CompleteBrokers})
	look := func(eager bool) {
		p.WatchClosely(key("a"), ProbeBrokers(s.Admin, targets), GlanceBrokers(s.Admin, targets.Groups), eager)
	}
	// seen waits for answers, as the reconciler does, until one is right; while it is not, looks are eager.
	seen := func(right func(*Brokers) bool) *Brokers {
		t.Helper()
		for {
			select {
			case <-p.Events():
			case <-ctx.Done():
				t.Fatal("not seen")
			}
			answer, _, _ := p.Latest(key("a"))
			look(!right(answer))
			if right(answer) {
				return answer
			}
		}
	}
	look(true)
	before := seen(func(b *Brokers) bool {
		return len(b.SyncStates[group].InSync) == 2 && len(b.Registered[nameServer.Addr][group]) == 2
	}).SyncStates[group]
	time.Sleep(5 * time.Second) // it is looked at at leisure now: every minute
	next := before.InSync[slices.IndexFunc(before.InSync, func(r admin.Replica) bool { return r.ID != before.MasterID })]
	for len(p.Events()) > 0 {
		<-p.Events()
	}
	if _, err := s.Admin.ElectMaster(ctx, controllers[0].Addr, admin.ElectMasterRequest{ClusterName: "a", BrokerName: group, BrokerID: next.ID}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	shown := make(chan time.Time, 1)
	go func() {
		for ctx.Err() == nil {
			if info, err := s.Admin.ClusterInfo(ctx, nameServer.Addr); err == nil && info.Brokers[group].Addrs[admin.MasterID] == next.Addr {
				shown <- time.Now()
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	seen(func(b *Brokers) bool {
		t.Logf("%.1f s: registered %v, master %s", time.Since(began).Seconds(), b.Registered, b.SyncStates[group].MasterAddr)
		return b.Registered[nameServer.Addr][group][admin.MasterID] == next.Addr
	})
	at := <-shown
	t.Logf("the name server showed it %.1f s after the election, and it was seen %.1f s after that", at.Sub(began).Seconds(), time.Since(at).Seconds())
	if took := time.Since(at); took > seenLimit {
		t.Errorf("seen after %s, want %s at most", took, seenLimit)
	}
}

// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// answers of one server by request.
type answers map[remoting.RequestCode]fakemq.Answer

// servers by address. One that is nil never answers; one that is missing refuses connections; unroutable swallows them.
type servers map[string]answers

const unroutable = "10.0.0.99:1"

func (s servers) State(addr string) fakemq.State {
	switch server, ok := s[addr]; {
	case addr == unroutable:
		return fakemq.Unroutable
	case !ok:
		return fakemq.Refused
	case server == nil:
		return fakemq.Silent
	}
	return fakemq.Serving
}

func (s servers) Answer(addr string, request remoting.Request) (fakemq.Answer, bool) {
	answer, ok := s[addr][request.Code]
	return answer, ok
}

func (s servers) client(t *testing.T) *admin.Client {
	t.Helper()
	c := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(s)})
	t.Cleanup(func() { _ = c.Close() })
	return admin.New(c)
}

func controller(leads string) answers {
	return answers{
		remoting.ControllerGetMetadataInfo: {Fields: map[string]string{"group": "ctl", "isLeader": leads}},
		remoting.ControllerGetSyncStateData: {Body: `{"replicasInfoTable":{"b-0":{"masterBrokerId":1,"masterAddress":"m:10911",
			"inSyncReplicas":[{"brokerId":1,"brokerAddress":"m:10911","alive":true}]}}}`},
	}
}

func TestLeader(t *testing.T) {
	refusing := answers{remoting.ControllerGetMetadataInfo: {Code: 1}}
	for _, test := range []struct {
		name        string
		servers     servers
		controllers []string
		want        string
		atMost      time.Duration
	}{
		{"none", servers{}, nil, "", time.Second},
		{"one leads", servers{"a:1": controller("false"), "b:1": controller("true"), "c:1": controller("false")}, []string{"a:1", "b:1", "c:1"}, "b:1", time.Second},
		{"nobody leads", servers{"a:1": controller("false"), "b:1": controller("false")}, []string{"a:1", "b:1"}, "", time.Second},
		{"one refuses", servers{"a:1": refusing, "b:1": controller("true")}, []string{"a:1", "b:1"}, "b:1", time.Second},
		{
			"dead ones do not delay the answer", servers{"silent:1": nil, "b:1": controller("true")},
			[]string{"gone:1", unroutable, "silent:1", "b:1"}, "b:1", time.Second,
		},
		{"dead ones only", servers{"silent:1": nil}, []string{"gone:1", unroutable, "silent:1"}, "", 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := test.servers.client(t)
				began := time.Now()
				if got, _ := c.FindLeader(t.Context(), test.controllers); got != test.want {
					t.Errorf("leader %q, want %q", got, test.want)
				}
				if took := time.Since(began); took > test.atMost {
					t.Errorf("took %s, want at most %s", took, test.atMost)
				}
			})
		})
	}
}

func nameServer(body string) answers {
	return answers{remoting.GetBrokerClusterInfo: {Body: body}, remoting.GetRouteInfoByTopic: {Code: remoting.TopicNotExist}}
}

const clusterInfo = `{"brokerAddrTable":{
	"b-0":{"brokerAddrs":{0:"m:10911",2:"s:10911"},"brokerName":"b-0","cluster":"b"},
	"other":{"brokerAddrs":{0:"x:10911"},"brokerName":"other","cluster":"b"}},"clusterAddrTable":{"b":["b-0","other"]}}`

func TestProbeBrokers(t *testing.T) {
	all := servers{
		"ns0:1": nameServer(clusterInfo), "ns1:1": nameServer(`{"brokerAddrTable":{},"clusterAddrTable":{}}`), "silent:1": nil,
		"ns2:1": {
			remoting.GetBrokerClusterInfo: {Body: `{"brokerAddrTable":{},"clusterAddrTable":{}}`},
			remoting.GetRouteInfoByTopic:  {Body: `{"brokerDatas":[],"queueDatas":[{"brokerName":"b-0","perm":4},{"brokerName":"other","perm":6}]}`},
		},
		"ns3:1": { // the slave of b-0 stands in for its master (supportActingMaster): only routes give it the master's ID
			remoting.GetBrokerClusterInfo: {Body: `{"brokerAddrTable":{"b-0":{"brokerAddrs":{1:"s:10911"},"brokerName":"b-0","cluster":"b"}},
				"clusterAddrTable":{"b":["b-0"]}}`},
			remoting.GetRouteInfoByTopic: {Body: `{"brokerDatas":[{"brokerAddrs":{0:"s:10911"},"brokerName":"b-0","cluster":"b"}],
				"queueDatas":[{"brokerName":"b-0","perm":4}]}`},
		},
		"c0:1": controller("false"), "c1:1": controller("true"),
		"slave:1": {
			remoting.GetBrokerConfig:      {Body: "brokerName=b-0\nnamesrvAddr=ns0:1;ns1:1\ncontrollerAddr=c0:1\nbrokerPermission=6\nstartAcceptSendRequestTimeStamp=0\n"},
			remoting.GetBrokerHAStatus:    {Body: `{"master":false}`},
			remoting.GetBrokerRuntimeInfo: {Body: `{"table":{"commitLogDiskRatio":"0.32","consumeQueueDiskRatio":"0.788"}}`},
		},
		"secured:1": {remoting.GetBrokerConfig: {Code: remoting.NoPermission, Remark: "check signature failed."}},
		"tables:1": {
			remoting.GetAllTopicConfig:             {Body: `{"topicConfigTable":{"t":{"topicName":"t"}},"dataVersion":{"stateVersion":0,"timestamp":17,"counter":3}}`},
			remoting.GetAllSubscriptionGroupConfig: {Body: `{"subscriptionGroupTable":{},"dataVersion":{"stateVersion":0,"timestamp":18,"counter":4}}`},
		},
		"master:1": {remoting.GetBrokerHAStatus: {Body: `{"master":true,"haConnectionInfo":[{"addr":"10.0.0.3:4444","inSync":true},
			{"addr":"10.0.0.2:4444","inSync":true},{"addr":"10.0.0.4:4444","inSync":false}]}`}},
	}
	registered := map[string]map[string]map[int64]string{"ns0:1": {"b-0": {0: "m:10911", 2: "s:10911"}}, "ns1:1": {}}
	states := map[string]admin.SyncState{"b-0": {MasterID: 1, MasterAddr: "m:10911", InSync: []admin.Replica{{ID: 1, Addr: "m:10911", Alive: true}}}}
	for _, test := range []struct {
		name        string
		targets     fleet.Targets
		want        fleet.Answer
		unreachable []string
	}{
		{
			"controllers", fleet.Targets{NameServers: []string{"ns0:1", "ns1:1"}, Controllers: []string{"c0:1", "c1:1"}, Groups: []string{"b-0"}},
			fleet.Answer{Registered: registered, Leader: "c1:1", SyncStates: states}, nil,
		},
		{
			"what clients are told", fleet.Targets{NameServers: []string{"ns2:1"}, Groups: []string{"b-0", "b-1"}},
			fleet.Answer{Registered: map[string]map[string]map[int64]string{"ns2:1": {}}, Shown: map[string]map[string]int{"ns2:1": {"b-0": 4}}}, nil,
		},
		{
			"a slave that stands in for its master is no master", fleet.Targets{NameServers: []string{"ns3:1"}, Groups: []string{"b-0"}},
			fleet.Answer{
				Registered: map[string]map[string]map[int64]string{"ns3:1": {"b-0": {1: "s:10911"}}},
				Shown:      map[string]map[string]int{"ns3:1": {"b-0": 4}},
			}, nil,
		},
		{
			"static", fleet.Targets{NameServers: []string{"ns0:1", "ns1:1"}, Groups: []string{"b-0"}, Masters: map[string]string{"b-0": "master:1", "b-1": "gone:1"}},
			fleet.Answer{Registered: registered, InSyncHosts: map[string][]string{"b-0": {"10.0.0.2", "10.0.0.3"}}}, nil,
		},
		{
			"dead servers", fleet.Targets{NameServers: []string{"ns0:1", "gone:1", "silent:1", unroutable}, Controllers: []string{"gone:1", unroutable, "c1:1"},
				Groups: []string{"b-0"}, Masters: map[string]string{"b-0": "silent:1"}},
			fleet.Answer{Registered: map[string]map[string]map[int64]string{"ns0:1": registered["ns0:1"]}, Leader: "c1:1", SyncStates: states},
			[]string{unroutable, "gone:1", "silent:1"},
		},
		{
			"what brokers run with, and disks that fill up", fleet.Targets{Brokers: []string{"slave:1", "gone:1", "silent:1"}},
			fleet.Answer{
				Properties: map[string]map[string]string{"slave:1": {
					"namesrvAddr": "ns0:1;ns1:1", "controllerAddr": "c0:1", "brokerPermission": "6", "startAcceptSendRequestTimeStamp": "0"}},
				Disks: map[string]int{"slave:1": 75},
			}, nil,
		},
		{
			"refused credentials", fleet.Targets{Brokers: []string{"secured:1", "slave:1"}},
			fleet.Answer{
				Refused: map[string]string{"secured:1": "GET_BROKER_CONFIG to secured:1: NO_PERMISSION (16): check signature failed."},
				Properties: map[string]map[string]string{"slave:1": {
					"namesrvAddr": "ns0:1;ns1:1", "controllerAddr": "c0:1", "brokerPermission": "6", "startAcceptSendRequestTimeStamp": "0"}},
				Disks: map[string]int{"slave:1": 75},
			}, nil,
		},
		{
			"tables", fleet.Targets{Followed: map[string]fleet.Mastership{
				"b-0": {Term: "x/1", Master: "tables:1", Slaves: []string{"silent:1"}}, "b-1": {Term: "y/1", Master: "silent:1"}}},
			fleet.Answer{Tables: map[string]fleet.Tables{"b-0": {Term: "x/1", Master: "tables:1", Version: "0.17.3/0.18.4"}}}, nil,
		},
		{"nobody to ask", fleet.Targets{}, fleet.Answer{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				got := ProbeBrokers(all.client(t), test.targets)(ctx, nil)
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("took %s, and the context was over after 1s", took)
				}
				if unreachable := slices.Sorted(maps.Keys(got.Unreachable)); !slices.Equal(unreachable, test.unreachable) {
					t.Errorf("unreachable %v, want %v", unreachable, test.unreachable)
				}
				got.Unreachable = nil
				if diff := cmp.Diff(test.want, got.Answer, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestDisksAreAskedForSeldom: what was told not long ago counts.
func TestDisksAreAskedForSeldom(t *testing.T) {
	used := func(ratio string) answers {
		return answers{remoting.GetBrokerConfig: {Body: "brokerName=b-0\n"}, remoting.GetBrokerHAStatus: {Body: `{"master":true}`},
			remoting.GetBrokerRuntimeInfo: {Body: `{"table":{"commitLogDiskRatio":"` + ratio + `"}}`}}
	}
	full, empty := used("0.81"), used("0.2")
	targets := fleet.Targets{Brokers: []string{"b:1"}}
	look := func(broker answers, last *Brokers) *Brokers {
		return ProbeBrokers(servers{"b:1": broker}.client(t), targets)(t.Context(), last)
	}
	last := look(full, nil)
	if got := look(empty, last).Disks["b:1"]; got != 80 {
		t.Errorf("%d %% used at once after 81 %%", got)
	}
	last.disks["b:1"] = diskUse{81, time.Now().Add(-diskInterval)}
	if got := look(empty, last).Disks["b:1"]; got != 0 {
		t.Errorf("%d %% used of a disk that was emptied %s ago", got, diskInterval)
	}
}

func TestSameBrokers(t *testing.T) {
	base := func() *Brokers {
		return &Brokers{Answer: fleet.Answer{
			Registered:  map[string]map[string]map[int64]string{"ns": {"b-0": {0: "m"}}},
			Unreachable: map[string]string{"dead": "timed out"},
			Leader:      "c", SyncStates: map[string]admin.SyncState{"b-0": {MasterID: 1}},
			InSyncHosts: map[string][]string{"b-0": {"h"}},
		}}
	}
	for name, test := range map[string]struct {
		change func(*Brokers)
		same   bool
	}{
		"nothing":               {func(*Brokers) {}, true},
		"the words of an error": {func(b *Brokers) { b.Unreachable["dead"] = "refused" }, true},
		"who is unreachable":    {func(b *Brokers) { b.Unreachable["dead too"] = "" }, false},
		"a broker's role":       {func(b *Brokers) { b.Registered["ns"]["b-0"] = map[int64]string{1: "m"} }, false},
		"the leader":            {func(b *Brokers) { b.Leader = "" }, false},
		"the controllers' view": {func(b *Brokers) { b.SyncStates["b-0"] = admin.SyncState{} }, false},
		"a broker's addresses":  {func(b *Brokers) { b.Properties = map[string]map[string]string{"b": {"namesrvAddr": "x"}} }, false},
		"a full disk":           {func(b *Brokers) { b.Disks = map[string]int{"b": 80} }, false},
		"a changed topic":       {func(b *Brokers) { b.Tables = map[string]fleet.Tables{"b-0": {Version: "2"}} }, false},
		"the history of topics": {func(b *Brokers) { b.tables = map[string]tableHistory{"b-0": {total: 2}} }, true},
		"a slave's lag":         {func(b *Brokers) { b.CaughtUp = map[string]bool{"s": true} }, false},
		"a slave in sync":       {func(b *Brokers) { b.InSyncHosts["b-0"] = nil }, false},
	} {
		b := base()
		test.change(b)
		if SameBrokers(base(), b) != test.same || SameBrokers(b, base()) != test.same {
			t.Errorf("%s: same is %t", name, !test.same)
		}
	}
	if SameBrokers(nil, base()) || SameBrokers(base(), nil) {
		t.Error("no answer is not an answer")
	}
}

func TestGlanceBrokers(t *testing.T) {
	all := servers{"c1:1": controller("true"), "c2:1": {}, "silent:1": nil}
	seen := ProbeBrokers(all.client(t), fleet.Targets{Controllers: []string{"c1:1"}, Groups: []string{"b-0"}})(t.Context(), nil)
	before := *seen
	before.SyncStates = map[string]admin.SyncState{"b-0": {MasterID: 2, MasterAddr: "s:10911"}}
	lost := *seen
	lost.Leader = "gone:1"
	for name, test := range map[string]struct {
		last *Brokers
		want bool
	}{
		"nothing new":           {seen, false},
		"another master":        {&before, true},
		"the leader is gone":    {&lost, true},
		"no controllers":        {&Brokers{}, false},
		"nothing was seen ever": {nil, false},
	} {
		if got := GlanceBrokers(all.client(t), []string{"b-0"})(t.Context(), test.last); got != test.want {
			t.Errorf("%s: a look is due: %t", name, got)
		}
	}
}

// TestPatience: a server that is dead holds up the first look for as long as it may, and the next ones for a second each.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := servers{"ns0:1": nameServer(clusterInfo), "silent:1": nil}.client(t)
		targets := fleet.Targets{NameServers: []string{"ns0:1", "silent:1"}, Brokers: []string{"silent:1"}, Groups: []string{"b-0"},
			Followed: map[string]fleet.Mastership{"b-0": {Master: "silent:1"}}}
		var seen *Brokers
		for look := range fullPatience + 1 {
			ctx, cancel := context.WithTimeout(t.Context(), 3*shortPatience/2)
			began := time.Now()
			seen = ProbeBrokers(c, targets)(ctx, seen)
			cancel()
			full := look%fullPatience == 0
			if took := time.Since(began); (took > shortPatience*5/4) != full {
				t.Errorf("look %d took %s", look, took)
			}
			if len(seen.Registered) != 1 || len(seen.Unreachable) != 1 {
				t.Errorf("look %d: %+v", look, seen)
			}
		}
	})
}

// TestNewsDoesNotWait: a broker that hangs while it changes its role does not hold up that another one is master.
func TestNewsDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := servers{"ns0:1": nameServer(clusterInfo), "silent:1": nil}.client(t)
		targets := fleet.Targets{NameServers: []string{"ns0:1"}, Brokers: []string{"silent:1"}, Groups: []string{"b-0"},
			Masters: map[string]string{"b-0": "silent:1"}, Followed: map[string]fleet.Mastership{"b-0": {Master: "silent:1"}}}
		for name, last := range map[string]*Brokers{"news": {}, "no news": {Answer: fleet.Answer{Registered: map[string]map[string]map[int64]string{"ns0:1": {"b-0": {0: "m:10911", 2: "s:10911"}}}}}} {
			ctx, cancel := context.WithTimeout(t.Context(), 2*shortPatience)
			began := time.Now()
			seen := ProbeBrokers(c, targets)(ctx, last)
			cancel()
			if took := time.Since(began); (took < shortPatience*3/2) != (name == "news") {
				t.Errorf("%s: took %s", name, took)
			}
			if len(seen.Registered["ns0:1"]) != 1 {
				t.Errorf("%s: %+v", name, seen)
			}
		}
	})
}

func TestCaughtUp(t *testing.T) {
	groups := map[string]fleet.Mastership{
		"b-0": {Master: "m0", Slaves: []string{"near", "ahead", "far", "silent"}},
		"b-1": {Master: "m1", Slaves: []string{"orphan"}},
	}
	ends := map[string]int64{"m0": 1 << 30, "near": 1<<30 - lagBound + 1, "ahead": 1<<30 + 5, "far": 1<<30 - lagBound, "orphan": 1 << 40}
	if diff := cmp.Diff(map[string]bool{"near": true, "ahead": true, "far": false}, caughtUp(groups, ends)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

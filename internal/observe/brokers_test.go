package observe

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// answer of a server in memory.
type answer struct {
	fields map[string]string
	body   string
	refuse bool
}

// servers by address. One that is nil takes connections and never answers; one that is missing refuses them;
// "unroutable" swallows them.
type servers map[string]map[remoting.RequestCode]answer

const unroutable = "10.0.0.99:1"

func (s servers) client(t *testing.T) *admin.Client {
	t.Helper()
	c := remoting.NewClient(remoting.Options{Dialer: func(ctx context.Context, _, addr string) (net.Conn, error) {
		if addr == unroutable {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		answers, ok := s[addr]
		if !ok {
			return nil, errors.New("connection refused")
		}
		ours, theirs := net.Pipe()
		go serve(theirs, answers)
		return ours, nil
	}})
	t.Cleanup(func() { _ = c.Close() })
	return admin.New(c)
}

// serve speaks RocketMQ's frames: length, length of the JSON header, header, body.
func serve(conn net.Conn, answers map[remoting.RequestCode]answer) {
	defer conn.Close()
	for {
		var lengths [2]uint32
		if err := binary.Read(conn, binary.BigEndian, &lengths); err != nil {
			return
		}
		frame := make([]byte, lengths[0]-4)
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		var request struct {
			Code   remoting.RequestCode
			Opaque int32
		}
		if err := json.Unmarshal(frame[:lengths[1]], &request); err != nil {
			return
		}
		a, known := answers[request.Code]
		if !known {
			continue
		}
		code := 0
		if a.refuse {
			code = 1
		}
		header, _ := json.Marshal(map[string]any{"code": code, "opaque": request.Opaque, "flag": 1, "extFields": a.fields})
		out := binary.BigEndian.AppendUint32(nil, uint32(4+len(header)+len(a.body)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(header)))
		if _, err := conn.Write(append(append(out, header...), a.body...)); err != nil {
			return
		}
	}
}

func controller(leads string) map[remoting.RequestCode]answer {
	return map[remoting.RequestCode]answer{
		remoting.ControllerGetMetadataInfo: {fields: map[string]string{"group": "ctl", "isLeader": leads}},
		remoting.ControllerGetSyncStateData: {body: `{"replicasInfoTable":{"b-0":{"masterBrokerId":1,"masterAddress":"m:10911",
			"inSyncReplicas":[{"brokerId":1,"brokerAddress":"m:10911","alive":true}]}}}`},
	}
}

func TestFindLeader(t *testing.T) {
	refusing := map[remoting.RequestCode]answer{remoting.ControllerGetMetadataInfo: {refuse: true}}
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
		{"dead ones only", servers{"silent:1": nil}, []string{"gone:1", unroutable, "silent:1"}, "", leaderTimeout + time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := test.servers.client(t)
			began := time.Now()
			if got := FindLeader(t.Context(), c, test.controllers); got != test.want {
				t.Errorf("leader %q, want %q", got, test.want)
			}
			if took := time.Since(began); took > test.atMost {
				t.Errorf("took %s, want at most %s", took, test.atMost)
			}
		})
	}
}

func nameServer(body string) map[remoting.RequestCode]answer {
	return map[remoting.RequestCode]answer{remoting.GetBrokerClusterInfo: {body: body}}
}

const clusterInfo = `{"brokerAddrTable":{
	"b-0":{"brokerAddrs":{0:"m:10911",2:"s:10911"},"brokerName":"b-0","cluster":"b"},
	"other":{"brokerAddrs":{0:"x:10911"},"brokerName":"other","cluster":"b"}},"clusterAddrTable":{"b":["b-0","other"]}}`

func TestProbeBrokers(t *testing.T) {
	all := servers{
		"ns0:1": nameServer(clusterInfo), "ns1:1": nameServer(`{"brokerAddrTable":{},"clusterAddrTable":{}}`), "silent:1": nil,
		"c0:1": controller("false"), "c1:1": controller("true"),
		"master:1": {remoting.GetBrokerHAStatus: {body: `{"master":true,"haConnectionInfo":[{"addr":"10.0.0.3:4444","inSync":true},
			{"addr":"10.0.0.2:4444","inSync":true},{"addr":"10.0.0.4:4444","inSync":false}]}`}},
	}
	registered := map[string]map[string]map[int64]string{"ns0:1": {"b-0": {0: "m:10911", 2: "s:10911"}}, "ns1:1": {}}
	states := map[string]admin.SyncState{"b-0": {MasterID: 1, MasterAddr: "m:10911", InSync: []admin.Replica{{ID: 1, Addr: "m:10911", Alive: true}}}}
	for _, test := range []struct {
		name        string
		targets     BrokerTargets
		want        Brokers
		unreachable []string
	}{
		{
			"controllers", BrokerTargets{NameServers: []string{"ns0:1", "ns1:1"}, Controllers: []string{"c0:1", "c1:1"}, Groups: []string{"b-0"}},
			Brokers{Registered: registered, Leader: "c1:1", SyncStates: states}, nil,
		},
		{
			"static", BrokerTargets{NameServers: []string{"ns0:1", "ns1:1"}, Groups: []string{"b-0"}, Masters: map[string]string{"b-0": "master:1", "b-1": "gone:1"}},
			Brokers{Registered: registered, InSyncHosts: map[string][]string{"b-0": {"10.0.0.2", "10.0.0.3"}}}, nil,
		},
		{
			"dead servers", BrokerTargets{NameServers: []string{"ns0:1", "gone:1", "silent:1", unroutable}, Controllers: []string{"gone:1", unroutable, "c1:1"},
				Groups: []string{"b-0"}, Masters: map[string]string{"b-0": "silent:1"}},
			Brokers{Registered: map[string]map[string]map[int64]string{"ns0:1": registered["ns0:1"]}, Leader: "c1:1", SyncStates: states},
			[]string{unroutable, "gone:1", "silent:1"},
		},
		{"nobody to ask", BrokerTargets{}, Brokers{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			got := ProbeBrokers(all.client(t), test.targets)(ctx)
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %s, and the context was over after 1s", took)
			}
			if unreachable := slices.Sorted(maps.Keys(got.Unreachable)); !slices.Equal(unreachable, test.unreachable) {
				t.Errorf("unreachable %v, want %v", unreachable, test.unreachable)
			}
			got.Unreachable = nil
			if len(got.InSyncHosts) == 0 {
				got.InSyncHosts = nil
			}
			if len(got.Registered) == 0 {
				got.Registered = nil
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSameBrokers(t *testing.T) {
	base := func() *Brokers {
		return &Brokers{
			Registered:  map[string]map[string]map[int64]string{"ns": {"b-0": {0: "m"}}},
			Unreachable: map[string]string{"dead": "timed out"},
			Leader:      "c", SyncStates: map[string]admin.SyncState{"b-0": {MasterID: 1}},
			InSyncHosts: map[string][]string{"b-0": {"h"}},
		}
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

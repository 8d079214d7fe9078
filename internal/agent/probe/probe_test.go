// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// servers is what the fake servers answer, by address. An absent one refuses the connection.
type servers struct {
	calls       atomic.Int32
	nameServers map[string]map[int64]string // members of broker b
	hanging     string                      // this one never answers
	controller  *admin.ControllerMetadata
	broker      *admin.HAStatus
	refusal     error
	fenced      bool // the broker takes no messages
	deaf        bool // it does not answer a message
	leaderless  bool // no controller leads
	outOfSync   bool // the controllers do not count the broker as in sync
}

var errRefused = errors.New("connection refused")

func (s *servers) ClusterInfo(ctx context.Context, addr string) (*admin.ClusterInfo, error) {
	s.calls.Add(1)
	if s.hanging != "" && addr == s.hanging {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	members, ok := s.nameServers[addr]
	if !ok {
		return nil, errRefused
	}
	return &admin.ClusterInfo{Brokers: map[string]admin.BrokerData{"b": {Name: "b", Addrs: members}}}, nil
}

func (s *servers) ControllerMetadata(context.Context, string) (*admin.ControllerMetadata, error) {
	s.calls.Add(1)
	if s.controller == nil {
		return nil, errRefused
	}
	return s.controller, nil
}

func (s *servers) HAStatus(context.Context, string) (*admin.HAStatus, error) {
	s.calls.Add(1)
	switch {
	case s.refusal != nil:
		return nil, s.refusal
	case s.broker == nil:
		return nil, errRefused
	}
	return s.broker, nil
}

func (s *servers) TakesMessages(_ context.Context, _, group string) (bool, error) {
	s.calls.Add(1)
	if s.deaf || group != "b" {
		return false, errRefused
	}
	return !s.fenced, nil
}

func (s *servers) FindLeader(context.Context, []string) (string, error) {
	s.calls.Add(1)
	if s.leaderless {
		return "", admin.ErrNoLeader
	}
	return "c", nil
}

func (s *servers) SyncStateData(_ context.Context, controller string, groups ...string) (map[string]admin.SyncState, error) {
	s.calls.Add(1)
	if controller != "c" || len(groups) != 1 || groups[0] != "b" {
		return nil, errRefused
	}
	state := admin.SyncState{InSync: []admin.Replica{{Addr: other}, {Addr: own}}}
	if s.outOfSync {
		state = admin.SyncState{InSync: state.InSync[:1], NotInSync: state.InSync[1:]}
	}
	return map[string]admin.SyncState{"b": state}, nil
}

// listening is an address that takes connections, and dead one that does not.
func listening(t *testing.T) (addr, dead string) {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	open, closed := listen(), listen()
	_ = closed.Close()
	return open.Addr().String(), closed.Addr().String()
}

// TestProxy: while its agent waits for brokers, a proxy is alive and started, so that nobody kills it, and not ready.
func TestProxy(t *testing.T) {
	open, closed := listening(t)
	waits := func(why string) func() string { return func() string { return why } }
	for _, test := range []struct {
		name                  string
		prober                Prober
		alive, started, ready bool
		reason                string
	}{
		{"serves", Prober{Process: process{running: true}, Server: open, Waiting: waits("")}, true, true, true, "accepts gRPC clients"},
		{"starts", Prober{Process: process{running: true}, Server: closed, Waiting: waits("")}, true, false, false, "does not accept gRPC clients"},
		{"waits", Prober{Process: process{}, Server: closed, Waiting: waits("there is no broker")}, true, true, false, "there is no broker"},
		{"ended", Prober{Process: process{}, Server: open, Waiting: waits("")}, false, false, false, "java is not running"},
		{"stops", Prober{Process: process{running: true, stopping: true}, Server: open, Waiting: waits("")}, true, true, false, "being stopped"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.prober.Role = settings.Proxy
			if got := test.prober.alive(); got.Ready != test.alive {
				t.Errorf("alive: %+v", got)
			}
			if got := test.prober.Started(t.Context()); got.Ready != test.started || got.Reason == "" {
				t.Errorf("started: %+v", got)
			}
			if got := test.prober.Ready(t.Context()); got.Ready != test.ready || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("ready: %+v, want %q", got, test.reason)
			}
		})
	}
}

// among are name servers at addrs.
func among(addrs ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return addrs, nil }
}

type process struct{ running, stopping bool }

func (p process) Running() bool  { return p.running }
func (p process) Stopping() bool { return p.stopping }

const (
	own   = "b-1.h:10911"
	other = "b-0.h:10911"
)

func TestReady(t *testing.T) {
	up := process{running: true}
	nameServer := Prober{Role: settings.NameServer, Process: up, Server: "ns", NameServers: among("ns")}
	controller := Prober{Role: settings.Controller, Process: up}
	broker := func(mode settings.Mode, ordinal int64, nameServers ...string) Prober {
		return Prober{Role: settings.Broker, Process: up, Broker: Broker{
			Name: "b", Address: own, Ordinal: ordinal, Mode: mode, NameServers: func() []string { return nameServers },
			Controllers: func() []string { return []string{"c"} },
		}}
	}
	members := func(m map[int64]string) map[string]map[int64]string { return map[string]map[int64]string{"ns": m} }
	isMaster, isSlave := &admin.HAStatus{Master: true}, &admin.HAStatus{}

	tests := []struct {
		name    string
		prober  Prober
		servers *servers
		want    Report // Reason: a part of it
	}{
		{"process gone", Prober{Process: process{}}, &servers{}, Report{Reason: "java is not running"}},
		{"stopping", Prober{Process: process{running: true, stopping: true}}, &servers{}, Report{Reason: "is being stopped"}},

		{"name server", nameServer, &servers{nameServers: members(nil)}, Report{Ready: true, Reason: "answers"}},
		{"name server alone", nameServer, &servers{nameServers: members(map[int64]string{0: own})}, Report{Ready: true, Reason: "answers"}},
		{"name server silent", nameServer, &servers{}, Report{Reason: "connection refused"}},

		{"controller leads", controller, &servers{controller: &admin.ControllerMetadata{LeaderID: "n0", IsLeader: true}}, Report{Ready: true, Reason: "leads", Role: "leader"}},
		{"controller follows", controller, &servers{controller: &admin.ControllerMetadata{LeaderID: "n1", LeaderAddr: "c-1:9878"}}, Report{Ready: true, Reason: "controller n1 at c-1:9878 leads", Role: "follower"}},
		{"no leader", controller, &servers{controller: &admin.ControllerMetadata{}}, Report{Reason: "no leader"}},
		{"controller silent", controller, &servers{}, Report{Reason: "connection refused"}},

		{"static master", broker(settings.Static, 0, "ns"), &servers{broker: isMaster, fenced: true, nameServers: members(map[int64]string{0: own})}, Report{Ready: true, Reason: "registered at name server ns", Role: "master"}},
		{"static slave", broker(settings.Static, 2, "ns"), &servers{broker: isSlave, nameServers: members(map[int64]string{0: other, 2: own})}, Report{Ready: true, Reason: "registered", Role: "slave"}},
		{"static, other id", broker(settings.Static, 2, "ns"), &servers{broker: isSlave, nameServers: members(map[int64]string{0: other, 1: own})}, Report{Reason: "name server ns does not know broker b with id 2", Role: "slave"}},
		{"static, someone else's address", broker(settings.Static, 0, "ns"), &servers{broker: isMaster, nameServers: members(map[int64]string{0: other})}, Report{Reason: "shows broker b with id 0 at b-0.h:10911 instead of b-1.h:10911", Role: "master"}},

		{"elected master", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isMaster, nameServers: members(map[int64]string{0: own, 1: other})}, Report{Ready: true, Reason: "registered", Role: "master"}},
		{"elected while it starts", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isMaster, fenced: true, nameServers: members(map[int64]string{0: own, 1: other})}, Report{Reason: "takes no messages yet", Role: "master"}},
		{"elected, and says nothing", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isMaster, deaf: true, nameServers: members(map[int64]string{0: own, 1: other})}, Report{Reason: "connection refused", Role: "master"}},
		{"elected slave", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isSlave, fenced: true, nameServers: members(map[int64]string{0: other, 7: own})}, Report{Ready: true, Reason: "registered", Role: "slave"}},
		{"elected slave that copies", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isSlave, outOfSync: true, nameServers: members(map[int64]string{0: other, 7: own})}, Report{Reason: "still copies messages of its master", Role: "slave"}},
		{"elected slave of unknown state", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isSlave, leaderless: true, nameServers: members(map[int64]string{0: other, 7: own})}, Report{Reason: "not known whether the slave has all of its master's messages", Role: "slave"}},
		{"not registered yet", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isSlave, nameServers: members(map[int64]string{0: other})}, Report{Reason: "does not know broker b at b-1.h:10911", Role: "slave"}},
		{"group unknown", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isSlave, nameServers: members(nil)}, Report{Reason: "name server ns does not know broker b", Role: "slave"}},
		{"stale mastership", broker(settings.ControllerMode, 1, "ns"), &servers{broker: isSlave, nameServers: members(map[int64]string{0: own})}, Report{Reason: "shows the broker as master, it is a slave by now", Role: "slave"}},
		{"stale entry of a dead broker", broker(settings.ControllerMode, 1, "ns"), &servers{nameServers: members(map[int64]string{0: own})}, Report{Reason: "the broker does not answer: connection refused"}},
		{"own role not told", broker(settings.ControllerMode, 1, "ns"), &servers{refusal: &remoting.ResponseError{Code: 1}, nameServers: members(map[int64]string{0: own})}, Report{Ready: true, Reason: "registered", Role: "master"}},
		{"no name server", broker(settings.Static, 0), &servers{broker: isMaster}, Report{Reason: "no name server to register with"}},
		{"all name servers down", broker(settings.Static, 0, "x", "y"), &servers{broker: isMaster}, Report{Reason: "connection refused; connection refused", Role: "master"}},
		{"one of three suffices", broker(settings.Static, 0, "x", "y", "ns"), &servers{broker: isMaster, hanging: "x", nameServers: members(map[int64]string{0: own})}, Report{Ready: true, Reason: "name server ns", Role: "master"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.prober.Admin = tt.servers
			got := tt.prober.Ready(t.Context())
			if !strings.Contains(got.Reason, tt.want.Reason) {
				t.Errorf("reason %q, want %q in it", got.Reason, tt.want.Reason)
			}
			got.Reason = tt.want.Reason
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestFencedMaster: a master is ready once it takes messages, which it is asked no more then, and one that refuses them
// for longer than a start takes is not what is waited for.
func TestFencedMaster(t *testing.T) {
	for _, test := range []struct {
		name  string
		after time.Duration // until it takes messages
		want  time.Duration // until it is ready
	}{
		{"at once", 0, 0},
		{"when it has tried again", 5 * time.Second, 5 * time.Second},
		{"its disk is full", time.Hour, fenceLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &servers{broker: &admin.HAStatus{Master: true}, nameServers: map[string]map[int64]string{"ns": {0: own}}}
				h := (&Prober{Role: settings.Broker, Process: process{running: true}, Admin: fake, Broker: Broker{
					Name: "b", Address: own, Mode: settings.ControllerMode, NameServers: func() []string { return []string{"ns"} },
				}}).Handler()
				began := time.Now()
				for {
					fake.fenced = time.Since(began) < test.after
					if _, r := get(t, h, "/readyz"); r.Ready {
						break
					}
					time.Sleep(holdFor)
				}
				if took := time.Since(began); took != test.want {
					t.Errorf("ready after %s, want %s", took, test.want)
				}
				time.Sleep(holdFor)
				fake.deaf = true // nobody asks
				if _, r := get(t, h, "/readyz"); !r.Ready {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// TestSlaveCatchesUp: a slave is ready from when it could take over, and is not asked for it again. A master needs nobody to say so,
// also when it becomes a slave.
func TestSlaveCatchesUp(t *testing.T) {
	asSlave, asMaster := map[int64]string{0: other, 7: own}, map[int64]string{0: own}
	for _, begins := range []map[int64]string{asSlave, asMaster} {
		synctest.Test(t, func(t *testing.T) {
			fake := &servers{broker: &admin.HAStatus{Master: begins[0] == own}, nameServers: map[string]map[int64]string{"ns": begins}, outOfSync: true}
			h := (&Prober{Role: settings.Broker, Process: process{running: true}, Admin: fake, Broker: Broker{
				Name: "b", Address: own, Mode: settings.ControllerMode, NameServers: func() []string { return []string{"ns"} },
				Controllers: func() []string { return []string{"c"} },
			}}).Handler()
			if _, r := get(t, h, "/readyz"); r.Ready != fake.broker.Master {
				t.Errorf("at first: %+v", r)
			}
			fake.outOfSync = false
			time.Sleep(holdFor)
			if _, r := get(t, h, "/readyz"); !r.Ready {
				t.Errorf("in sync: %+v", r)
			}
			fake.broker.Master, fake.nameServers["ns"], fake.leaderless, fake.outOfSync = false, asSlave, true, true
			time.Sleep(holdFor)
			if _, r := get(t, h, "/readyz"); !r.Ready {
				t.Errorf("later: %+v", r)
			}
		})
	}
}

// TestNameServerCatchesUp: clients must not be sent to a name server that knows a part of the cluster, but not wait for
// ever for brokers that will not come.
func TestNameServerCatchesUp(t *testing.T) {
	all, slave := map[int64]string{0: own, 1: other}, map[int64]string{1: other}
	synctest.Test(t, func(t *testing.T) {
		fake := &servers{nameServers: map[string]map[int64]string{"ns": nil, "old": all}, hanging: "dead"}
		p := &Prober{Role: settings.NameServer, Process: process{running: true}, Admin: fake, Server: "ns", NameServers: among("ns", "old", "gone", "dead")}
		h := p.Handler()
		look := func(ready bool, reason string) {
			t.Helper()
			time.Sleep(holdFor)
			if _, r := get(t, h, "/readyz"); r.Ready != ready || !strings.Contains(r.Reason, reason) {
				t.Errorf("%+v, want ready %v: %s", r, ready, reason)
			}
		}
		look(false, "knows 0 of 2 brokers")
		fake.nameServers["ns"] = slave
		look(false, "knows 1 of 2 brokers")
		fake.nameServers["ns"] = all
		look(true, "answers")
		fake.nameServers["ns"] = slave // a broker says goodbye here first
		look(true, "answers")

		fake.nameServers["ns"] = nil // it was cut off
		look(false, "knows 0 of 2 brokers")
		time.Sleep(registration)
		look(true, "answers")
		look(true, "answers")
		fake.nameServers["ns"] = slave
		look(true, "answers")

		p.NameServers = func(context.Context) ([]string, error) { return nil, errRefused }
		fake.nameServers["ns"] = nil
		look(false, "the other name servers are not known: connection refused")
	})
}

func TestStarted(t *testing.T) {
	refusal := &remoting.ResponseError{Code: 1}
	tests := []struct {
		name    string
		role    settings.Role
		running bool
		servers *servers
		want    bool
	}{
		{"process gone", settings.Broker, false, &servers{broker: &admin.HAStatus{}}, false},
		{"broker recovers its log", settings.Broker, true, &servers{}, false},
		{"broker answers", settings.Broker, true, &servers{broker: &admin.HAStatus{}}, true},
		{"a refusal is an answer", settings.Broker, true, &servers{refusal: refusal}, true},
		{"a certificate that is not the server's", settings.Broker, true, &servers{refusal: &tls.CertificateVerificationError{Err: errors.New("not x-0.h")}}, true},
		{"a certificate that the server refuses", settings.Broker, true, &servers{refusal: &net.OpError{Op: "remote error", Err: errors.New("tls: expired certificate")}}, true},
		{"nobody listens", settings.Broker, true, &servers{refusal: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, false},
		{"controller without leader", settings.Controller, true, &servers{controller: &admin.ControllerMetadata{}}, true},
		{"controller silent", settings.Controller, true, &servers{}, false},
		{"name server", settings.NameServer, true, &servers{nameServers: map[string]map[int64]string{"": nil}}, true},
		{"name server silent", settings.NameServer, true, &servers{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Prober{Role: tt.role, Process: process{running: tt.running}, Admin: tt.servers}
			if got := p.Started(t.Context()); got.Ready != tt.want || got.Reason == "" {
				t.Errorf("got %+v, want ready %v and a reason", got, tt.want)
			}
		})
	}
}

func get(t *testing.T, h http.Handler, path string) (int, Report) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	var r Report
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	return w.Code, r
}

func TestHandlerAnswersAndHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &servers{nameServers: map[string]map[int64]string{"ns": nil}}
		h := (&Prober{Role: settings.NameServer, Process: process{running: true}, Admin: fake, Server: "ns", NameServers: among()}).Handler()
		for _, path := range []string{"/livez", "/startedz", "/readyz"} {
			if code, r := get(t, h, path); code != http.StatusOK || !r.Ready {
				t.Errorf("%s: %d %+v", path, code, r)
			}
		}
		fake.nameServers = nil // goes silent
		fake.calls.Store(0)
		time.Sleep(holdFor - time.Millisecond)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { get(t, h, "/readyz") })
		}
		wg.Wait()
		if n := fake.calls.Load(); n != 0 {
			t.Errorf("%d questions within the hold", n)
		}
		time.Sleep(time.Millisecond)
		if code, r := get(t, h, "/readyz"); code != http.StatusServiceUnavailable || r.Ready {
			t.Errorf("after the hold: %d %+v", code, r)
		}
		if code, _ := get(t, h, "/livez"); code != http.StatusOK {
			t.Errorf("/livez must not look at the protocol: %d", code)
		}
	})
}

func TestReadyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := (&Prober{Role: settings.NameServer, Process: process{running: true}, Admin: &servers{hanging: "ns"}, Server: "ns"}).Handler()
		start := time.Now()
		code, r := get(t, h, "/readyz")
		if code != http.StatusServiceUnavailable || !strings.Contains(r.Reason, "deadline exceeded") {
			t.Errorf("%d %+v", code, r)
		}
		if took := time.Since(start); took != timeout {
			t.Errorf("took %s", took)
		}
	})
}

func TestLivezFollowsTheProcess(t *testing.T) {
	h := (&Prober{Process: process{running: false}}).Handler()
	if code, r := get(t, h, "/livez"); code != http.StatusServiceUnavailable || r.Ready {
		t.Errorf("%d %+v", code, r)
	}
	h = (&Prober{Process: process{running: true, stopping: true}}).Handler()
	if code, r := get(t, h, "/livez"); code != http.StatusOK || !r.Stopping {
		t.Errorf("of a server that is being stopped: %d %+v", code, r)
	}
}

// TestGrace: a server that cares is told how much time it has, in whole seconds, and nobody else is.
func TestGrace(t *testing.T) {
	var told []time.Duration
	h := (&Prober{Process: process{running: true}, Grace: func(left time.Duration) { told = append(told, left) }}).Handler()
	for _, test := range []struct {
		method, path string
		code         int
	}{
		{http.MethodPut, "/grace?seconds=120", http.StatusNoContent},
		{http.MethodPut, "/grace?seconds=0", http.StatusNoContent},
		{http.MethodPut, "/grace?seconds=-1", http.StatusBadRequest},
		{http.MethodPut, "/grace?seconds=2m", http.StatusBadRequest},
		{http.MethodPut, "/grace?seconds=99999999999", http.StatusBadRequest},
		{http.MethodPut, "/grace", http.StatusBadRequest},
		{http.MethodGet, "/grace?seconds=1", http.StatusMethodNotAllowed},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.code {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, w.Code, test.code)
		}
	}
	if diff := cmp.Diff([]time.Duration{120 * time.Second, 0}, told); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	w := httptest.NewRecorder()
	(&Prober{Process: process{running: true}}).Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/grace?seconds=1", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("a server that does not care: %d", w.Code)
	}
}

// TestNoProxyBetweenPods: a proxy in the environment, which is java's and its clients', is not asked for an agent.
func TestNoProxyBetweenPods(t *testing.T) {
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.String() }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	Stopping(ctx, "192.0.2.1:10911") // an address for documentation, where nobody is
	select {
	case url := <-asked:
		t.Errorf("the proxy was asked for %s", url)
	default:
	}
}

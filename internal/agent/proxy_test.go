// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// routeTable is what name servers answer, by address.
type routeTable map[string]any

func (r routeTable) TopicRoute(_ context.Context, nameServer, topic string) (*admin.TopicRoute, error) {
	switch answer := r[nameServer].(type) {
	case error:
		return nil, answer
	case string:
		return &admin.TopicRoute{Brokers: []admin.BrokerData{{Name: topic, Addrs: map[int64]string{1: "slave"}}, {Addrs: map[int64]string{0: answer}}}}, nil
	}
	return nil, errors.New("connection refused")
}

func TestLookForBrokers(t *testing.T) {
	unknown := &remoting.ResponseError{Code: remoting.TopicNotExist}
	for _, test := range []struct {
		name   string
		routes routeTable
		want   []string // parts; none: there is one
	}{
		{"a master", routeTable{"a": "m:10911"}, nil},
		{"one name server suffices", routeTable{"b": "m:10911"}, nil},
		{"nobody there", routeTable{}, []string{"a does not answer", "b does not answer"}},
		{"no broker", routeTable{"a": unknown, "b": unknown}, []string{`a knows no broker of cluster "main"`, `b knows no broker of cluster "main"`}},
		{"no master", routeTable{"a": "", "b": unknown}, []string{`a knows no master in cluster "main"`, "b knows no broker"}},
	} {
		w := newBrokerWait(&settings.ProxySettings{ClusterName: "main", NameServers: []string{"a", "b"}}, test.routes)
		got := w.look(t.Context())
		if len(test.want) == 0 && got != "" {
			t.Errorf("%s: %q", test.name, got)
		}
		for _, part := range test.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q, want %q in it", test.name, got, part)
			}
		}
	}
	if got := newBrokerWait(&settings.ProxySettings{}, routeTable{}).look(t.Context()); got != "there is no name server" {
		t.Error(got)
	}
}

// TestWaitEnds: a broker that comes ends it, and so does the signal to stop, at once; the end of a child does not.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := routeTable{}
		w := newBrokerWait(&settings.ProxySettings{ClusterName: "main", NameServers: []string{"a"}}, routes)
		if w.is() == "" {
			t.Error("no reason before the first look")
		}
		signals := make(chan os.Signal, 2)
		done := make(chan bool, 1)
		go func() { done <- w.wait(t.Context(), signals) }()
		signals <- syscall.SIGCHLD
		time.Sleep(brokerWaitInterval * 5 / 2)
		select {
		case <-done:
			t.Fatal("it does not wait")
		default:
		}
		if !strings.Contains(w.is(), "does not answer") {
			t.Errorf("reason %q", w.is())
		}
		routes["a"] = "m:10911"
		if !<-done || w.is() != "" {
			t.Errorf("there is a broker, and: %q", w.is())
		}

		delete(routes, "a")
		go func() { done <- w.wait(t.Context(), signals) }()
		time.Sleep(brokerWaitInterval / 2)
		began := time.Now()
		signals <- syscall.SIGTERM
		if <-done || time.Since(began) > 0 {
			t.Errorf("told to stop, and after %s: %q", time.Since(began), w.is())
		}
	})
}

func TestProxyWaitsWithoutBroker(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, `{"proxy": {"clusterName": "c", "nameServers": ["127.0.0.1:1"]}}`)
	s.fakeJava(t, "echo java is started")
	s.env[0] = "POD_NAME=proxy-5d4f7c9b8-x2x4z" // of a Deployment
	a := s.run(t, "proxy")
	a.await(t, "/livez", http.StatusOK)
	a.await(t, "/startedz", http.StatusOK)
	if body := a.await(t, "/readyz", http.StatusServiceUnavailable); !strings.Contains(body, "127.0.0.1:1 does not answer") {
		t.Errorf("/readyz: %s", body)
	}
	if code := a.stop(t); code != 0 || strings.Contains(a.output.String(), "java is started") {
		t.Errorf("exit code %d", code)
	}
	if conf := s.read(t, "run/proxy.conf"); !strings.Contains(conf, `"rocketMQClusterName": "c"`) {
		t.Errorf("rmq-proxy.json: %s", conf)
	}
}

func TestProxyNeedsItsCertificate(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{settings.TLSCert, settings.TLSKey} {
		s := newSandbox(t, `{"proxy": {"clusterName": "c", "nameServers": ["127.0.0.1:1"], "tlsSecret": "cert"}}`)
		s.fakeJava(t, "")
		for _, name := range []string{settings.TLSCert, settings.TLSKey} {
			if name != missing {
				s.write(t, "tls/"+name, "pem", 0o644)
			}
		}
		if code := s.run(t, "proxy", "--tls-dir", s.path("tls")).exitCode(t); code != 1 {
			t.Errorf("exit code %d", code)
		}
		if got := s.read(t, "termination-log"); !strings.Contains(got, `the Secret "cert" is missing or has no `+missing) {
			t.Errorf("termination log: %s", got)
		}
	}
}

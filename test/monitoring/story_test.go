// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"flag"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

var update = flag.Bool("update", false, "let the story write what it saw: testdata/metrics.txt and docs/dashboards.md")

func TestMain(m *testing.M) { world.Main(m) }

// rest is for how long nothing may fire, longer than the `for` of all alerts but RocketMQRolloutStuck.
const rest = 20 * time.Minute / speed

// A Prometheus scrapes real servers of one cluster, and an operator that works on played clusters, because real brokers cannot be
// brought into all states within a minute, and played ones have no metrics. At rest no alert fires. Then one thing after the other
// goes wrong, and each alert fires about what it is there for. By the end every query of every panel has had an answer.
func TestEveryAlertFiresAndEveryPanelHasData(t *testing.T) {
	if testing.Short() {
		t.Skip("needs RocketMQ's servers and an API server")
	}
	w := world.New(t)
	operator := startOperator(t, w)
	servers := startServers(t, w.Namespace)
	operator.Until(w.AllReady)
	prometheus := startPrometheus(t, append(servers.targets(), operator.target())...)
	s := &story{
		T: t, namespace: w.Namespace, operator: operator, prometheus: prometheus, panels: newPanels(t, prometheus),
		fired: map[string]time.Time{}, expected: map[string]bool{},
	}

	servers.work()
	s.rest()
	slow := operator.fail()
	s.expect(servers.fail()...)
	s.cause(servers.loseSlave, "RocketMQSendsFail cluster=shop namespace=mq node_id=shop-0")
	s.cause(servers.loseLeader, "RocketMQControllersWithoutLeader group=test namespace=mq")
	s.expect(slow...)
	operator.Until(s.panels.missing)
	s.panels.trouble = s.panels.see()
	operator.failing = ""
	s.cause(operator.Shutdown, "RocketMQOperatorDown namespace=rocketmq-operator-system")
	if idle := "RocketMQNotReady kind=Exporter name=idle namespace=mq"; !s.fired[idle].IsZero() {
		t.Errorf("%s fired, although nobody wants its pods", idle)
	}

	eachAlert(readAlerts(t), func(rule *rulefmt.Rule) {
		if !s.expected[rule.Alert] {
			t.Errorf("nobody makes %s fire", rule.Alert)
		}
	})
	if *update {
		writeMetrics(t, prometheus)
		s.panels.write()
	}
}

type story struct {
	*testing.T
	namespace  string // of everything but the operator
	operator   *operator
	prometheus *server
	panels     *panels
	fired      map[string]time.Time // each alert for the first time, by its description
	expected   map[string]bool      // by name
}

// rest until nothing has fired for long, and see what the panels show then.
func (s *story) rest() {
	s.Helper()
	began, since := time.Now(), time.Now()
	s.operator.Until(func() string {
		firing := s.firing()
		if len(firing) > 0 {
			since = time.Now()
		}
		if time.Since(since) < rest {
			return fmt.Sprintf("there is no rest: %q", firing)
		}
		return s.unscraped()
	})
	s.Logf("silent for %s, after %s", rest, since.Sub(began).Round(time.Second))
	s.panels.rest = s.panels.see()
}

// unscraped says which targets Prometheus does not reach, "" if it reaches all.
func (s *story) unscraped() string {
	s.Helper()
	down, err := s.prometheus.ask(s.Context(), "up == 0")
	if err != nil {
		s.Fatal(err)
	}
	if len(down) > 0 {
		return fmt.Sprintf("not scraped: %s", down)
	}
	return ""
}

// expect these alerts to have fired since the rest, each at its time, and perhaps others.
func (s *story) expect(alerts ...string) {
	s.Helper()
	s.operator.Until(func() string {
		s.operator.retry()
		s.panels.look()
		s.note()
		missing := slices.DeleteFunc(slices.Clone(alerts), func(alert string) bool { return !s.fired[alert].IsZero() })
		if len(missing) > 0 {
			return fmt.Sprintf("%q have not fired, but %q", missing, slices.Sorted(maps.Keys(s.fired)))
		}
		return ""
	})
	for _, alert := range alerts {
		name, _, _ := strings.Cut(alert, " ")
		s.expected[name] = true
	}
}

// cause something that makes an alert fire, which has not fired before.
func (s *story) cause(trouble func(), alert string) {
	s.Helper()
	s.note()
	if !s.fired[alert].IsZero() {
		s.Errorf("%s fired before its cause was made", alert)
	}
	began := time.Now()
	trouble()
	s.expect(alert)
	s.Logf("%s: %s after its cause", alert, s.fired[alert].Sub(began).Round(time.Second))
}

// firing alerts, with mq for the namespace, which has another name each time.
func (s *story) firing() []string {
	firing := s.prometheus.firing()
	for i := range firing {
		firing[i] = strings.ReplaceAll(firing[i], s.namespace, "mq")
	}
	return firing
}

// note what fires.
func (s *story) note() {
	for _, alert := range s.firing() {
		if s.fired[alert].IsZero() {
			s.fired[alert] = time.Now()
		}
	}
}

// freeAddr on the loopback interface.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

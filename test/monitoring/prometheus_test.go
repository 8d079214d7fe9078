// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	"go.yaml.in/yaml/v3"
)

// speed is how many times faster than written the test's Prometheus lives: a minute is a second. Every duration of scrapes, rules and
// queries is divided by it, so an alert that must last 15 minutes does so for 15 seconds. The servers know nothing of it.
const speed = 60

const (
	scrapeInterval = time.Minute
	lookback       = 5 * time.Minute
)

// operatorJob is the job of the operator's own metrics.
const operatorJob = "rocketmq-operator"

// target is a process with metrics, with the labels that a PodMonitor gives it.
type target struct {
	job, namespace, pod, addr string
}

// server is a real Prometheus: its scraping, storage, queries and rules.
type server struct {
	db      *tsdb.DB
	engine  *promql.Engine
	rules   *rules.Manager
	targets chan map[string][]*targetgroup.Group
}

// startPrometheus with the alerts of config/monitoring. Of the operator it takes the labels as they are, as the chart's monitors say.
func startPrometheus(t *testing.T, targets ...target) *server {
	t.Helper()
	s := &server{targets: make(chan map[string][]*targetgroup.Group)}
	quiet := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())

	options := tsdb.DefaultOptions()
	options.RetentionDuration = (24 * time.Hour).Milliseconds()
	db, err := tsdb.Open(t.TempDir(), quiet, nil, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger: quiet, MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: lookback / speed, EnableAtModifier: true, Parser: promQL(),
	})

	scrapeOptions := &scrape.Options{DiscoveryReloadInterval: model.Duration(100 * time.Millisecond)}
	scrapes, err := scrape.NewManager(scrapeOptions, quiet, nil, db, nil, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := scrapes.ApplyConfig(scrapeConfig(t, targets)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- scrapes.Run(s.targets) }()
	s.scrape(targets...)

	s.rules = rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(s.engine, db), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Context: ctx, Appendable: db, Queryable: db, Logger: quiet, Parser: promQL(), NameValidationScheme: model.UTF8Validation,
	})
	if err := s.rules.Update(scrapeInterval/speed, []string{quickAlerts(t)}, labels.EmptyLabels(), "", nil); err != nil {
		t.Fatal(err)
	}
	go s.rules.Run()

	t.Cleanup(func() {
		s.rules.Stop()
		scrapes.Stop()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func scrapeConfig(t *testing.T, targets []target) *config.Config {
	t.Helper()
	interval := (scrapeInterval / speed).String()
	text := "global: {scrape_interval: " + interval + ", scrape_timeout: " + interval + "}\nscrape_configs:\n"
	jobs := map[string]bool{}
	for _, target := range targets {
		if !jobs[target.job] {
			text += fmt.Sprintf("- {job_name: %s, honor_labels: %t}\n", target.job, target.job == operatorJob)
		}
		jobs[target.job] = true
	}
	out, err := config.Load(text, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return out
}

// scrape these from now on, and no others.
func (s *server) scrape(targets ...target) {
	sets := map[string][]*targetgroup.Group{}
	for _, t := range targets {
		sets[t.job] = append(sets[t.job], &targetgroup.Group{
			Source: t.pod,
			Targets: []model.LabelSet{{
				model.AddressLabel: model.LabelValue(t.addr), "namespace": model.LabelValue(t.namespace), "pod": model.LabelValue(t.pod),
			}},
		})
	}
	s.targets <- sets
}

// ask a question now, after its durations have been divided by the speed.
func (s *server) ask(ctx context.Context, expr string) (promql.Vector, error) {
	quick, err := quicken(expr)
	if err != nil {
		return nil, err
	}
	q, err := s.engine.NewInstantQuery(ctx, s.db, nil, quick, time.Now())
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	if scalar, ok := result.Value.(promql.Scalar); ok {
		return promql.Vector{{T: scalar.T, F: scalar.V}}, nil
	}
	vector, err := result.Vector()
	return slices.Clone(vector), err
}

// firing alerts, each as "Name label=value …" with the labels that tell it from others of its name, sorted.
func (s *server) firing() []string { return alertsIn(s.rules, rules.StateFiring) }

// alertsIn a state.
func alertsIn(manager *rules.Manager, state rules.AlertState) (out []string) {
	for _, rule := range manager.AlertingRules() {
		for _, alert := range rule.ActiveAlerts() {
			if alert.State == state {
				out = append(out, describe(alert.Labels))
			}
		}
	}
	slices.Sort(out)
	return out
}

func describe(of labels.Labels) string {
	words := []string{of.Get(labels.AlertName)}
	all := of.Map()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name != labels.AlertName && name != "severity" {
			words = append(words, name+"="+all[name])
		}
	}
	return strings.Join(words, " ")
}

// quickAlerts is a copy of the alerts whose durations are divided by the speed.
func quickAlerts(t *testing.T) string {
	t.Helper()
	groups := readAlerts(t)
	for i := range groups.Groups {
		for j := range groups.Groups[i].Rules {
			rule := &groups.Groups[i].Rules[j]
			quick, err := quicken(rule.Expr)
			if err != nil {
				t.Fatalf("%s: %v", rule.Alert, err)
			}
			rule.Expr, rule.For = quick, rule.For/speed
		}
	}
	content, err := yaml.Marshal(groups)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "alerts.yaml")
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// quicken divides the durations in an expression by the speed: ranges, offsets, and times that an age or a latency is compared with.
func quicken(expr string) (string, error) {
	parsed, err := promQL().ParseExpr(expr)
	if err != nil {
		return "", fmt.Errorf("%w in %s", err, expr)
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.MatrixSelector:
			n.Range /= speed
		case *parser.VectorSelector:
			n.OriginalOffset /= speed
		case *parser.SubqueryExpr:
			n.Range, n.Step, n.OriginalOffset = n.Range/speed, n.Step/speed, n.OriginalOffset/speed
		case *parser.BinaryExpr:
			if limit, ok := n.RHS.(*parser.NumberLiteral); ok && n.Op.IsComparisonOperator() && (isAge(n.LHS) || isLatency(n.LHS)) {
				limit.Val /= speed
			}
		}
		return nil
	})
	return parsed.String(), nil
}

// isLatency reports whether an expression is how long messages have waited.
func isLatency(expr parser.Expr) bool {
	latency, ok := expr.(*parser.VectorSelector)
	return ok && latency.Name == "rocketmq_consumer_lag_latency_milliseconds"
}

// isAge reports whether an expression is time() - …
func isAge(expr parser.Expr) bool {
	minus, ok := expr.(*parser.BinaryExpr)
	if !ok || minus.Op != parser.SUB {
		return false
	}
	call, ok := minus.LHS.(*parser.Call)
	return ok && call.Func.Name == "time"
}

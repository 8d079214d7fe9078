// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// metricsFile holds what real servers and the operator serve: lines of a metric and its labels. The story writes it.
const metricsFile = "testdata/metrics.txt"

// metrics are the labels of each metric, by its name.
type metrics map[string]map[string]bool

// fromTarget are the labels that Prometheus adds to everything that it scrapes.
func fromTarget() []string { return []string{"job", "instance", "namespace", "pod"} }

// Alerts and dashboards ask for metrics that are served, by labels that these have.
func TestQueriesAskForWhatIsServed(t *testing.T) {
	served := readMetrics(t)
	dashboards := readDashboards(t)
	for _, q := range allQueries(dashboards) {
		for _, problem := range served.problems(t, q.expr, legendLabels(q.legend)) {
			t.Errorf("%s, %s: %s in %s", q.dashboard, q.panel, problem, q.expr)
		}
	}
	eachAlert(readAlerts(t), func(rule *rulefmt.Rule) {
		var shown []string
		for _, text := range rule.Annotations {
			shown = append(shown, annotationLabels(text)...)
		}
		for _, problem := range served.problems(t, rule.Expr, shown) {
			t.Errorf("%s: %s in %s", rule.Alert, problem, rule.Expr)
		}
	})
}

// A name or label that nobody serves is found.
func TestWhatIsNotServedIsFound(t *testing.T) {
	served := metrics{"up": {"job": true}, "role": {"group": true, "peer_id": true}}
	for _, c := range []struct {
		expr  string
		shown []string
		want  string
	}{
		{`sum by (group) (role{peer_id!=""})`, []string{"group"}, ""},
		{`roles`, nil, "nobody serves roles"},
		{`role{peer=""}`, nil, "role has no label peer"},
		{`sum by (broker) (role)`, nil, "nothing has the label broker"},
		{`up and on (broker) role`, nil, "nothing has the label broker"},
		{`sum by (group) (role)`, []string{"peer_id"}, "the result has no label peer_id"},
	} {
		if got := strings.Join(served.problems(t, c.expr, c.shown), "; "); got != c.want {
			t.Errorf("%s: %q, want %q", c.expr, got, c.want)
		}
	}
}

func (m metrics) problems(t *testing.T, expr string, shown []string) (out []string) {
	t.Helper()
	parsed, err := promQL().ParseExpr(expr)
	if err != nil {
		t.Fatalf("%v in %s", err, expr)
	}
	there, grouped := map[string]bool{}, []string(nil)
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			known := m[n.Name]
			if known == nil {
				out = append(out, "nobody serves "+n.Name)
			}
			maps.Copy(there, known)
			for _, matcher := range n.LabelMatchers {
				if name := matcher.Name; name != model.MetricNameLabel && known != nil && !known[name] {
					out = append(out, n.Name+" has no label "+name)
				}
			}
		case *parser.AggregateExpr:
			grouped = append(grouped, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				grouped = append(grouped, n.VectorMatching.MatchingLabels...)
			}
		}
		return nil
	})
	for _, name := range grouped {
		if !there[name] {
			out = append(out, "nothing has the label "+name)
		}
	}
	if outer, ok := parsed.(*parser.AggregateExpr); ok && outer.Op != parser.TOPK {
		there = map[string]bool{}
		for _, name := range outer.Grouping {
			there[name] = true
		}
	}
	for _, name := range shown {
		if !there[name] {
			out = append(out, "the result has no label "+name)
		}
	}
	return out
}

func readMetrics(t *testing.T) metrics {
	t.Helper()
	content, err := os.ReadFile(metricsFile)
	if err != nil {
		t.Fatal(err)
	}
	out := metrics{}
	for line := range strings.Lines(string(content)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		out[words[0]] = map[string]bool{}
		for _, label := range append(words[1:], fromTarget()...) {
			out[words[0]][label] = true
		}
	}
	return out
}

// writeMetrics of all that was scraped, but for the Go runtime's and Prometheus' own.
func writeMetrics(t *testing.T, s *server) {
	t.Helper()
	querier, err := s.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer querier.Close()
	seen := metrics{}
	series := querier.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchNotEqual, model.MetricNameLabel, ""))
	for series.Next() {
		of := series.At().Labels()
		name := of.Get(model.MetricNameLabel)
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "scrape_") {
			continue
		}
		if seen[name] == nil {
			seen[name] = map[string]bool{}
		}
		of.Range(func(l labels.Label) { seen[name][l.Name] = true })
	}
	if series.Err() != nil {
		t.Fatal(series.Err())
	}
	var out strings.Builder
	out.WriteString("# What brokers and controllers of RocketMQ 5.4.0, the operator, and Prometheus itself tell: metrics and their labels.\n")
	out.WriteString("# make monitoring writes this file.\n")
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		for _, label := range append(fromTarget(), model.MetricNameLabel) {
			delete(seen[name], label)
		}
		out.WriteString(strings.Join(append([]string{name}, slices.Sorted(maps.Keys(seen[name]))...), " ") + "\n")
	}
	if err := os.WriteFile(metricsFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

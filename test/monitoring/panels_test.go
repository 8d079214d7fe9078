// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// panels are the queries of all dashboards.
type panels struct {
	*testing.T
	server     *server
	dashboards []dashboard
	unanswered map[query]bool
	// rest and trouble are what was seen when all was well, and when nothing was; seen is the latest answer.
	rest, trouble, seen map[query]promql.Vector
}

func newPanels(t *testing.T, s *server) *panels {
	t.Helper()
	p := &panels{T: t, server: s, dashboards: readDashboards(t), unanswered: map[query]bool{}, seen: map[query]promql.Vector{}}
	for _, q := range allQueries(p.dashboards) {
		p.unanswered[q] = true
	}
	return p
}

// see what all queries answer now.
func (p *panels) see() map[query]promql.Vector {
	p.Helper()
	out := map[query]promql.Vector{}
	for _, q := range allQueries(p.dashboards) {
		out[q] = p.ask(q)
	}
	return out
}

// look at those that have not shown anything yet.
func (p *panels) look() {
	p.Helper()
	for q := range p.unanswered {
		p.ask(q)
	}
}

func (p *panels) ask(q query) promql.Vector {
	p.Helper()
	answer, err := p.server.ask(p.Context(), q.expr)
	if err != nil {
		p.Fatalf("%s, %s: %v", q.dashboard, q.panel, err)
	}
	// Nothing happened, so there is no quantile of it.
	answer = slices.DeleteFunc(answer, func(sample promql.Sample) bool { return math.IsNaN(sample.F) })
	if len(answer) == 0 {
		return nil
	}
	delete(p.unanswered, q)
	p.seen[q] = answer
	for _, label := range legendLabels(q.legend) {
		if answer[0].Metric.Get(label) == "" {
			p.Errorf("%s, %s: the answers to %s lack the label %s of the legend", q.dashboard, q.panel, q.expr, label)
		}
	}
	return answer
}

// missing names the queries that have had no answer so far.
func (p *panels) missing() string {
	p.Helper()
	p.look()
	if len(p.unanswered) == 0 {
		return ""
	}
	var missing []string
	for q := range p.unanswered {
		missing = append(missing, q.dashboard+", "+q.panel+": "+q.expr)
	}
	slices.Sort(missing)
	return "there is no data for\n" + strings.Join(missing, "\n")
}

// placeholder of a label in a legend.
var placeholder = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// legendLabels are those of {{label}} in a legend.
func legendLabels(legend string) (out []string) {
	for _, match := range placeholder.FindAllStringSubmatch(legend, -1) {
		out = append(out, match[1])
	}
	return out
}

// write a page that shows what was seen.
func (p *panels) write() {
	p.Helper()
	if err := os.WriteFile(root+"/docs/dashboards.md", []byte(p.page()), 0o644); err != nil {
		p.Fatal(err)
	}
}

// page has a table of each dashboard, with what each panel showed.
func (p *panels) page() string {
	var out strings.Builder
	out.WriteString(pageBegin)
	for _, d := range p.dashboards {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n| panel | when all is well | when nothing is |\n|---|---|---|\n", d.Title, d.Description)
		for _, panel := range d.Panels {
			if panel.Type == "row" {
				fmt.Fprintf(&out, "| **%s** | | |\n", panel.Title)
			}
			for i, q := range d.queries(&panel) {
				title := panel.Title
				if i > 0 {
					title = ""
				}
				trouble := p.trouble[q]
				if len(p.rest[q])+len(trouble) == 0 {
					trouble = p.seen[q] // in between
				}
				fmt.Fprintf(&out, "| %s | %s | %s |\n", title, example(q, p.rest[q]), example(q, trouble))
			}
		}
	}
	return out.String()
}

const pageBegin = `# The dashboards, with data

What the panels of the dashboards in [monitoring](monitoring.md) showed in the test that scrapes real brokers and controllers of RocketMQ
5.4.0, and an operator: a producer sends 200 messages a second to one topic, and two groups consume them; then everything goes wrong that
there is an alert for. Where a panel shows several series, the table has the one with the greatest value, and how many others there are.
`

// example is the series with the greatest value, as the panel shows it.
func example(q query, answer promql.Vector) string {
	if len(answer) == 0 {
		return "–"
	}
	most := slices.MaxFunc(answer, func(a, b promql.Sample) int { return cmp.Compare(a.F, b.F) })
	text := inUnit(most.F, q.unit)
	if name := nameOf(most.Metric, q.legend); name != "" {
		text = name + ": " + text
	}
	if others := len(answer) - 1; others > 0 {
		text += fmt.Sprintf(" (and %d)", others)
	}
	return text
}

// nameOf a series by the panel's legend; by its labels if there is none.
func nameOf(series labels.Labels, legend string) string {
	name := placeholder.ReplaceAllStringFunc(legend, func(label string) string { return series.Get(strings.Trim(label, "{} ")) })
	if legend == "" {
		var words []string
		series.Range(func(l labels.Label) {
			if l.Name != model.MetricNameLabel && l.Name != "instance" && l.Name != "job" {
				words = append(words, l.Name+"="+l.Value)
			}
		})
		name = strings.Join(words, " ")
	}
	return regexp.MustCompile(`reconcile-\w+`).ReplaceAllString(name, "mq") // the test's namespace
}

// inUnit is a value about as Grafana shows it.
func inUnit(value float64, unit string) string {
	switch unit {
	case "bytes":
		exponent := min(3, max(0, int(math.Log2(max(value, 1))/10)))
		return fmt.Sprintf("%.3g %s", value/math.Pow(1024, float64(exponent)), []string{"B", "KiB", "MiB", "GiB"}[exponent])
	case "Bps":
		return fmt.Sprintf("%.1f kB/s", value/1e3)
	case "ops":
		return fmt.Sprintf("%.1f/s", value)
	case "ms":
		if value >= 1000 {
			return fmt.Sprintf("%.1f s", value/1000)
		}
	case "s":
	default:
		return fmt.Sprintf("%.4g", value)
	}
	return fmt.Sprintf("%.2g %s", value, unit)
}

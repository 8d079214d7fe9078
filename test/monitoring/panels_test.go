package monitoring

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// panels are the queries of all dashboards, and what they were first answered.
type panels struct {
	*testing.T
	server     *server
	dashboards []dashboard
	queries    []query
	answers    map[query]promql.Vector
}

func newPanels(t *testing.T, s *server) *panels {
	t.Helper()
	dashboards := readDashboards(t)
	return &panels{t, s, dashboards, allQueries(dashboards), map[query]promql.Vector{}}
}

// look at those that have not shown anything yet.
func (p *panels) look() {
	p.Helper()
	for _, q := range p.queries {
		if len(p.answers[q]) > 0 {
			continue
		}
		answer, err := p.server.ask(p.Context(), q.expr)
		if err != nil {
			p.Fatalf("%s, %s: %v", q.dashboard, q.panel, err)
		}
		p.answers[q] = answer
		for _, label := range legendLabels(q.legend) {
			if len(answer) > 0 && answer[0].Metric.Get(label) == "" {
				p.Errorf("%s, %s: the answers to %s lack the label %s of the legend", q.dashboard, q.panel, q.expr, label)
			}
		}
	}
}

// missing names the queries that have had no answer so far.
func (p *panels) missing() string {
	p.Helper()
	p.look()
	var missing []string
	for _, q := range p.queries {
		if len(p.answers[q]) == 0 {
			missing = append(missing, q.dashboard+", "+q.panel+": "+q.expr)
		}
	}
	if len(missing) > 0 {
		return "there is no data for\n" + strings.Join(missing, "\n")
	}
	return ""
}

// legendLabels are those of {{label}} in a legend.
func legendLabels(legend string) (out []string) {
	for _, match := range regexp.MustCompile(`{{\s*(\w+)\s*}}`).FindAllStringSubmatch(legend, -1) {
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

// page has a table of each dashboard, with what each panel showed first.
func (p *panels) page() string {
	var out strings.Builder
	out.WriteString(pageBegin)
	for _, d := range p.dashboards {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n| panel | series | for example |\n|---|---|---|\n", d.Title, d.Description)
		for _, panel := range d.Panels {
			if panel.Type == "row" {
				fmt.Fprintf(&out, "| **%s** | | |\n", panel.Title)
			}
			for i, q := range d.queries(&panel) {
				title := panel.Title
				if i > 0 {
					title = ""
				}
				answer := p.answers[q]
				fmt.Fprintf(&out, "| %s | %d | %s |\n", title, len(answer), example(q, answer))
			}
		}
	}
	return out.String()
}

const pageBegin = `# The dashboards, with data

What the panels of the dashboards in [monitoring](monitoring.md) show. It was seen in the test that scrapes real brokers and controllers of
RocketMQ 5.4.0, and an operator: a producer sends 200 messages a second to one topic, two groups consume them; then everything goes wrong
that there is an alert for. The test writes this page (` + "`make dashboards`" + `).
`

// example is the series with the greatest value, as the panel shows it.
func example(q query, answer promql.Vector) string {
	if len(answer) == 0 {
		return ""
	}
	most := slices.MaxFunc(answer, func(a, b promql.Sample) int { return cmp.Compare(a.F, b.F) })
	name := regexp.MustCompile(`{{\s*(\w+)\s*}}`).ReplaceAllStringFunc(q.legend, func(label string) string {
		return most.Metric.Get(strings.Trim(label, "{} "))
	})
	if q.legend == "" {
		var words []string
		most.Metric.Range(func(l labels.Label) {
			if l.Name != labels.MetricName && l.Name != "instance" {
				words = append(words, l.Name+"="+l.Value)
			}
		})
		name = strings.Join(words, " ")
	}
	name = regexp.MustCompile(`reconcile-\w+`).ReplaceAllString(name, "mq")
	return strings.TrimSpace(name + ": " + inUnit(most.F, q.unit))
}

// inUnit is a value as Grafana shows it, roughly.
func inUnit(value float64, unit string) string {
	switch unit {
	case "bytes":
		return fmt.Sprintf("%.1f MiB", value/(1<<20))
	case "Bps":
		return fmt.Sprintf("%.1f kB/s", value/1e3)
	case "ops":
		return fmt.Sprintf("%.1f/s", value)
	case "ms", "s":
		return fmt.Sprintf("%.3g %s", value, unit)
	}
	return fmt.Sprintf("%.4g", value)
}

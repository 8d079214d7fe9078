// SPDX-License-Identifier: Apache-2.0

// Package monitoring tests the alerts and dashboards of config/monitoring with a real Prometheus: that what they ask for exists, that
// every panel shows data of real brokers, and that every alert fires when its cause is made, and is silent at rest.
package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	root       = "../.."
	sources    = root + "/config/monitoring"
	alertsFile = sources + "/alerts.yaml"
)

// promQL parses expressions as a Prometheus without feature flags does.
func promQL() parser.Parser { return parser.NewParser(parser.Options{}) }

// readAlerts checks the file as `promtool check rules` does.
func readAlerts(t *testing.T) *rulefmt.RuleGroups {
	t.Helper()
	groups, errs := rulefmt.ParseFile(alertsFile, false, model.UTF8Validation, promQL())
	for _, err := range errs {
		t.Error(err)
	}
	if len(errs) > 0 || len(groups.Groups) == 0 {
		t.Fatalf("%s holds no alerts that Prometheus takes", alertsFile)
	}
	return groups
}

// eachAlert visits the alerts in their order.
func eachAlert(groups *rulefmt.RuleGroups, visit func(rule *rulefmt.Rule)) {
	for i := range groups.Groups {
		for j := range groups.Groups[i].Rules {
			visit(&groups.Groups[i].Rules[j])
		}
	}
}

// dashboard is what we need of Grafana's format.
type dashboard struct {
	UID         string  `json:"uid"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Panels      []panel `json:"panels"`
	Templating  struct {
		List []variable `json:"list"`
	} `json:"templating"`

	file string
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Targets     []struct {
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
		Datasource   struct {
			UID string `json:"uid"`
		} `json:"datasource"`
	} `json:"targets"`
	GridPos     place `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
}

type place struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

type variable struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Definition string `json:"definition"`
}

func readDashboards(t *testing.T) []dashboard {
	t.Helper()
	files, err := filepath.Glob(sources + "/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	var out []dashboard
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := dashboard{file: filepath.Base(file)}
		if err := json.Unmarshal(content, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out = append(out, d)
	}
	return out
}

// query is one question of a panel, or of a variable.
type query struct {
	dashboard, panel, legend, unit, expr string
}

// queries of a panel, with every variable set to All.
func (d *dashboard) queries(p *panel) (out []query) {
	for _, target := range p.Targets {
		out = append(out, query{d.Title, p.Title, target.LegendFormat, p.FieldConfig.Defaults.Unit, filledIn(target.Expr)})
	}
	return out
}

// allQueries of dashboards: those of their panels, and those of their variables.
func allQueries(dashboards []dashboard) (out []query) {
	for _, d := range dashboards {
		for _, p := range d.Panels {
			out = append(out, d.queries(&p)...)
		}
	}
	return append(out, variableQueries(dashboards)...)
}

// variableQueries ask for the values that users choose from: label_values(selector, label).
func variableQueries(dashboards []dashboard) (out []query) {
	for _, d := range dashboards {
		for _, v := range d.Templating.List {
			arguments, ok := strings.CutPrefix(v.Definition, "label_values(")
			if !ok {
				continue
			}
			arguments = strings.TrimSuffix(arguments, ")")
			comma := strings.LastIndex(arguments, ",")
			label := strings.TrimSpace(arguments[comma+1:])
			expr := "group by (" + label + ") (" + arguments[:comma] + ")"
			out = append(out, query{dashboard: d.Title, panel: "variable " + v.Name, expr: filledIn(expr)})
		}
	}
	return out
}

// rateInterval is what Grafana makes of $__rate_interval when Prometheus scrapes every minute.
const rateInterval = "4m"

func filledIn(expr string) string {
	all := []string{"$__rate_interval", rateInterval}
	for _, variable := range []string{"$namespace", "$cluster", "$topic", "$group", "$operator"} {
		all = append(all, variable, ".*")
	}
	return strings.NewReplacer(all...).Replace(expr)
}

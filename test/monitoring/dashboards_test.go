// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Grafana takes a dashboard only with a uid of its own; panels that overlap or share an id are shown somehow.
func TestDashboardsAreInOrder(t *testing.T) {
	uids := map[string]string{}
	for _, d := range readDashboards(t) {
		if other, taken := uids[d.UID]; taken || d.UID == "" {
			t.Errorf("%s has the uid %q, as has %q", d.file, d.UID, other)
		}
		uids[d.UID] = d.file
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: two panels have the id %d", d.file, p.ID)
			}
			ids[p.ID] = true
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s: %s asks nothing", d.file, p.Title)
			}
			if p.Type != "row" && p.Description == "" {
				t.Errorf("%s: %s does not say what it shows", d.file, p.Title)
			}
			if p.GridPos.W <= 0 || p.GridPos.H <= 0 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: %s does not fit into 24 columns: %+v", d.file, p.Title, p.GridPos)
			}
			for _, other := range d.Panels[:i] {
				if p.GridPos.overlaps(other.GridPos) {
					t.Errorf("%s: %s and %s overlap", d.file, p.Title, other.Title)
				}
			}
			for _, target := range p.Targets {
				if target.Datasource.UID != "${datasource}" {
					t.Errorf("%s: %s does not ask the chosen data source", d.file, p.Title)
				}
			}
		}
	}
}

// Whoever chooses one of several operators sees nothing of the others.
func TestTheOperatorsDashboardAsksForTheChosenOnes(t *testing.T) {
	dashboards := readDashboards(t)
	at := slices.IndexFunc(dashboards, func(d dashboard) bool { return d.file == "operator.json" })
	if at < 0 {
		t.Fatal("there is no dashboard of the operator")
	}
	for _, p := range dashboards[at].Panels {
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `namespace=~"$operator"`) {
				t.Errorf("%s shows all operators: %s", p.Title, target.Expr)
			}
		}
	}
}

func (p place) overlaps(o place) bool {
	return p.X < o.X+o.W && o.X < p.X+p.W && p.Y < o.Y+o.H && o.Y < p.Y+p.H
}

// Whoever applies config/monitoring gets every dashboard.
func TestTheKustomizationHoldsTheDashboards(t *testing.T) {
	kustomization, err := os.ReadFile(sources + "/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range readDashboards(t) {
		if line := "rocketmq-" + d.file + "=dashboards/" + d.file; !strings.Contains(string(kustomization), line) {
			t.Errorf("config/monitoring/kustomization.yaml lacks %s", line)
		}
	}
}

// Every $variable that a dashboard uses is one that users can choose, or Grafana's.
func TestDashboardsDefineTheirVariables(t *testing.T) {
	for _, d := range readDashboards(t) {
		defined := []string{"__rate_interval", "__all"}
		for _, v := range d.Templating.List {
			defined = append(defined, v.Name)
		}
		content, err := os.ReadFile(sources + "/dashboards/" + d.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(content), -1) {
			if !slices.Contains(defined, match[1]) {
				t.Errorf("%s uses $%s, which it does not define", d.file, match[1])
			}
		}
	}
}

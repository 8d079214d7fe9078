// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// Each alert says how urgent it is, what it is about, which command shows more, and where to read what to do; the documentation has
// that place.
func TestAlertsAreExplained(t *testing.T) {
	const page = "https://github.com/rocketmq-operator/rocketmq-operator/blob/main/docs/monitoring.md#"
	docs, err := os.ReadFile(root + "/docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for line := range strings.Lines(string(docs)) {
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			headings[strings.TrimSpace(heading)] = true
		}
	}
	eachAlert(readAlerts(t), func(rule *rulefmt.Rule) {
		if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", rule.Alert, severity)
		}
		if rule.Annotations["summary"] == "" || !strings.Contains(rule.Annotations["description"], "kubectl ") {
			t.Errorf("%s lacks a summary, or a description with a command", rule.Alert)
		}
		if got, want := rule.Annotations["runbook_url"], page+strings.ToLower(rule.Alert); got != want {
			t.Errorf("%s has the runbook_url %s, want %s", rule.Alert, got, want)
		}
		if !headings[rule.Alert] {
			t.Errorf("docs/monitoring.md has no heading %s", rule.Alert)
		}
		delete(headings, rule.Alert)
	})
	for heading := range headings {
		if strings.HasPrefix(heading, "RocketMQ") {
			t.Errorf("docs/monitoring.md explains %s, which is no alert", heading)
		}
	}
}

// annotationLabels are those of {{ $labels.label }} in a text.
func annotationLabels(text string) (out []string) {
	for _, match := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
		out = append(out, match[1])
	}
	return out
}

// TestOwnNamesAreLeftOut: who leaves out RocketMQ's own topics and groups must leave out those of its proxies too, which brokers take for
// a user's.
func TestOwnNamesAreLeftOut(t *testing.T) {
	files, err := filepath.Glob(root + "/config/monitoring/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d dashboards: %v", len(files), err)
	}
	selector := regexp.MustCompile(`rocketmq_(\w+)\{[^{}]*is_system=\\?"false\\?"[^{}]*\}`)
	found := 0
	for _, file := range append(files, alertsFile) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range selector.FindAllStringSubmatch(string(text), -1) {
			found++
			want := `topic!="` + admin.ProxyTopic + `"`
			if strings.HasPrefix(match[1], "consumer_") {
				want = `consumer_group!="` + admin.ProxyGroup + `"`
			}
			if !strings.Contains(strings.ReplaceAll(match[0], `\`, ""), want) {
				t.Errorf("%s: %s lacks %s", filepath.Base(file), match[0], want)
			}
		}
	}
	if found == 0 {
		t.Error("nothing leaves out RocketMQ's own names")
	}
}

// Every alert fires for what it is there for, not before its time, and not for what is like it.
func TestAlerts(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, c := range ruleCases() {
		t.Run(c.alert+"/"+c.name, func(t *testing.T) {
			want := []string{strings.TrimSpace(c.alert + " " + c.firing)}
			if c.firing == silence {
				want = nil
				silent[c.alert] = true
			} else {
				fires[c.alert] = true
			}
			if diff := cmp.Diff(want, alertsAfter(t, c)); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", c.at, diff)
			}
		})
	}
	eachAlert(readAlerts(t), func(rule *rulefmt.Rule) {
		if !fires[rule.Alert] || !silent[rule.Alert] {
			t.Errorf("%s: tested to fire %t, to be silent %t", rule.Alert, fires[rule.Alert], silent[rule.Alert])
		}
	})
}

// alertsAfter are those of the case's name that fire then, when all rules are evaluated every minute.
func alertsAfter(t *testing.T, c ruleCase) (firing []string) {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 1m\n "+strings.ReplaceAll(strings.TrimSpace(c.series), "\n", "\n "))
	t.Cleanup(func() { storage.Close() })
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: lookback, EnableAtModifier: true, Parser: promQL(),
	})
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(engine, storage), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Context: t.Context(), Appendable: storage, Queryable: storage, Logger: slog.New(slog.DiscardHandler), Parser: promQL(),
		NameValidationScheme: model.UTF8Validation,
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, alertsFile)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for at := time.Duration(0); at <= c.at; at += time.Minute {
		for _, group := range groups {
			group.Eval(t.Context(), time.Unix(0, 0).UTC().Add(at))
		}
	}
	for _, group := range groups {
		for _, rule := range group.AlertingRules() {
			if rule.LastError() != nil {
				t.Errorf("%s: %v", rule.Name(), rule.LastError())
			}
			for _, alert := range rule.ActiveAlerts() {
				if rule.Name() == c.alert && alert.State == rules.StateFiring {
					firing = append(firing, describe(alert.Labels))
					alert.Annotations.Range(func(text labels.Label) { checkText(t, rule.Name()+"'s "+text.Name, text.Value) })
				}
			}
		}
	}
	slices.Sort(firing)
	return firing
}

// checkText of an annotation, as somebody reads it who was woken.
func checkText(t *testing.T, of, text string) {
	t.Helper()
	for _, flaw := range []string{"error expanding template", "<no value>", "  "} {
		if strings.Contains(text, flaw) {
			t.Errorf("%s has %q in %s", of, flaw, text)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wholeResult is a result in which everything is known.
func wholeResult(clusters int, ready float64, writes int) *result {
	at := func(cpu float64, rss float64, r requests) *span {
		return &span{
			Seconds: 60, CPU: map[string]float64{theOperator: cpu, "etcd": 7}, Memory: usage{RSS: rss, Peak: rss + 10},
			Requests: r, RPCs: map[string]int{"GET_BROKER_CONFIG": 6 * clusters},
			Metrics: metrics{Reconciles: map[string]float64{"broker": 12 * float64(clusters)}},
		}
	}
	return &result{
		Clusters: clusters, Created: 1, Ready: ready, ReadyClusters: clusters, Samples: []sample{{Queued: 3}, {Queued: 9}, {Queued: 1}},
		Empty:            at(0, 29, nil),
		Start:            at(140, 90, requests{"patch brokers/status": 20 * clusters, "get nodes": 3 * clusters, leaderElection: 99 * clusters}),
		Steady:           at(6, 29+float64(clusters)/10, requests{leaderElection: 30, "patch brokers/status": writes}),
		Change:           changes{Seconds: []float64{5, 4, 9}},
		ChangeBesideHung: changes{Seconds: []float64{5, 6, 7}}, ChangeBesideCopies: changes{Seconds: []float64{5, 240}, Unfinished: true},
		Restart: at(50, 80, nil), Restarted: 55, TakeOver: at(40, 80, nil), TookOver: 16, QuietAfterTakeOver: 20,
	}
}

func TestReport(t *testing.T) {
	all := []*result{wholeResult(100, 20, 0), wholeResult(1000, 250, 2)}
	got := report(all)
	const golden = "testdata/report.golden.md"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMissedBars(t *testing.T) {
	var names []string
	for _, err := range missed([]*result{wholeResult(100, 20, 9), wholeResult(1000, 270, 2)}) {
		names = append(names, err.Error())
	}
	want := []string{
		"bar missed with 1000 clusters: all Ready after (s): 270.0 (2720.0), must be at most 258",
		"bar missed with 1000 clusters: time per cluster, against that with 100: 1.35 (4.86), must be at most 1.3",
		"bar missed with 1000 clusters: writes, steady: 2, must be at most 0",
		"bar missed with 1000 clusters: ... beside hung copies, against that: never, must be at most 1.2",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if errs := missed([]*result{wholeResult(100, 1000, 9)}); len(errs) > 0 {
		t.Errorf("the bars are not for 100 clusters: %v", errs)
	}
}

// TestUnfinishedStart: what could not be measured meets no bar.
func TestUnfinishedStart(t *testing.T) {
	r := &result{Clusters: 1000, Created: 10, Ready: 3600, ReadyClusters: 997, Error: "1000 clusters: phase start: 997 of 1000"}
	got := report([]*result{r})
	for _, want := range []string{
		"| all Ready after (s) | never (2720.0) | 258 | no |",
		"| restart: CPU (s) | - | 60 | not measured |",
		"phase start: 997 of 1000",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestMetrics: a part of what an operator served while it started many clusters.
func TestMetrics(t *testing.T) {
	file, err := os.Open("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	got, err := parseMetrics(file)
	if err != nil {
		t.Fatal(err)
	}
	want := metrics{
		Reconciles: map[string]float64{"broker": 101, "nameservice": 68},
		Work:       histogram{Count: 101, Sum: 37.49725930299999},
		WorkTime:   map[string]float64{"broker": 37.49725930299999},
		Waiting:    histogram{Count: 177, Sum: 377.850431988},
		GCs:        318, Allocated: 354679152.0 / mebibyte,
		Queued: 137, Active: 8, Goroutines: 601, Heap: 16941056.0 / mebibyte, Objects: 13, Stacks: 3112960.0 / mebibyte,
		Leads: true, KnowsWhetherItDoes: true,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(histogram{}), cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if mean, median, most := got.Waiting.mean(), got.Waiting.quantile(0.29), got.Waiting.quantile(1); math.Abs(mean-2.1347) > 0.001 || median != 1 || most != 10 {
		t.Errorf("queued for %g s, 29 %% within %g s, all within %g s", mean, median, most)
	}
}

// serving is the text of an operator that has reconciled so often and for so long.
func serving(fast, all string) string {
	return `# TYPE controller_runtime_reconcile_total counter
controller_runtime_reconcile_total{controller="broker",result="success"} ` + all + `
# TYPE controller_runtime_reconcile_time_seconds histogram
controller_runtime_reconcile_time_seconds_bucket{controller="broker",le="0.1"} ` + fast + `
controller_runtime_reconcile_time_seconds_bucket{controller="broker",le="+Inf"} ` + all + `
controller_runtime_reconcile_time_seconds_sum{controller="broker"} ` + all + `
controller_runtime_reconcile_time_seconds_count{controller="broker"} ` + all + `
# TYPE workqueue_depth gauge
workqueue_depth{controller="broker"} 3
`
}

func TestMetricsSince(t *testing.T) {
	before, err := parseMetrics(strings.NewReader(serving("10", "10")))
	if err != nil {
		t.Fatal(err)
	}
	now, err := parseMetrics(strings.NewReader(serving("12", "30")))
	if err != nil {
		t.Fatal(err)
	}
	got := now.since(before)
	if got.Reconciles["broker"] != 20 || got.Work.Count != 20 || got.WorkTime["broker"] != 20 || got.Queued != 3 {
		t.Errorf("%+v", got)
	}
	if fast, slow := got.Work.quantile(0.1), got.Work.quantile(0.99); fast != 0.1 || slow != 0.1 {
		t.Errorf("10 %% within %g s, 99 %% within %g s, which is the highest bound", fast, slow)
	}
	if none := got.Waiting; none.mean() != 0 || none.quantile(0.5) != 0 {
		t.Errorf("nothing was queued, and that for %g s", none.mean())
	}
	if got.KnowsWhetherItDoes {
		t.Error("it does not take part in a leader election")
	}
}

func TestBrokenMetrics(t *testing.T) {
	if _, err := parseMetrics(strings.NewReader("<html>\n")); err == nil {
		t.Error("taken for metrics")
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// figure is a line of the report. All are the better the smaller they are.
type figure struct {
	name   string
	digits int
	// of a result, among all of a run; false if it was not measured.
	of func(r *result, all []*result) (float64, bool)
	// bar is the most that it may be with 1,000 clusters; negative without one.
	bar float64
	// before is what the operator needed when it was first measured with many clusters, by their number.
	before map[int]float64
}

const noBar = -1

// barClusters is the number of clusters that the bars are set for.
const barClusters = 1000

// takeOverBar is the duration of the leader's Lease, and the longest that a standby waits between two looks at it: 2 s, and
// up to 1.2 times as much again (client-go's leaderelection.JitterFactor).
const takeOverBar = 15 + 2*(1+1.2)

// inSpan is a figure of a span.
func inSpan(pick func(*result) *span, value func(s *span) float64) func(*result, []*result) (float64, bool) {
	return func(r *result, _ []*result) (float64, bool) {
		s := pick(r)
		if s == nil {
			return 0, false
		}
		return value(s), true
	}
}

// plain is a figure of the result that is zero if it was not measured.
func plain(value func(*result) float64) func(*result, []*result) (float64, bool) {
	return func(r *result, _ []*result) (float64, bool) { return value(r), value(r) > 0 }
}

func figures() []figure {
	empty, start := func(r *result) *span { return r.Empty }, func(r *result) *span { return r.Start }
	steady := func(r *result) *span { return r.Steady }
	restart, takeOver := func(r *result) *span { return r.Restart }, func(r *result) *span { return r.TakeOver }
	writes := func(s *span) float64 { return float64(s.Requests.writes()) }
	rss := func(s *span) float64 { return s.Memory.RSS }
	operatorCPU := func(s *span) float64 { return s.CPU[theOperator] }
	return []figure{
		{"all Ready after (s)", 1, allReady, 258, map[int]float64{100: 56, 300: 245, 1000: 2720}},
		{"operator's CPU until then (s)", 1, inSpan(start, operatorCPU), 150, map[int]float64{100: 29, 300: 145, 1000: 2140}},
		{"time per cluster, against that with 100", 2, againstHundred, 1.3, map[int]float64{300: 1.46, 1000: 4.86}},
		{"writes per cluster until Ready", 1, perCluster(requests.writes), 22, map[int]float64{100: 43}},
		{"reads per cluster until Ready", 1, perCluster(requests.reads), 14, map[int]float64{100: 28}},
		{"deepest queue", 0, deepestQueue, noBar, map[int]float64{1000: 2570}},
		{"queued on average (s)", 1, inSpan(start, func(s *span) float64 { return s.QueuedMean }), noBar, nil},
		{"RSS without clusters (MiB)", 1, inSpan(empty, rss), 30, nil},
		{"RSS, steady (MiB)", 1, inSpan(steady, rss), noBar, nil},
		{"RSS at most until then (MiB)", 1, inSpan(steady, func(s *span) float64 { return s.Memory.Peak }), noBar, nil},
		{"MiB per cluster, steady", 3, memoryPerCluster, 0.15, map[int]float64{1000: 0.5}},
		{"CPU, steady (% of a core)", 1, inSpan(steady, (*span).cpuShare), 25, nil},
		{"writes, steady", 0, inSpan(steady, writes), 0, nil},
		{"RPCs to RocketMQ, steady (1/s)", 0, inSpan(steady, func(s *span) float64 { return float64(total(s.RPCs)) / s.Seconds }), noBar, nil},
		{"one cluster grows (s)", 1, plain(func(r *result) float64 { return r.Change.typical() }), noBar, nil},
		{"... beside hung ones, against that", 2, againstPeace(func(r *result) changes { return r.ChangeBesideHung }), 1.2, nil},
		{"... beside hung copies, against that", 2, againstPeace(func(r *result) changes { return r.ChangeBesideCopies }), 1.2, nil},
		{"restart: quiet after (s)", 1, plain(func(r *result) float64 { return r.Restarted }), 60, map[int]float64{300: 45}},
		{"restart: CPU (s)", 1, inSpan(restart, operatorCPU), 60, map[int]float64{300: 40}},
		{"restart: writes", 0, inSpan(restart, writes), 0, nil},
		{"leader killed: another leads after (s)", 1, plain(func(r *result) float64 { return r.TookOver }), takeOverBar, nil},
		{"... and is quiet after (s)", 1, quietAfterTakeOver, 30, nil},
		{"... with writes", 0, inSpan(takeOver, writes), 0, nil},
	}
}

// allReady is when all clusters were, never if it took longer than was waited for.
func allReady(r *result, _ []*result) (float64, bool) {
	if r.ReadyClusters < r.Clusters {
		return math.Inf(1), r.Created > 0
	}
	return r.Ready, true
}

func quietAfterTakeOver(r *result, _ []*result) (float64, bool) {
	return r.QuietAfterTakeOver, r.TakeOver != nil
}

func deepestQueue(r *result, _ []*result) (deepest float64, known bool) {
	for _, s := range r.Samples {
		deepest = max(deepest, s.Queued)
	}
	return deepest, len(r.Samples) > 0
}

func perCluster(pick func(requests) int) func(*result, []*result) (float64, bool) {
	return func(r *result, _ []*result) (float64, bool) {
		if r.Start == nil {
			return 0, false
		}
		return float64(pick(r.Start.Requests)) / float64(r.Clusters), true
	}
}

func memoryPerCluster(r *result, _ []*result) (float64, bool) {
	if r.Steady == nil {
		return 0, false
	}
	return (r.Steady.Memory.RSS - r.Empty.Memory.RSS) / float64(r.Clusters), true
}

// againstHundred is how much longer a cluster takes among many than among a hundred.
func againstHundred(r *result, all []*result) (float64, bool) {
	const few = 100
	for _, other := range all {
		if other.Clusters == few && other.Start != nil && r.Start != nil && r != other {
			return (r.Ready / float64(r.Clusters)) / (other.Ready / few), true
		}
	}
	return 0, false
}

func againstPeace(pick func(*result) changes) func(*result, []*result) (float64, bool) {
	return func(r *result, _ []*result) (float64, bool) {
		peace, beside := r.Change.typical(), pick(r)
		switch {
		case peace == 0 || len(beside.Seconds) == 0:
			return 0, false
		case beside.Unfinished:
			return math.Inf(1), true
		}
		return beside.typical() / peace, true
	}
}

// show a figure of a result, with what it was before.
func (f figure) show(r *result, all []*result) string {
	out := "-"
	switch v, known := f.of(r, all); {
	case known && math.IsInf(v, 1):
		out = "never"
	case known:
		out = fmt.Sprintf("%.*f", f.digits, v)
	}
	if before, known := f.before[r.Clusters]; known {
		out += fmt.Sprintf(" (%.*f)", f.digits, before)
	}
	return out
}

// meets tells whether the result meets the bar: "", yes or no, or that it is not known.
func (f figure) meets(r *result, all []*result) string {
	v, known := f.of(r, all)
	switch {
	case f.bar < 0:
		return ""
	case !known:
		return "not measured"
	case v > f.bar:
		return "no"
	}
	return "yes"
}

// missed are the bars that the last result, the one of the most clusters, does not meet, if it has as many as they are for.
func missed(all []*result) (errs []error) {
	last := all[len(all)-1]
	if last.Clusters < barClusters {
		return nil
	}
	for _, f := range figures() {
		if f.meets(last, all) == "no" {
			errs = append(errs, fmt.Errorf("bar missed with %d clusters: %s: %s, must be at most %g",
				last.Clusters, f.name, f.show(last, all), f.bar))
		}
	}
	return errs
}

// report of all results, in Markdown.
func report(all []*result) string {
	var out strings.Builder
	last := all[len(all)-1]
	header, rule := "| clusters |", "|---|"
	for _, r := range all {
		header += fmt.Sprintf(" %d |", r.Clusters)
		rule += "---:|"
	}
	fmt.Fprintf(&out, "%s bar for %d | met by %d |\n%s---:|---|\n", header, barClusters, last.Clusters, rule)
	for _, f := range figures() {
		fmt.Fprintf(&out, "| %s |", f.name)
		for _, r := range all {
			fmt.Fprintf(&out, " %s |", f.show(r, all))
		}
		bar := ""
		if f.bar >= 0 {
			bar = fmt.Sprintf("%g", f.bar)
		}
		fmt.Fprintf(&out, " %s | %s |\n", bar, f.meets(last, all))
	}
	out.WriteString("\nIn parentheses: the operator when it was first measured so, with 2 cores (of 1000 clusters 997 became Ready).\n" +
		"KubeRay has 1000 of its clusters ready in 258 s, and needs 0.10 MiB for each.\n")
	for _, r := range all {
		if r.Error != "" {
			fmt.Fprintf(&out, "Not everything could be measured with %s.\n", r.Error)
		}
	}
	if last.Clusters < barClusters {
		fmt.Fprintf(&out, "The bars are for %[2]d clusters: that %[1]d meet one, or miss one, proves little.\n", last.Clusters, barClusters)
	}
	for _, l := range lists() {
		l.write(&out, all)
	}
	return out.String()
}

// list is a table of the report whose lines are what was counted.
type list struct {
	name string
	span func(*result) *span
	of   func(r *result, s *span) map[string]float64
}

func lists() []list {
	start, steady := func(r *result) *span { return r.Start }, func(r *result) *span { return r.Steady }
	return []list{
		{"requests to the API server per cluster until Ready", start, func(r *result, s *span) map[string]float64 {
			return divided(s.Requests, r.Clusters)
		}},
		{"at least so many of them changed nothing", start, func(r *result, s *span) map[string]float64 {
			return divided(s.Idle, r.Clusters)
		}},
		{"reconciles per cluster until Ready", start, func(r *result, s *span) map[string]float64 {
			return divided(s.Metrics.Reconciles, r.Clusters)
		}},
		{"CPU until Ready, by process (s)", start, func(_ *result, s *span) map[string]float64 {
			return s.CPU
		}},
		{"RPCs to RocketMQ per cluster, steady (1/min)", steady, func(r *result, s *span) map[string]float64 {
			return divided(s.RPCs, float64(r.Clusters)*s.Seconds/60)
		}},
	}
}

// divided counts.
func divided[M ~map[string]V, V, N int | float64](counts M, by N) map[string]float64 {
	out := map[string]float64{}
	for key, n := range counts {
		out[key] = float64(n) / float64(by)
	}
	return out
}

// write the table with the largest counts first, nothing if there are none.
func (l list) write(out *strings.Builder, all []*result) {
	var columns []map[string]float64
	most := map[string]float64{}
	header, rule := "| "+l.name+" |", "|---|"
	for _, r := range all {
		var column map[string]float64
		if s := l.span(r); s != nil {
			column = l.of(r, s)
		}
		columns = append(columns, column)
		for key, n := range column {
			most[key] = max(most[key], n)
		}
		header += fmt.Sprintf(" %d |", r.Clusters)
		rule += "---:|"
	}
	if len(most) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n%s\n", header, rule)
	keys := slices.SortedFunc(maps.Keys(most), func(a, b string) int {
		return cmp.Or(cmp.Compare(most[b], most[a]), cmp.Compare(a, b))
	})
	for _, key := range keys {
		fmt.Fprintf(out, "| %s |", key)
		for _, column := range columns {
			fmt.Fprintf(out, " %.2f |", column[key])
		}
		out.WriteString("\n")
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics are what the operator says of itself, by the names of controller-runtime, client-go and the Go runtime.
type metrics struct {
	// Counted since the program's start.
	Reconciles map[string]float64 // by controller
	Errors     float64            // of reconciles
	Work       histogram          // seconds of reconciles
	WorkTime   map[string]float64 // the same, by controller
	Waiting    histogram          // seconds in a queue
	GCs        float64
	Allocated  float64 // MiB

	// At the moment.
	Queued, Active            float64
	Goroutines, Heap, Stacks  float64 // heap and stacks in MiB
	Objects                   float64 // MiB of the heap that objects fill; the rest is holes between them
	Leads, KnowsWhetherItDoes bool
}

// histogram of all series of a name.
type histogram struct {
	Count, Sum float64
	buckets    map[float64]float64 // cumulative counts by upper bound
}

// scrape the metrics that are served at host:port.
func scrape(ctx context.Context, addr string) (metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return metrics{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return metrics{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return metrics{}, fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	return parseMetrics(response.Body)
}

func parseMetrics(text io.Reader) (metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return metrics{}, fmt.Errorf("metrics: %w", err)
	}
	f := families(all)
	leads, known := all["leader_election_master_status"]
	return metrics{
		Reconciles: f.by("controller_runtime_reconcile_total", "controller"),
		Errors:     f.sum("controller_runtime_reconcile_errors_total"),
		Work:       f.histogram("controller_runtime_reconcile_time_seconds"),
		WorkTime:   f.by("controller_runtime_reconcile_time_seconds", "controller"),
		Waiting:    f.histogram("workqueue_queue_duration_seconds"),
		GCs:        f.sum("go_gc_duration_seconds"),
		Allocated:  f.sum("go_memstats_alloc_bytes_total") / mebibyte,
		Queued:     f.sum("workqueue_depth"),
		Active:     f.sum("controller_runtime_active_workers"),
		Goroutines: f.sum("go_goroutines"),
		Heap:       f.sum("go_memstats_heap_inuse_bytes") / mebibyte,
		Objects:    f.sum("go_memstats_heap_alloc_bytes") / mebibyte,
		Stacks:     f.sum("go_memstats_stack_inuse_bytes") / mebibyte,
		Leads:      known && f.sum(leads.GetName()) > 0, KnowsWhetherItDoes: known,
	}, nil
}

type families map[string]*dto.MetricFamily

// value of a counter or gauge, the sum of a histogram, or the count of a summary.
func value(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Histogram != nil:
		return m.Histogram.GetSampleSum()
	case m.Summary != nil:
		return float64(m.Summary.GetSampleCount())
	}
	return m.Untyped.GetValue()
}

func (f families) sum(name string) (total float64) {
	for _, m := range f[name].GetMetric() {
		total += value(m)
	}
	return total
}

// by sums a metric by the value of a label, without zeros.
func (f families) by(name, label string) map[string]float64 {
	out := map[string]float64{}
	for _, m := range f[name].GetMetric() {
		for _, pair := range m.GetLabel() {
			if pair.GetName() == label {
				out[pair.GetValue()] += value(m)
			}
		}
	}
	maps.DeleteFunc(out, func(_ string, v float64) bool { return v == 0 })
	return out
}

func (f families) histogram(name string) histogram {
	h := histogram{buckets: map[float64]float64{}}
	for _, m := range f[name].GetMetric() {
		h.Count += float64(m.GetHistogram().GetSampleCount())
		h.Sum += m.GetHistogram().GetSampleSum()
		for _, bucket := range m.GetHistogram().GetBucket() {
			h.buckets[bucket.GetUpperBound()] += float64(bucket.GetCumulativeCount())
		}
	}
	return h
}

// since is what was counted after an earlier moment.
func (m metrics) since(before metrics) metrics {
	m.Reconciles = difference(m.Reconciles, before.Reconciles)
	m.WorkTime = difference(m.WorkTime, before.WorkTime)
	m.Errors -= before.Errors
	m.Work = m.Work.since(before.Work)
	m.Waiting = m.Waiting.since(before.Waiting)
	m.GCs -= before.GCs
	m.Allocated -= before.Allocated
	return m
}

func (h histogram) since(before histogram) histogram {
	return histogram{Count: h.Count - before.Count, Sum: h.Sum - before.Sum, buckets: difference(h.buckets, before.buckets)}
}

// mean value, 0 if there is none.
func (h histogram) mean() float64 {
	if h.Count == 0 {
		return 0
	}
	return h.Sum / h.Count
}

// quantile is the upper bound of the bucket that holds it, or the highest bound if that is infinite; 0 without values.
func (h histogram) quantile(q float64) float64 {
	var highest float64
	if h.Count == 0 {
		return 0
	}
	for _, bound := range slices.Sorted(maps.Keys(h.buckets)) {
		if !math.IsInf(bound, 1) {
			highest = bound
		}
		if h.buckets[bound] >= q*h.Count {
			break
		}
	}
	return highest
}

// difference of counts by key, without those that did not change.
func difference[K comparable, V int | float64](now, before map[K]V) map[K]V {
	out := map[K]V{}
	for key, n := range now {
		if n -= before[key]; n != 0 {
			out[key] = n
		}
	}
	return out
}

// total of counts.
func total[K comparable, V int | float64](counts map[K]V) (sum V) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

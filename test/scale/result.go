// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"time"
)

// result of one number of clusters. Times are in seconds, memory is in MiB; what was not measured is zero or nil.
type result struct {
	Clusters             int
	Topology, Namespaces string
	Environment          []string
	Began                time.Time
	Error                string `json:",omitempty"`

	Empty, Start, Steady *span
	// Created is when the API server had all clusters, Ready when ReadyClusters, all if it went well, were Ready and UpToDate.
	Created, Ready float64
	ReadyClusters  int
	Samples        []sample

	Change, ChangeBesideHung, ChangeBesideCopies changes
	HungClusters, HungCopiesClusters             int
	Hung, HungCopies                             *span

	Restart            *span
	Restarted          float64 // until the operator was quiet
	TakeOver           *span
	TookOver           float64 // until the other operator led
	QuietAfterTakeOver float64
}

// sample of a start on its way.
type sample struct {
	Seconds                    float64
	Ready                      int // clusters
	Queued, Active, Reconciles float64
}

// changes are how long some took, in seconds.
type changes struct {
	Seconds    []float64
	Unfinished bool // the last one
}

// typical duration: the median, 0 if there were none.
func (c changes) typical() float64 {
	if len(c.Seconds) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(c.Seconds))[len(c.Seconds)/2]
}

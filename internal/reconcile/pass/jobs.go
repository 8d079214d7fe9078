// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

const (
	// mostJobs run at once for one resource.
	mostJobs = 4
	// freshness is how old a result may be when a pass takes it; an older one is found out anew. It is longer than a pass waits
	// for its turn while a thousand clusters start: a result that is always too old would be found out for ever.
	freshness = time.Minute
)

// Jobs do beside passes what waits for RocketMQ's servers, so that dead servers of one resource hold up no other. A pass
// asks for a result, and ends without one; the result wakes the next. Losing all that is known costs a repetition.
type Jobs struct {
	ctx    context.Context // ends all jobs
	events chan event.GenericEvent

	mu sync.Mutex
	of map[types.NamespacedName]map[string]*job
}

type job struct {
	input   string
	cancel  context.CancelFunc
	running bool
	// result of the last run, nil if none has ended; ended is when that was, and taken whether a pass has it.
	result any
	ended  time.Time
	taken  bool
}

// NewJobs makes Jobs that end with ctx.
func NewJobs(ctx context.Context) *Jobs {
	return &Jobs{ctx: ctx, events: make(chan event.GenericEvent, 1024), of: map[types.NamespacedName]map[string]*job{}}
}

// Events tells whose job has ended.
func (j *Jobs) Events() chan event.GenericEvent { return j.events }

// Forget a resource, and end its jobs.
func (j *Jobs) Forget(resource types.NamespacedName) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, known := range j.of[resource] {
		known.cancel()
	}
	delete(j.of, resource)
}

// Drop a job that is done for good, and what it found.
func (j *Jobs) Drop(resource types.NamespacedName, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if known := j.of[resource][name]; known != nil {
		known.cancel()
		delete(j.of[resource], name)
	}
}

// Found is what a job has found.
type Found[T any] struct {
	// Result of the last run, if Known.
	Result T
	Known  bool
	// Fresh is what no pass has taken before; the next call begins the job anew.
	Fresh bool
}

// Do has a job done: it begins it unless it runs, and gives what it found last. Of another input than before, nothing is
// known. Work must not use the pass that asks: it will have ended.
func Do[T any](j *Jobs, resource types.NamespacedName, name, input string, limit time.Duration, work func(context.Context) T) Found[T] {
	j.mu.Lock()
	defer j.mu.Unlock()
	known := j.of[resource][name]
	if known != nil && known.input != input {
		known.cancel()
		known = nil
		delete(j.of[resource], name)
	}
	if known == nil {
		if j.running(resource) >= mostJobs {
			return Found[T]{} // the end of another one wakes the next pass
		}
		known = &job{input: input, cancel: func() {}}
		if j.of[resource] == nil {
			j.of[resource] = map[string]*job{}
		}
		j.of[resource][name] = known
	}

	var out Found[T]
	if known.result != nil {
		out.Result, out.Known = known.result.(T), true
		out.Fresh = !known.running && !known.taken && time.Since(known.ended) < freshness
	}
	if out.Fresh {
		known.taken = true
		return out
	}
	if !known.running {
		known.begin(j, resource, limit, func(ctx context.Context) any { return work(ctx) })
	}
	return out
}

// running jobs of a resource. The caller holds the lock.
func (j *Jobs) running(resource types.NamespacedName) (n int) {
	for _, known := range j.of[resource] {
		if known.running {
			n++
		}
	}
	return n
}

// begin a run. The caller holds the lock.
func (b *job) begin(j *Jobs, resource types.NamespacedName, limit time.Duration, work func(context.Context) any) {
	ctx, cancel := context.WithTimeout(j.ctx, limit)
	b.running, b.cancel = true, cancel
	go func() {
		defer cancel()
		result := work(ctx)
		j.mu.Lock()
		b.running, b.result, b.ended, b.taken = false, result, time.Now(), false
		j.mu.Unlock()
		object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: resource.Namespace, Name: resource.Name}}
		select {
		case j.events <- event.GenericEvent{Object: object}:
		case <-j.ctx.Done():
		}
	}()
}

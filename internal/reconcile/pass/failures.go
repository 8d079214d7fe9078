// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// lasting is for how long a resource may fail before its status says so: most failures are over after a retry.
	lasting = 30 * time.Second
	// forgotten is when a failure is dropped that was never tried again: its resource is gone.
	forgotten = time.Hour
)

// Failures remembers since when resources cannot be reconciled. An operator that has just started learns it anew.
type Failures struct {
	mu    sync.Mutex
	since map[types.UID]failure
}

type failure struct{ first, last time.Time }

// Lasting takes in how a pass of a resource ended, and reports whether its passes have failed for a while now.
func (f *Failures) Lasting(resource types.UID, err error, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.since, resource)
		return false
	}
	known, failed := f.since[resource]
	if !failed {
		f.forget(now)
		known.first = now
	}
	known.last = now
	f.since[resource] = known
	return now.Sub(known.first) >= lasting
}

func (f *Failures) forget(now time.Time) {
	if f.since == nil {
		f.since = map[types.UID]failure{}
	}
	for resource, known := range f.since {
		if now.Sub(known.last) > forgotten {
			delete(f.since, resource)
		}
	}
}

// Options of a controller that works on several resources at once, 0 for the manager's number. A pass that failed is tried
// again at once at first, and every half minute at last, so that a remedy is noticed soon.
func Options(concurrent int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: concurrent,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, lasting),
	}
}

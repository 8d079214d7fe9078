// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"sync"
)

// inFlight is how many requests of a pipeline are under way at once, on one connection: enough to hide the delay of the
// network, few enough to leave threads of the broker to others.
const inFlight = 32

// pipeline calls do for every item, inFlight at a time. After an error it starts no further calls. It returns how many calls
// succeeded and, of several errors, that of the first item in the list, so that the same trouble has the same error each time.
// It returns when all its calls have, so do must end with ctx.
func pipeline[T any](ctx context.Context, items []T, do func(ctx context.Context, item T) error) (int, error) {
	var (
		mu      sync.Mutex
		next    int
		done    int
		failed  = len(items) // the first in the list
		failure error
		calling sync.WaitGroup
	)
	take := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if failure != nil || next == len(items) {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range min(inFlight, len(items)) {
		calling.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				err := do(ctx, items[i])
				mu.Lock()
				switch {
				case err == nil:
					done++
				case i < failed:
					failed, failure = i, err
				}
				mu.Unlock()
			}
		})
	}
	calling.Wait()
	return done, failure
}

package admin

import (
	"context"
	"sync"
)

// inFlight is how many requests of a pipeline are under way at once, on one connection: enough to hide the network's
// delay, few enough to leave the broker's thread pool to others.
const inFlight = 32

// pipeline calls do for every item, inFlight at a time. After the first error it starts no more; it returns how many calls
// succeeded, and of their errors that of the foremost item, so that the same trouble is always told in the same words. It
// returns only when all its calls have, so do must end with ctx.
func pipeline[T any](ctx context.Context, items []T, do func(ctx context.Context, item T) error) (int, error) {
	var (
		mu      sync.Mutex
		next    int
		done    int
		failed  = len(items) // the foremost
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

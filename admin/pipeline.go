package admin

import (
	"context"
	"sync"
)

// inFlight is how many requests of a pipeline are under way at once, on one connection: enough to hide the network's
// delay, few enough to leave the broker's thread pool to others.
const inFlight = 32

// pipeline calls do for every item, inFlight at a time. After the first error it starts no more; it returns that
// error and how many calls succeeded. It returns only when all its calls have, so do must end with ctx.
func pipeline[T any](ctx context.Context, items []T, do func(ctx context.Context, item T) error) (int, error) {
	var (
		mu       sync.Mutex
		next     int
		done     int
		firstErr error
		calling  sync.WaitGroup
	)
	take := func() (item T, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if firstErr != nil || next == len(items) {
			return item, false
		}
		next++
		return items[next-1], true
	}
	for range min(inFlight, len(items)) {
		calling.Go(func() {
			for item, ok := take(); ok; item, ok = take() {
				err := do(ctx, item)
				mu.Lock()
				switch {
				case err == nil:
					done++
				case firstErr == nil:
					firstErr = err
				}
				mu.Unlock()
			}
		})
	}
	calling.Wait()
	return done, firstErr
}

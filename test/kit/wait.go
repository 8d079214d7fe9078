// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is short enough for the times in a story to be right to the half second.
const pollInterval = 500 * time.Millisecond

// Await asks until ask returns nil, at most for limit. What ask returns otherwise says what is still missing; it ends
// up in the error together with the state of the namespace.
func (n *Namespace) Await(ctx context.Context, what string, limit time.Duration, ask func(context.Context) error) error {
	waiting, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	var last error
	for {
		err := ask(waiting)
		if err == nil {
			return nil
		}
		// A question cut off by the limit says less than the answer before it.
		if last == nil || waiting.Err() == nil {
			last = err
		}
		select {
		case <-time.After(pollInterval):
		case <-waiting.Done():
			err := fmt.Errorf("waiting for %s: %w; last seen: %w", what, context.Cause(waiting), last)
			if errors.Is(ctx.Err(), context.Canceled) {
				return err // the user gave up; no report
			}
			return fmt.Errorf("%w\n%s", err, n.Report(ctx))
		}
	}
}

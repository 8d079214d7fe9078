package observe

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// Quorum is what the controllers of a resource say of each other.
type Quorum struct {
	// Leader is the target that leads, "" if there is none.
	Leader string
	// Agreed are the targets that name that leader, itself included, in order.
	Agreed []string
}

// SameQuorum reports whether two answers tell the same.
func SameQuorum(a, b *Quorum) bool {
	return a != nil && b != nil && a.Leader == b.Leader && slices.Equal(a.Agreed, b.Agreed)
}

// CompleteQuorum reports whether a leader answered.
func CompleteQuorum(q *Quorum) bool { return q.Leader != "" }

// stragglers is how long the look waits for the other controllers once the leader has answered, so that dead ones do not delay it.
const stragglers = time.Second

// ProbeQuorum asks all controllers at once.
func ProbeQuorum(c *admin.Client, targets []string) Probe[*Quorum] {
	return func(ctx context.Context, _ *Quorum) *Quorum {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var mu sync.Mutex
		var wg sync.WaitGroup
		said := map[string]*admin.ControllerMetadata{}
		for _, target := range targets {
			wg.Go(func() {
				metadata, err := c.ControllerMetadata(ctx, target)
				if err != nil {
					return // it is asked again
				}
				mu.Lock()
				defer mu.Unlock()
				said[target] = metadata
				if metadata.IsLeader {
					time.AfterFunc(stragglers, cancel)
				}
			})
		}
		wg.Wait()
		return quorum(said)
	}
}

// quorum from the answers by target.
func quorum(said map[string]*admin.ControllerMetadata) *Quorum {
	out := &Quorum{}
	id := ""
	for target, metadata := range said {
		// After an election two controllers may claim to lead for a moment. The same one of them is taken at every look.
		if metadata.IsLeader && (out.Leader == "" || target < out.Leader) {
			out.Leader, id = target, metadata.LeaderID
		}
	}
	for target, metadata := range said {
		if out.Leader != "" && metadata.LeaderID == id {
			out.Agreed = append(out.Agreed, target)
		}
	}
	slices.Sort(out.Agreed)
	return out
}

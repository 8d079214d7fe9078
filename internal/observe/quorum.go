// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"slices"
	"strings"
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
	// Unclean are the targets that accept unclean elections, in order, as of asked. See ProbeQuorum.
	Unclean []string
	asked   time.Time
}

// SameQuorum reports whether two answers tell the same.
func SameQuorum(a, b *Quorum) bool {
	return a != nil && b != nil && a.Leader == b.Leader && slices.Equal(a.Agreed, b.Agreed) && slices.Equal(a.Unclean, b.Unclean)
}

// CompleteQuorum reports whether a leader answered.
func CompleteQuorum(q *Quorum) bool { return q.Leader != "" }

// stragglers is how long the look waits for the other controllers once the leader has answered, so that dead ones do not delay it.
const stragglers = time.Second

// uncleanInterval is how often controllers are asked whether they accept unclean elections. Only an operator that died within one leaves
// them doing so, or somebody's hand.
const uncleanInterval = time.Minute

// ProbeQuorum asks all controllers at once. If unclean elections are forbidden, it finds out now and then whether they all know.
func ProbeQuorum(c *admin.Client, targets []string, uncleanForbidden bool) Probe[*Quorum] {
	return func(ctx context.Context, last *Quorum) *Quorum {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		due := uncleanForbidden && (last == nil || len(last.Unclean) > 0 || time.Since(last.asked) >= uncleanInterval)
		var mu sync.Mutex
		var wg sync.WaitGroup
		said := map[string]*admin.ControllerMetadata{}
		var unclean []string
		all := true // that lead or follow have told what they accept
		for _, target := range targets {
			wg.Go(func() {
				metadata, err := c.ControllerMetadata(ctx, target)
				if err != nil {
					return // it is asked again
				}
				accepts := false
				if due {
					accepts, err = acceptsUnclean(ctx, c, target)
				}
				mu.Lock()
				defer mu.Unlock()
				said[target], all = metadata, all && err == nil
				if accepts {
					unclean = append(unclean, target)
				}
				if metadata.IsLeader {
					time.AfterFunc(stragglers, cancel)
				}
			})
		}
		wg.Wait()
		out := quorum(said)
		slices.Sort(unclean)
		out.Unclean = unclean
		switch {
		case due && all:
			out.asked = time.Now()
		case uncleanForbidden && last != nil:
			out.asked = last.asked
		}
		return out
	}
}

// acceptsUnclean reports whether a controller says that it accepts unclean elections.
func acceptsUnclean(ctx context.Context, c *admin.Client, target string) (bool, error) {
	config, err := c.ControllerConfig(ctx, target)
	return strings.EqualFold(config[admin.ElectUncleanMaster], "true"), err
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

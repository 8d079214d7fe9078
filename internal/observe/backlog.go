// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Backlogs are what leaving groups still hold, by brokerName. A group whose master did not answer is missing: unknown is not
// empty.
type Backlogs struct {
	Counted map[string]fleet.Backlog
	// Silent is how many masters did not answer every question.
	Silent int
}

// BacklogTimeout bounds the counting, which takes a request for each topic.
const BacklogTimeout = time.Minute

// SameBacklogs reports whether two answers tell the same.
func SameBacklogs(a, b Backlogs) bool {
	return maps.EqualFunc(a.Counted, b.Counted, func(x, y fleet.Backlog) bool {
		x.At, y.At = time.Time{}, time.Time{}
		return reflect.DeepEqual(x, y)
	})
}

// CompleteBacklogs reports whether every master answered.
func CompleteBacklogs(b Backlogs) bool { return b.Silent == 0 }

// ProbeBacklogs counts what masters, by brokerName, still hold.
func ProbeBacklogs(c *admin.Client, masters map[string]string, cluster string) Probe[Backlogs] {
	return func(ctx context.Context, _ Backlogs) Backlogs {
		out := Backlogs{Counted: map[string]fleet.Backlog{}}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for group, master := range masters {
			wg.Go(func() {
				backlog, err := readBacklog(ctx, c, master, cluster)
				mu.Lock()
				defer mu.Unlock()
				if err != nil { // it is counted again
					out.Silent++
					return
				}
				out.Counted[group] = backlog
			})
		}
		wg.Wait()
		return out
	}
}

// readBacklog asks a master for everything that is not consumed. A message on its way from one stage to the next
// (delayed, retried) is counted at least once, because stages are asked in the order in which messages pass them.
func readBacklog(ctx context.Context, c *admin.Client, master, cluster string) (fleet.Backlog, error) {
	b := fleet.Backlog{At: time.Now()}
	config, err := c.BrokerConfig(ctx, master)
	if err != nil {
		return fleet.Backlog{}, err
	}
	b.Fenced = settings.Refuses(config, b.At)
	if b.Half, err = c.TransactionBacklog(ctx, master); err != nil {
		return fleet.Backlog{}, err
	}
	b.Inflight, err = c.PopBacklog(ctx, master, cluster)
	if errors.Is(err, admin.ErrPopNotCounted) {
		b.Uncountable = err.Error()
	} else if err != nil {
		return fleet.Backlog{}, err
	}
	before, err := delayed(ctx, c, master, cluster)
	if err != nil {
		return fleet.Backlog{}, err
	}
	lags, err := c.Lags(ctx, master)
	if err != nil {
		return fleet.Backlog{}, err
	}
	// A message that a consumer gives back while lags are read leaves them for a delay level.
	after, err := delayed(ctx, c, master, cluster)
	if err != nil {
		return fleet.Backlog{}, err
	}

	b.Lags = map[string]int64{}
	for pair, n := range lags {
		b.Lags[pair.Group] += n
	}
	for group, n := range b.Lags {
		b.Lags[group] = fleet.Rounded(n)
	}
	b.Delayed, b.Half, b.Inflight = fleet.Rounded(max(before, after)), fleet.Rounded(b.Half), fleet.Rounded(b.Inflight)
	if !b.Empty() {
		return b, nil
	}
	// A timer message that is stored and not yet in the timer wheel is in no other number. This question costs the broker much, so it is
	// asked last.
	info, err := c.BrokerRuntimeInfo(ctx, master)
	if err != nil {
		return fleet.Backlog{}, err
	}
	b.Delayed = fleet.Rounded(info.TimerBehind())
	return b, nil
}

// delayed counts the messages that wait for a delay level or a time.
func delayed(ctx context.Context, c *admin.Client, master, cluster string) (int64, error) {
	levels, err := c.DelayBacklog(ctx, master)
	if err != nil {
		return 0, err
	}
	timers, err := c.TimerBacklog(ctx, master)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, n := range levels {
		sum += n
	}
	for topic, n := range timers {
		if !admin.IsSystemTopic(topic, cluster, "") {
			sum += n
		}
	}
	return sum, nil
}

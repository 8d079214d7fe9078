package observe

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// Backlog is what a broker still has to hand out.
type Backlog struct {
	// Fenced: when it was counted, the broker already refused new messages.
	Fenced bool
	// Lags are the messages that consumer groups have not confirmed, by group, rounded; groups without are left out.
	Lags map[string]int64
	// Delayed messages wait for their time, Half ones for the end of their transaction, and Inflight ones were handed
	// to a POP consumer.
	Delayed, Half, Inflight int64
}

// Empty reports whether nothing is left.
func (b Backlog) Empty() bool { return len(b.Lags) == 0 && b.Delayed+b.Half+b.Inflight == 0 }

// String names what is left, the largest lags first.
func (b Backlog) String() string {
	groups := slices.SortedFunc(maps.Keys(b.Lags), func(x, y string) int {
		if b.Lags[x] != b.Lags[y] {
			return int(min(1, max(-1, b.Lags[y]-b.Lags[x])))
		}
		return strings.Compare(x, y)
	})
	const named = 5
	var said []string
	for i, group := range groups {
		if i == named {
			said = append(said, fmt.Sprintf("%d further consumer groups", len(groups)-named))
			break
		}
		said = append(said, fmt.Sprintf("consumer group %s lags %d", group, b.Lags[group]))
	}
	for _, kind := range []struct {
		n    int64
		what string
	}{{b.Delayed, "delayed messages"}, {b.Half, "unfinished transactions"}, {b.Inflight, "messages at POP consumers"}} {
		if kind.n > 0 {
			said = append(said, fmt.Sprintf("%d %s", kind.n, kind.what))
		}
	}
	return strings.Join(said, ", ")
}

// lagQueries is how many groups are asked about at once.
const lagQueries = 32

// readBacklog asks a master for everything that is not consumed. A message on its way from one stage to the next
// (delayed, retried) is counted at least once, because stages are asked in the order in which messages pass them.
func readBacklog(ctx context.Context, c *admin.Client, master, cluster string) (Backlog, error) {
	config, err := c.BrokerConfig(ctx, master)
	if err != nil {
		return Backlog{}, err
	}
	b := Backlog{Lags: map[string]int64{}}
	until, err := strconv.ParseInt(config["startAcceptSendRequestTimeStamp"], 10, 64)
	b.Fenced = err == nil && until > time.Now().UnixMilli()
	if b.Half, err = c.TransactionBacklog(ctx, master); err != nil {
		return Backlog{}, err
	}
	if b.Inflight, err = c.PopBacklog(ctx, master, cluster); err != nil {
		return Backlog{}, err
	}
	before, err := delayed(ctx, c, master, cluster)
	if err != nil {
		return Backlog{}, err
	}
	if err := b.readLags(ctx, c, master); err != nil {
		return Backlog{}, err
	}
	// A message that a consumer gives back while lags are read leaves them for a delay level.
	after, err := delayed(ctx, c, master, cluster)
	if err != nil {
		return Backlog{}, err
	}
	b.Delayed, b.Half, b.Inflight = rounded(max(before, after)), rounded(b.Half), rounded(b.Inflight)
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

func (b *Backlog) readLags(ctx context.Context, c *admin.Client, master string) error {
	groups, _, err := c.Groups(ctx, master)
	if err != nil {
		return err
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(groups)), admin.IsSystemGroup)
	lags := make([]int64, len(names))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(lagQueries)
	for i, group := range names {
		all.Go(func() error {
			stats, err := c.ConsumeStats(ctx, master, group)
			if err == nil {
				lags[i] = rounded(stats.Lag())
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	for i, group := range names {
		if lags[i] > 0 {
			b.Lags[group] = lags[i]
		}
	}
	return nil
}

// rounded to two significant digits, so that not every message is news.
func rounded(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}

package observe

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
)

// lagQueries is how many groups are asked about at once.
const lagQueries = 32

// readBacklog asks a master for everything that is not consumed. A message on its way from one stage to the next
// (delayed, retried) is counted at least once, because stages are asked in the order in which messages pass them.
func readBacklog(ctx context.Context, c *admin.Client, master, cluster string) (fleet.Backlog, error) {
	config, err := c.BrokerConfig(ctx, master)
	if err != nil {
		return fleet.Backlog{}, err
	}
	b := fleet.Backlog{}
	until, err := strconv.ParseInt(config["startAcceptSendRequestTimeStamp"], 10, 64)
	b.Fenced = err == nil && until > time.Now().UnixMilli()
	if b.Half, err = c.TransactionBacklog(ctx, master); err != nil {
		return fleet.Backlog{}, err
	}
	if b.Inflight, err = c.PopBacklog(ctx, master, cluster); err != nil {
		return fleet.Backlog{}, err
	}
	before, err := delayed(ctx, c, master, cluster)
	if err != nil {
		return fleet.Backlog{}, err
	}
	if b.Lags, err = readLags(ctx, c, master); err != nil {
		return fleet.Backlog{}, err
	}
	// A message that a consumer gives back while lags are read leaves them for a delay level.
	after, err := delayed(ctx, c, master, cluster)
	if err != nil {
		return fleet.Backlog{}, err
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

// readLags of all consumer groups that have one.
func readLags(ctx context.Context, c *admin.Client, master string) (map[string]int64, error) {
	groups, _, err := c.Groups(ctx, master)
	if err != nil {
		return nil, err
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
		return nil, err
	}
	out := map[string]int64{}
	for i, group := range names {
		if lags[i] > 0 {
			out[group] = lags[i]
		}
	}
	return out, nil
}

// rounded to two significant digits, so that not every message is news.
func rounded(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}

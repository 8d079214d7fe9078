// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

func (o *options) topCommand() *cobra.Command {
	var once bool
	var rows int
	cmd := o.chooses(&cobra.Command{
		Use:   "top",
		Short: "Show live what goes in and out, lags and disks, by broker, topic and consumer group",
		Long: "Show live what goes in and out, lags and disks, by broker, topic and consumer group.\n" +
			"On a terminal the tables refresh in place until Ctrl-C; elsewhere, and with --once or -o, they are printed once.",
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	})
	o.refreshes(cmd)
	cmd.Flags().BoolVar(&once, "once", false, "print the tables once, also on a terminal")
	cmd.Flags().IntVar(&rows, "rows", 10, "how many topics and consumer groups to show, the busiest first; 0 for all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.checkInterval(); err != nil {
			return err
		}
		if rows < 0 {
			return fmt.Errorf("--rows %d cannot be shown: use 0 for all, or a number such as 10", rows)
		}
		t := &top{options: o, rows: rows}
		defer t.close()
		if screen := o.screen(cmd.OutOrStdout()); screen != nil && !once && o.output == "" {
			return o.refresh(cmd, args, t.collect, onScreen(screen))
		}
		return o.run(t.collect)(cmd, args)
	}
	return cmd
}

// firstSample is how long the first look takes: what topics take in a second is the difference between two looks.
const firstSample = time.Second

// top keeps its connections from one look to the next.
type top struct {
	*options
	rows    int
	cluster *cluster
	before  *topSample
}

// topSample is one look at the topics: how many messages each has ever got.
type topSample struct {
	at    time.Time
	total map[string]int64
}

type topReport struct {
	At      time.Time   `json:"at"`
	Cluster string      `json:"cluster"`
	Brokers []brokerRow `json:"brokers"`
	Topics  []topTopic  `json:"topics"`
	Groups  []topGroup  `json:"groups"`
	// rows of each table to show; 0 for all.
	rows int
}

type topTopic struct {
	Topic string `json:"topic"`
	// InTPS is messages a second since the last look.
	InTPS float64 `json:"inTPS"`
	// Messages that are kept. How much of the disk they take is not known: a broker has one log for all topics.
	Messages   int64     `json:"messages"`
	LastStored time.Time `json:"lastStored,omitzero"`
}

type topGroup struct {
	Group string `json:"group"`
	// OutTPS is messages handed out a second.
	OutTPS float64 `json:"outTPS"`
	Lag    int64   `json:"lag"`
	// LastConsumed is when the last consumed message had been stored.
	LastConsumed time.Time `json:"lastConsumed,omitzero"`
}

func (t *top) close() {
	if t.cluster != nil {
		t.cluster.close()
		t.cluster = nil
	}
}

// collect looks at the cluster. After a failure the next look finds the servers anew.
func (t *top) collect(ctx context.Context, a *Access, _ []string) (report, error) {
	if t.cluster == nil {
		c, err := a.openCluster(ctx, t.broker)
		if err != nil {
			return nil, err
		}
		t.cluster = c
	}
	r, err := t.look(ctx)
	if err != nil || t.cluster.missing != nil {
		err = errors.Join(t.cluster.missing, err)
		t.close()
	}
	if r == nil {
		return nil, err // a nil *topReport would be a report
	}
	return r, err
}

func (t *top) look(ctx context.Context) (*topReport, error) {
	if t.before == nil {
		tables, err := t.cluster.topicStats(ctx)
		if err != nil {
			return nil, err
		}
		t.before = newTopSample(tables)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(firstSample):
		}
	}
	brokers, brokersErr := t.cluster.brokerRows(ctx)
	tables, topicsErr := t.cluster.topicStats(ctx)
	now := newTopSample(tables)
	groups, groupsErr := t.cluster.consumeStats(ctx)
	if len(brokers)+len(tables)+len(groups) == 0 {
		return nil, errors.Join(brokersErr, topicsErr, groupsErr)
	}
	r := &topReport{
		At: now.at.UTC(), Cluster: desired.ClusterName(t.cluster.broker), rows: t.rows,
		Brokers: brokers, Topics: topTopics(tables, t.before, now), Groups: topGroups(groups),
	}
	t.before = now
	return r, errors.Join(brokersErr, topicsErr, groupsErr)
}

// brokerRows are the brokers that a name server knows now, with their figures.
func (c *cluster) brokerRows(ctx context.Context) ([]brokerRow, error) {
	info, err := c.clusterInfo(ctx, c.broker)
	if err != nil {
		return nil, err
	}
	rows := c.registered(info)
	rows = slices.DeleteFunc(rows, func(row brokerRow) bool { return row.Cluster != desired.ClusterName(c.broker) })
	err = addFigures(ctx, rows, c.admin.BrokerRuntimeInfo)
	return rows, err
}

// topicStats are the queues of all users' topics, by master and topic.
func (c *cluster) topicStats(ctx context.Context) (map[server]map[string]map[int]admin.QueueStats, error) {
	return each(ctx, c.masters, func(ctx context.Context, master server) (map[string]map[int]admin.QueueStats, error) {
		table, _, err := c.admin.Topics(ctx, master.addr)
		if err != nil {
			return nil, err
		}
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(table)), func(name string) bool {
			return admin.IsOwnTopic(name, desired.ClusterName(c.broker), master.name)
		})
		return someAtOnce(ctx, names, func(ctx context.Context, name string) (map[int]admin.QueueStats, error) {
			stats, err := c.admin.TopicStats(ctx, master.addr, name)
			if remoting.IsCode(err, remoting.TopicNotExist) { // it was deleted meanwhile
				return nil, nil
			}
			return stats, err
		})
	})
}

// consumeStats are those of all users' groups, by master and group.
func (c *cluster) consumeStats(ctx context.Context) (map[server]map[string]*admin.ConsumeStats, error) {
	return each(ctx, c.masters, func(ctx context.Context, master server) (map[string]*admin.ConsumeStats, error) {
		table, _, err := c.admin.Groups(ctx, master.addr)
		if err != nil {
			return nil, err
		}
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(table)), admin.IsOwnGroup)
		return someAtOnce(ctx, names, func(ctx context.Context, name string) (*admin.ConsumeStats, error) {
			stats, err := c.admin.ConsumeStats(ctx, master.addr, name)
			if err != nil {
				return nil, fmt.Errorf("consumer group %s: %w", name, err)
			}
			return stats, nil
		})
	})
}

func newTopSample(tables map[server]map[string]map[int]admin.QueueStats) *topSample {
	s := &topSample{at: time.Now(), total: map[string]int64{}}
	for _, topics := range tables {
		for name, queues := range topics {
			for _, q := range queues {
				s.total[name] += q.MaxOffset
			}
		}
	}
	return s
}

func topTopics(tables map[server]map[string]map[int]admin.QueueStats, before, now *topSample) []topTopic {
	found := map[string]topTopic{}
	for _, topics := range tables {
		for name, queues := range topics {
			row := found[name]
			row.Topic = name
			for _, q := range queues {
				row.Messages += q.MaxOffset - q.MinOffset
				if stored := millis(q.LastUpdateMillis); stored.After(row.LastStored) {
					row.LastStored = stored
				}
			}
			if total, known := before.total[name]; known { // with a master missing in between, it would be less than none
				row.InTPS = max(0, float64(now.total[name]-total)/now.at.Sub(before.at).Seconds())
			}
			found[name] = row
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b topTopic) int {
		return cmp.Or(cmp.Compare(b.InTPS, a.InTPS), cmp.Compare(b.Messages, a.Messages), strings.Compare(a.Topic, b.Topic))
	})
}

func topGroups(stats map[server]map[string]*admin.ConsumeStats) []topGroup {
	found := map[string]topGroup{}
	for _, groups := range stats {
		for name, s := range groups {
			row := found[name]
			row.Group, row.OutTPS, row.Lag = name, row.OutTPS+s.TPS, row.Lag+s.Lag()
			for _, progress := range s.Queues {
				if consumed := millis(progress.LastMillis); consumed.After(row.LastConsumed) {
					row.LastConsumed = consumed
				}
			}
			found[name] = row
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b topGroup) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(b.OutTPS, a.OutTPS), strings.Compare(a.Group, b.Group))
	})
}

func (r *topReport) text() string {
	totalIn, totalOut, lag := 0.0, 0.0, int64(0)
	brokers := newTable("BROKER", "ID", "POD", "ACTIVE", "IN TPS", "OUT TPS", "DISK", "UP")
	for _, b := range r.Brokers {
		cells := []any{b.Broker, b.ID, or(b.Pod), "no answer"}
		if f := b.Figures; f != nil {
			in, out, disk := fmt.Sprintf("%.1f", f.InTPS), fmt.Sprintf("%.1f", f.OutTPS), fmt.Sprintf("%.0f%%", 100*f.Disk)
			cells = append(cells[:3], yesNo(f.Active), in, out, disk, ago(r.At, f.Booted))
			if b.ID == admin.MasterID { // what slaves take in is the same
				totalIn += f.InTPS
			}
			totalOut += f.OutTPS
		}
		brokers.row(cells...)
	}
	for _, g := range r.Groups {
		lag += g.Lag
	}
	topics := newTable("TOPIC", "IN TPS", "MESSAGES", "LAST STORED")
	for _, t := range r.Topics[:shown(r.rows, len(r.Topics))] {
		topics.row(t.Topic, fmt.Sprintf("%.1f", t.InTPS), t.Messages, ago(r.At, t.LastStored))
	}
	groups := newTable("CONSUMER GROUP", "OUT TPS", "LAG", "LAST CONSUMED")
	for _, g := range r.Groups[:shown(r.rows, len(r.Groups))] {
		groups.row(g.Group, fmt.Sprintf("%.1f", g.OutTPS), g.Lag, ago(r.At, g.LastConsumed))
	}
	return fmt.Sprintf("Cluster %s: in %.1f messages/s, out %.1f messages/s, lag %d\n\n%s\n%s%s\n%s%s", r.Cluster, totalIn, totalOut, lag,
		brokers, topics, more(r.rows, len(r.Topics)), groups, more(r.rows, len(r.Groups)))
}

// shown is how many of so many rows are shown.
func shown(rows, of int) int {
	if rows == 0 {
		return of
	}
	return min(rows, of)
}

func more(rows, of int) string {
	if hidden := of - shown(rows, of); hidden > 0 {
		return fmt.Sprintf("and %d more: --rows 0 shows all\n", hidden)
	}
	return ""
}

// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

func (o *options) lagCommand() *cobra.Command {
	return o.chooses(&cobra.Command{
		Use:               "lag GROUP",
		Short:             "Show how far a consumer group is behind, queue by queue",
		Args:              arguments(1, 1, "a consumer group: list them with: kubectl rocketmq groups"),
		ValidArgsFunction: o.completeArg(o.groupNames),
		RunE:              o.run(o.lag),
	})
}

// lagReport is mqadmin's consumerProgress of one group.
type lagReport struct {
	At    time.Time `json:"at"`
	Group string    `json:"group"`
	// Lag is the number of messages that are not confirmed as consumed, Inflight those of them that consumers have
	// fetched.
	Lag      int64 `json:"lag"`
	Inflight int64 `json:"inflight"`
	// TPS is messages handed out a second.
	TPS    float64    `json:"tps"`
	Topics []topicLag `json:"topics"`
	Queues []queueLag `json:"queues"`
}

type topicLag struct {
	Topic    string `json:"topic"`
	Lag      int64  `json:"lag"`
	Inflight int64  `json:"inflight"`
}

type queueLag struct {
	Topic          string `json:"topic"`
	Broker         string `json:"broker"`
	Queue          int    `json:"queue"`
	BrokerOffset   int64  `json:"brokerOffset"`
	ConsumerOffset int64  `json:"consumerOffset"`
	Lag            int64  `json:"lag"`
	Inflight       int64  `json:"inflight"`
	// LastConsumed is when the last consumed message had been stored.
	LastConsumed time.Time `json:"lastConsumed,omitzero"`
}

func (o *options) lag(ctx context.Context, a *Access, args []string) (report, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	group := args[0]
	stats, err := each(ctx, c.masters, func(ctx context.Context, master server) (*admin.ConsumeStats, error) {
		return c.admin.ConsumeStats(ctx, master.addr, group)
	})
	err = errors.Join(c.missing, err)
	r := summarizeLag(group, stats)
	if len(r.Queues) > 0 {
		return r, err
	}
	if err != nil {
		return nil, err
	}
	tables, err := c.groupTables(ctx)
	for _, table := range tables {
		if _, exists := table[group]; exists {
			return r, nil
		}
	}
	return nil, errors.Join(c.noGroup(group), err)
}

func (c *cluster) noGroup(group string) error {
	return fmt.Errorf("no consumer group %s in cluster %s: list them with: kubectl rocketmq groups", group, desired.ClusterName(c.broker))
}

func summarizeLag(group string, stats map[server]*admin.ConsumeStats) *lagReport {
	r := &lagReport{At: time.Now().UTC(), Group: group, Topics: []topicLag{}, Queues: []queueLag{}}
	for master, s := range stats {
		r.TPS += s.TPS
		for queue, progress := range s.Queues {
			r.Queues = append(r.Queues, queueLag{
				queue.Topic, master.name, queue.Queue, progress.BrokerOffset, progress.ConsumerOffset, progress.Lag(),
				progress.Inflight(), millis(progress.LastMillis),
			})
		}
	}
	slices.SortFunc(r.Queues, func(a, b queueLag) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), strings.Compare(a.Broker, b.Broker), cmp.Compare(a.Queue, b.Queue))
	})
	for _, q := range r.Queues {
		if n := len(r.Topics); n == 0 || r.Topics[n-1].Topic != q.Topic {
			r.Topics = append(r.Topics, topicLag{Topic: q.Topic})
		}
		last := &r.Topics[len(r.Topics)-1]
		last.Lag, last.Inflight = last.Lag+q.Lag, last.Inflight+q.Inflight
		r.Lag, r.Inflight = r.Lag+q.Lag, r.Inflight+q.Inflight
	}
	return r
}

func (r *lagReport) text() string {
	if len(r.Queues) == 0 {
		return fmt.Sprintf("Consumer group %s has consumed nothing yet: no broker has an offset of it.\n", r.Group)
	}
	queues := newTable("TOPIC", "BROKER", "QUEUE", "BROKER OFFSET", "CONSUMER OFFSET", "LAG", "INFLIGHT", "LAST CONSUMED")
	for _, q := range r.Queues {
		queues.row(q.Topic, q.Broker, q.Queue, q.BrokerOffset, q.ConsumerOffset, q.Lag, q.Inflight, ago(r.At, q.LastConsumed))
	}
	return fmt.Sprintf("%s\n%s\nConsumer group %s: lag %d, inflight %d, %.1f messages/s\n", queues, topicLags(r.Topics), r.Group, r.Lag, r.Inflight, r.TPS)
}

func topicLags(topics []topicLag) *table {
	t := newTable("TOPIC", "LAG", "INFLIGHT")
	for _, topic := range topics {
		t.row(topic.Topic, topic.Lag, topic.Inflight)
	}
	return t
}

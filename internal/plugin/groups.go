// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

func (o *options) groupsCommand() *cobra.Command {
	cmd := o.chooses(&cobra.Command{
		Use:               "groups [NAME]",
		Aliases:           []string{"group"},
		Short:             "List consumer groups, or show one with its members and subscriptions",
		Args:              arguments(0, 1, ""),
		ValidArgsFunction: o.completeArg(o.groupNames),
		RunE:              o.run(o.groups),
	})
	cmd.Flags().BoolVar(&o.system, "system", false, "list RocketMQ's and its proxies' own consumer groups too")
	cmd.AddCommand(o.exportCommand("consumer groups", "ConsumerGroup", o.exportGroups), o.chooses(&cobra.Command{
		Use:               "describe NAME",
		Short:             "Show a consumer group with its object, members and subscriptions",
		Args:              arguments(1, 1, "the name of a consumer group"),
		ValidArgsFunction: o.completeArg(o.groupNames),
		RunE:              o.run(o.groups),
	}))
	return cmd
}

type groupsReport struct {
	// Brokers is the number of broker groups.
	Brokers int        `json:"brokers"`
	Groups  []groupRow `json:"groups"`
}

// groupRow sums a consumer group up over the broker groups.
type groupRow struct {
	Group string `json:"group"`
	// Consumers is the number of connected members; the rest but Lag is theirs.
	Consumers int     `json:"consumers"`
	Type      string  `json:"type,omitempty"`
	Model     string  `json:"model,omitempty"`
	TPS       float64 `json:"tps"`
	Lag       int64   `json:"lag"`
	// Brokers is the number of broker groups that know it.
	Brokers int `json:"brokers"`
}

// groupAt is what one master says of a consumer group.
type groupAt struct {
	stats *admin.ConsumeStats
	// connection is nil without members.
	connection *admin.ConsumerConnection
}

func (o *options) groups(ctx context.Context, a *Access, args []string) (report, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if len(args) == 1 {
		return c.group(ctx, a, args[0])
	}
	answers, err := each(ctx, c.masters, func(ctx context.Context, master server) (map[string]groupAt, error) {
		table, _, err := c.admin.Groups(ctx, master.addr)
		if err != nil {
			return nil, err
		}
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(table)), func(name string) bool { return !o.system && admin.IsOwnGroup(name) })
		return someAtOnce(ctx, names, func(ctx context.Context, name string) (groupAt, error) { return c.askGroup(ctx, master, name) })
	})
	if len(answers) == 0 {
		return nil, err
	}
	return summarizeGroups(answers), errors.Join(c.missing, err)
}

// groupTables are the masters' consumer groups.
func (c *cluster) groupTables(ctx context.Context) (map[server]map[string]admin.SubscriptionGroup, error) {
	return each(ctx, c.masters, func(ctx context.Context, master server) (map[string]admin.SubscriptionGroup, error) {
		table, _, err := c.admin.Groups(ctx, master.addr)
		return table, err
	})
}

// askedAtOnce is small, so that most of a broker's threads are free for its clients.
const askedAtOnce = 8

// someAtOnce asks about many names, some at a time, and gives up at the first error.
func someAtOnce[T any](ctx context.Context, names []string, ask func(ctx context.Context, name string) (T, error)) (map[string]T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	found := map[string]T{}
	todo := make(chan string)
	for range askedAtOnce {
		wg.Go(func() {
			for name := range todo {
				answer, err := ask(ctx, name)
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				found[name] = answer
				mu.Unlock()
			}
		})
	}
	for _, name := range names {
		todo <- name
	}
	close(todo)
	wg.Wait()
	return found, context.Cause(ctx)
}

func (c *cluster) askGroup(ctx context.Context, master server, name string) (groupAt, error) {
	stats, err := c.admin.ConsumeStats(ctx, master.addr, name)
	if err != nil {
		return groupAt{}, fmt.Errorf("consumer group %s: %w", name, err)
	}
	connection, err := c.admin.ConsumerConnection(ctx, master.addr, name)
	if err != nil && !remoting.IsCode(err, remoting.ConsumerNotOnline) {
		return groupAt{}, fmt.Errorf("consumer group %s: %w", name, err)
	}
	return groupAt{stats, connection}, nil
}

func summarizeGroups(answers map[server]map[string]groupAt) *groupsReport {
	rows, clients := map[string]*groupRow{}, map[string]map[string]bool{}
	for _, groups := range answers {
		for name, at := range groups {
			row := rows[name]
			if row == nil {
				row, clients[name] = &groupRow{Group: name}, map[string]bool{}
				rows[name] = row
			}
			row.Brokers++
			row.TPS += at.stats.TPS
			row.Lag += at.stats.Lag()
			if at.connection == nil {
				continue
			}
			row.Type, row.Model = at.connection.Type, at.connection.Model
			for _, member := range at.connection.Members {
				clients[name][member.ClientID] = true
			}
			row.Consumers = len(clients[name])
		}
	}
	r := &groupsReport{Brokers: len(answers), Groups: []groupRow{}}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r.Groups = append(r.Groups, *rows[name])
	}
	return r
}

func (r *groupsReport) text() string {
	t := newTable("GROUP", "CONSUMERS", "TYPE", "MODEL", "TPS", "LAG", "BROKER GROUPS")
	for _, g := range r.Groups {
		t.row(g.Group, g.Consumers, or(consumeType(g.Type)), or(g.Model), fmt.Sprintf("%.1f", g.TPS), g.Lag, fmt.Sprintf("%d/%d", g.Brokers, r.Brokers))
	}
	return t.String()
}

// consumeType is the type in users' words: push is what RocketMQ calls passive.
func consumeType(t string) string {
	switch t {
	case "CONSUME_PASSIVELY":
		return "PUSH"
	case "CONSUME_ACTIVELY":
		return "PULL"
	}
	return strings.TrimPrefix(t, "CONSUME_")
}

type groupReport struct {
	Group string `json:"group"`
	// Object is the ConsumerGroup that it belongs to.
	Object   *owner          `json:"object,omitempty"`
	Settings []groupSettings `json:"settings"`
	Type     string          `json:"type,omitempty"`
	Model    string          `json:"model,omitempty"`
	Members  []groupMember   `json:"members"`
	// Subscriptions are those of the connected members.
	Subscriptions []groupSubscription `json:"subscriptions"`
	Lag           int64               `json:"lag"`
	Topics        []topicLag          `json:"topics"`
}

// groupSettings are those of one broker group.
type groupSettings struct {
	Broker      string            `json:"broker"`
	Enabled     bool              `json:"enabled"`
	Orderly     bool              `json:"orderly"`
	Broadcast   bool              `json:"broadcast"`
	MaxRetries  int               `json:"maxRetries"`
	RetryQueues int               `json:"retryQueues"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

type groupMember struct {
	ClientID string `json:"clientID"`
	Address  string `json:"address"`
	Language string `json:"language"`
	// Brokers are the broker groups that it is connected to.
	Brokers []string `json:"brokers"`
}

type groupSubscription struct {
	Topic      string `json:"topic"`
	Expression string `json:"expression"`
	Type       string `json:"type"`
}

func (c *cluster) group(ctx context.Context, a *Access, name string) (report, error) {
	tables, tablesErr := c.groupTables(ctx)
	r := &groupReport{Group: name, Members: []groupMember{}, Subscriptions: []groupSubscription{}}
	var knowing []server
	for _, master := range c.masters {
		g, exists := tables[master][name]
		if !exists {
			continue
		}
		knowing = append(knowing, master)
		r.Settings = append(r.Settings, groupSettings{
			master.name, g.ConsumeEnable, g.ConsumeOrderly, g.ConsumeBroadcast, g.RetryMaxTimes, g.RetryQueues, g.Attributes,
		})
	}
	if len(knowing) == 0 {
		return nil, errors.Join(c.noGroup(name), c.missing, tablesErr)
	}
	answers, err := each(ctx, knowing, func(ctx context.Context, master server) (groupAt, error) {
		return c.askGroup(ctx, master, name)
	})
	stats, members, subscriptions := map[server]*admin.ConsumeStats{}, map[string]*groupMember{}, map[string]groupSubscription{}
	for _, master := range knowing {
		at, ok := answers[master]
		if !ok {
			continue
		}
		stats[master] = at.stats
		if at.connection == nil {
			continue
		}
		r.Type, r.Model = at.connection.Type, at.connection.Model
		for _, m := range at.connection.Members {
			if members[m.ClientID] == nil {
				members[m.ClientID] = &groupMember{ClientID: m.ClientID, Address: m.Addr, Language: m.Language}
			}
			members[m.ClientID].Brokers = append(members[m.ClientID].Brokers, master.name)
		}
		for topic, s := range at.connection.Subscriptions {
			subscriptions[topic] = groupSubscription{topic, s.Expression, s.Type}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(members)) {
		r.Members = append(r.Members, *members[id])
	}
	for _, topic := range slices.Sorted(maps.Keys(subscriptions)) {
		r.Subscriptions = append(r.Subscriptions, subscriptions[topic])
	}
	lag := summarizeLag(name, stats)
	r.Lag, r.Topics = lag.Lag, lag.Topics
	object, ownerErr := c.ownerOf(ctx, a, &v1alpha1.ConsumerGroupList{}, name)
	r.Object = object
	return r, errors.Join(c.missing, tablesErr, err, ownerErr)
}

func (r *groupReport) text() string {
	settings := newTable("BROKER", "ENABLED", "ORDERLY", "BROADCAST", "MAX RETRIES", "RETRY QUEUES", "ATTRIBUTES")
	for _, s := range r.Settings {
		settings.row(s.Broker, yesNo(s.Enabled), yesNo(s.Orderly), yesNo(s.Broadcast), s.MaxRetries, s.RetryQueues, or(pairs(s.Attributes)))
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Consumer group %s: consumers %d, lag %d\nObject: %s\n\n%s", r.Group, len(r.Members), r.Lag, ownerText(r.Object), settings)
	if len(r.Members) > 0 {
		members := newTable("CLIENT", "ADDRESS", "LANGUAGE", "TYPE", "MODEL", "BROKERS")
		for _, m := range r.Members {
			members.row(m.ClientID, m.Address, m.Language, consumeType(r.Type), r.Model, strings.Join(m.Brokers, ","))
		}
		fmt.Fprintf(&out, "\n%s", members)
	}
	if len(r.Subscriptions) > 0 {
		subscriptions := newTable("SUBSCRIBED TOPIC", "EXPRESSION", "LANGUAGE")
		for _, s := range r.Subscriptions {
			subscriptions.row(s.Topic, s.Expression, s.Type)
		}
		fmt.Fprintf(&out, "\n%s", subscriptions)
	}
	if len(r.Topics) > 0 {
		fmt.Fprintf(&out, "\n%s", topicLags(r.Topics))
	}
	return out.String()
}

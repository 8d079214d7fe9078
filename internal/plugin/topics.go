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
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

func (o *options) topicsCommand() *cobra.Command {
	cmd := o.chooses(&cobra.Command{
		Use:               "topics [NAME]",
		Aliases:           []string{"topic"},
		Short:             "List topics, or show one with its queues and consumer groups",
		Args:              arguments(0, 1, ""),
		ValidArgsFunction: o.completeArg(o.topicNames),
		RunE:              o.run(o.topics),
	})
	cmd.Flags().BoolVar(&o.system, "system", false, "list RocketMQ's and its proxies' own topics too, and those for retries and dead letters")
	cmd.AddCommand(o.exportCommand("topics", "Topic", o.exportTopics), o.chooses(&cobra.Command{
		Use:               "describe NAME",
		Short:             "Show a topic with its object, queues and consumer groups",
		Args:              arguments(1, 1, "the name of a topic"),
		ValidArgsFunction: o.completeArg(o.topicNames),
		RunE:              o.run(o.topics),
	}))
	return cmd
}

type topicsReport struct {
	// Groups is the number of broker groups.
	Groups int        `json:"groups"`
	Topics []topicRow `json:"topics"`
}

// topicRow sums a topic up over the broker groups.
type topicRow struct {
	Topic string `json:"topic"`
	// Type is NORMAL, FIFO, DELAY, TRANSACTION or MIXED; several if the groups disagree, and so is Perm.
	Type string `json:"type"`
	Perm string `json:"perm"`
	// Groups is how many broker groups have it.
	Groups      int  `json:"groups"`
	ReadQueues  int  `json:"readQueues"`
	WriteQueues int  `json:"writeQueues"`
	Order       bool `json:"order"`
}

func (o *options) topics(ctx context.Context, a *Access, args []string) (report, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if len(args) == 1 {
		return c.topic(ctx, a, args[0])
	}
	tables, err := c.topicTables(ctx)
	if len(tables) == 0 {
		return nil, err
	}
	return summarizeTopics(tables, desired.ClusterName(c.broker), o.system), errors.Join(c.missing, err)
}

// topicTables are the masters' topics.
func (c *cluster) topicTables(ctx context.Context) (map[server]map[string]admin.TopicConfig, error) {
	return each(ctx, c.masters, func(ctx context.Context, master server) (map[string]admin.TopicConfig, error) {
		table, _, err := c.admin.Topics(ctx, master.addr)
		return table, err
	})
}

func summarizeTopics(tables map[server]map[string]admin.TopicConfig, clusterName string, system bool) *topicsReport {
	r := &topicsReport{Groups: len(tables), Topics: []topicRow{}}
	found := map[string][]admin.TopicConfig{}
	for master, table := range tables {
		for name, topic := range table {
			if system || !admin.IsOwnTopic(name, clusterName, master.name) {
				found[name] = append(found[name], topic)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		row := topicRow{Topic: name, Groups: len(found[name])}
		var types, perms []string
		for _, topic := range found[name] {
			types, perms = append(types, messageType(topic)), append(perms, perm(topic.Perm))
			row.ReadQueues += topic.ReadQueues
			row.WriteQueues += topic.WriteQueues
			row.Order = row.Order || topic.Order
		}
		row.Type, row.Perm = distinct(types), distinct(perms)
		r.Topics = append(r.Topics, row)
	}
	return r
}

// messageType is what a broker takes the topic for (TopicConfig.getTopicMessageType).
func messageType(t admin.TopicConfig) string {
	return cmp.Or(t.Attributes["message.type"], "NORMAL")
}

func perm(p int) string {
	text := ""
	if p&admin.PermRead != 0 {
		text += "R"
	}
	if p&admin.PermWrite != 0 {
		text += "W"
	}
	return or(text)
}

func distinct(values []string) string {
	slices.Sort(values)
	return strings.Join(slices.Compact(values), ",")
}

func (r *topicsReport) text() string {
	t := newTable("TOPIC", "TYPE", "PERM", "READ QUEUES", "WRITE QUEUES", "ORDER", "BROKER GROUPS")
	for _, row := range r.Topics {
		t.row(row.Topic, row.Type, row.Perm, row.ReadQueues, row.WriteQueues, yesNo(row.Order), fmt.Sprintf("%d/%d", row.Groups, r.Groups))
	}
	return t.String()
}

type topicReport struct {
	At    time.Time `json:"at"`
	Topic string    `json:"topic"`
	// Object is the Topic that it belongs to.
	Object *owner `json:"object,omitempty"`
	// Groups is the number of broker groups, In those that have it.
	Groups int       `json:"groups"`
	In     []topicAt `json:"in"`
	// Consumers are the consumer groups, connected or with an offset.
	Consumers []string `json:"consumers"`
}

// topicAt is a topic in one broker group.
type topicAt struct {
	Broker      string            `json:"broker"`
	Type        string            `json:"type"`
	Perm        string            `json:"perm"`
	ReadQueues  int               `json:"readQueues"`
	WriteQueues int               `json:"writeQueues"`
	Order       bool              `json:"order"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Queues      []topicQueue      `json:"queues"`
}

type topicQueue struct {
	Queue int `json:"queue"`
	// The queue holds the messages from MinOffset to just before MaxOffset.
	MinOffset  int64     `json:"minOffset"`
	MaxOffset  int64     `json:"maxOffset"`
	LastStored time.Time `json:"lastStored,omitzero"`
}

func (c *cluster) topic(ctx context.Context, a *Access, name string) (report, error) {
	type answer struct {
		topicAt
		consumers []string
		exists    bool
	}
	answers, err := each(ctx, c.masters, func(ctx context.Context, master server) (answer, error) {
		config, err := c.admin.Topic(ctx, master.addr, name)
		if remoting.IsCode(err, remoting.TopicNotExist) {
			return answer{}, nil
		}
		if err != nil {
			return answer{}, err
		}
		stats, err := c.admin.TopicStats(ctx, master.addr, name)
		if err != nil {
			return answer{}, err
		}
		consumers, err := c.admin.TopicConsumers(ctx, master.addr, name)
		if err != nil {
			return answer{}, err
		}
		found := answer{topicAt{
			Broker: master.name, Type: messageType(*config), Perm: perm(config.Perm), ReadQueues: config.ReadQueues,
			WriteQueues: config.WriteQueues, Order: config.Order, Attributes: config.Attributes, Queues: []topicQueue{},
		}, consumers, true}
		for _, queue := range slices.Sorted(maps.Keys(stats)) {
			q := stats[queue]
			found.Queues = append(found.Queues, topicQueue{queue, q.MinOffset, q.MaxOffset, millis(q.LastUpdateMillis)})
		}
		return found, nil
	})
	err = errors.Join(c.missing, err)
	r := &topicReport{At: time.Now().UTC(), Topic: name, Groups: len(c.masters), Consumers: []string{}}
	for _, master := range c.masters {
		if found := answers[master]; found.exists {
			r.In = append(r.In, found.topicAt)
			r.Consumers = append(r.Consumers, found.consumers...)
		}
	}
	if len(r.In) == 0 {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("no topic %s in cluster %s: list them with: kubectl rocketmq topics", name, desired.ClusterName(c.broker))
	}
	slices.Sort(r.Consumers)
	r.Consumers = slices.Compact(r.Consumers)
	object, ownerErr := c.ownerOf(ctx, a, &v1alpha1.TopicList{}, name)
	r.Object = object
	return r, errors.Join(err, ownerErr)
}

func (r *topicReport) text() string {
	settings := newTable("BROKER", "TYPE", "PERM", "READ QUEUES", "WRITE QUEUES", "ORDER", "ATTRIBUTES")
	queues := newTable("BROKER", "QUEUE", "MIN OFFSET", "MAX OFFSET", "MESSAGES", "LAST STORED")
	messages := int64(0)
	for _, at := range r.In {
		settings.row(at.Broker, at.Type, at.Perm, at.ReadQueues, at.WriteQueues, yesNo(at.Order), or(pairs(at.Attributes)))
		for _, q := range at.Queues {
			queues.row(at.Broker, q.Queue, q.MinOffset, q.MaxOffset, q.MaxOffset-q.MinOffset, ago(r.At, q.LastStored))
			messages += q.MaxOffset - q.MinOffset
		}
	}
	return fmt.Sprintf("Topic %s: in %d of %d broker groups, messages %d\nObject: %s\nConsumer groups: %s\n\n%s\n%s",
		r.Topic, len(r.In), r.Groups, messages, ownerText(r.Object), or(strings.Join(r.Consumers, ", ")), settings, queues)
}

// pairs is k=v,k=v.
func pairs(m map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, key+"="+m[key])
	}
	return strings.Join(out, ",")
}

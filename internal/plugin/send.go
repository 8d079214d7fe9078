// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

func (o *options) messageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "message",
		Aliases: []string{"messages"},
		Short:   "Send a message, look at messages, or find one",
		Long: "Send a message, look at messages, or find one: a smoke test of a cluster, and a look at what is in a topic.\n" +
			"It is not for loads: every message takes its way through the API server.",
	}
	cmd.AddCommand(o.sendCommand(), o.consumeCommand(), o.queryCommand())
	return cmd
}

// maxCount bounds what is sent or read at a time.
const maxCount = 1000

// outgoing is what is to be sent, and where to.
type outgoing struct {
	count           int
	key, tag, shard string
	properties      map[string]string
	delay           time.Duration
	brokerName      string
	queue           int
	standardInput   io.Reader
}

func (o *options) sendCommand() *cobra.Command {
	m := &outgoing{}
	cmd := o.chooses(&cobra.Command{
		Use:   "send TOPIC [BODY]",
		Short: "Send a message, or several",
		Long: "Send a message, or several, to the queues of a topic in turn. The topic's consumers get it like any other.\n" +
			"A BODY of - is read from the standard input.",
		Example: "  kubectl rocketmq message send orders 'hello' --key order-1\n" +
			"  kubectl rocketmq message send orders - < order.json",
		Args:              arguments(1, 2, "a topic: list them with: kubectl rocketmq topics"),
		ValidArgsFunction: o.completeArg(o.topicNames),
	})
	flags := cmd.Flags()
	flags.IntVar(&m.count, "count", 1, fmt.Sprintf("how many to send, up to %d", maxCount))
	flags.StringVar(&m.key, "key", "", "keys to find the message by, with spaces between them")
	flags.StringVar(&m.tag, "tag", "", "tag that consumers can select by")
	flags.StringVar(&m.shard, "sharding-key", "", "for topics of the type FIFO: messages with the same key go to the same queue")
	flags.StringToStringVar(&m.properties, "property", nil, "further properties, as NAME=VALUE")
	flags.DurationVar(&m.delay, "delay", 0, "for topics of the type DELAY: how long before it is delivered")
	flags.StringVar(&m.brokerName, "broker-group", "", "the broker group to send to; all in turn if empty")
	flags.IntVar(&m.queue, "queue", -1, "the queue to send to; all in turn if not given")
	o.completeFlag(cmd, "broker-group", o.brokerGroupNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := m.check(cmd.Flags().Changed("queue"), cmd.Flags().Changed("delay")); err != nil {
			return err
		}
		m.standardInput = cmd.InOrStdin()
		return o.run(func(ctx context.Context, a *Access, args []string) (report, error) { return o.send(ctx, a, m, args) })(cmd, args)
	}
	return cmd
}

type sendReport struct {
	Topic string        `json:"topic"`
	Sent  []sentMessage `json:"sent"`
}

type sentMessage struct {
	ID     string `json:"id"`
	Broker string `json:"broker"`
	Queue  int    `json:"queue"`
	// Offset is -1 where the broker reports a Trouble.
	Offset int64 `json:"offset"`
	// Trouble: it is stored, and would be lost with the broker.
	Trouble string `json:"trouble,omitempty"`
}

func (o *options) send(ctx context.Context, a *Access, m *outgoing, args []string) (report, error) {
	topic := args[0]
	body, err := m.body(args[1:])
	if err != nil {
		return nil, err
	}
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	queues, err := c.writeQueues(ctx, topic, m)
	if err != nil {
		return nil, err
	}
	r := &sendReport{Topic: topic}
	for i := range m.count {
		to := queues[i%len(queues)]
		if m.shard != "" {
			to = queues[crc32.ChecksumIEEE([]byte(m.shard))%uint32(len(queues))]
		}
		id := admin.NewMessageID(time.Now())
		sent, err := c.admin.Send(ctx, to.master.addr, admin.Outgoing{Topic: topic, Queue: to.queue, Properties: m.all(id), Body: body})
		if err != nil {
			err = fmt.Errorf("send to queue %d of %s: %w", to.queue, to.master.name, err)
			if len(r.Sent) == 0 {
				return nil, err
			}
			return r, fmt.Errorf("%d of %d messages were sent: %w", len(r.Sent), m.count, err)
		}
		r.Sent = append(r.Sent, sentMessage{id, to.master.name, to.queue, sent.Offset, sent.Trouble})
	}
	return r, nil
}

// check the flags, of which these two may be given.
func (m *outgoing) check(queue, delay bool) error {
	switch {
	case m.count < 1 || m.count > maxCount:
		return fmt.Errorf("--count %d: from 1 to %d can be sent", m.count, maxCount)
	case queue && m.queue < 0:
		return fmt.Errorf("--queue %d: queues begin at 0; leave it out to send to all in turn", m.queue)
	case delay && m.delay < time.Second:
		return fmt.Errorf("--delay %s: brokers count whole seconds: use 1s or more, or leave it out", m.delay)
	}
	return nil
}

func (m *outgoing) body(given []string) ([]byte, error) {
	switch {
	case len(given) == 0:
		return fmt.Appendf(nil, "kubectl rocketmq at %s", time.Now().UTC().Format(time.RFC3339)), nil
	case given[0] != "-":
		return []byte(given[0]), nil
	}
	const most = 4 << 20 // what brokers take (MessageStoreConfig.maxMessageSize)
	body, err := io.ReadAll(io.LimitReader(m.standardInput, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the body from the standard input: %w", err)
	case len(body) > most:
		return nil, fmt.Errorf("the body is longer than the %d bytes that brokers take", most)
	}
	return body, nil
}

// all properties of a message.
func (m *outgoing) all(id string) map[string]string {
	properties := map[string]string{}
	maps.Copy(properties, m.properties)
	for key, value := range map[string]string{
		admin.PropertyID: id, admin.PropertyKeys: m.key, admin.PropertyTags: m.tag, admin.PropertyShard: m.shard,
	} {
		if value != "" {
			properties[key] = value
		}
	}
	if m.delay > 0 {
		properties[admin.PropertyDelay] = strconv.FormatInt(int64(m.delay.Round(time.Second)/time.Second), 10)
	}
	return properties
}

// queueAt is a queue of a topic at a master.
type queueAt struct {
	master server
	queue  int
}

// writeQueues are those that the message may go to, the first of each master first.
func (c *cluster) writeQueues(ctx context.Context, topic string, m *outgoing) ([]queueAt, error) {
	configs, err := c.topicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	var queues []queueAt
	var closed, others []string
	for _, master := range c.masters {
		config := configs[master]
		if config == nil || (m.brokerName != "" && m.brokerName != master.name) {
			others = append(others, master.name)
			continue
		}
		if config.Perm&admin.PermWrite == 0 {
			closed = append(closed, master.name)
			continue
		}
		for queue := range config.WriteQueues {
			if m.queue < 0 || m.queue == queue {
				queues = append(queues, queueAt{master, queue})
			}
		}
	}
	switch {
	case len(queues) > 0:
	case len(closed) > 0:
		return nil, fmt.Errorf("topic %s takes no messages at %s: its permission is not W: see kubectl rocketmq topics %s",
			topic, strings.Join(closed, ", "), topic)
	case len(others) < len(c.masters):
		return nil, fmt.Errorf("topic %s has no write queue %d: see kubectl rocketmq topics %s", topic, m.queue, topic)
	default:
		return nil, fmt.Errorf("broker group %s does not have topic %s, or has no master: see kubectl rocketmq topics %s",
			m.brokerName, topic, topic)
	}
	slices.SortStableFunc(queues, func(a, b queueAt) int { return cmp.Compare(a.queue, b.queue) })
	return queues, nil
}

// topicConfigs are a topic's at the masters that have it; a topic that none has is an error.
func (c *cluster) topicConfigs(ctx context.Context, topic string) (map[server]*admin.TopicConfig, error) {
	configs, err := each(ctx, c.masters, func(ctx context.Context, master server) (*admin.TopicConfig, error) {
		config, err := c.admin.Topic(ctx, master.addr, topic)
		if remoting.IsCode(err, remoting.TopicNotExist) {
			return nil, nil
		}
		return config, err
	})
	maps.DeleteFunc(configs, func(_ server, config *admin.TopicConfig) bool { return config == nil })
	if len(configs) > 0 {
		return configs, nil
	}
	return nil, cmp.Or(errors.Join(c.missing, err), fmt.Errorf("no topic %s: list them with: kubectl rocketmq topics", topic))
}

func (r *sendReport) text() string {
	t := newTable("MESSAGE ID", "BROKER", "QUEUE", "OFFSET", "STATE")
	for _, m := range r.Sent {
		offset, state := "-", "stored"
		if m.Offset >= 0 {
			offset = fmt.Sprint(m.Offset)
		}
		if m.Trouble != "" {
			state = "stored, but " + m.Trouble
		}
		t.row(m.ID, m.Broker, m.Queue, offset, state)
	}
	return t.String()
}

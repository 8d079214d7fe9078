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
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// wanted is the message to find.
type wanted struct {
	id, key, brokerName string
	queue               int
	offset              int64
	since               time.Duration
}

func (o *options) queryCommand() *cobra.Command {
	q := &wanted{}
	cmd := o.chooses(&cobra.Command{
		Use:   "query TOPIC",
		Short: "Find messages by ID, by key, or by queue and offset",
		Example: "  kubectl rocketmq message query orders --id 0A0102030007…\n" +
			"  kubectl rocketmq message query orders --key order-1\n" +
			"  kubectl rocketmq message query orders --broker-group quickstart-0 --queue 3 --offset 42",
		Args:              arguments(1, 1, "a topic: list them with: kubectl rocketmq topics"),
		ValidArgsFunction: o.completeArg(o.topicNames),
	})
	flags := cmd.Flags()
	flags.StringVar(&q.id, "id", "", "the message's ID")
	flags.StringVar(&q.key, "key", "", "one of the message's keys")
	flags.StringVar(&q.brokerName, "broker-group", "", "the broker group of --queue")
	flags.IntVar(&q.queue, "queue", 0, "the queue of --offset")
	flags.Int64Var(&q.offset, "offset", -1, "the message's offset in its queue")
	flags.DurationVar(&q.since, "since", 72*time.Hour, "how long ago the message of --id or --key may have been stored")
	o.completeFlag(cmd, "broker-group", o.brokerGroupNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := q.check(cmd.Flags()); err != nil {
			return err
		}
		return o.run(func(ctx context.Context, a *Access, args []string) (report, error) {
			return o.query(ctx, a, q, args[0])
		})(cmd, args)
	}
	return cmd
}

// check that the flags say one message, or those of one key.
func (q *wanted) check(flags *pflag.FlagSet) error {
	var ways, given []string
	for _, flag := range []string{"id", "key", "offset"} {
		if flags.Changed(flag) {
			ways = append(ways, "--"+flag)
			given = append(given, fmt.Sprintf("--%s %s", flag, flags.Lookup(flag).Value))
		}
	}
	const one = "say which message by one of --id ID, --key KEY, --offset NUMBER (with --queue NUMBER)"
	switch {
	case len(ways) > 1:
		return fmt.Errorf("%s exclude each other: %s", strings.Join(given, " and "), one)
	case len(ways) == 0 && (flags.Changed("queue") || flags.Changed("broker-group")):
		return errors.New("--queue and --broker-group alone are not enough: add --offset NUMBER, or say the message by --id ID or --key KEY")
	case len(ways) == 0:
		return errors.New("neither --id, --key nor --offset is given: " + one)
	case ways[0] != "--offset" && flags.Lookup(strings.TrimPrefix(ways[0], "--")).Value.String() == "":
		return fmt.Errorf("%s \"\" is empty: %s", ways[0], one)
	case ways[0] == "--offset" && q.offset < 0:
		return fmt.Errorf("--offset %d: offsets begin at 0", q.offset)
	case q.queue < 0:
		return fmt.Errorf("--queue %d: queues begin at 0", q.queue)
	case ways[0] == "--offset" && flags.Changed("since"):
		return fmt.Errorf("--since %s is for --id and --key: leave it out with --offset", q.since)
	case ways[0] != "--offset" && (flags.Changed("queue") || flags.Changed("broker-group")):
		return fmt.Errorf("--queue and --broker-group are for --offset: leave them out with %s, which looks in all", given[0])
	case q.since <= 0:
		return fmt.Errorf("--since %s looks at no time: use one above 0, such as 72h", q.since)
	}
	return nil
}

func (o *options) query(ctx context.Context, a *Access, q *wanted, topic string) (report, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	configs, err := c.topicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	r := &messagesReport{Topic: topic, whole: true}
	masters := slices.Collect(maps.Keys(configs))
	if q.offset >= 0 {
		r.Messages, err = c.atOffset(ctx, masters, topic, q)
	} else {
		r.Messages, err = c.inIndex(ctx, masters, topic, q)
	}
	if q.id != "" && len(r.Messages) == 0 {
		row, placeErr := c.atPlace(ctx, topic, q.id)
		if row != nil {
			r.Messages, err = append(r.Messages, *row), nil
		}
		err = errors.Join(err, placeErr)
	}
	r.sort()
	if len(r.Messages) == 0 {
		return nil, cmp.Or(errors.Join(c.missing, err), q.notFound(topic))
	}
	return r, errors.Join(c.missing, err)
}

func (q *wanted) notFound(topic string) error {
	if q.offset >= 0 {
		return fmt.Errorf("no message at offset %d of queue %d in topic %s: see the queues with: kubectl rocketmq topics %s",
			q.offset, q.queue, topic, topic)
	}
	what := "key " + q.key
	if q.id != "" {
		what = "ID " + q.id
	}
	return fmt.Errorf("no message with the %s in topic %s, stored within --since %s:\n"+
		"it was deleted, or sent to another topic, or the brokers keep no index (messageIndexEnable=false)", what, topic, duration.HumanDuration(q.since))
}

// inIndex of the masters.
func (c *cluster) inIndex(ctx context.Context, masters []server, topic string, q *wanted) ([]messageRow, error) {
	now := time.Now()
	search := admin.Search{
		Topic: topic, Key: cmp.Or(q.id, q.key), ByID: q.id != "",
		Begin: now.Add(-q.since), End: now.Add(time.Hour), // clocks differ
	}
	found, err := each(ctx, masters, func(ctx context.Context, master server) ([]admin.Message, error) {
		return c.admin.FindMessages(ctx, master.addr, search)
	})
	var rows []messageRow
	for master, messages := range found {
		for _, m := range messages {
			rows = append(rows, newMessageRow(master.name, m))
		}
	}
	return rows, err
}

// atOffset of a queue, which several broker groups may have.
func (c *cluster) atOffset(ctx context.Context, masters []server, topic string, q *wanted) ([]messageRow, error) {
	masters = slices.DeleteFunc(masters, func(master server) bool { return q.brokerName != "" && q.brokerName != master.name })
	if len(masters) == 0 {
		return nil, fmt.Errorf("broker group %s does not have topic %s: see kubectl rocketmq topics %s", q.brokerName, topic, topic)
	}
	found, err := each(ctx, masters, func(ctx context.Context, master server) ([]messageRow, error) {
		rows, err := c.read(ctx, queueAt{master, q.queue}, topic, q.offset, q.offset+1)
		// A broker whose queue begins later hands out its first message.
		return slices.DeleteFunc(rows, func(row messageRow) bool { return row.Offset != q.offset }), err
	})
	return slices.Concat(slices.Collect(maps.Values(found))...), err
}

// atPlace is the message of an ID that says where it is; nil if it is not there.
func (c *cluster) atPlace(ctx context.Context, topic, id string) (*messageRow, error) {
	addr, offset, err := admin.ParsePlace(id)
	if err != nil {
		return nil, fmt.Errorf("--id %s: %w", id, err)
	}
	pod, _, known := c.podAt(addr)
	if !known {
		return nil, nil
	}
	m, _, err := c.admin.MessageAt(ctx, addr, offset)
	if remoting.IsCode(err, remoting.SystemError) { // no message begins there (QueryMessageProcessor.viewMessageById)
		return nil, nil
	}
	if err != nil || m == nil || m.Topic != topic {
		return nil, err
	}
	rows, err := c.read(ctx, queueAt{server{pod.Name, addr}, m.Queue}, topic, m.Offset, m.Offset+1)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

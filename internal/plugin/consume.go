// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// looking is which messages of a topic to look at.
type looking struct {
	count          int
	oldest, follow bool
	wait           time.Duration
}

func (o *options) consumeCommand() *cobra.Command {
	l := &looking{}
	cmd := o.chooses(&cobra.Command{
		Use:     "consume TOPIC",
		Aliases: []string{"look"},
		Short:   "Look at messages of a topic, without a consumer group",
		Long: "Look at messages of a topic, the newest if nothing else is said. No consumer group is used, so that no consumer\n" +
			"misses a message and no offset changes. Dead letters of a group are in the topic %DLQ%GROUP.",
		Example: "  kubectl rocketmq message consume orders --count 3\n" +
			"  kubectl rocketmq message consume orders --follow --wait 1m",
		Args:              arguments(1, 1, "a topic: list them with: kubectl rocketmq topics"),
		ValidArgsFunction: o.completeArg(o.topicNames),
	})
	flags := cmd.Flags()
	flags.IntVar(&l.count, "count", 10, fmt.Sprintf("how many messages to show, up to %d", maxCount))
	flags.BoolVar(&l.oldest, "oldest", false, "show the oldest messages instead of the newest")
	flags.BoolVarP(&l.follow, "follow", "f", false, "wait for messages that are sent from now on, until --count came or --wait is over")
	flags.DurationVar(&l.wait, "wait", 30*time.Second, "how long to wait with --follow")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if l.count < 1 || l.count > maxCount {
			return fmt.Errorf("--count %d: from 1 to %d can be shown", l.count, maxCount)
		}
		switch {
		case l.follow && l.oldest:
			return errors.New("--follow waits for new messages, and --oldest shows the first ones: leave out one of them")
		case l.wait <= 0:
			return fmt.Errorf("--wait %s is no time to wait: use one above 0, such as 30s", l.wait)
		case !l.follow && cmd.Flags().Changed("wait"):
			return fmt.Errorf("--wait %s is for --follow: add that, or leave out --wait", l.wait)
		}
		if !l.follow {
			return o.run(func(ctx context.Context, a *Access, args []string) (report, error) {
				return o.consume(ctx, a, l, args[0])
			})(cmd, args)
		}
		o.timeout += l.wait
		return o.run(func(ctx context.Context, a *Access, args []string) (report, error) {
			return o.follow(ctx, a, l, args[0], cmd.OutOrStdout())
		})(cmd, args)
	}
	return cmd
}

type messagesReport struct {
	Topic    string       `json:"topic"`
	Messages []messageRow `json:"messages"`
	// printed already, as they came.
	printed bool
	// whole messages are to be shown, not a line of each.
	whole bool
}

type messageRow struct {
	ID     string    `json:"id"`
	Broker string    `json:"broker"`
	Queue  int       `json:"queue"`
	Offset int64     `json:"offset"`
	Born   time.Time `json:"born,omitzero"`
	Stored time.Time `json:"stored,omitzero"`
	// Keys have spaces between them.
	Keys string `json:"keys,omitempty"`
	Tags string `json:"tags,omitempty"`
	// Properties are all, those above included.
	Properties map[string]string `json:"properties,omitempty"`
	// Size of the body as it is stored, in bytes.
	Size int64 `json:"size"`
	// Body is set if it is text, Base64 if it is not.
	Body   string `json:"body,omitempty"`
	Base64 []byte `json:"base64,omitempty"`
	// Note is why the body is not as it was sent.
	Note string `json:"note,omitempty"`
}

func newMessageRow(broker string, m admin.Message) messageRow {
	row := messageRow{
		ID: m.ID(), Broker: broker, Queue: m.Queue, Offset: m.Offset, Born: m.Born, Stored: m.Stored,
		Keys: m.Properties[admin.PropertyKeys], Tags: m.Properties[admin.PropertyTags], Properties: m.Properties, Size: m.BodySize,
	}
	text, err := m.Text()
	switch {
	case err != nil:
		row.Base64, row.Note = m.Body, err.Error()
	case utf8.Valid(text):
		row.Body = string(text)
	default:
		row.Base64 = text
	}
	if int64(len(m.Body)) < m.BodySize {
		row.Note = strings.TrimPrefix(row.Note+", only the beginning was read", ", ")
	}
	return row
}

func (o *options) consume(ctx context.Context, a *Access, l *looking, topic string) (report, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	queues, err := c.queuesOf(ctx, topic)
	if err != nil {
		return nil, err
	}
	found, err := each(ctx, c.masters, func(ctx context.Context, master server) ([]messageRow, error) {
		var rows []messageRow
		for _, queue := range slices.Sorted(maps.Keys(queues[master])) {
			bounds := queues[master][queue]
			from := max(bounds.MinOffset, bounds.MaxOffset-int64(l.count))
			if l.oldest {
				from = bounds.MinOffset
			}
			read, err := c.read(ctx, queueAt{master, queue}, topic, from, min(bounds.MaxOffset, from+int64(l.count)))
			if err != nil {
				return nil, err
			}
			rows = append(rows, read...)
		}
		return rows, nil
	})
	r := &messagesReport{Topic: topic, Messages: []messageRow{}}
	for _, rows := range found {
		r.Messages = append(r.Messages, rows...)
	}
	r.sort()
	if excess := len(r.Messages) - l.count; excess > 0 && l.oldest {
		r.Messages = r.Messages[:l.count]
	} else if excess > 0 {
		r.Messages = r.Messages[excess:]
	}
	return r, errors.Join(c.missing, err)
}

// queuesOf a topic at the masters that have it.
func (c *cluster) queuesOf(ctx context.Context, topic string) (map[server]map[int]admin.QueueStats, error) {
	configs, err := c.topicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	return each(ctx, slices.Collect(maps.Keys(configs)), func(ctx context.Context, master server) (map[int]admin.QueueStats, error) {
		return c.admin.TopicStats(ctx, master.addr, topic)
	})
}

// read the messages of a queue from an offset to just before another one.
func (c *cluster) read(ctx context.Context, at queueAt, topic string, from, to int64) ([]messageRow, error) {
	var rows []messageRow
	for from < to {
		messages, err := c.admin.ReadMessages(ctx, at.master.addr, topic, at.queue, from, int(to-from))
		if err != nil {
			return nil, fmt.Errorf("read queue %d: %w", at.queue, err)
		}
		if len(messages) == 0 {
			break
		}
		for _, m := range messages {
			rows = append(rows, newMessageRow(at.master.name, m))
		}
		from = messages[len(messages)-1].Offset + 1
	}
	return rows, nil
}

// followEvery is how long messages may have been there before they are shown.
const followEvery = 500 * time.Millisecond

// follow shows messages as they come. It fails if none came.
func (o *options) follow(ctx context.Context, a *Access, l *looking, topic string, w io.Writer) (report, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	before, err := c.queuesOf(ctx, topic)
	if err != nil {
		return nil, err
	}
	r := &messagesReport{Topic: topic, Messages: []messageRow{}, printed: o.output == ""}
	over := time.NewTimer(l.wait)
	defer over.Stop()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return r, context.Cause(ctx)
		case <-over.C:
			if len(r.Messages) == 0 {
				return r, fmt.Errorf("no message came to topic %s within --wait %s", topic, l.wait)
			}
			return r, nil
		case <-tick.C:
		}
		now, err := c.queuesOf(ctx, topic)
		if err != nil {
			return r, err
		}
		came, err := c.came(ctx, topic, before, now)
		if err != nil {
			return r, err
		}
		before = now
		came = came[:min(len(came), l.count-len(r.Messages))]
		r.Messages = append(r.Messages, came...)
		for i := range came {
			if r.printed {
				if _, err := io.WriteString(w, came[i].line()); err != nil {
					return r, err
				}
			}
		}
		if len(r.Messages) == l.count {
			return r, nil
		}
	}
}

// came are the messages between two looks, in the order in which they were stored.
func (c *cluster) came(ctx context.Context, topic string, before, now map[server]map[int]admin.QueueStats) ([]messageRow, error) {
	r := &messagesReport{}
	for master, queues := range now {
		known, asked := before[master]
		for queue, bounds := range queues {
			from, had := known[queue], asked
			if !had { // another master: where its queue ends is where it begins
				continue
			}
			rows, err := c.read(ctx, queueAt{master, queue}, topic, max(from.MaxOffset, bounds.MaxOffset-maxCount), bounds.MaxOffset)
			if err != nil {
				return nil, err
			}
			r.Messages = append(r.Messages, rows...)
		}
	}
	r.sort()
	return r.Messages, nil
}

func (r *messagesReport) sort() {
	slices.SortFunc(r.Messages, func(a, b messageRow) int {
		return cmp.Or(
			a.Stored.Compare(b.Stored), strings.Compare(a.Broker, b.Broker), cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Offset, b.Offset),
		)
	})
}

func (r *messagesReport) text() string {
	switch {
	case r.printed:
		return ""
	case len(r.Messages) == 0:
		return fmt.Sprintf("Topic %s has no messages.\n", r.Topic)
	}
	var out strings.Builder
	for i := range r.Messages {
		if !r.whole {
			out.WriteString(r.Messages[i].line())
			continue
		}
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(r.Messages[i].block())
	}
	return out.String()
}

// line is a message for people, in one line.
func (m *messageRow) line() string {
	labels := ""
	if m.Tags != "" {
		labels += " tag " + m.Tags
	}
	if m.Keys != "" {
		labels += " key " + m.Keys
	}
	return fmt.Sprintf("%s %s queue %d offset %d%s: %s\n", stamp(m.Stored), m.Broker, m.Queue, m.Offset, labels, m.beginning())
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

// beginning of the body, without what would disturb a terminal.
func (m *messageRow) beginning() string {
	const most = 200 // characters
	if m.Base64 != nil || m.Body == "" {
		return strings.TrimSuffix(fmt.Sprintf("(%d bytes, no text, %s", m.Size, m.Note), ", ") + ")"
	}
	text := []rune(printable(m.Body, ""))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// printable is text with a dot for each character that is not for people, but for those that are allowed.
func printable(text, but string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) || strings.ContainsRune(but, c) {
			return c
		}
		return '·'
	}, text)
}

// block is the whole message for people.
func (m *messageRow) block() string {
	t := newTable("MESSAGE", m.ID)
	t.row("broker", fmt.Sprintf("%s queue %d offset %d", m.Broker, m.Queue, m.Offset))
	t.row("born", stamp(m.Born))
	t.row("stored", stamp(m.Stored))
	for _, key := range slices.Sorted(maps.Keys(m.Properties)) {
		t.row(printable(key, ""), printable(m.Properties[key], ""))
	}
	size := fmt.Sprintf("%d bytes", m.Size)
	if m.Note != "" {
		size += ", " + m.Note
	}
	t.row("body", size)
	body := printable(m.Body, "\n\t")
	if m.Base64 != nil {
		body = "no text: -o json shows it in base64"
	}
	return t.String() + "\n" + strings.TrimRight(body, "\n") + "\n"
}

package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// DataVersion tells one state of a broker's table from another (RocketMQ's DataVersion). Compare two versions of the
// same broker only: a slave may show its master's version while its own table is half empty, and some releases raise
// a slave's version without end.
type DataVersion struct {
	StateVersion int64 `json:"stateVersion"`
	// Timestamp is when the table changed, in milliseconds since 1970.
	Timestamp int64 `json:"timestamp"`
	Counter   int64 `json:"counter"`
}

// TableState is what can be known of a table without reading it.
type TableState struct {
	Version DataVersion
	// Total is the number of entries, those of system topics or groups included.
	Total int
}

const (
	// pageSize is the most that a broker puts into one answer by default (BrokerConfig.splitMetadataSize).
	pageSize = 2000
	// pagingTries is how often a table that changes meanwhile is begun again before it is read in one answer.
	pagingTries = 3
	// maxEntries is far above what a broker can hold, so a larger total is no broker's.
	maxEntries = 1 << 20
)

// tableKind says how one of the two tables is asked for, and what its entries are.
type tableKind[T any] struct {
	code              remoting.RequestCode
	seq, limit, total string      // names of header fields
	entries           string      // name of the body's map
	memory            func(T) int // of an entry without its name, bytes
}

func topicTable() tableKind[TopicConfig] {
	return tableKind[TopicConfig]{
		remoting.GetAllTopicConfig, "topicSeq", "maxTopicNum", "totalTopicNum", "topicConfigTable", TopicConfig.memory,
	}
}

func groupTable() tableKind[SubscriptionGroup] {
	return tableKind[SubscriptionGroup]{
		remoting.GetAllSubscriptionGroupConfig, "groupSeq", "maxGroupNum", "totalGroupNum", "subscriptionGroupTable",
		SubscriptionGroup.memory,
	}
}

// mapMemory is about what a map takes.
func mapMemory(m map[string]string) int {
	bytes := 0
	for key, value := range m {
		bytes += 64 + len(key) + len(value)
	}
	return bytes
}

// page asks for at most limit entries from the one with the number first on, in the order of their names, and puts them
// into the table; into nil they are only counted. It returns the memory that they take. A broker begins at
// 0 when its version is another than the given one. Releases before 5.3.4 know no pages and answer with the whole table;
// then the state is taken from that. With limit 0 everybody answers with the whole table.
func page[T any](ctx context.Context, c *Client, broker string, kind tableKind[T], first, limit int, version string,
	into map[string]T) (state TableState, memory int64, err error) {
	req := remoting.Request{Code: kind.code, MaxAnswer: longAnswer}
	if limit > 0 {
		req.Fields = map[string]string{kind.seq: strconv.Itoa(first), kind.limit: strconv.Itoa(limit), "dataVersion": version}
	}
	err = c.stream(ctx, broker, req, func(resp *remoting.Response, b *body) error {
		found, came := false, 0
		err := b.Object(func(key string) error {
			switch key {
			case kind.entries:
				found = true
				return b.Object(func(name string) error {
					came++
					return readEntry(b, kind, name, into)
				})
			case "dataVersion":
				return b.Decode(&state.Version)
			}
			return nil
		})
		if err == nil && !found {
			err = fmt.Errorf("no %s", kind.entries)
		}
		if err != nil {
			return err
		}
		memory = b.kept
		state.Total, err = tableTotal(resp.Fields, kind.total, came)
		return err
	})
	return state, memory, err
}

func readEntry[T any](b *body, kind tableKind[T], name string, into map[string]T) error {
	if into == nil {
		return nil
	}
	var entry T
	if err := b.Decode(&entry); err != nil {
		return fmt.Errorf("%s: %w", kind.entries, err)
	}
	into[name] = entry
	return b.keep(2*len(name) + kind.memory(entry))
}

// tableTotal is the number of entries that the header tells of, or else of those that came.
func tableTotal(fields map[string]string, field string, came int) (int, error) {
	text, ok := fields[field]
	if !ok {
		return came, nil
	}
	total, err := strconv.Atoi(text)
	if err == nil && (total < 0 || total > maxEntries) {
		err = strconv.ErrRange
	}
	if err != nil {
		return 0, fmt.Errorf("field %s, %q: %w", field, text, err)
	}
	return total, nil
}

// wholeTable reads a table page by page, as of one version.
func wholeTable[T any](ctx context.Context, c *Client, broker string, kind tableKind[T]) (map[string]T, DataVersion, error) {
	for range pagingTries {
		table, version, err := pages(ctx, c, broker, kind)
		if table != nil || err != nil {
			return table, version, err
		}
	}
	table := map[string]T{}
	state, _, err := page(ctx, c, broker, kind, 0, 0, "", table)
	if err != nil {
		return nil, DataVersion{}, err
	}
	return table, state.Version, nil
}

// pages reads a table page by page; the table is nil if it has changed meanwhile, or if the pages do not fit together.
func pages[T any](ctx context.Context, c *Client, broker string, kind tableKind[T]) (map[string]T, DataVersion, error) {
	table := map[string]T{}
	state, memory, err := page(ctx, c, broker, kind, 0, pageSize, "", table)
	if err != nil {
		return nil, DataVersion{}, err
	}
	version, err := json.Marshal(state.Version)
	if err != nil {
		return nil, DataVersion{}, fmt.Errorf("encode version: %w", err)
	}
	for first := len(table); first < state.Total; first = len(table) {
		now, more, err := page(ctx, c, broker, kind, first, pageSize, string(version), table)
		if err != nil {
			return nil, DataVersion{}, err
		}
		if memory += more; memory > keptAtMost {
			return nil, DataVersion{}, answerError(kind.code, broker, errTooLarge)
		}
		if now != state || len(table) == first {
			return nil, DataVersion{}, nil
		}
	}
	return table, state.Version, nil
}

func tableState[T any](ctx context.Context, c *Client, broker string, kind tableKind[T]) (TableState, error) {
	state, _, err := page(ctx, c, broker, kind, 0, 1, "", nil)
	return state, err
}

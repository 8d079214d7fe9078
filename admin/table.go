// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// DataVersion changes whenever a broker's table does (RocketMQ's DataVersion). Compare versions of one broker only: a slave may
// show its master's version while its own table is half empty, and with some releases a slave's version never stops growing.
type DataVersion struct {
	StateVersion int64 `json:"stateVersion"`
	// Timestamp is when the table changed, in milliseconds since 1970.
	Timestamp int64 `json:"timestamp"`
	Counter   int64 `json:"counter"`
}

// TableState is what a broker tells about its table of topics or groups without sending it.
type TableState struct {
	Version DataVersion
	// Total is the number of entries, those of system topics or groups included.
	Total int
}

const (
	// pageSize is the most that a broker puts into one answer by default (BrokerConfig.splitMetadataSize).
	pageSize = 2000
	// pagingTries is how often to start again when the table changes meanwhile. After that it is read in one answer.
	pagingTries = 3
	// maxEntries is far more than a broker can hold.
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

// page asks for at most limit entries, from number first on, in the order of their names, and puts them into a map; nil only
// counts them. It returns the memory that they take. A broker whose table has another version than the given one starts at 0.
// Releases before 5.3.4 have no pages and always send the whole table, from which the state is taken then. With limit 0 every
// broker sends the whole table.
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

// tableTotal is the number of entries according to the answer's header, or of those that came if it does not say.
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

// wholeTable reads a table page by page; all pages are of one version.
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

// pages reads a table page by page. The result is nil if the table has changed meanwhile or the pages do not fit together.
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

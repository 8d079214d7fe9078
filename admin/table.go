package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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

// tableKind says how one of the two tables is asked for.
type tableKind struct {
	code              remoting.RequestCode
	seq, limit, total string // names of header fields
	entries           string // name of the body's map
}

func topicTable() tableKind {
	return tableKind{remoting.GetAllTopicConfig, "topicSeq", "maxTopicNum", "totalTopicNum", "topicConfigTable"}
}

func groupTable() tableKind {
	return tableKind{remoting.GetAllSubscriptionGroupConfig, "groupSeq", "maxGroupNum", "totalGroupNum", "subscriptionGroupTable"}
}

// page asks for at most limit entries from the one with the number first on, in the order of their names. A broker
// begins at 0 when its version is another than the given one. Releases before 5.3.4 know no pages and answer with
// the whole table; then the state is taken from that. With limit 0 everybody answers with the whole table.
func page[T any](ctx context.Context, c *Client, broker string, kind tableKind, first, limit int, version string) (map[string]T, TableState, error) {
	req := remoting.Request{Code: kind.code}
	if limit > 0 {
		req.Fields = map[string]string{kind.seq: strconv.Itoa(first), kind.limit: strconv.Itoa(limit), "dataVersion": version}
	}
	var body map[string]json.RawMessage
	resp, err := c.invokeJSON(ctx, broker, req, &body)
	if err != nil {
		return nil, TableState{}, err
	}
	var entries map[string]T
	var state TableState
	for name, v := range map[string]any{kind.entries: &entries, "dataVersion": &state.Version} {
		if err := json.Unmarshal(body[name], v); err != nil {
			return nil, TableState{}, answerError(kind.code, broker, fmt.Errorf("%s: %w", name, err))
		}
	}
	state.Total = len(entries)
	if total, ok := resp.Fields[kind.total]; ok {
		if state.Total, err = strconv.Atoi(total); err != nil {
			return nil, TableState{}, answerError(kind.code, broker, fmt.Errorf("field %s: %w", kind.total, err))
		}
	}
	if state.Total < 0 || state.Total > maxEntries {
		return nil, TableState{}, answerError(kind.code, broker, fmt.Errorf("field %s: %d", kind.total, state.Total))
	}
	return entries, state, nil
}

// wholeTable reads a table page by page, as of one version.
func wholeTable[T any](ctx context.Context, c *Client, broker string, kind tableKind) (map[string]T, DataVersion, error) {
	for range pagingTries {
		table, state, err := page[T](ctx, c, broker, kind, 0, pageSize, "")
		if err != nil {
			return nil, DataVersion{}, err
		}
		same := true
		for first := len(table); first < state.Total && same; first = len(table) {
			version, err := json.Marshal(state.Version)
			if err != nil {
				return nil, DataVersion{}, fmt.Errorf("encode version: %w", err)
			}
			more, now, err := page[T](ctx, c, broker, kind, first, pageSize, string(version))
			if err != nil {
				return nil, DataVersion{}, err
			}
			maps.Copy(table, more)
			same = now == state && len(table) > first // no progress: the pages do not fit together
		}
		if same {
			return table, state.Version, nil
		}
	}
	table, state, err := page[T](ctx, c, broker, kind, 0, 0, "")
	return table, state.Version, err
}

func tableState(ctx context.Context, c *Client, broker string, kind tableKind) (TableState, error) {
	_, state, err := page[json.RawMessage](ctx, c, broker, kind, 0, 1, "")
	return state, err
}

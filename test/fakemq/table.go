package fakemq

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Tables are what the brokers of a group know.
type Tables struct {
	Topics  map[string]admin.TopicConfig
	Groups  map[string]admin.SubscriptionGroup
	Offsets map[string]map[string]int64 // of a queue, by topic@group
}

// table of topics or consumer groups, which can be read in pages.
type table[T any] struct {
	name, first, limit, total string // in requests and answers (TopicConfigAndMappingSerializeWrapper, its header)
	entries                   map[string]T
	changes                   int64
}

func newTopics(entries ...map[string]admin.TopicConfig) *table[admin.TopicConfig] {
	t := &table[admin.TopicConfig]{name: "topicConfigTable", first: "topicSeq", limit: "maxTopicNum", total: "totalTopicNum"}
	t.fill(entries)
	return t
}

func newGroups(entries ...map[string]admin.SubscriptionGroup) *table[admin.SubscriptionGroup] {
	t := &table[admin.SubscriptionGroup]{name: "subscriptionGroupTable", first: "groupSeq", limit: "maxGroupNum", total: "totalGroupNum"}
	t.fill(entries)
	return t
}

func (t *table[T]) fill(all []map[string]T) {
	t.entries = map[string]T{}
	for _, entries := range all {
		maps.Copy(t.entries, entries)
	}
}

func (t *table[T]) put(name string, entry T) {
	t.entries[name] = entry
	t.changes++
}

// page that was asked for, in the order of the names; the whole table without a limit.
func (t *table[T]) page(fields map[string]string) Answer {
	names := slices.Sorted(maps.Keys(t.entries))
	if limit, err := strconv.Atoi(fields[t.limit]); err == nil {
		first, _ := strconv.Atoi(fields[t.first]) // from the beginning if it is no number, as a broker does
		first = min(max(first, 0), len(names))
		names = names[first:min(first+limit, len(names))]
	}
	page := map[string]T{}
	for _, name := range names {
		page[name] = t.entries[name]
	}
	return Answer{
		Fields: map[string]string{t.total: strconv.Itoa(len(t.entries))},
		Body:   text(map[string]any{"dataVersion": admin.DataVersion{Counter: t.changes}, t.name: page}),
	}
}

// put topics and consumer groups as a request lists them.
func (g *group) put(body []byte) Answer {
	var lists struct {
		Topics []admin.TopicConfig       `json:"topicConfigList"`
		Groups []admin.SubscriptionGroup `json:"groupConfigList"`
	}
	if err := json.Unmarshal(body, &lists); err != nil {
		return Answer{Code: remoting.SystemError}
	}
	for _, topic := range lists.Topics {
		topic.Attributes = changed(g.topics.entries[topic.Name].Attributes, topic.Attributes)
		g.topics.put(topic.Name, topic)
	}
	for _, consumers := range lists.Groups {
		g.groups.put(consumers.Name, consumers)
	}
	return Answer{}
}

// changed attributes: a request adds +name and takes away -name (AttributeUtil.alterCurrentAttributes).
func changed(attributes, changes map[string]string) map[string]string {
	out := maps.Clone(attributes)
	if out == nil {
		out = map[string]string{}
	}
	for key, value := range changes {
		if name, added := strings.CutPrefix(key, "+"); added {
			out[name] = value
		} else {
			delete(out, strings.TrimPrefix(key, "-"))
		}
	}
	return out
}

// commit the offset of a consumer group in one queue.
func (g *group) commit(fields map[string]string) Answer {
	offset, err := strconv.ParseInt(fields["commitOffset"], 10, 64)
	if err != nil {
		return Answer{Code: remoting.SystemError}
	}
	pair := fields["topic"] + "@" + fields["consumerGroup"]
	if g.offsets[pair] == nil {
		g.offsets[pair] = map[string]int64{}
	}
	g.offsets[pair][fields["queueId"]] = offset
	return Answer{}
}

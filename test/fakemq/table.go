// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"encoding/json"
	"hash/fnv"
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
	Offsets map[string]map[string]int64 // by topic@group and queue
	Ends    map[string]map[int]int64    // of queues, by topic: how many messages they got
}

func newTables() Tables {
	return Tables{
		Topics: map[string]admin.TopicConfig{}, Groups: map[string]admin.SubscriptionGroup{},
		Offsets: map[string]map[string]int64{}, Ends: map[string]map[int]int64{},
	}
}

// clone shares nothing with the original that changes.
func (t Tables) clone() Tables {
	out := newTables()
	maps.Copy(out.Topics, t.Topics)
	maps.Copy(out.Groups, t.Groups)
	for pair, offsets := range t.Offsets {
		out.Offsets[pair] = maps.Clone(offsets)
	}
	for topic, ends := range t.Ends {
		out.Ends[topic] = maps.Clone(ends)
	}
	return out
}

// versions of the tables of topics and consumer groups. One is another one when its table is, and the same in every run.
type versions struct{ topics, groups admin.DataVersion }

// touch the tables: they may be others now.
func (g *group) touch() { g.versions = versions{versionOf(g.Topics), versionOf(g.Groups)} }

func versionOf(table any) admin.DataVersion {
	hash := fnv.New32()
	_, _ = hash.Write([]byte(text(table)))
	return admin.DataVersion{Counter: int64(hash.Sum32())}
}

// answerTables is what is asked and said about whole tables.
func (g *group) answerTables(t *Tables, request remoting.Request) (Answer, bool) {
	switch request.Code {
	case remoting.GetAllTopicConfig:
		return page(t.Topics, "topic", "topicConfigTable", g.versions.topics, request.Fields), true
	case remoting.GetAllSubscriptionGroupConfig:
		return page(t.Groups, "group", "subscriptionGroupTable", g.versions.groups, request.Fields), true
	case remoting.GetAllConsumerOffset:
		return Answer{Body: text(map[string]any{"offsetTable": t.Offsets})}, true
	case remoting.UpdateAndCreateTopicList, remoting.UpdateAndCreateSubscriptionGroupList:
		return g.put(t, request.Body), true
	case remoting.UpdateConsumerOffset:
		return t.commit(request.Fields), true
	}
	return Answer{}, false
}

// page that was asked for, in the order of the names; the whole table without a limit. Requests and answers name the
// table's fields after its kind (TopicConfigAndMappingSerializeWrapper, its header).
func page[T any](table map[string]T, kind, name string, version admin.DataVersion, fields map[string]string) Answer {
	title := strings.ToUpper(kind[:1]) + kind[1:]
	names := slices.Sorted(maps.Keys(table))
	if limit, err := strconv.Atoi(fields["max"+title+"Num"]); err == nil {
		first, _ := strconv.Atoi(fields[kind+"Seq"]) // from the beginning if it is no number, as a broker does
		first = min(max(first, 0), len(names))
		names = names[first:min(first+limit, len(names))]
	}
	page := map[string]T{}
	for _, name := range names {
		page[name] = table[name]
	}
	return Answer{
		Fields: map[string]string{"total" + title + "Num": strconv.Itoa(len(table))},
		Body:   text(map[string]any{"dataVersion": version, name: page}),
	}
}

// put topics and consumer groups as a request lists them.
func (g *group) put(t *Tables, body []byte) Answer {
	var lists struct {
		Topics []admin.TopicConfig       `json:"topicConfigList"`
		Groups []admin.SubscriptionGroup `json:"groupConfigList"`
	}
	if err := json.Unmarshal(body, &lists); err != nil {
		return Answer{Code: remoting.SystemError}
	}
	for _, topic := range lists.Topics {
		topic.Attributes = changed(t.Topics[topic.Name].Attributes, topic.Attributes)
		t.Topics[topic.Name] = topic
	}
	for _, consumers := range lists.Groups {
		t.Groups[consumers.Name] = consumers
	}
	g.touch()
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
func (t *Tables) commit(fields map[string]string) Answer {
	offset, err := strconv.ParseInt(fields["commitOffset"], 10, 64)
	if err != nil {
		return Answer{Code: remoting.SystemError}
	}
	pair := fields["topic"] + "@" + fields["consumerGroup"]
	if t.Offsets[pair] == nil {
		t.Offsets[pair] = map[string]int64{}
	}
	t.Offsets[pair][fields["queueId"]] = offset
	return Answer{}
}

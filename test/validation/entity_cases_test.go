// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"slices"
	"strings"
)

// entityCases are those of Topic, ConsumerGroup and User.
func entityCases() []ruleCase {
	return slices.Concat(bothEntityCases(), topicCases(), groupCases(), userCases())
}

// bounded are the cases of a number with a least and a largest value. Path is where it is, spec has it as %d.
func bounded(kinds []string, path, text string, least, largest int64) []ruleCase {
	number := func(n int64) object { return spec(fmt.Sprintf(text, n)) }
	cases := []ruleCase{{path + " is not too small", kinds, nil, number(least), number(least - 1),
		fmt.Sprintf("spec.%s: Invalid value: %d: spec.%[1]s in body should be greater than or equal to %[3]d", path, least-1, least)}}
	if largest > 0 {
		cases = append(cases, ruleCase{path + " is not too large", kinds, nil, number(largest), number(largest + 1),
			fmt.Sprintf("spec.%s: Invalid value: %d: spec.%[1]s in body should be less than or equal to %[3]d", path, largest+1, largest)})
	}
	return cases
}

// oneOf is the case of a field that has few values. Shown is the bad one as the API server shows it.
func oneOf(kinds []string, field, good, bad, shown string, values ...string) ruleCase {
	return ruleCase{field + " is known", kinds, nil, spec(field + ": " + good), spec(field + ": " + bad),
		fmt.Sprintf(`spec.%s: Unsupported value: %s: supported values: "%s"`, field, shown, strings.Join(values, `", "`))}
}

func bothEntityCases() []ruleCase {
	both, every := []string{"Topic", "ConsumerGroup"}, []string{"Topic", "ConsumerGroup", "User"}
	a := func(n int) string { return strings.Repeat("a", n) }
	at := func(text string) *object { return &object{spec: text} }
	cases := []ruleCase{
		{"one cluster", every, nil, spec("clusterRef: {name: a}"), spec("{clusterRef: {name: a}, brokerRef: {name: a}}"),
			"spec: Invalid value: give clusterRef (a RocketMQCluster) or brokerRef (a Broker), not both"},
		{"a cluster may be named later, and not changed", []string{"Topic"}, at("clusterRef: {name: a}"), spec("{clusterRef: {name: a}, queues: 3}"), spec("clusterRef: {name: b}"),
			"spec: Invalid value: clusterRef and brokerRef cannot change: create another Topic for the other cluster, or move the messages too, with a TopicTransfer"},
		{"a Broker may be named later, and not changed", []string{"ConsumerGroup"}, at("brokerRef: {name: a}"), spec("{brokerRef: {name: a}, retryMaxTimes: 3}"), spec("{}"),
			"spec: Invalid value: clusterRef and brokerRef cannot change: create another ConsumerGroup for the other cluster"},
		oneOf(both, "deletionPolicy", "DeleteIfEmpty", "Forget", `"Forget"`, "Retain", "Delete", "DeleteIfEmpty"),
		{"the name of an attribute is without a plus", both, nil, spec("attributes: {a.b_C: '1'}"), spec("attributes: {+a: '1'}"),
			"spec: Invalid value: the name of an attribute holds only letters, digits, '.' and '_': it has no + in front here"},
		{"an attribute has no separators", both, nil, spec("attributes: {a: 'x-1'}"), spec("attributes: {a: 'x,y=1'}"),
			`spec.attributes.a: Invalid value: "x,y=1": spec.attributes.a in body should match '^[^,= ]*$'`},
		{"an attribute is short", both, nil, spec("attributes: {a: " + a(256) + "}"), spec("attributes: {a: " + a(257) + "}"),
			"spec.attributes.a: Too long: may not be more than 256 bytes"},
		{"not too many attributes", both, nil, spec("attributes: " + properties(32)), spec("attributes: " + properties(33)),
			"spec.attributes: Too many: 33: must have at most 32 items"},
	}
	for _, ref := range []string{"clusterRef", "brokerRef"} {
		cases = append(cases,
			ruleCase{ref + " has a name", every, nil, spec(ref + ": {name: a}"), spec(ref + ": {namespace: a}"), "spec." + ref + ".name: Required value"},
			ruleCase{ref + "'s name is not empty", every, nil, spec(ref + ": {name: a}"), spec(ref + ": {name: ''}"),
				fmt.Sprintf(`spec.%s.name: Invalid value: "": spec.%[1]s.name in body should be at least 1 chars long`, ref)},
			ruleCase{ref + "'s name is short", every, nil, spec(ref + ": {name: " + a(253) + "}"), spec(ref + ": {name: " + a(254) + "}"),
				"spec." + ref + ".name: Too long: may not be more than 253 bytes"},
			ruleCase{ref + "'s namespace is short", every, nil, spec(ref + ": {name: a, namespace: " + a(63) + "}"), spec(ref + ": {name: a, namespace: " + a(64) + "}"),
				"spec." + ref + ".namespace: Too long: may not be more than 63 bytes"},
		)
	}
	return cases
}

func topicCases() []ruleCase {
	topics := []string{"Topic"}
	a := func(n int) string { return strings.Repeat("a", n) }
	at := func(text string) *object { return &object{spec: text} }
	own := "this is one of RocketMQ's own topics, which brokers make and do not let anybody change"
	cases := []ruleCase{
		{"the object's name is a topic's, or one is given", topics, nil, object{name: "a.b", spec: "topicName: a"}, named("a.b"),
			"<nil>: Invalid value: give spec.topicName: metadata.name cannot be a topic's name, which has no dots and at most 127 characters"},
		{"a topic's name is plain", topics, nil, spec("topicName: A_b-%|9"), spec("topicName: a.b"),
			`spec.topicName: Invalid value: "a.b": spec.topicName in body should match '^[a-zA-Z0-9_%|-]+$'`},
		{"a topic's name is short", topics, nil, spec("topicName: " + a(127)), spec("topicName: " + a(128)), "spec.topicName: Too long: may not be more than 127 bytes"},
		{"retries belong to their group", topics, nil, spec("topicName: RETRY"), spec("topicName: '%RETRY%a'"),
			`spec.topicName: Invalid value: "%RETRY%a": topics of retries and dead letters belong to their consumer group: use a ConsumerGroup`},
		{"RocketMQ's own topics", topics, nil, spec("topicName: rmq"), spec("topicName: TBW102"), `spec.topicName: Invalid value: "TBW102": ` + own},
		{"RocketMQ's own topics, by prefix", topics, nil, spec("topicName: rmq_sy"), spec("topicName: rmq_sys_a"), `spec.topicName: Invalid value: "rmq_sys_a": ` + own},
		{"the topic's name stays", topics, at("topicName: a"), spec("{topicName: a, queues: 3}"), spec("topicName: b"),
			"spec: Invalid value: topicName cannot change: create another Topic"},
		{"the type stays", topics, at("{}"), spec("type: NORMAL"), spec("type: FIFO"),
			"spec: Invalid value: type cannot change: the messages that are in the topic would be of the wrong type. Create another topic"},
		{"the cleanup policy stays", topics, at("cleanupPolicy: DELETE"), spec("{cleanupPolicy: DELETE, queues: 3}"), spec("cleanupPolicy: COMPACTION"),
			"spec: Invalid value: cleanupPolicy and queueType cannot change: RocketMQ sets them when it makes a topic. Create another topic"},
		{"queues, or those for reading and writing", topics, nil, spec("{readQueueNums: 4, writeQueueNums: 2}"), spec("{queues: 4, readQueueNums: 4}"),
			"spec: Invalid value: queues stands for readQueueNums and writeQueueNums: give one or the others"},
		{"what is written can be read", topics, nil, spec("{readQueueNums: 4, writeQueueNums: 4}"), spec("{readQueueNums: 3, writeQueueNums: 4}"),
			"spec: Invalid value: readQueueNums must be at least writeQueueNums: what is written to the other queues could not be read"},
		{"attributes that are fields", topics, nil, spec("attributes: {lite.topic.expiration: '60'}"), spec("attributes: {message.type: FIFO}"),
			"spec: Invalid value: attributes that have a field of their own are not given here: use type, cleanupPolicy, queueType, reserveTime"},
		oneOf(topics, "type", "TRANSACTION", "UNSPECIFIED", `"UNSPECIFIED"`, "NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "MIXED"),
		oneOf(topics, "perm", "4", "1", "1", "0", "2", "4", "6"),
		oneOf(topics, "topicFilterType", "MULTI_TAG", "TAG", `"TAG"`, "SINGLE_TAG", "MULTI_TAG"),
		oneOf(topics, "cleanupPolicy", "COMPACTION", "KEEP", `"KEEP"`, "DELETE", "COMPACTION"),
		oneOf(topics, "queueType", "BatchCQ", "RocksDB", `"RocksDB"`, "SimpleCQ", "BatchCQ"),
	}
	cases = append(cases, bounded(topics, "queues", "queues: %d", 1, 4096)...)
	cases = append(cases, bounded(topics, "readQueueNums", "readQueueNums: %d", 1, 4096)...)
	cases = append(cases, bounded(topics, "writeQueueNums", "writeQueueNums: %d", 1, 4096)...)
	cases = append(cases, bounded(topics, "topicSysFlag", "topicSysFlag: %d", 0, 3)...)
	return append(cases, bounded(topics, "reserveTime", "reserveTime: %d", -1, 0)...)
}

func groupCases() []ruleCase {
	groups := []string{"ConsumerGroup"}
	a := func(n int) string { return strings.Repeat("a", n) }
	numbered := func(n int, item string) string { // items of different topics
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, item+", ", fmt.Sprint("t", i))
		}
		return "[" + out.String() + "]"
	}
	own := "this is one of RocketMQ's own consumer groups"
	exponential := func(field string) string {
		values := map[string]string{"initial": "1", "max": "1", "multiplier": "1", field: "%d"}
		return fmt.Sprintf("groupRetryPolicy: {type: EXPONENTIAL, exponentialRetryPolicy: {initial: %s, max: %s, multiplier: %s}}",
			values["initial"], values["max"], values["multiplier"])
	}
	policy := "spec.groupRetryPolicy: Invalid value: give exponentialRetryPolicy with type EXPONENTIAL, customizedRetryPolicy with type CUSTOMIZED"
	cases := []ruleCase{
		{"the object's name is a group's, or one is given", groups, nil, object{name: "a.b", spec: "groupName: a"}, named("a.b"),
			"<nil>: Invalid value: give spec.groupName: metadata.name cannot be a consumer group's name, which has no dots and at most 120 characters"},
		{"a group's name is plain", groups, nil, spec("groupName: A_b-%|9"), spec("groupName: a.b"),
			`spec.groupName: Invalid value: "a.b": spec.groupName in body should match '^[a-zA-Z0-9_%|-]+$'`},
		{"a group's name is short", groups, nil, spec("groupName: " + a(120)), spec("groupName: " + a(121)), "spec.groupName: Too long: may not be more than 120 bytes"},
		{"RocketMQ's own groups", groups, nil, spec("groupName: TOOLS"), spec("groupName: TOOLS_CONSUMER"), `spec.groupName: Invalid value: "TOOLS_CONSUMER": ` + own},
		{"RocketMQ's own groups, by prefix", groups, nil, spec("groupName: CID_RMQ"), spec("groupName: CID_RMQ_SYS_a"), `spec.groupName: Invalid value: "CID_RMQ_SYS_a": ` + own},
		{"the group's name stays", groups, &object{spec: "groupName: a"}, spec("{groupName: a, retryMaxTimes: 3}"), spec("groupName: b"),
			"spec: Invalid value: groupName cannot change: create another ConsumerGroup"},
		{"a retry policy has times of its type", groups, nil, spec("groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: [1]}}"), spec("groupRetryPolicy: {type: EXPONENTIAL}"), policy},
		{"a retry policy has a type", groups, nil, spec("groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: [1]}}"), spec("groupRetryPolicy: {}"),
			"spec.groupRetryPolicy.type: Required value"},
		{"a known type of retry policy", groups, nil, spec(fmt.Sprintf(exponential("initial"), 1)), spec("groupRetryPolicy: {type: LINEAR}"),
			`spec.groupRetryPolicy.type: Unsupported value: "LINEAR": supported values: "EXPONENTIAL", "CUSTOMIZED"`},
		{"growing times are whole", groups, nil, spec(fmt.Sprintf(exponential("max"), 9)), spec("groupRetryPolicy: {type: EXPONENTIAL, exponentialRetryPolicy: {initial: 1, max: 2}}"),
			"spec.groupRetryPolicy.exponentialRetryPolicy.multiplier: Required value"},
		{"times are there", groups, nil, spec("groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: [1]}}"),
			spec("groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {}}"), "spec.groupRetryPolicy.customizedRetryPolicy.next: Required value"},
		{"at least one time", groups, nil, spec("groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: [1]}}"),
			spec("groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: []}}"),
			"spec.groupRetryPolicy.customizedRetryPolicy.next: Invalid value: 0: spec.groupRetryPolicy.customizedRetryPolicy.next in body should have at least 1 items"},
		{"not too many times", groups, nil, spec("groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: " + list(64, "1") + "}}"),
			spec("groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: " + list(65, "1") + "}}"),
			"spec.groupRetryPolicy.customizedRetryPolicy.next: Too many: 65: must have at most 64 items"},
		{"each topic's mode once", groups, nil, spec("messageRequestModes: [{topic: a, mode: POP}, {topic: b, mode: POP}]"),
			spec("messageRequestModes: [{topic: a, mode: POP}, {topic: a, mode: PULL}]"), `spec.messageRequestModes[1]: Duplicate value: {"topic":"a"}`},
		{"a mode is known", groups, nil, spec("messageRequestModes: [{topic: a, mode: POP}]"), spec("messageRequestModes: [{topic: a, mode: PUSH}]"),
			`spec.messageRequestModes[0].mode: Unsupported value: "PUSH": supported values: "PULL", "POP"`},
		{"a mode is of a topic", groups, nil, spec("messageRequestModes: [{topic: a, mode: POP}]"), spec("messageRequestModes: [{topic: a}]"),
			"spec.messageRequestModes[0].mode: Required value"},
		{"not too many modes", groups, nil, spec("messageRequestModes: " + numbered(256, "{topic: %s, mode: POP}")), spec("messageRequestModes: " + numbered(257, "{topic: %s, mode: POP}")),
			"spec.messageRequestModes: Too many: 257: must have at most 256 items"},
		{"each topic's subscription once", groups, nil, spec("subscriptionDataSet: [{topic: a}, {topic: b}]"), spec("subscriptionDataSet: [{topic: a}, {topic: a}]"),
			`spec.subscriptionDataSet[1]: Duplicate value: {"topic":"a"}`},
		{"a subscription is of a topic", groups, nil, spec("subscriptionDataSet: [{topic: a}]"), spec("subscriptionDataSet: [{expression: a}]"),
			"spec.subscriptionDataSet[0].topic: Required value"},
		{"a subscription's type is known", groups, nil, spec("subscriptionDataSet: [{topic: a, expressionType: SQL92}]"), spec("subscriptionDataSet: [{topic: a, expressionType: SQL}]"),
			`spec.subscriptionDataSet[0].expressionType: Unsupported value: "SQL": supported values: "TAG", "SQL92"`},
		{"a subscription's expression is short", groups, nil, spec("subscriptionDataSet: [{topic: a, expression: " + a(1024) + "}]"),
			spec("subscriptionDataSet: [{topic: a, expression: " + a(1025) + "}]"), "spec.subscriptionDataSet[0].expression: Too long: may not be more than 1024 bytes"},
		{"not too many subscriptions", groups, nil, spec("subscriptionDataSet: " + numbered(256, "{topic: %s}")), spec("subscriptionDataSet: " + numbered(257, "{topic: %s}")),
			"spec.subscriptionDataSet: Too many: 257: must have at most 256 items"},
	}
	for _, list := range []struct{ field, rest string }{{"messageRequestModes", ", mode: POP"}, {"subscriptionDataSet", ""}} {
		of := func(topic string) object {
			return spec(fmt.Sprintf("%s: [{topic: '%s'%s}]", list.field, topic, list.rest))
		}
		cases = append(cases,
			ruleCase{list.field + " have a plain topic", groups, nil, of("a"), of("a.b"),
				fmt.Sprintf(`spec.%s[0].topic: Invalid value: "a.b": spec.%[1]s[0].topic in body should match '^[a-zA-Z0-9_%%|-]+$'`, list.field)},
			ruleCase{list.field + " have a short topic", groups, nil, of(a(255)), of(a(256)), "spec." + list.field + "[0].topic: Too long: may not be more than 255 bytes"},
		)
	}
	for _, field := range []string{"initial", "max", "multiplier"} {
		cases = append(cases, bounded(groups, "groupRetryPolicy.exponentialRetryPolicy."+field, exponential(field), 1, 0)...)
	}
	for _, number := range []struct {
		path, text     string
		least, largest int64
	}{
		{"consumeTimeoutMinute", "consumeTimeoutMinute: %d", 1, 1440}, {"retryMaxTimes", "retryMaxTimes: %d", -1, 10000}, {"retryQueueNums", "retryQueueNums: %d", 0, 4096},
		{"brokerId", "brokerId: %d", 0, 0}, {"whichBrokerWhenConsumeSlowly", "whichBrokerWhenConsumeSlowly: %d", 0, 0}, {"groupSysFlag", "groupSysFlag: %d", 0, 0},
		{"messageRequestModes[0].popShareQueueNum", "messageRequestModes: [{topic: a, mode: POP, popShareQueueNum: %d}]", 0, 0},
		{"subscriptionDataSet[0].version", "subscriptionDataSet: [{topic: a, version: %d}]", 0, 0},
		{"groupRetryPolicy.customizedRetryPolicy.next[0]", "groupRetryPolicy: {type: CUSTOMIZED, customizedRetryPolicy: {next: [%d]}}", 1, 0},
	} {
		cases = append(cases, bounded(groups, number.path, number.text, number.least, number.largest)...)
	}
	return cases
}

// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"strings"
)

// userCases are those of User alone.
func userCases() []ruleCase {
	users := []string{"User"}
	a := func(n int) string { return strings.Repeat("a", n) }
	at := func(text string) *object { return &object{spec: text} }
	may := func(format string, args ...any) object {
		return spec("permissions: [{" + fmt.Sprintf(format, args...) + "}]")
	}
	numbered := func(n int) object { // permissions on different topics
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, "{resource: Topic, name: t%d, actions: [Pub]}, ", i)
		}
		return spec("permissions: [" + out.String() + "]")
	}
	const topic = "resource: Topic, name: a, actions: [Pub]"
	namedOrAny := "spec.permissions[0]: Invalid value: give a name, or pattern Any for all names, not both"
	unsupported := func(field, value string, values ...string) string {
		return fmt.Sprintf(`spec.permissions[0].%s: Unsupported value: "%s": supported values: "%s"`, field, value, strings.Join(values, `", "`))
	}
	return []ruleCase{
		{"a user's cluster may be named later, and not changed", users, at("clusterRef: {name: a}"), spec("{clusterRef: {name: a}, disabled: true}"), spec("clusterRef: {name: b}"),
			"spec: Invalid value: clusterRef and brokerRef cannot change: create another User for the other cluster"},
		{"the user's name stays", users, at("username: a"), spec("{username: a, disabled: true}"), spec("username: b"),
			"spec: Invalid value: username cannot change: create another User, give its password to the application, and delete this one"},
		{"a user's name is plain", users, nil, spec("username: A_b-.9"), spec("username: 'a:b'"),
			`spec.username: Invalid value: "a:b": spec.username in body should match '^[a-zA-Z0-9_.-]+$'`},
		{"a user's name is short", users, nil, spec("username: " + a(253)), spec("username: " + a(254)), "spec.username: Too long: may not be more than 253 bytes"},
		{"the Secret's name has room", users, nil, object{name: a(245), spec: "passwordSecret: {name: a}"}, named(a(245)),
			"<nil>: Invalid value: metadata.name must be at most 244 characters, so that the Secret <name>-rocketmq can be made: shorten it, or give passwordSecret"},
		{"a user is not empty", users, nil, spec("deletionPolicy: Delete"), spec("deletionPolicy: DeleteIfEmpty"),
			"spec: Invalid value: nothing is in a user: deletionPolicy is Retain or Delete"},
		oneOf(users, "deletionPolicy", "Retain", "Forget", `"Forget"`, "Retain", "Delete", "DeleteIfEmpty"),
		oneOf(users, "type", "Super", "Root", `"Root"`, "Normal", "Super"),
		{"a Super user has no permissions", users, nil, spec("{type: Normal, permissions: [{" + topic + "}]}"), spec("{type: Super, permissions: [{" + topic + "}]}"),
			"spec: Invalid value: a Super user may do everything: leave out permissions, or make it a Normal user"},

		{"a password's Secret has a name", users, nil, spec("passwordSecret: {name: a}"), spec("passwordSecret: {key: a}"), "spec.passwordSecret.name: Required value"},
		{"a password's Secret has a name that is not empty", users, nil, spec("passwordSecret: {name: a}"), spec("passwordSecret: {name: ''}"),
			`spec.passwordSecret.name: Invalid value: "": spec.passwordSecret.name in body should be at least 1 chars long`},
		{"a password's Secret has a short name", users, nil, spec("passwordSecret: {name: " + a(253) + "}"), spec("passwordSecret: {name: " + a(254) + "}"),
			"spec.passwordSecret.name: Too long: may not be more than 253 bytes"},
		{"a password's key is short", users, nil, spec("passwordSecret: {name: a, key: " + a(253) + "}"), spec("passwordSecret: {name: a, key: " + a(254) + "}"),
			"spec.passwordSecret.key: Too long: may not be more than 253 bytes"},
		{"a password's key is one of a Secret", users, nil, spec("passwordSecret: {name: a, key: a_B.c-1}"), spec("passwordSecret: {name: a, key: a/b}"),
			`spec.passwordSecret.key: Invalid value: "a/b": spec.passwordSecret.key in body should match '^[-._a-zA-Z0-9]+$'`},

		{"each resource once", users, nil, spec("permissions: [{" + topic + "}, {" + topic + ", pattern: Prefix}]"), spec("permissions: [{" + topic + "}, {" + topic + ", effect: Deny}]"),
			`spec.permissions[1]: Duplicate value: {"name":"a","pattern":"Literal","resource":"Topic"}`},
		{"not too many permissions", users, nil, numbered(256), numbered(257), "spec.permissions: Too many: 257: must have at most 256 items"},
		{"a permission has a name", users, nil, may(topic), may("resource: Topic, actions: [Pub]"), namedOrAny},
		{"or is for all names", users, nil, may("resource: Topic, pattern: Any, actions: [Pub]"), may(topic + ", pattern: Any"), namedOrAny},
		{"a permission's name is plain", users, nil, may("resource: Topic, name: 'A_b-%%|.9', actions: [Pub]"), may("resource: Topic, name: 'a*', actions: [Pub]"),
			`spec.permissions[0].name: Invalid value: "a*": spec.permissions[0].name in body should match '^[a-zA-Z0-9_%|.-]*$'`},
		{"a permission's name is short", users, nil, may("resource: Topic, name: %s, actions: [Pub]", a(255)), may("resource: Topic, name: %s, actions: [Pub]", a(256)),
			"spec.permissions[0].name: Too long: may not be more than 255 bytes"},
		{"a permission is about something", users, nil, may(topic), may("name: a, actions: [Pub]"), "spec.permissions[0].resource: Required value"},
		{"a permission is about something known", users, nil, may(topic), may("resource: User, name: a, actions: [Pub]"),
			unsupported("resource", "User", "Topic", "Group", "Namespace", "Cluster")},
		{"a pattern is known", users, nil, may(topic + ", pattern: Prefix"), may(topic + ", pattern: Suffix"), unsupported("pattern", "Suffix", "Literal", "Prefix", "Any")},
		{"an effect is known", users, nil, may(topic + ", effect: Deny"), may(topic + ", effect: Ask"), unsupported("effect", "Ask", "Allow", "Deny")},
		{"a permission is for something", users, nil, may(topic), may("resource: Topic, name: a"), "spec.permissions[0].actions: Required value"},
		{"a permission is for one action at least", users, nil, may(topic), may("resource: Topic, name: a, actions: []"),
			"spec.permissions[0].actions: Invalid value: 0: spec.permissions[0].actions in body should have at least 1 items"},
		{"an action is known", users, nil, may(topic), may("resource: Topic, name: a, actions: [Write]"),
			unsupported("actions[0]", "Write", "All", "Pub", "Sub", "Create", "Update", "Delete", "Get", "List")},
		{"each action once", users, nil, may(topic), may("resource: Topic, name: a, actions: [Pub, Pub]"), `spec.permissions[0].actions[1]: Duplicate value: "Pub"`},
		{"a source is an address or a CIDR", users, nil, may(topic + ", sourceIPs: [10.0.0.0/8, 'fd00::1']"), may(topic + ", sourceIPs: [example.com]"),
			`spec.permissions[0].sourceIPs[0]: Invalid value: "example.com": spec.permissions[0].sourceIPs[0] in body should match '^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$'`},
		{"not too many sources", users, nil, may(topic+", sourceIPs: [%s]", sources(64)), may(topic+", sourceIPs: [%s]", sources(65)),
			"spec.permissions[0].sourceIPs: Too many: 65: must have at most 64 items"},
	}
}

// sources are n addresses.
func sources(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "10.0.0.%d, ", i)
	}
	return out.String()
}

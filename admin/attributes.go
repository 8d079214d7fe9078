// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrCreateOnly means that a change was asked for of a topic attribute that RocketMQ sets only when it creates the topic.
var ErrCreateOnly = errors.New("attribute can only be set when the topic is created: delete the topic and create it anew")

// AttributeDiff returns what to send to a broker to change a topic's or group's attributes from current to wanted: "+key"
// with its value for each attribute that is new or different, "-key" for each that is to be removed. Unchanged attributes are
// left out, because brokers refuse even the same value for a create-only attribute (RocketMQ's AttributeUtil). If the topic or
// group does not exist yet, exists is false and current is empty.
func AttributeDiff(exists bool, current, wanted map[string]string) (map[string]string, error) {
	diff := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if key == "" || strings.ContainsAny(key, "+-=,") {
			return nil, fmt.Errorf("attribute %q: a key is not empty and has none of + - = and comma", key)
		}
		value := wanted[key]
		if strings.ContainsAny(value, ",= ") { // request and topics.json have no way to quote them
			return nil, fmt.Errorf("attribute %s: value %q has a comma, space or =", key, value)
		}
		old, ok := current[key]
		if ok && old == value {
			continue
		}
		if exists && createOnly(key) {
			return nil, fmt.Errorf("attribute %s from %q to %q: %w", key, old, value, ErrCreateOnly)
		}
		diff["+"+key] = value
	}
	for _, key := range slices.Sorted(maps.Keys(current)) {
		if _, ok := wanted[key]; ok {
			continue
		}
		if createOnly(key) {
			return nil, fmt.Errorf("attribute %s from %q to nothing: %w", key, current[key], ErrCreateOnly)
		}
		diff["-"+key] = ""
	}
	return diff, nil
}

// createOnly reports whether an attribute cannot be changed (RocketMQ's TopicAttributes).
func createOnly(key string) bool { return key == "queue.type" || key == "cleanup.policy" }

// attributesField writes a diff as "+k=v,-k2" (RocketMQ's AttributeParser).
func attributesField(diff map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(diff)) {
		if strings.HasPrefix(key, "+") {
			key += "=" + diff[key]
		}
		parts = append(parts, key)
	}
	return strings.Join(parts, ",")
}

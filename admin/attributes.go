package admin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrCreateOnly means that a topic attribute was to change that RocketMQ only lets be set when the topic is made.
var ErrCreateOnly = errors.New("attribute can only be set when the topic is created: delete the topic and create it anew")

// AttributeDiff says what to send to a broker so that an object with the attributes current gets those of wanted:
// "+key" with the value for what is new or different, "-key" for what is to go. Nothing is sent for what is the same,
// because brokers refuse even the same value for a create-only attribute (RocketMQ's AttributeUtil). exists tells
// whether the object is there already; if not, current must be empty.
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

// createOnly is RocketMQ's TopicAttributes: those attributes that are not changeable.
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

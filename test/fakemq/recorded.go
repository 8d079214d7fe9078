// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Recorded are answers of real servers, so that what a Cluster says has the real size.
type Recorded struct {
	config  string // of a broker, one property a line
	runtime string // figures of a broker
	topics  map[string]admin.TopicConfig
	groups  map[string]admin.SubscriptionGroup
}

// Load reads the frames that package admin is tested with, from the directory admin/testdata.
func Load(dir string) (*Recorded, error) {
	config, err := body(dir, "broker_config")
	if err != nil {
		return nil, err
	}
	runtime, err := body(dir, "runtime_info")
	if err != nil {
		return nil, err
	}
	r := &Recorded{config: string(config), runtime: string(runtime)}
	var topics struct {
		Table map[string]admin.TopicConfig `json:"topicConfigTable"`
	}
	var groups struct {
		Table map[string]admin.SubscriptionGroup `json:"subscriptionGroupTable"`
	}
	for name, into := range map[string]any{"topics": &topics, "groups": &groups} {
		text, err := body(dir, name)
		if err != nil {
			return nil, err
		}
		if err := remoting.UnmarshalBody(text, into); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	// Only what every broker has.
	maps.DeleteFunc(topics.Table, func(name string, _ admin.TopicConfig) bool { return !admin.IsSystemTopic(name, "", "") })
	maps.DeleteFunc(groups.Table, func(name string, _ admin.SubscriptionGroup) bool { return !admin.IsSystemGroup(name) })
	r.topics, r.groups = topics.Table, groups.Table
	return r, nil
}

// body of a recorded frame: what follows the header, whose length is in the lower 24 bits of the second word.
func body(dir, name string) ([]byte, error) {
	frame, err := os.ReadFile(filepath.Join(dir, name+".frame"))
	if err != nil {
		return nil, err
	}
	const lengths = 8
	if len(frame) < lengths {
		return nil, fmt.Errorf("%s is no frame: it has %d bytes", name, len(frame))
	}
	begin := lengths + int(binary.BigEndian.Uint32(frame[4:])&0xffffff)
	if begin > len(frame) {
		return nil, fmt.Errorf("%s is no frame: its header would be longer than it", name)
	}
	return frame[begin:], nil
}

// text of a value that can be encoded: maps, structs and slices of plain data.
func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("fakemq: %T cannot be encoded: %v", v, err))
	}
	return string(out)
}

// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// SubscriptionGroup holds the settings of a consumer group on one broker (RocketMQ's SubscriptionGroupConfig). Settings that
// this package does not know survive being read and written.
type SubscriptionGroup struct {
	Name                  string `json:"groupName"`
	ConsumeEnable         bool   `json:"consumeEnable"`
	ConsumeFromMin        bool   `json:"consumeFromMinEnable"`
	ConsumeBroadcast      bool   `json:"consumeBroadcastEnable"`
	ConsumeOrderly        bool   `json:"consumeMessageOrderly"`
	RetryQueues           int    `json:"retryQueueNums"`
	RetryMaxTimes         int    `json:"retryMaxTimes"`
	BrokerID              int64  `json:"brokerId"`
	BrokerIDWhenSlow      int64  `json:"whichBrokerWhenConsumeSlowly"`
	NotifyConsumersChange bool   `json:"notifyConsumerIdsChangedEnable"`
	SysFlag               int    `json:"groupSysFlag"`
	ConsumeTimeoutMinutes int    `json:"consumeTimeoutMinute"`
	// RetryPolicy (RocketMQ's GroupRetryPolicy) and Subscriptions (a set of SimpleSubscriptionData) are the broker's JSON; nil
	// stands for RocketMQ's default.
	RetryPolicy   json.RawMessage   `json:"groupRetryPolicy,omitempty"`
	Subscriptions json.RawMessage   `json:"subscriptionDataSet,omitempty"`
	Attributes    map[string]string `json:"attributes"`

	unknown map[string]json.RawMessage
}

// NewSubscriptionGroup returns a group with RocketMQ's defaults.
func NewSubscriptionGroup(name string) SubscriptionGroup {
	return SubscriptionGroup{
		Name: name, ConsumeEnable: true, ConsumeFromMin: true, ConsumeBroadcast: true, RetryQueues: 1, RetryMaxTimes: 16,
		BrokerIDWhenSlow: 1, NotifyConsumersChange: true, ConsumeTimeoutMinutes: 15,
	}
}

type plainGroup SubscriptionGroup // without methods

// UnmarshalJSON uses RocketMQ's defaults for missing settings, as a broker does.
func (g *SubscriptionGroup) UnmarshalJSON(data []byte) error {
	plain := plainGroup(NewSubscriptionGroup(""))
	var all map[string]json.RawMessage
	for _, v := range []any{&plain, &all} {
		if err := json.Unmarshal(data, v); err != nil {
			return fmt.Errorf("subscription group: %w", err)
		}
	}
	fields := reflect.TypeFor[plainGroup]()
	for i := range fields.NumField() {
		name, _, _ := bytes.Cut([]byte(fields.Field(i).Tag.Get("json")), []byte(","))
		delete(all, string(name))
	}
	if len(all) > 0 {
		plain.unknown = all
	}
	*g = SubscriptionGroup(plain)
	return nil
}

// MarshalJSON adds the settings that UnmarshalJSON did not know.
func (g SubscriptionGroup) MarshalJSON() ([]byte, error) {
	known, err := json.Marshal(plainGroup(g))
	if err != nil || len(g.unknown) == 0 {
		return known, err
	}
	all := maps.Clone(g.unknown)
	if err := json.Unmarshal(known, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// WithUnknown is g with the settings of another group that this package does not know.
func (g SubscriptionGroup) WithUnknown(of SubscriptionGroup) SubscriptionGroup {
	g.unknown = of.unknown
	return g
}

// Equal reports whether both have the same settings, unknown ones included.
func (g SubscriptionGroup) Equal(other SubscriptionGroup) bool {
	return reflect.DeepEqual(g.comparable(), other.comparable())
}

// comparable is the group as plain values that are equal if groups are: sets are sorted, empty values left out.
func (g SubscriptionGroup) comparable() any {
	text, err := json.Marshal(g)
	if err != nil {
		return err
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	if set, ok := v["subscriptionDataSet"].([]any); ok {
		slices.SortFunc(set, func(a, b any) int { return bytes.Compare(canonical(a), canonical(b)) })
	}
	maps.DeleteFunc(v, func(_ string, value any) bool {
		switch value := value.(type) {
		case nil:
			return true
		case map[string]any:
			return len(value) == 0
		}
		return false
	})
	return v
}

func canonical(v any) []byte {
	text, _ := json.Marshal(v) // it came from JSON, so it cannot fail
	return text
}

// memory that it takes, about, in bytes.
func (g SubscriptionGroup) memory() int {
	bytes := 300 + len(g.RetryPolicy) + len(g.Subscriptions) + mapMemory(g.Attributes)
	for key, value := range g.unknown {
		bytes += 80 + len(key) + len(value)
	}
	return bytes
}

// change is g as it is sent to a broker, with the difference of its attributes, as in TopicConfig.change.
func (g SubscriptionGroup) change(current *SubscriptionGroup) (SubscriptionGroup, error) {
	var attributes map[string]string
	if current != nil {
		attributes = current.Attributes
	}
	diff, err := AttributeDiff(current != nil, attributes, g.Attributes)
	if err != nil {
		return SubscriptionGroup{}, fmt.Errorf("group %s: %w", g.Name, err)
	}
	g.Attributes = diff
	return g, nil
}

// Groups reads all consumer groups of a broker, system groups included (GET_ALL_SUBSCRIPTIONGROUP_CONFIG), page by
// page if they are many.
func (c *Client) Groups(ctx context.Context, broker string) (map[string]SubscriptionGroup, DataVersion, error) {
	return wholeTable(ctx, c, broker, groupTable())
}

// GroupsState is TopicsState for consumer groups.
func (c *Client) GroupsState(ctx context.Context, broker string) (TableState, error) {
	return tableState(ctx, c, broker, groupTable())
}

// Group reads one consumer group of a broker (GET_SUBSCRIPTIONGROUP_CONFIG). Beware: a broker that does not know the group
// creates it. Only with BrokerConfig.autoCreateSubscriptionGroup=false is the error remoting.SubscriptionGroupNotExist. Use
// Groups to find out whether a group exists.
func (c *Client) Group(ctx context.Context, broker, group string) (*SubscriptionGroup, error) {
	config := new(SubscriptionGroup)
	req := remoting.Request{
		Code: remoting.GetSubscriptionGroupConfig, Fields: map[string]string{"group": group}, MaxAnswer: mediumAnswer,
	}
	if _, err := c.invokeJSON(ctx, broker, req, config); err != nil {
		return nil, err
	}
	return config, nil
}

// PutGroup creates a consumer group on a master, or changes all its settings to wanted (UPDATE_AND_CREATE_SUBSCRIPTIONGROUP).
// Current is the group as the broker has it, nil if it has none. If both are equal there is no request.
func (c *Client) PutGroup(ctx context.Context, broker string, current *SubscriptionGroup, wanted SubscriptionGroup) error {
	if current != nil && current.Equal(wanted) {
		return nil
	}
	change, err := wanted.change(current)
	if err != nil {
		return err
	}
	return c.putGroup(ctx, broker, change)
}

func (c *Client) putGroup(ctx context.Context, broker string, change SubscriptionGroup) error {
	body, err := json.Marshal(change)
	if err == nil {
		_, err = c.invoke(ctx, broker, remoting.Request{Code: remoting.UpdateAndCreateSubscriptionGroup, Body: body})
	}
	return groupError(change.Name, err)
}

func groupError(group string, err error) error {
	if err != nil {
		return fmt.Errorf("group %s: %w", group, err)
	}
	return nil
}

// PutGroups is PutGroup for many groups. Current are the broker's groups by name, as Groups returns them. It sends those that
// are missing or different, 500 in a request (UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST), or one by one to brokers older than
// 5.3.1. It returns how many groups were sent successfully.
func (c *Client) PutGroups(ctx context.Context, broker string, current map[string]SubscriptionGroup,
	wanted []SubscriptionGroup) (int, error) {
	var changes []SubscriptionGroup
	for _, group := range wanted {
		old, exists := current[group.Name]
		if exists && old.Equal(group) {
			continue
		}
		change, err := group.change(pointer(old, exists))
		if err != nil {
			return 0, err
		}
		changes = append(changes, change)
	}
	put := func(ctx context.Context, change SubscriptionGroup) error { return c.putGroup(ctx, broker, change) }
	return putBatches(ctx, c, broker, remoting.UpdateAndCreateSubscriptionGroupList, "groupConfigList", changes, put)
}

// DeleteGroup deletes a consumer group on a broker (DELETE_SUBSCRIPTIONGROUP), and its offsets if withOffsets is set. Its topics
// %RETRY%group and %DLQ%group stay.
func (c *Client) DeleteGroup(ctx context.Context, broker, group string, withOffsets bool) error {
	_, err := c.invoke(ctx, broker, remoting.Request{
		Code:   remoting.DeleteSubscriptionGroup,
		Fields: map[string]string{"groupName": group, "cleanOffset": strconv.FormatBool(withOffsets)},
	})
	return groupError(group, err)
}

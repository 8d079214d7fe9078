// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// wholeSpec has every field, each with another value than the default.
func wholeSpec() *v1alpha1.ConsumerGroupSpec {
	return &v1alpha1.ConsumerGroupSpec{
		ConsumeEnable: new(false), ConsumeFromMinEnable: new(false), ConsumeBroadcastEnable: new(false), ConsumeMessageOrderly: new(true),
		ConsumeTimeoutMinute: new(int32(3)), RetryMaxTimes: new(int32(4)), RetryQueueNums: new(int32(2)), NotifyConsumerIdsChangedEnable: new(false),
		BrokerID: new(int64(1)), WhichBrokerWhenConsumeSlowly: new(int64(2)), GroupSysFlag: new(int32(1)),
		GroupRetryPolicy: &v1alpha1.GroupRetryPolicy{Type: "EXPONENTIAL", ExponentialRetryPolicy: &v1alpha1.ExponentialRetryPolicy{Initial: 10, Max: 20, Multiplier: 2}},
		SubscriptionDataSet: []v1alpha1.SubscriptionData{
			{Topic: "b", ExpressionType: "TAG", Expression: "*"}, {Topic: "a", ExpressionType: "SQL92", Expression: "x>1", Version: 7}},
		Attributes:          map[string]v1alpha1.AttributeValue{"priority.factor": "50"},
		MessageRequestModes: []v1alpha1.MessageRequestMode{{Topic: "orders", Mode: "POP", PopShareQueueNum: 3}},
	}
}

// TestWantedGroup: what the spec says is taken over; a broker's own way to write it is the same.
func TestWantedGroup(t *testing.T) {
	c := Claim{Name: "billing", Spec: wholeSpec()}
	got, conflict := wantedGroup(c, nil)
	want := Group{
		SubscriptionGroup: admin.SubscriptionGroup{
			Name: "billing", ConsumeOrderly: true, ConsumeTimeoutMinutes: 3, RetryMaxTimes: 4, RetryQueues: 2, BrokerID: 1, BrokerIDWhenSlow: 2, SysFlag: 1,
			RetryPolicy:   json.RawMessage(`{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":10,"max":20,"multiplier":2}}`),
			Subscriptions: json.RawMessage(`[{"topic":"b","expressionType":"TAG","expression":"*"},{"topic":"a","expressionType":"SQL92","expression":"x\u003e1","version":7}]`),
			Attributes:    map[string]string{"priority.factor": "50"},
		},
		Modes: map[string]admin.MessageRequestMode{"orders": {Topic: "orders", Group: "billing", Mode: "POP", PopShareQueues: 3}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(admin.SubscriptionGroup.Equal)); diff != "" || conflict != "" {
		t.Errorf("conflict %q; (-want +got):\n%s", conflict, diff)
	}

	// As a broker writes it.
	got.RetryPolicy = json.RawMessage(`{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":10,"max":20,"multiplier":2},"customizedRetryPolicy":null,"retryPolicy":{}}`)
	got.Subscriptions = json.RawMessage(`[{"expression":"x>1","expressionType":"SQL92","topic":"a","version":7},{"expression":"*","expressionType":"TAG","topic":"b","version":0}]`)
	got.Modes["elsewhere"] = admin.MessageRequestMode{Topic: "elsewhere", Group: "billing", Mode: "PULL"}
	again, _ := wantedGroup(c, &got)
	if differences := groupDifferences(got, again); len(differences) > 0 {
		t.Errorf("it would be changed again: %v", differences)
	}
}

// TestUnsaid: what a spec does not say is RocketMQ's default, and what this operator does not know stays.
func TestUnsaid(t *testing.T) {
	c := Claim{Name: "billing", Spec: &v1alpha1.ConsumerGroupSpec{}}
	fresh, _ := wantedGroup(c, nil)
	if !fresh.Equal(admin.NewSubscriptionGroup("billing")) {
		t.Errorf("a new group: %+v", fresh)
	}
	has, _ := wantedGroup(Claim{Name: "billing", Spec: wholeSpec()}, nil)
	got, _ := wantedGroup(c, &has)
	if !got.Equal(admin.NewSubscriptionGroup("billing")) {
		t.Errorf("a group that was otherwise: %+v", got)
	}
	var future Group
	if err := json.Unmarshal([]byte(`{"groupName":"billing","groupRetryPolicy":{"type":"CUSTOMIZED"},"ofTomorrow":1}`), &future.SubscriptionGroup); err != nil {
		t.Fatal(err)
	}
	if got, _ := wantedGroup(c, &future); !got.Equal(future.SubscriptionGroup) || len(groupDifferences(future, got)) > 0 {
		t.Errorf("a group with unknown settings: %+v", got)
	}
}

// TestGroupDifferences: every field counts, and is told.
func TestGroupDifferences(t *testing.T) {
	has := Group{SubscriptionGroup: admin.NewSubscriptionGroup("billing")}
	wanted, _ := wantedGroup(Claim{Name: "billing", Spec: wholeSpec()}, &has)
	told := strings.Join(groupDifferences(has, wanted), "\n")
	for _, field := range []string{
		"consumeEnable true to false", "consumeFromMinEnable true to false", "consumeBroadcastEnable true to false", "consumeMessageOrderly false to true",
		"consumeTimeoutMinute 15 to 3", "retryMaxTimes 16 to 4", "retryQueueNums 1 to 2", "notifyConsumerIdsChangedEnable true to false", "brokerId 0 to 1",
		"whichBrokerWhenConsumeSlowly 1 to 2", "groupSysFlag 0 to 1", "groupRetryPolicy to {", "subscriptionDataSet to [", "priority.factor nothing to 50",
		"messageRequestMode of orders the broker's default to POP (3)",
	} {
		if !strings.Contains(told, field) {
			t.Errorf("not told: %s", field)
		}
	}
	if n := strings.Count(told, "\n") + 1; n != 15 {
		t.Errorf("%d differences:\n%s", n, told)
	}
}

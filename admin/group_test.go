// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// TestSubscriptionGroupRoundTrip: what a broker wrote is written back, with settings of a release to come.
func TestSubscriptionGroupRoundTrip(t *testing.T) {
	const text = `{"attributes":{"a":"b"},"brokerId":3,"consumeBroadcastEnable":false,"consumeEnable":false,
		"consumeFromMinEnable":false,"consumeMessageOrderly":true,"consumeTimeoutMinute":7,"groupName":"g",
		"groupRetryPolicy":{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":1,"max":2,"multiplier":3},"new":[1]},
		"groupSysFlag":4,"notifyConsumerIdsChangedEnable":false,"retryMaxTimes":5,"retryQueueNums":6,
		"subscriptionDataSet":[{"topic":"t","expressionType":"TAG","expression":"*","version":9007199254740993}],
		"whichBrokerWhenConsumeSlowly":8,"liteBindTopic":"new in 5.5","newNumber":9007199254740993}`
	var g SubscriptionGroup
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	parse := func(text []byte) (v map[string]json.RawMessage) {
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	want, got := parse([]byte(text)), parse(again)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSubscriptionGroupDefaults(t *testing.T) {
	var got SubscriptionGroup
	if err := remoting.UnmarshalBody([]byte(`{"groupName":"g"}`), &got); err != nil {
		t.Fatal(err)
	}
	if want := NewSubscriptionGroup("g"); !got.Equal(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSubscriptionGroupEqual(t *testing.T) {
	parse := func(text string) (g SubscriptionGroup) {
		if err := json.Unmarshal([]byte(text), &g); err != nil {
			t.Fatal(err)
		}
		return g
	}
	base := parse(`{"groupName":"g","subscriptionDataSet":[{"topic":"a"},{"topic":"b"}],"groupRetryPolicy":{"type":"CUSTOMIZED"}}`)
	for text, want := range map[string]bool{
		`{"groupName":"g","subscriptionDataSet":[{"topic":"b"},{"topic":"a"}],"groupRetryPolicy":{"type":"CUSTOMIZED"},"attributes":{}}`: true,
		`{"groupName":"g","subscriptionDataSet":[{"topic":"a"}],"groupRetryPolicy":{"type":"CUSTOMIZED"}}`:                               false,
		`{"groupName":"g","subscriptionDataSet":[{"topic":"a"},{"topic":"b"}],"groupRetryPolicy":{"type":"EXPONENTIAL"}}`:                false,
		`{"groupName":"g","subscriptionDataSet":[{"topic":"a"},{"topic":"b"}],"groupRetryPolicy":{"type":"CUSTOMIZED"},"unknown":1}`:     false,
		`{"groupName":"g","subscriptionDataSet":[{"topic":"a"},{"topic":"b"}],"groupRetryPolicy":{"type":"CUSTOMIZED"},"brokerId":1}`:    false,
	} {
		if base.Equal(parse(text)) != want {
			t.Errorf("equal to %s: %t, want %t", text, !want, want)
		}
	}
}

// FuzzSubscriptionGroup: what can be read can be written, and means the same.
func FuzzSubscriptionGroup(f *testing.F) {
	f.Add([]byte(`{"attributes":{},"brokerId":0,"consumeEnable":true,"groupName":"g1","groupRetryPolicy":{"exponentialRetryPolicy":{"initial":1000,"max":60000,"multiplier":2},"type":"EXPONENTIAL"},"groupSysFlag":0,"x":[1]}`))
	f.Add([]byte(`{"subscriptionDataSet":[{"topic":"b"},{"topic":"a"}],"groupRetryPolicy":null,"GROUPNAME":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second SubscriptionGroup
		if json.Unmarshal(data, &first) != nil {
			return
		}
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &second); err != nil {
			t.Fatal(err)
		}
		if !first.Equal(second) {
			t.Fatalf("%s became %s", data, text)
		}
	})
}

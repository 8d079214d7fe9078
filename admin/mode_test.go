// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// TestMessageRequestModes: modes are read by topic and group, as a broker lists them, and one is set as a broker reads it
// (SetMessageRequestModeRequestBody).
func TestMessageRequestModes(t *testing.T) {
	const broker = "127.20.2.1:10911"
	c := fakemq.NewCluster("shop", nil)
	c.StartBroker(broker, fakemq.Broker{Cluster: "shop", Group: "b-0", ID: 1, Address: "b-0-0:10911"})
	c.Register(broker)
	var set map[string]any
	c.Inject(func(_ fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		switch request.Code {
		case remoting.GetAllMessageRequestMode:
			return fakemq.Answer{Body: `{"messageRequestModeMap":{"orders":{"billing":{"mode":"POP","popShareQueueNum":3},"audit":{"mode":"PULL","popShareQueueNum":0}}}}`}, true
		case remoting.SetMessageRequestMode:
			return fakemq.Answer{Code: remoting.SystemBusy}, json.Unmarshal(request.Body, &set) == nil
		}
		return fakemq.Answer{}, false
	})
	transport := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(c)})
	t.Cleanup(func() { _ = transport.Close() })
	client := admin.New(transport)

	got, err := client.MessageRequestModes(t.Context(), broker)
	want := map[admin.TopicGroup]admin.MessageRequestMode{
		{Topic: "orders", Group: "billing"}: {Topic: "orders", Group: "billing", Mode: "POP", PopShareQueues: 3},
		{Topic: "orders", Group: "audit"}:   {Topic: "orders", Group: "audit", Mode: "PULL"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; (-want +got):\n%s", err, diff)
	}
	err = client.PutMessageRequestMode(t.Context(), broker, admin.MessageRequestMode{Topic: "orders", Group: "billing", Mode: "POP", PopShareQueues: 3})
	if !remoting.IsCode(err, remoting.SystemBusy) {
		t.Errorf("a broker that refuses: %v", err)
	}
	if diff := cmp.Diff(map[string]any{"topic": "orders", "consumerGroup": "billing", "mode": "POP", "popShareQueueNum": 3.0}, set); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// logged is a broker whose commit log holds something at some offsets.
type logged map[string]string

func (logged) State(string) fakemq.State { return fakemq.Serving }

func (l logged) Answer(_ string, request remoting.Request) (fakemq.Answer, bool) {
	switch request.Code {
	case remoting.ViewMessageByID:
		if body, ok := l[request.Fields["offset"]]; ok {
			return fakemq.Answer{Body: body}, true
		}
	case remoting.GetBrokerEpochCache:
		return fakemq.Answer{Body: `{"brokerId":0,"epochList":[{"endOffset":700,"epoch":1,"startOffset":0},
			{"endOffset":9223372036854775807,"epoch":3,"startOffset":700}],"maxOffset":1234}`}, true
	}
	return fakemq.Answer{Code: remoting.SystemError}, true
}

// TestLog reads a broker's log from one message to the next, over the empty rest of a file.
func TestLog(t *testing.T) {
	first, second := admin.Stored("orders", "KEYS\x01a\x02", 0, admin.MessageMagic), admin.Stored("orders", "", admin.TransactionCommit, admin.MessageMagic2)
	blank := binary.BigEndian.AppendUint32(nil, 400)
	blank = binary.BigEndian.AppendUint32(blank, admin.BlankMagic)
	rc := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(logged{
		"0": string(first), "500": string(blank), "900": string(second), "2": "abc", "3": string(first[:20]),
	})})
	defer rc.Close()
	c := admin.New(rc)
	for _, test := range []struct {
		offset, next int64
		want         *admin.Message
	}{
		{0, int64(len(first)), &admin.Message{Topic: "orders", Queue: 3, Offset: 42, Host: "0.0.0.0:0", BodySize: 5, Properties: map[string]string{"KEYS": "a"}}},
		{500, 900, nil},
		{900, 900 + int64(len(second)), &admin.Message{Topic: "orders", Queue: 3, Offset: 42, Host: "0.0.0.0:0", BodySize: 5, Properties: map[string]string{}, Committed: true}},
	} {
		got, next, err := c.MessageAt(t.Context(), "b:1", test.offset)
		if err != nil || next != test.next {
			t.Errorf("at %d: %v, the next at %d, want %d", test.offset, err, next, test.next)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("at %d (-want +got):\n%s", test.offset, diff)
		}
	}
	for _, offset := range []int64{1, 2, 3} {
		if m, _, err := c.MessageAt(t.Context(), "b:1", offset); err == nil {
			t.Errorf("at %d is %+v", offset, m)
		}
	}
	epoch, err := c.Epoch(t.Context(), "b:1")
	if want := (admin.Epoch{Number: 3, Start: 700, End: 1234}); err != nil || epoch != want {
		t.Errorf("%+v, %v, want %+v", epoch, err, want)
	}
}

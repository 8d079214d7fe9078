// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

func TestAMessageIsSentAndFoundAgain(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "smoke")
	begin := time.Now().Add(-time.Minute)
	id := admin.NewMessageID(time.Now())
	properties := map[string]string{admin.PropertyKeys: "order-1 customer-7", admin.PropertyTags: "new", admin.PropertyID: id, "WAIT": "true", "colour": "red"}
	sent, err := f.admin.Send(ctx, addr, admin.Outgoing{Topic: "smoke", Queue: 1, Properties: properties, Body: []byte("hello")})
	must(t, err)
	if sent.Queue != 1 || sent.Offset != 0 || sent.Trouble != "" {
		t.Errorf("sent to %+v", sent)
	}

	var read []admin.Message
	eventually(ctx, t, "the message is in its queue", func() (bool, error) {
		read, err = f.admin.ReadMessages(ctx, addr, "smoke", 1, 0, 1)
		return len(read) == 1, err
	})
	m := read[0]
	text, err := m.Text()
	if err != nil || string(text) != "hello" || m.BodySize != 5 || m.ID() != id || m.Host != addr {
		t.Errorf("read %+v: %q, %v", m, text, err)
	}
	if m.Born.Before(begin) || m.Stored.Before(begin) || m.Stored.After(time.Now().Add(time.Minute)) {
		t.Errorf("born %s, stored %s", m.Born, m.Stored)
	}
	maps.DeleteFunc(m.Properties, func(key, value string) bool { return properties[key] == value })
	for key := range m.Properties {
		if key != "CLUSTER" && key != "TRACE_ON" && key != "MSG_REGION" {
			t.Errorf("the broker added the property %s=%s", key, m.Properties[key])
		}
	}

	end := time.Now().Add(time.Hour)
	for _, search := range []admin.Search{
		{Topic: "smoke", Key: id, ByID: true, Begin: begin, End: end},
		{Topic: "smoke", Key: "customer-7", Begin: begin, End: end},
	} {
		eventually(ctx, t, "the message is in the index", func() (bool, error) {
			found, err := f.admin.FindMessages(ctx, addr, search)
			return len(found) == 1 && found[0].ID() == id && string(found[0].Body) == "hello", err
		})
	}
	for _, search := range []admin.Search{
		{Topic: "smoke", Key: "customer", Begin: begin, End: end},
		{Topic: "smoke", Key: strings.Repeat("0", 32), ByID: true, Begin: begin, End: end},
		{Topic: "nothing", Key: "customer-7", Begin: begin, End: end},
	} {
		if found, err := f.admin.FindMessages(ctx, addr, search); err != nil || len(found) != 0 {
			t.Errorf("%+v finds %+v, %v", search, found, err)
		}
	}
}

func TestAMessageIsFoundByItsPlace(t *testing.T) {
	f, ctx := running(t)
	addr := f.static.Addr
	f.topic(ctx, t, "placed")
	f.send(ctx, t, "placed", "", 0)
	var read []admin.Message
	eventually(ctx, t, "the message is in its queue", func() (done bool, err error) {
		read, err = f.admin.ReadMessages(ctx, addr, "placed", 0, 0, 32)
		return len(read) == 1, err
	})
	delete(read[0].Properties, admin.PropertyID) // the broker has given it one
	host, offset, err := admin.ParsePlace(read[0].ID())
	must(t, err)
	at, _, err := f.admin.MessageAt(ctx, host, offset)
	if err != nil || host != addr || at == nil || at.Topic != "placed" || at.Offset != 0 || at.LogOffset != offset {
		t.Errorf("at %s, %d is %+v, %v", host, offset, at, err)
	}
}

func TestAMessageThatCannotBeSent(t *testing.T) {
	f, ctx := running(t)
	if _, err := f.admin.Send(ctx, f.static.Addr, admin.Outgoing{Topic: "nowhere", Body: []byte("hello")}); !remoting.IsCode(err, remoting.TopicNotExist) {
		t.Errorf("to a topic that does not exist: %v", err)
	}
	if _, err := f.admin.Send(ctx, f.static.Addr, admin.Outgoing{Topic: "t"}); err == nil || !strings.Contains(err.Error(), "needs a body") {
		t.Errorf("without a body: %v", err)
	}
	if _, err := f.admin.Send(ctx, f.static.Addr, admin.Outgoing{Topic: "t", Body: []byte("hello"), Properties: map[string]string{"a": "b\x02c"}}); err == nil || !strings.Contains(err.Error(), `"a"="b\x02c"`) {
		t.Errorf("with a separator in a property: %v", err)
	}
}

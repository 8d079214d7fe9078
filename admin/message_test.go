// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stored is a message as a broker stores it.
func stored(topic, properties string, flags uint32, magic uint32) []byte {
	var out []byte
	out = binary.BigEndian.AppendUint32(out, magic)
	out = append(out, 0, 0, 0, 1) // checksum
	out = binary.BigEndian.AppendUint32(out, 3)
	out = append(out, 0, 0, 0, 0)
	out = binary.BigEndian.AppendUint64(out, 42)
	out = append(out, make([]byte, 8)...)
	out = binary.BigEndian.AppendUint32(out, flags)
	hosts := 16
	if flags&bornV6 != 0 {
		hosts += 12
	}
	if flags&storeV6 != 0 {
		hosts += 12
	}
	out = append(out, make([]byte, 16+hosts+12)...)
	out = append(out, 0, 0, 0, 5)
	out = append(out, "hello"...)
	if magic == messageMagic2 {
		out = append(out, 0)
	}
	out = append(append(out, byte(len(topic))), topic...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(properties)))
	out = append(out, properties...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(4+len(out))), out...)
}

func TestReadMessages(t *testing.T) {
	body := append(stored("SCHEDULE_TOPIC_XXXX", "REAL_TOPIC\x01orders\x02KEYS\x01a b\x02", 0, messageMagic),
		stored("other", "", bornV6|storeV6, messageMagic2)...)
	got, err := readMessages(bytes.NewReader(body), 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []Message{
		{Topic: "SCHEDULE_TOPIC_XXXX", Queue: 3, Offset: 42, Host: "0.0.0.0:0", BodySize: 5, Body: []byte("hel"),
			Properties: map[string]string{"REAL_TOPIC": "orders", "KEYS": "a b"}},
		{Topic: "other", Queue: 3, Offset: 42, Host: "[::]:0", BodySize: 5, Body: []byte("hel"), Properties: map[string]string{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	for cut := 1; cut < len(body); cut++ {
		if cut == len(stored("SCHEDULE_TOPIC_XXXX", "REAL_TOPIC\x01orders\x02KEYS\x01a b\x02", 0, messageMagic)) {
			continue
		}
		if _, err := readMessages(bytes.NewReader(body[:cut]), 3); err == nil {
			t.Errorf("%d of %d bytes are no error", cut, len(body))
		}
	}
	body[4] = 0
	if _, err := readMessages(bytes.NewReader(body), 3); err == nil {
		t.Error("a wrong magic number is no error")
	}
}

func FuzzReadMessages(f *testing.F) {
	f.Add(stored("t", "a\x01b\x02", 0, messageMagic))
	f.Add(stored("t", "", bornV6, messageMagic2))
	f.Fuzz(func(t *testing.T, body []byte) {
		messages, err := readMessages(bytes.NewReader(body), 3)
		if err == nil && len(messages) > len(body) {
			t.Errorf("%d messages in %d bytes", len(messages), len(body))
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"
	"time"
)

func TestTextOfABody(t *testing.T) {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write([]byte(strings.Repeat("hello ", 1000))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := packed.Bytes()
	message := func(flags uint64, body []byte, size int) Message {
		return Message{Compression: compressionOf(flags), Body: body, BodySize: int64(size)}
	}
	for _, c := range []struct {
		name    string
		message Message
		begins  string
		failure string
	}{
		{"as it is", message(0, []byte("hello"), 5), "hello", ""},
		{"by an older client", message(1, whole, len(whole)), "hello hello", ""},
		{"by a newer client", message(1|3<<8, whole, len(whole)), "hello hello", ""},
		{"of which only the beginning was read", message(1, whole[:len(whole)-8], len(whole)), "hello", ""},
		{"cut off", message(1, whole[:len(whole)-8], len(whole)-8), "", "unpack"},
		{"no zlib", message(1, []byte("hello"), 5), "", "unpack"},
		{"LZ4", message(1|1<<8, []byte("hello"), 5), "", "compressed with LZ4"},
		{"ZSTD", message(1|2<<8, []byte("hello"), 5), "", "compressed with ZSTD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := c.message.Text()
			if c.failure == "" && (err != nil || !strings.HasPrefix(string(text), c.begins)) {
				t.Errorf("%.20q, %v", text, err)
			}
			if c.failure != "" && (err == nil || !strings.Contains(err.Error(), c.failure)) {
				t.Errorf("%.20q, %v", text, err)
			}
		})
	}
}

// The expected values are those of MessageDecoder.createMessageId.
func TestIDOfAPlace(t *testing.T) {
	m := Message{Host: "10.1.2.3:10911", LogOffset: 4660}
	if m.ID() != "0A01020300002A9F0000000000001234" {
		t.Errorf("the ID is %s", m.ID())
	}
	if addr, offset, err := ParsePlace(m.ID()); err != nil || addr != m.Host || offset != m.LogOffset {
		t.Errorf("it is read as %s, %d, %v", addr, offset, err)
	}
	m.Host = "[fd00::1]:10911"
	if addr, offset, err := ParsePlace(m.ID()); err != nil || addr != m.Host || offset != m.LogOffset {
		t.Errorf("IPv6 is read as %s, %d, %v", addr, offset, err)
	}
	for _, id := range []string{"", "xyz", "0A01020300002A9F"} {
		if _, _, err := ParsePlace(id); err == nil {
			t.Errorf("%q is an ID", id)
		}
	}
}

func TestNewMessageIDHasTheTimeWithinItsMonth(t *testing.T) {
	id := NewMessageID(time.Date(2026, 5, 2, 0, 0, 1, 0, time.UTC))
	if want := "05265FE8"; len(id) != 32 || id[20:28] != want { // 86401000 ms
		t.Errorf("%s has %s, want %s", id, id[20:28], want)
	}
}

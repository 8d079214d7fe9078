// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// stored is a message as brokers hand it out (MessageDecoder.decode).
func stored(topic string, queue int, offset int64, properties string) []byte {
	var out []byte
	out = binary.BigEndian.AppendUint32(out, 0xDAA320A7)
	out = append(out, 0, 0, 0, 0) // checksum
	out = binary.BigEndian.AppendUint32(out, uint32(queue))
	out = append(out, 0, 0, 0, 0) // flag
	out = binary.BigEndian.AppendUint64(out, uint64(offset))
	out = append(out, make([]byte, 8+4+8+8+8+8+4+8)...) // place, flags, times, hosts, retries, transaction
	out = append(out, 0, 0, 0, 2, 'h', 'i')
	out = append(append(out, byte(len(topic))), topic...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(properties)))
	out = append(out, properties...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(4+len(out))), out...)
}

// TestPopped: a message is acknowledged by where and when it was handed out.
func TestPopped(t *testing.T) {
	answer := &remoting.Response{
		Fields: map[string]string{
			"popTime": "1700", "invisibleTime": "30000", "reviveQid": "5", "startOffsetInfo": "0 3 40;1 0 7;0 2 9", "msgOffsetInfo": "0 3 41,42;1 0 8;0 2 9",
		},
		Body: []byte(strings.Join([]string{
			string(stored("t", 3, 41, "KEYS\x01a\x02")), string(stored("t", 2, 9, "")), string(stored("%RETRY%g_t", 0, 8, "")),
			string(stored("t", 1, 5, "POP_CK\x011 2 3 4 2 b-0 1 5\x02")),
		}, "")),
	}
	messages, err := parsePopped("b-0", answer)
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]string
	for _, m := range messages {
		if string(m.Body) != "hi" {
			t.Errorf("body %q", m.Body)
		}
		got = append(got, m.ack("t", "g").Fields)
	}
	want := []map[string]string{
		{"consumerGroup": "g", "topic": "t", "queueId": "3", "offset": "41", "extraInfo": "40 1700 30000 5 0 b-0 3 41"},
		{"consumerGroup": "g", "topic": "t", "queueId": "2", "offset": "9", "extraInfo": "9 1700 30000 5 0 b-0 2 9"},
		{"consumerGroup": "g", "topic": "%RETRY%g_t", "queueId": "0", "offset": "8", "extraInfo": "7 1700 30000 5 1 b-0 0 8"},
		{"consumerGroup": "g", "topic": "%RETRY%g+t", "queueId": "1", "offset": "5", "extraInfo": "1 2 3 4 2 b-0 1 5"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("acknowledgements (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "0 3", "0 3 x", "0 9 1"} {
		answer.Fields["startOffsetInfo"] = bad
		if _, err := parsePopped("b-0", answer); err == nil {
			t.Errorf("start offsets %q are taken", bad)
		}
	}
}

// TestOutcome: of ten transactions one is rolled back and one asked for, and a broker's question gets the same answer.
func TestOutcome(t *testing.T) {
	var n [3]int
	for number := range 100 {
		n[outcome(number)]++
	}
	if n != [3]int{80, 10, 10} {
		t.Errorf("committed, rolled back, asked for: %v", n)
	}
}

// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEncodeRequest(t *testing.T) {
	got, err := encodeRequest(Request{
		Code: ControllerElectMaster, Fields: map[string]string{"brokerName": "a"}, Body: []byte("body"),
	}, 7)
	if err != nil {
		t.Fatal(err)
	}
	const head = `{"code":1002,"language":"GO","version":493,"opaque":7,"flag":0,"extFields":{"brokerName":"a"},"serializeTypeCurrentRPC":"JSON"}`
	want := "\x00\x00\x00\x87" + "\x00\x00\x00\x7f" + head + "body"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
}

func TestEncodeRequestTooLong(t *testing.T) {
	_, err := encodeRequest(Request{Code: UpdateBrokerConfig, Body: make([]byte, DefaultMaxFrame)}, 1)
	if err == nil || !strings.Contains(err.Error(), "split it") {
		t.Errorf("error %v, want one that says to split the request", err)
	}
}

// readFrame reads a whole frame.
func readFrame(r io.Reader, longest int) (header, []byte, error) {
	var prefix [prefixLength]byte
	if n, err := io.ReadFull(r, prefix[:]); n > 0 && err != nil {
		return header{}, nil, cutOff(int64(n), prefixLength, err)
	} else if err != nil {
		return header{}, nil, err
	}
	size, err := parsePrefix(prefix, longest)
	if err != nil {
		return header{}, nil, err
	}
	return readHeader(r, size.header, size.body)
}

func TestReadFrame(t *testing.T) {
	frame, err := encodeFrame(header{Code: 3, Opaque: 9, Flag: flagResponse, Remark: "no", ExtFields: map[string]string{"k": "v"}}, []byte("xyz"))
	if err != nil {
		t.Fatal(err)
	}
	h, body, err := readFrame(oneByteReader{bytes.NewReader(frame)}, DefaultMaxFrame)
	if err != nil {
		t.Fatal(err)
	}
	want := header{Code: 3, Opaque: 9, Flag: flagResponse, Remark: "no", ExtFields: map[string]string{"k": "v"}}
	if diff := cmp.Diff(want, h); diff != "" || string(body) != "xyz" {
		t.Errorf("body %q, header (-want +got):\n%s", body, diff)
	}
}

// oneByteReader hands out one byte at a time, as a slow network does.
type oneByteReader struct{ r io.Reader }

func (o oneByteReader) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestReadFrameErrors(t *testing.T) {
	raw := func(length, mark uint32, rest string) string {
		b := binary.BigEndian.AppendUint32(nil, length)
		return string(binary.BigEndian.AppendUint32(b, mark)) + rest
	}
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", "EOF"},
		{"cut off in the length", "\x00\x00", "unexpected EOF"},
		{"cut off in the body", raw(100, 2, "{}"), "frame cut off after 2 of 96 bytes: unexpected EOF"},
		{"too short", "\x00\x00\x00\x03abcd", "frame of 3 bytes"},
		{"too long", raw(100_001, 2, "{}"), "frame of 100001 bytes (4 to 100000 are allowed)"},
		{"negative", "\xff\xff\xff\xff\xff\xff\xff\xff", "frame of 4294967295 bytes"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n", "is this a RocketMQ port?"},
		{"header longer than the frame", raw(6, 3, "{}"), "header of 3 bytes in a frame of 6"},
		{"binary header", raw(6, 1<<24|2, "{}"), "serialize type 1: only JSON"},
		{"header too long", raw(70_000, 65_537, "{}"), "header of 65537 bytes (at most 65536 are allowed)"},
		{"header not JSON", raw(6, 2, "{{"), "decode header"},
		{"header of wrong type", raw(15, 11, `{"code":"x"`), "decode header"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := readFrame(strings.NewReader(tc.in), 100_000)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	if _, _, err := readFrame(strings.NewReader(""), 100_000); !errors.Is(err, io.EOF) {
		t.Errorf("end between two frames: %v, want io.EOF", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, name := range testdataNames(f, "*.frame") {
		f.Add(testdata(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, body, err := readFrame(bytes.NewReader(data), 1<<20)
		if err != nil {
			return
		}
		if len(body) > len(data) {
			t.Fatalf("body of %d bytes from %d", len(body), len(data))
		}
		again, err := encodeFrame(h, body)
		if err != nil {
			t.Fatal(err)
		}
		if len(again)-len(body) > maxAnswerHeader {
			return // escapes made the header longer than a client accepts
		}
		h2, body2, err := readFrame(bytes.NewReader(again), 8<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(h.ExtFields) == 0 {
			h.ExtFields = h2.ExtFields // {} is not written
		}
		if diff := cmp.Diff(h, h2); diff != "" || !bytes.Equal(body, body2) {
			t.Fatalf("read, written and read again (-first +second):\n%s", diff)
		}
	})
}

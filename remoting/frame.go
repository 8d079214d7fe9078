// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A frame, all numbers big endian (RocketMQ's RemotingCommand and NettyDecoder):
//
//	int32  length of all that follows
//	int32  serialize type of the header in the high byte (0 is JSON), length of the header in the other three
//	       header
//	       body, opaque bytes

const (
	// DefaultMaxFrame is the longest request that servers read, unless they are started with another
	// com.rocketmq.remoting.frameMaxLength.
	DefaultMaxFrame = 16 << 20 // bytes

	// maxFrame is the length beyond which bytes are not taken for a frame. RocketMQ's servers do send tables longer than
	// DefaultMaxFrame; the bytes of a TLS or HTTP server would be a frame longer than this.
	maxFrame = 256 << 20 // bytes

	// smallFrame is the longest answer that is read at once, before it is known whose it is. Longer ones are read as their
	// calls take them, and share Options.MaxInFlight.
	smallFrame = 32 << 10 // bytes

	prefixLength    = 8
	serializeJSON   = 0
	maxHeaderLength = 1<<24 - 1
	// maxAnswerHeader is far more than any server sends; a Java stack trace has some 10 KB.
	maxAnswerHeader = 64 << 10 // bytes

	flagResponse = 1 << 0

	// protocolVersion is the ordinal of V5_4_0 in RocketMQ's MQVersion: servers choose body formats by it.
	protocolVersion = 493
)

// header is the JSON form of RemotingCommand. A response carries the opaque number of its request.
type header struct {
	Code      int               `json:"code"`
	Language  string            `json:"language,omitempty"`
	Version   int               `json:"version,omitempty"`
	Opaque    int32             `json:"opaque"`
	Flag      int               `json:"flag"`
	Remark    string            `json:"remark,omitempty"`
	ExtFields map[string]string `json:"extFields,omitempty"`
	Serialize string            `json:"serializeTypeCurrentRPC,omitempty"`
}

func encodeRequest(req Request, opaque int32) ([]byte, error) {
	return encodeFrame(header{
		Code: int(req.Code), Language: "GO", Version: protocolVersion, Opaque: opaque,
		ExtFields: req.Fields, Serialize: "JSON",
	}, req.Body)
}

func encodeFrame(h header, body []byte) ([]byte, error) {
	head, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode header: %w", err)
	}
	if len(head) > maxHeaderLength || 4+len(head)+len(body) > DefaultMaxFrame {
		return nil, fmt.Errorf("request of %d bytes is longer than a server accepts (%d): split it",
			4+len(head)+len(body), DefaultMaxFrame)
	}
	frame := make([]byte, 0, prefixLength+len(head)+len(body))
	frame = binary.BigEndian.AppendUint32(frame, uint32(4+len(head)+len(body)))
	frame = binary.BigEndian.AppendUint32(frame, serializeJSON<<24|uint32(len(head)))
	frame = append(frame, head...)
	return append(frame, body...), nil
}

// lengths of a frame's parts, as the bytes before its header say.
type lengths struct {
	frame  int64 // without its first four bytes: what Request.MaxAnswer limits
	header int
	body   int64
}

// parsePrefix reads the first bytes of a frame. Longest is how long it may be.
func parsePrefix(prefix [prefixLength]byte, longest int) (lengths, error) {
	length := int64(binary.BigEndian.Uint32(prefix[:]))
	if length < 4 || length > int64(longest) {
		return lengths{}, fmt.Errorf("frame of %d bytes (4 to %d are allowed): is this a RocketMQ port?", length, longest)
	}
	mark := binary.BigEndian.Uint32(prefix[4:])
	if kind := mark >> 24; kind != serializeJSON {
		return lengths{}, fmt.Errorf("header of serialize type %d: only JSON (%d) is understood", kind, serializeJSON)
	}
	n := int(mark & maxHeaderLength)
	if int64(n) > length-4 {
		return lengths{}, fmt.Errorf("header of %d bytes in a frame of %d", n, length)
	}
	if n > maxAnswerHeader {
		return lengths{}, fmt.Errorf("header of %d bytes (at most %d are allowed)", n, maxAnswerHeader)
	}
	return lengths{length, n, length - 4 - int64(n)}, nil
}

// readHeader reads a header of n bytes and the extra bytes that follow it.
func readHeader(r io.Reader, n int, extra int64) (header, []byte, error) {
	text := make([]byte, int64(n)+extra)
	if got, err := io.ReadFull(r, text); err != nil {
		return header{}, nil, cutOff(int64(got), int64(len(text)), err)
	}
	var h header
	if err := json.Unmarshal(text[:n], &h); err != nil {
		return header{}, nil, fmt.Errorf("decode header: %w", err)
	}
	return h, text[n:], nil
}

func cutOff(got, want int64, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("frame cut off after %d of %d bytes: %w", got, want, err)
}

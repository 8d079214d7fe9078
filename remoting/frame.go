package remoting

import (
	"bytes"
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
	// DefaultMaxFrame is the servers' own limit (com.rocketmq.remoting.frameMaxLength).
	DefaultMaxFrame = 16 << 20 // bytes

	serializeJSON   = 0
	maxHeaderLength = 1<<24 - 1

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
	frame := make([]byte, 0, 8+len(head)+len(body))
	frame = binary.BigEndian.AppendUint32(frame, uint32(4+len(head)+len(body)))
	frame = binary.BigEndian.AppendUint32(frame, serializeJSON<<24|uint32(len(head)))
	frame = append(frame, head...)
	return append(frame, body...), nil
}

// readFrame reads one frame of at most maxFrame bytes. Its memory grows with the bytes that really arrive, so a
// peer that only announces a long frame costs nothing. io.EOF means that the peer closed between two frames.
func readFrame(r io.Reader, maxFrame int) (header, []byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return header{}, nil, err
	}
	length := int64(binary.BigEndian.Uint32(prefix[:]))
	if length < 4 || length > int64(maxFrame) {
		return header{}, nil, fmt.Errorf("frame of %d bytes (4 to %d are allowed): is this a RocketMQ port?", length, maxFrame)
	}
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, r, length); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return header{}, nil, fmt.Errorf("frame cut off after %d of %d bytes: %w", buf.Len(), length, err)
	}
	frame := buf.Bytes()
	mark := binary.BigEndian.Uint32(frame)
	if kind := mark >> 24; kind != serializeJSON {
		return header{}, nil, fmt.Errorf("header of serialize type %d: only JSON (%d) is understood", kind, serializeJSON)
	}
	head, body := frame[4:], []byte(nil)
	n := int(mark & maxHeaderLength)
	if n > len(head) {
		return header{}, nil, fmt.Errorf("header of %d bytes in a frame of %d", n, length)
	}
	head, body = head[:n], head[n:]
	var h header
	if err := json.Unmarshal(head, &h); err != nil {
		return header{}, nil, fmt.Errorf("decode header: %w", err)
	}
	return h, body, nil
}

// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Properties of a message (MessageConst).
const (
	PropertyKeys = "KEYS"
	PropertyTags = "TAGS"
	// PropertyID is the message's ID, which its producer gives it: see NewMessageID.
	PropertyID = "UNIQ_KEY"
	// PropertyDelay is after how many seconds it is delivered, for topics of the type DELAY.
	PropertyDelay = "TIMER_DELAY_SEC"
	// PropertyShard tells which messages of a topic of the type FIFO are to be in order.
	PropertyShard = "__SHARDINGKEY"
)

// Compression of a body (CompressionType).
type Compression int

// The ways in which clients compress.
const (
	Uncompressed Compression = iota
	LZ4
	ZSTD
	ZLIB
)

func (c Compression) String() string {
	return [...]string{"none", "LZ4", "ZSTD", "ZLIB"}[c&3]
}

// compressionOf a message by its flags (MessageSysFlag.getCompressionType). Older clients name no way: it is ZLIB.
func compressionOf(flags uint64) Compression {
	const compressed = 1
	if flags&compressed == 0 {
		return Uncompressed
	}
	if way := Compression(flags >> 8 & 3); way != Uncompressed {
		return way
	}
	return ZLIB
}

// Text is as much of the body as was read, unpacked if that is in our power: LZ4 and ZSTD are not.
func (m Message) Text() ([]byte, error) {
	switch m.Compression {
	case Uncompressed:
		return m.Body, nil
	case ZLIB:
	default:
		return nil, fmt.Errorf("the body is compressed with %s", m.Compression)
	}
	r, err := zlib.NewReader(bytes.NewReader(m.Body))
	if err != nil {
		return nil, fmt.Errorf("unpack the body: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, keptBody))
	if err != nil && int64(len(m.Body)) == m.BodySize {
		return nil, fmt.Errorf("unpack the body: %w", err)
	}
	return text, nil
}

// ID by which clients name the message: the one that the producer has given it, or else a broker, or its place where none has.
func (m Message) ID() string {
	if id := m.Properties[PropertyID]; id != "" {
		return id
	}
	host, port, err := net.SplitHostPort(m.Host)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(host)
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	number, _ := strconv.ParseUint(port, 10, 32) // SplitHostPort read what a number had made
	id := binary.BigEndian.AppendUint32(slices.Clone([]byte(ip)), uint32(number))
	return strings.ToUpper(hex.EncodeToString(binary.BigEndian.AppendUint64(id, uint64(m.LogOffset))))
}

// ParsePlace reads the ID of a message that has no other: the broker's address and the offset in its commit log, in
// bytes (MessageDecoder.decodeMessageId). Others may look like one.
func ParsePlace(id string) (addr string, offset int64, err error) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != 4+4+8 && len(raw) != 16+4+8 {
		return "", 0, errors.New("not the ID of a message: 32 or 56 hexadecimal digits")
	}
	ip, rest := raw[:len(raw)-12], raw[len(raw)-12:]
	addr = net.JoinHostPort(net.IP(ip).String(), strconv.FormatUint(uint64(binary.BigEndian.Uint32(rest)), 10))
	return addr, int64(binary.BigEndian.Uint64(rest[4:])), nil
}

// NewMessageID returns an ID like those of RocketMQ's clients, with random numbers in place of address, process and counter
// (MessageClientIDSetter.createUniqID). Brokers and tools read from it when the message was made, as the time since the month began.
func NewMessageID(now time.Time) string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	now = now.UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	binary.BigEndian.PutUint32(id[4+2+4:], uint32(now.Sub(month).Milliseconds()))
	return strings.ToUpper(hex.EncodeToString(id))
}

// Outgoing is a message to send.
type Outgoing struct {
	Topic string
	// Queue of the broker that gets it.
	Queue      int
	Properties map[string]string
	Body       []byte
}

// Sent tells where a message was stored.
type Sent struct {
	Queue  int
	Offset int64
	// Trouble is empty, or why the broker could not make sure yet that the message outlives it: FLUSH_DISK_TIMEOUT,
	// FLUSH_SLAVE_TIMEOUT or SLAVE_NOT_AVAILABLE.
	Trouble string
}

// Send has a master store a message (SEND_MESSAGE). A topic that does not exist is an error, remoting.TopicNotExist, even where brokers
// create topics for producers.
func (c *Client) Send(ctx context.Context, broker string, m Outgoing) (Sent, error) {
	if len(m.Body) == 0 {
		return Sent{}, errors.New("a message needs a body: brokers fail without one")
	}
	var properties strings.Builder
	for _, key := range slices.Sorted(maps.Keys(m.Properties)) {
		value := m.Properties[key]
		if key == "" || strings.ContainsAny(key+value, "\x01\x02") {
			return Sent{}, fmt.Errorf("a message cannot have the property %q=%q: names are not empty, and bytes 1 and 2 separate them", key, value)
		}
		properties.WriteString(key + "\x01" + value + "\x02")
	}
	resp, err := c.invoke(ctx, broker, remoting.Request{Code: remoting.SendMessage, Body: m.Body, Fields: map[string]string{
		"producerGroup": probeGroup, "topic": m.Topic, "defaultTopic": "", "defaultTopicQueueNums": "0", "queueId": strconv.Itoa(m.Queue),
		"sysFlag": "0", "bornTimestamp": strconv.FormatInt(time.Now().UnixMilli(), 10), "flag": "0", "properties": properties.String(),
		"reconsumeTimes": "0", "unitMode": "false", "batch": "false",
	}})
	sent := Sent{}
	switch {
	case remoting.IsCode(err, remoting.FlushDiskTimeout):
		sent.Trouble = "FLUSH_DISK_TIMEOUT"
	case remoting.IsCode(err, remoting.SlaveNotAvailable):
		sent.Trouble = "SLAVE_NOT_AVAILABLE"
	case remoting.IsCode(err, remoting.FlushSlaveTimeout):
		sent.Trouble = "FLUSH_SLAVE_TIMEOUT"
	case err != nil:
		return sent, err
	}
	if sent.Trouble != "" {
		sent.Queue, sent.Offset = m.Queue, -1
		return sent, nil
	}
	if sent.Queue, err = strconv.Atoi(resp.Fields["queueId"]); err != nil {
		return sent, answerError(remoting.SendMessage, broker, err)
	}
	if sent.Offset, err = strconv.ParseInt(resp.Fields["queueOffset"], 10, 64); err != nil {
		return sent, answerError(remoting.SendMessage, broker, err)
	}
	return sent, nil
}

// A Search for messages of a topic by what the broker keeps an index of.
type Search struct {
	Topic string
	// Key is one of the message's keys, or its ID if ByID is set.
	Key  string
	ByID bool
	// Begin and End bound when it was stored.
	Begin, End time.Time
}

// FindMessages asks a broker's index for messages, at most 32 of them, with the bodies (QUERY_MESSAGE). Brokers whose index is full of
// newer messages, or that keep none (messageIndexEnable), find nothing.
func (c *Client) FindMessages(ctx context.Context, broker string, s Search) ([]Message, error) {
	req := remoting.Request{Code: remoting.QueryMessage, MaxAnswer: maxPulled, Fields: map[string]string{
		"topic": s.Topic, "key": s.Key, "maxNum": strconv.Itoa(maxMessages), "_UNIQUE_KEY_QUERY": strconv.FormatBool(s.ByID),
		"beginTimestamp": strconv.FormatInt(s.Begin.UnixMilli(), 10), "endTimestamp": strconv.FormatInt(s.End.UnixMilli(), 10),
	}}
	var messages []Message
	err := c.streamRaw(ctx, broker, req, func(_ *remoting.Response, body io.Reader) (err error) {
		messages, err = readMessages(body, keptBody)
		return err
	})
	if remoting.IsCode(err, remoting.QueryNotFound) {
		return nil, nil
	}
	// The index goes by a hash of the key.
	return slices.DeleteFunc(messages, func(m Message) bool { return m.Topic != s.Topic || !s.matches(m) }), err
}

func (s Search) matches(m Message) bool {
	if s.ByID {
		return m.Properties[PropertyID] == s.Key
	}
	return slices.Contains(strings.Fields(m.Properties[PropertyKeys]), s.Key)
}

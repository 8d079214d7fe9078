// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Message is a stored message.
type Message struct {
	Topic string
	Queue int
	// Offset in its queue.
	Offset int64
	// LogOffset is where it begins in the broker's commit log, in bytes.
	LogOffset int64
	// Born and Stored are when its producer made it and when the broker stored it, by their clocks.
	Born, Stored time.Time
	// Host is the address of the broker that stored it.
	Host string
	// BodySize is the stored body's length in bytes. Body is its beginning where the operation reads bodies, as it is stored: see
	// Text.
	BodySize int64
	Body     []byte
	// Compression of the body (MessageSysFlag).
	Compression Compression
	// Properties are such as KEYS, TAGS and UNIQ_KEY (RocketMQ's MessageConst).
	Properties map[string]string
	// Committed: it was stored when its transaction was committed (MessageSysFlag.TRANSACTION_COMMIT_TYPE).
	Committed bool
}

// pullGroup exists on every broker, for tools (MixAll.TOOLS_CONSUMER_GROUP).
const pullGroup = "TOOLS_CONSUMER"

const (
	maxMessages = 32
	// maxPulled is far more than so many messages have. Their bodies are read over, so they take no memory.
	maxPulled = 256 << 20 // bytes
	// keptBody is how much of a body is kept for somebody who looks at messages, in bytes.
	keptBody = 256 << 10
)

// Messages reads a queue from an offset on, as many messages as the broker hands out at once, at most 32 (PULL_MESSAGE). That
// changes nobody's offset. There are none if the queue has no message there.
func (c *Client) Messages(ctx context.Context, broker, topic string, queue int, offset int64) ([]Message, error) {
	return c.pull(ctx, broker, topic, queue, offset, maxMessages, 0)
}

// ReadMessages is Messages with bodies, for at most so many messages. Of each body 256 KiB are kept.
func (c *Client) ReadMessages(ctx context.Context, broker, topic string, queue int, offset int64, most int) ([]Message, error) {
	return c.pull(ctx, broker, topic, queue, offset, min(most, maxMessages), keptBody)
}

func (c *Client) pull(ctx context.Context, broker, topic string, queue int, offset int64, most int, keep int64) ([]Message, error) {
	const subscription = 1 << 2 // PullSysFlag: the request says which messages
	req := remoting.Request{Code: remoting.PullMessage, MaxAnswer: maxPulled, Fields: map[string]string{
		"consumerGroup": pullGroup, "topic": topic, "queueId": strconv.Itoa(queue), "queueOffset": strconv.FormatInt(offset, 10),
		"maxMsgNums": strconv.Itoa(most), "sysFlag": strconv.Itoa(subscription), "commitOffset": "0",
		"suspendTimeoutMillis": "0", "subscription": "*", "subVersion": "0", "expressionType": "TAG",
	}}
	var messages []Message
	err := c.streamRaw(ctx, broker, req, func(_ *remoting.Response, body io.Reader) (err error) {
		messages, err = readMessages(body, keep)
		return err
	})
	if remoting.IsCode(err, remoting.PullNotFound, remoting.PullRetryImmediately, remoting.PullOffsetMoved) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return messages, nil
}

// MessageAt reads the message that begins at an offset of a broker's commit log, in bytes, and tells where the next one begins
// (VIEW_MESSAGE_BY_ID). It is nil where the rest of a file is empty.
func (c *Client) MessageAt(ctx context.Context, broker string, offset int64) (m *Message, next int64, err error) {
	req := remoting.Request{
		Code: remoting.ViewMessageByID, MaxAnswer: maxPulled, Fields: map[string]string{"offset": strconv.FormatInt(offset, 10)},
	}
	err = c.streamRaw(ctx, broker, req, func(_ *remoting.Response, body io.Reader) error {
		in := bufio.NewReader(body)
		head, err := in.Peek(4 + 4)
		if err != nil {
			return errMessage
		}
		next = offset + int64(binary.BigEndian.Uint32(head))
		if binary.BigEndian.Uint32(head[4:]) == blankMagic {
			return nil
		}
		read, err := readMessage(in, 0)
		m = &read
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return m, next, nil
}

const (
	messageMagic  = 0xDAA320A7 // MessageDecoder.MESSAGE_MAGIC_CODE
	messageMagic2 = 0xDAA320A8 // the topic may be longer (MESSAGE_MAGIC_CODE_V2)
	blankMagic    = 0xCBD43194 // the rest of a file (CommitLog.BLANK_MAGIC_CODE)
	// Flags of MessageSysFlag: a host is an IPv6 address.
	bornV6, storeV6 = 1 << 4, 1 << 5
	// The type of a transaction's message, and the one that is stored by a commit.
	transactionType, transactionCommit = 3 << 2, 2 << 2
)

var errMessage = errors.New("a message is cut off")

// readMessages reads stored messages, one after the other (MessageDecoder.decode), and keeps so many bytes of each body.
func readMessages(r io.Reader, keep int64) ([]Message, error) {
	var messages []Message
	in := bufio.NewReader(r)
	for {
		if _, err := in.Peek(1); errors.Is(err, io.EOF) {
			return messages, nil
		} else if err != nil {
			return nil, err
		}
		m, err := readMessage(in, keep)
		if err != nil {
			return nil, err
		}
		if len(messages) == maxMessages {
			return nil, fmt.Errorf("more than %d messages", maxMessages)
		}
		messages = append(messages, m)
	}
}

func readMessage(in *bufio.Reader, keep int64) (Message, error) {
	f := &fields{in: in, left: 4}
	f.left = int64(f.number(4)) - 4 // what follows the size
	magic := f.number(4)
	if f.err == nil && magic != messageMagic && magic != messageMagic2 {
		return Message{}, fmt.Errorf("a message of an unknown kind, %#x", magic)
	}
	f.skip(4) // checksum
	m := Message{Queue: int(int32(f.number(4))), Properties: map[string]string{}}
	f.skip(4) // flag
	m.Offset = int64(f.number(8))
	m.LogOffset = int64(f.number(8))
	flags := f.number(4)
	m.Committed = flags&transactionType == transactionCommit
	m.Compression = compressionOf(flags)
	m.Born = timeOf(int64(f.number(8)))
	f.skip(hostLength(flags, bornV6))
	m.Stored = timeOf(int64(f.number(8)))
	m.Host = f.host(hostLength(flags, storeV6))
	f.skip(4 + 8) // retries, offset of a prepared transaction
	m.BodySize = int64(int32(f.number(4)))
	m.Body = f.bytes(min(m.BodySize, keep))
	f.skip(m.BodySize - int64(len(m.Body)))
	width := 1
	if magic == messageMagic2 {
		width = 2
	}
	m.Topic = f.text(width)
	for pair := range strings.SplitSeq(f.text(2), "\x02") {
		if key, value, ok := strings.Cut(pair, "\x01"); ok {
			m.Properties[key] = value
		}
	}
	f.skip(f.left)
	return m, f.err
}

// hostLength is the length of an address with its port.
func hostLength(flags, v6 uint64) int64 {
	if flags&v6 != 0 {
		return 16 + 4
	}
	return 4 + 4
}

// timeOf a message; 0 and less stand for none.
func timeOf(millis int64) time.Time {
	if millis <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// fields of a message, read one after the other. After an error they are all empty.
type fields struct {
	in   *bufio.Reader
	left int64 // bytes of the message
	err  error
}

// take accounts for the next n bytes; false if the message has fewer.
func (f *fields) take(n int64) bool {
	if f.err == nil && (n < 0 || n > f.left) {
		f.err = errMessage
	}
	f.left -= n
	return f.err == nil
}

func (f *fields) note(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errMessage
	}
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) skip(n int64) {
	if f.take(n) {
		_, err := io.CopyN(io.Discard, f.in, n)
		f.note(err)
	}
}

// number of some bytes, big endian.
func (f *fields) number(width int) uint64 {
	n := uint64(0)
	for _, b := range f.bytes(int64(width)) {
		n = n<<8 | uint64(b)
	}
	return n
}

// text whose length stands before it.
func (f *fields) text(width int) string { return string(f.bytes(int64(f.number(width)))) }

// host is an address with its port, as MessageDecoder.decode reads it.
func (f *fields) host(length int64) string {
	raw := f.bytes(length)
	if len(raw) == 0 {
		return ""
	}
	ip, port := raw[:len(raw)-4], binary.BigEndian.Uint32(raw[len(raw)-4:])
	return net.JoinHostPort(net.IP(ip).String(), strconv.FormatUint(uint64(port), 10))
}

// bytes are few: the length of a text has at most two bytes, and of a body no more than keptBody is read.
func (f *fields) bytes(n int64) []byte {
	if !f.take(n) || n == 0 {
		return nil
	}
	text := make([]byte, n)
	_, err := io.ReadFull(f.in, text)
	f.note(err)
	return text
}

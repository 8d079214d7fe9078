package admin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Message is what is told here of a stored message: all but its body.
type Message struct {
	Topic string
	Queue int
	// Offset in its queue.
	Offset int64
	// Properties are such as KEYS, TAGS and UNIQ_KEY (RocketMQ's MessageConst).
	Properties map[string]string
}

// pullGroup exists on every broker, for tools (MixAll.TOOLS_CONSUMER_GROUP).
const pullGroup = "TOOLS_CONSUMER"

// Messages reads a queue from an offset on, as many as the broker hands out at once, some dozen (PULL_MESSAGE). Nobody's
// offset moves by that. There are none if the queue has no message there.
func (c *Client) Messages(ctx context.Context, broker, topic string, queue int, offset int64) ([]Message, error) {
	const subscription = 1 << 2 // PullSysFlag: the request says which messages
	resp, err := c.remoting.Invoke(ctx, broker, remoting.Request{Code: remoting.PullMessage, Fields: map[string]string{
		"consumerGroup": pullGroup, "topic": topic, "queueId": strconv.Itoa(queue), "queueOffset": strconv.FormatInt(offset, 10),
		"maxMsgNums": "32", "sysFlag": strconv.Itoa(subscription), "commitOffset": "0", "suspendTimeoutMillis": "0", "subscription": "*",
		"subVersion": "0", "expressionType": "TAG",
	}})
	for _, none := range []remoting.ResponseCode{remoting.PullNotFound, remoting.PullRetryImmediately, remoting.PullOffsetMoved} {
		if remoting.IsCode(err, none) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	messages, err := parseMessages(resp.Body)
	if err != nil {
		return nil, answerError(remoting.PullMessage, broker, err)
	}
	return messages, nil
}

const (
	messageMagic  = 0xDAA320A7 // MessageDecoder.MESSAGE_MAGIC_CODE
	messageMagic2 = 0xDAA320A8 // the topic may be longer (MESSAGE_MAGIC_CODE_V2)
	// Flags of MessageSysFlag: a host is an IPv6 address.
	bornV6, storeV6 = 1 << 4, 1 << 5
)

var errMessage = errors.New("a message is cut off")

// parseMessages reads stored messages, one after the other (MessageDecoder.decode).
func parseMessages(body []byte) ([]Message, error) {
	var messages []Message
	for len(body) > 0 {
		if len(body) < 4 {
			return nil, errMessage
		}
		size := int64(binary.BigEndian.Uint32(body))
		if size < 4 || size > int64(len(body)) {
			return nil, fmt.Errorf("a message of %d bytes in %d", size, len(body))
		}
		m, err := parseMessage(fields{body[4:size]})
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
		body = body[size:]
	}
	return messages, nil
}

func parseMessage(f fields) (Message, error) {
	var m Message
	magic, err := f.number(4)
	if err != nil {
		return m, err
	}
	if magic != messageMagic && magic != messageMagic2 {
		return m, fmt.Errorf("a message of an unknown kind, %#x", magic)
	}
	if err := f.skip(4); err != nil { // checksum
		return m, err
	}
	queue, err := f.number(4)
	if err != nil {
		return m, err
	}
	if err := f.skip(4); err != nil { // flag
		return m, err
	}
	offset, err := f.number(8)
	if err != nil {
		return m, err
	}
	if err := f.skip(8); err != nil { // place in the commit log
		return m, err
	}
	flags, err := f.number(4)
	if err != nil {
		return m, err
	}
	address := func(v6 uint64) int {
		if flags&v6 != 0 {
			return 16 + 4
		}
		return 4 + 4
	}
	// Times and hosts of birth and storage, retries, the offset of a prepared transaction.
	if err := f.skip(8 + address(bornV6) + 8 + address(storeV6) + 4 + 8); err != nil {
		return m, err
	}
	length, err := f.number(4)
	if err != nil {
		return m, err
	}
	if err := f.skip(int(length)); err != nil { // body
		return m, err
	}
	width := 1
	if magic == messageMagic2 {
		width = 2
	}
	topic, err := f.text(width)
	if err != nil {
		return m, err
	}
	properties, err := f.text(2)
	if err != nil {
		return m, err
	}
	m = Message{Topic: topic, Queue: int(int32(queue)), Offset: int64(offset), Properties: map[string]string{}}
	for pair := range strings.SplitSeq(properties, "\x02") {
		if key, value, ok := strings.Cut(pair, "\x01"); ok {
			m.Properties[key] = value
		}
	}
	return m, nil
}

// fields are read from the front.
type fields struct{ rest []byte }

func (f *fields) skip(n int) error {
	if n < 0 || n > len(f.rest) {
		return errMessage
	}
	f.rest = f.rest[n:]
	return nil
}

// number of some bytes, big endian.
func (f *fields) number(width int) (uint64, error) {
	if width > len(f.rest) {
		return 0, errMessage
	}
	n := uint64(0)
	for _, b := range f.rest[:width] {
		n = n<<8 | uint64(b)
	}
	f.rest = f.rest[width:]
	return n, nil
}

// text whose length stands before it.
func (f *fields) text(width int) (string, error) {
	n, err := f.number(width)
	if err != nil {
		return "", err
	}
	if n > uint64(len(f.rest)) {
		return "", errMessage
	}
	text := string(f.rest[:n])
	f.rest = f.rest[n:]
	return text, nil
}

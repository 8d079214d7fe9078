// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// topicLog is a topic that is written and read from its beginning, through queue 0 of the group that has it.
type topicLog struct {
	cluster
	remoting *remoting.Client
	topic    string
}

// Requests of producers and consumers, and an answer to these.
const (
	sendMessage  remoting.RequestCode  = 10
	pullMessage  remoting.RequestCode  = 11
	pullNotFound remoting.ResponseCode = 19
)

const group = "GID_schema_registry"

// create makes the topic on one broker group, unless there is one that has it. No broker is no error: the real one then leaves the
// topic to the first message.
func (t *topicLog) create(ctx context.Context) error {
	if _, err := t.master(ctx); err == nil {
		return nil
	}
	info, err := t.info(ctx)
	if err != nil {
		return err
	}
	for _, group := range info.Brokers {
		if addr, ok := group.Addrs[admin.MasterID]; ok {
			return t.admin.PutTopic(ctx, addr, nil, admin.TopicConfig{
				Name: t.topic, ReadQueues: 1, WriteQueues: 1, Perm: admin.PermRead | admin.PermWrite})
		}
	}
	return nil
}

// master that has the topic, by the name servers' word.
func (t *topicLog) master(ctx context.Context) (string, error) {
	errs := []error{fmt.Errorf("no broker of topic %s", t.topic)}
	for _, addr := range t.nameServers {
		route, err := t.admin.TopicRoute(ctx, addr, t.topic)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, broker := range route.Brokers {
			if addr, ok := broker.Addrs[admin.MasterID]; ok {
				return addr, nil
			}
		}
	}
	return "", errors.Join(errs...)
}

// append sends a message of that key and waits for the acknowledgement.
func (t *topicLog) append(ctx context.Context, key string, body []byte) error {
	if err := t.create(ctx); err != nil {
		return err
	}
	addr, err := t.master(ctx)
	if err != nil {
		return err
	}
	_, err = t.remoting.Invoke(ctx, addr, remoting.Request{Code: sendMessage, Body: body, Fields: map[string]string{
		"producerGroup": group, "topic": t.topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": "1", "queueId": "0",
		"sysFlag": "0", "bornTimestamp": strconv.FormatInt(time.Now().UnixMilli(), 10), "flag": "0",
		"properties": "KEYS\x01" + key + "\x02", "reconsumeTimes": "0", "unitMode": "false", "batch": "false",
	}})
	return err
}

// read returns all messages' bodies.
func (t *topicLog) read(ctx context.Context) ([][]byte, error) {
	addr, err := t.master(ctx)
	if remoting.IsCode(err, remoting.TopicNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for offset := "0"; ; {
		answer, err := t.remoting.Invoke(ctx, addr, remoting.Request{Code: pullMessage, Fields: map[string]string{
			"consumerGroup": group, "topic": t.topic, "queueId": "0", "queueOffset": offset, "maxMsgNums": "32",
			"sysFlag": "4", "commitOffset": "0", "suspendTimeoutMillis": "0", "subscription": "*", "subVersion": "0", "expressionType": "TAG",
		}})
		if remoting.IsCode(err, pullNotFound) {
			return out, nil // the end
		}
		if err != nil {
			return nil, err
		}
		bodies, err := messageBodies(answer.Body)
		if err != nil {
			return nil, err
		}
		out, offset = append(out, bodies...), answer.Fields["nextBeginOffset"]
	}
}

// messageBodies decodes stored messages (RocketMQ's MessageDecoder), of IPv4 hosts and without compression, as append
// sends them: total size, then 80 bytes of other fields, the body behind its length, and more.
func messageBodies(data []byte) ([][]byte, error) {
	const bodyLength = 84
	var out [][]byte
	for len(data) > 0 {
		if len(data) < bodyLength+4 {
			return nil, errors.New("a message is cut off")
		}
		total, body := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[bodyLength:])
		if uint64(total) > uint64(len(data)) || uint64(body)+bodyLength+4 > uint64(total) {
			return nil, fmt.Errorf("a message of %d bytes, its body of %d, in %d bytes", total, body, len(data))
		}
		out, data = append(out, data[bodyLength+4:bodyLength+4+body]), data[total:]
	}
	return out, nil
}

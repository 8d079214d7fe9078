// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// MessageRequestMode says how a broker lets the push consumers of a group, those of the remoting protocol, get the messages of
// a topic (RocketMQ's SetMessageRequestModeRequestBody).
type MessageRequestMode struct {
	Topic string `json:"topic"`
	Group string `json:"consumerGroup"`
	// Mode is PULL or POP.
	Mode string `json:"mode"`
	// PopShareQueues is how many consumers share a queue with POP; 0 for all.
	PopShareQueues int `json:"popShareQueueNum"`
}

// MessageRequestModes reads the modes that were set at a broker (GET_ALL_MESSAGE_REQUEST_MODE, seen in 5.3.3 and newer; others
// answer remoting.RequestCodeNotSupported). Where none was set it is BrokerConfig.defaultMessageRequestMode.
func (c *Client) MessageRequestModes(ctx context.Context, broker string) (map[TopicGroup]MessageRequestMode, error) {
	modes := map[TopicGroup]MessageRequestMode{}
	req := remoting.Request{Code: remoting.GetAllMessageRequestMode, MaxAnswer: longAnswer}
	err := c.streamMember(ctx, broker, req, "messageRequestModeMap", func(b *body) error {
		return b.Object(func(topic string) error {
			return b.Object(func(group string) error {
				var mode MessageRequestMode
				if err := b.Decode(&mode); err != nil {
					return err
				}
				mode.Topic, mode.Group = topic, group
				modes[TopicGroup{Topic: topic, Group: group}] = mode
				return b.keep(150 + len(topic) + len(group))
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return modes, nil
}

// PutMessageRequestMode sets a mode at a master (SET_MESSAGE_REQUEST_MODE). Topic and group must exist there. A mode cannot be
// deleted, only changed.
func (c *Client) PutMessageRequestMode(ctx context.Context, broker string, mode MessageRequestMode) error {
	body, err := json.Marshal(mode)
	if err == nil {
		_, err = c.invoke(ctx, broker, remoting.Request{Code: remoting.SetMessageRequestMode, Body: body})
	}
	if err != nil {
		return fmt.Errorf("request mode of group %s for topic %s: %w", mode.Group, mode.Topic, err)
	}
	return nil
}

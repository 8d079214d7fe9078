// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// ConsumerConnection is a consumer group's connections to one broker (RocketMQ's ConsumerConnection).
type ConsumerConnection struct {
	Members []Connection `json:"connectionSet"`
	// Subscriptions are what the members subscribe to, by topic.
	Subscriptions map[string]Subscription `json:"subscriptionTable"`
	// Type is CONSUME_PASSIVELY, CONSUME_ACTIVELY or CONSUME_POP; Model is CLUSTERING or BROADCASTING; From is where a new
	// group begins, such as CONSUME_FROM_LAST_OFFSET.
	Type  string `json:"consumeType"`
	Model string `json:"messageModel"`
	From  string `json:"consumeFromWhere"`
}

// Connection is one client (RocketMQ's Connection).
type Connection struct {
	ClientID string `json:"clientId"`
	// Addr is the client's end of the connection, host:port.
	Addr     string `json:"clientAddr"`
	Language string `json:"language"`
	// Version is the ordinal of the client's release in RocketMQ's MQVersion.
	Version int `json:"version"`
}

// Subscription says which messages of a topic a consumer group takes (RocketMQ's SubscriptionData).
type Subscription struct {
	Topic string `json:"topic"`
	// Expression is in the language Type: TAG or SQL92.
	Expression string `json:"subString"`
	Type       string `json:"expressionType"`
}

// ConsumerConnection asks a broker for the connected members of a consumer group (GET_CONSUMER_CONNECTION_LIST).
// If there are none the error is remoting.ConsumerNotOnline.
func (c *Client) ConsumerConnection(ctx context.Context, broker, group string) (*ConsumerConnection, error) {
	connection := new(ConsumerConnection)
	req := remoting.Request{
		Code: remoting.GetConsumerConnectionList, Fields: map[string]string{"consumerGroup": group}, MaxAnswer: longAnswer,
	}
	err := c.stream(ctx, broker, req, func(_ *remoting.Response, b *body) error {
		return b.Object(func(key string) (err error) {
			switch key {
			case "connectionSet":
				connection.Members, err = list(b, func(m Connection) int { return 100 + len(m.ClientID) + len(m.Addr) + len(m.Language) })
			case "subscriptionTable":
				connection.Subscriptions, err = readSubscriptions(b)
			case "consumeType":
				err = b.Decode(&connection.Type)
			case "messageModel":
				err = b.Decode(&connection.Model)
			case "consumeFromWhere":
				err = b.Decode(&connection.From)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	for i := range connection.Members {
		connection.Members[i].Addr = clientAddr(connection.Members[i].Addr)
	}
	return connection, nil
}

func readSubscriptions(b *body) (map[string]Subscription, error) {
	subscriptions := map[string]Subscription{}
	err := b.Object(func(topic string) error {
		var s Subscription
		if err := b.Decode(&s); err != nil {
			return err
		}
		subscriptions[topic] = s
		return b.keep(150 + 2*len(topic) + len(s.Expression))
	})
	return subscriptions, err
}

// ConsumerIDs asks a broker for the client ids of a consumer group's connected members (GET_CONSUMER_LIST_BY_GROUP). If
// there are none the error is remoting.SystemError.
func (c *Client) ConsumerIDs(ctx context.Context, broker, group string) ([]string, error) {
	return c.stringList(ctx, broker, remoting.Request{
		Code: remoting.GetConsumerListByGroup, Fields: map[string]string{"consumerGroup": group}, MaxAnswer: longAnswer,
	}, "consumerIdList")
}

// Producer is one connected producer (RocketMQ's ProducerInfo).
type Producer struct {
	ClientID string `json:"clientId"`
	// Addr is the client's end of the connection, host:port.
	Addr     string `json:"remoteIP"`
	Language string `json:"language"`
	Version  int    `json:"version"`
	// LastUpdateMillis is when the broker last heard of it, in milliseconds since 1970.
	LastUpdateMillis int64 `json:"lastUpdateTimestamp"`
}

// Producers asks a broker for its connected producers by producer group (GET_ALL_PRODUCER_INFO).
func (c *Client) Producers(ctx context.Context, broker string) (map[string][]Producer, error) {
	all := map[string][]Producer{}
	req := remoting.Request{Code: remoting.GetAllProducerInfo, MaxAnswer: longAnswer}
	err := c.streamMember(ctx, broker, req, "data", func(b *body) error {
		return b.Object(func(group string) error {
			producers, err := list(b, func(p Producer) int { return 120 + len(p.ClientID) + len(p.Addr) + len(p.Language) })
			for i := range producers {
				producers[i].Addr = clientAddr(producers[i].Addr)
			}
			all[group] = producers
			return errors.Join(err, b.keep(64+len(group)))
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// clientAddr is an address as Java writes it: "/10.0.0.1:50796", or with the name that was looked up before the slash.
func clientAddr(addr string) string {
	if _, ip, ok := strings.Cut(addr, "/"); ok {
		addr = ip
	}
	return remoting.CanonicalAddr(addr)
}

package admin

import (
	"context"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// ConsumerConnection is a consumer group's connections to one broker (RocketMQ's ConsumerConnection).
type ConsumerConnection struct {
	Members []Connection `json:"connectionSet"`
	// Subscriptions are those of the group's members by topic.
	Subscriptions map[string]Subscription `json:"subscriptionTable"`
	// Type is CONSUME_PASSIVELY, CONSUME_ACTIVELY or CONSUME_POP, Model CLUSTERING or BROADCASTING, From where a new
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
// remoting.ConsumerNotOnline is the answer when there are none.
func (c *Client) ConsumerConnection(ctx context.Context, broker, group string) (*ConsumerConnection, error) {
	connection := new(ConsumerConnection)
	req := remoting.Request{Code: remoting.GetConsumerConnectionList, Fields: map[string]string{"consumerGroup": group}}
	if _, err := c.invokeJSON(ctx, broker, req, connection); err != nil {
		return nil, err
	}
	return connection, nil
}

// ConsumerIDs asks a broker for the client ids of a consumer group's connected members (GET_CONSUMER_LIST_BY_GROUP). A
// broker answers remoting.SystemError when there are none.
func (c *Client) ConsumerIDs(ctx context.Context, broker, group string) ([]string, error) {
	var body struct {
		IDs []string `json:"consumerIdList"`
	}
	req := remoting.Request{Code: remoting.GetConsumerListByGroup, Fields: map[string]string{"consumerGroup": group}}
	if _, err := c.invokeJSON(ctx, broker, req, &body); err != nil {
		return nil, err
	}
	return body.IDs, nil
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
	var body struct {
		Data map[string][]Producer `json:"data"`
	}
	if _, err := c.invokeJSON(ctx, broker, remoting.Request{Code: remoting.GetAllProducerInfo}, &body); err != nil {
		return nil, err
	}
	for _, producers := range body.Data {
		for i := range producers {
			producers[i].Addr = strings.TrimPrefix(producers[i].Addr, "/") // Java's way to write an address
		}
	}
	return body.Data, nil
}

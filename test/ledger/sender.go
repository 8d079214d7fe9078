// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// sender sends synchronously through one producer of the client.
type sender struct {
	options
	sendOne func(context.Context, *primitive.Message) (*primitive.SendResult, error)
}

func newSender(ctx context.Context, names *resolver, o options) (*sender, error) {
	settings := []producer.Option{producer.WithNsResolver(names), producer.WithGroupName("ledger-" + o.run), producer.WithCredentials(o.credentials), producer.WithTls(o.tls)}
	if o.ordered {
		settings = append(settings, producer.WithQueueSelector(producer.NewHashQueueSelector()))
	}
	if o.transaction {
		return newTransactionSender(ctx, o, settings)
	}
	p, err := producer.NewDefaultProducer(settings...)
	if err != nil {
		return nil, fmt.Errorf("make a producer: %w", err)
	}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start the producer: %w", err)
	}
	send := func(ctx context.Context, m *primitive.Message) (*primitive.SendResult, error) {
		return p.SendSync(ctx, m)
	}
	return &sender{o, send}, poll(ctx, o.poll, p, "client")
}

func newTransactionSender(ctx context.Context, o options, settings []producer.Option) (*sender, error) {
	p, err := producer.NewTransactionProducer(listener{}, settings...)
	if err != nil {
		return nil, fmt.Errorf("make a transaction producer: %w", err)
	}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start the transaction producer: %w", err)
	}
	send := func(ctx context.Context, m *primitive.Message) (*primitive.SendResult, error) {
		result, err := p.SendMessageInTransaction(ctx, m)
		if err != nil {
			return nil, err
		}
		return result.SendResult, nil
	}
	return &sender{o, send}, poll(ctx, o.poll, p, "producer", "client")
}

// The ends of transactions.
type end int

const (
	committed end = iota
	rolledBack
	askedFor // the broker asks later, and it was committed
)

// outcome of the transaction of message number.
func outcome(number int) end {
	switch number % 10 {
	case 3:
		return askedFor
	case 7:
		return rolledBack
	}
	return committed
}

// listener tells the client how transactions end. It knows by the number, so that it answers a broker's question as it did before.
type listener struct{}

func (listener) ExecuteLocalTransaction(m *primitive.Message) primitive.LocalTransactionState {
	_, number, _ := parseMessage(m.Body)
	switch outcome(number) {
	case rolledBack:
		return primitive.RollbackMessageState
	case askedFor:
		return primitive.UnkonwnState
	}
	return primitive.CommitMessageState
}

func (listener) CheckLocalTransaction(m *primitive.MessageExt) primitive.LocalTransactionState {
	if _, number, ok := parseMessage(m.Body); !ok || outcome(number) == rolledBack {
		return primitive.RollbackMessageState
	}
	return primitive.CommitMessageState
}

// The client stores the addresses of the brokers that it shows in no time, or in some on a machine that has much to do.
const (
	addressInterval = 50 * time.Millisecond
	addressRetries  = 20
)

// send returns where the broker that acknowledged the message has it. key is its sharding key, "" for none; due is when it may
// come, if the options give it a time.
func (s *sender) send(ctx context.Context, key string, due time.Time, body []byte) (where place, err error) {
	m := primitive.NewMessage(s.topic, body)
	switch {
	case s.delayLevel > 0: // a proxy takes a message of level 0 for a delayed one too, which its topic is not for
		m = m.WithDelayTimeLevel(s.delayLevel)
	case s.delay > 0:
		m = m.WithDelayTimestamp(due)
	}
	if key != "" {
		m = m.WithShardingKey(key)
	}
	result, err := s.sendOne(ctx, m)
	// The client shows senders a broker before it stores its address (namesrvs.UpdateTopicRouteInfoWithDefault), and sends
	// nothing then.
	for again := 0; err != nil && err.Error() == "topic="+s.topic+" route info not found" && again < addressRetries; again++ {
		time.Sleep(addressInterval)
		result, err = s.sendOne(ctx, m)
	}
	if err != nil {
		return place{}, err
	}
	if result.Status != primitive.SendOK {
		return place{}, fmt.Errorf("broker answered with status %d instead of SEND_OK", result.Status)
	}
	return place{result.MessageQueue.BrokerName, result.MessageQueue.QueueId, result.QueueOffset}, nil
}

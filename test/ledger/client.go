// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	ours "github.com/rocketmq-operator/rocketmq-operator/admin"
)

// everyBroker is a topic that each broker which creates topics by itself has (TopicValidator.AUTO_CREATE_TOPIC_KEY_TOPIC).
const everyBroker = "TBW102"

// createdQueues is how many queues a created topic gets on each broker.
const createdQueues = 4

// router is what we need of the client that stands behind a producer or a consumer.
type router interface {
	// UpdateTopicRouteInfo asks a name server for the routes of all topics in use.
	UpdateTopicRouteInfo()
}

// nameServers is what we need of the client's list of name servers.
type nameServers interface {
	UpdateNameServerAddress()
	FindBrokerAddrByName(brokerName string) string
}

// behind digs the client out of the private field of a producer, consumer or admin, by the path of fields to it. The client polls
// routes every 30 s and offers no setting for that; what it does then is public, but only on this inner object.
func behind(outer any, path ...string) (router, nameServers, error) {
	v := reflect.ValueOf(outer)
	for _, field := range path {
		f := v.Elem().FieldByName(field)
		if !f.IsValid() {
			return nil, nil, fmt.Errorf("%T has no field %s: not the version of the client that this was written for", outer, field)
		}
		v = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
		if v.Kind() == reflect.Interface {
			v = v.Elem()
		}
	}
	routes, ok := v.Interface().(router)
	method := v.MethodByName("GetNameSrv")
	if !ok || !method.IsValid() {
		return nil, nil, fmt.Errorf("%T.%s is not the client that this was written for", outer, strings.Join(path, "."))
	}
	servers, ok := method.Call(nil)[0].Interface().(nameServers)
	if !ok {
		return nil, nil, fmt.Errorf("the name servers of %T are not what this was written for", outer)
	}
	return routes, servers, nil
}

// poll makes the client behind outer (a producer or consumer) look for new routes and name servers every interval.
func poll(ctx context.Context, interval time.Duration, outer any, path ...string) error {
	routes, servers, err := behind(outer, path...)
	if err != nil {
		return err
	}
	go every(ctx, interval, func() {
		servers.UpdateNameServerAddress()
		routes.UpdateTopicRouteInfo()
	})
	return nil
}

// every calls f after each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// message makes the body of a numbered message of at least size bytes.
func message(run string, number, size int) []byte {
	body := fmt.Sprintf("ledger %s %d ", run, number)
	return []byte(body + strings.Repeat(".", max(0, size-len(body))))
}

// parseMessage is the inverse of message.
func parseMessage(body []byte) (run string, number int, ok bool) {
	fields := strings.Fields(string(body[:min(len(body), 200)]))
	if len(fields) < 3 || fields[0] != "ledger" {
		return "", 0, false
	}
	number, err := strconv.Atoi(fields[2])
	return fields[1], number, err == nil && number >= 0
}

// consume starts a push consumer that hands every message of the topic to receive, with its sharding key and its place.
// Where its group has no offset, it begins at the first message, or the last.
// The topic must exist: the client refuses to start otherwise. stop ends it and saves its offsets.
func consume(ctx context.Context, names *resolver, o options, receive func(key string, from place, body []byte)) (stop func() error, err error) {
	settings := []consumer.Option{consumer.WithNsResolver(names), consumer.WithGroupName(o.group), consumer.WithCredentials(o.credentials), consumer.WithTls(o.tls), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset)}
	if o.fromLast {
		settings = append(settings, consumer.WithConsumeFromWhere(consumer.ConsumeFromLastOffset))
	}
	if o.ordered { // one at a time: each queue in its order
		settings = append(settings, consumer.WithConsumeGoroutineNums(1))
	}
	c, err := consumer.NewPushConsumer(settings...)
	if err != nil {
		return nil, fmt.Errorf("make a consumer: %w", err)
	}
	err = c.Subscribe(o.topic, consumer.MessageSelector{}, func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range messages {
			receive(m.GetShardingKey(), place{m.Queue.BrokerName, m.Queue.QueueId, m.QueueOffset}, m.Body)
		}
		return consumer.ConsumeSuccess, nil
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", o.topic, err)
	}
	if err := c.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the consumer: %w", err), c.Shutdown())
	}
	return c.Shutdown, poll(ctx, o.poll, c, "client")
}

// withAdmin calls f with an admin client of its own: the client caches routes for ever.
func withAdmin(names *resolver, o options, f func(admin.Admin) error) error {
	a, err := admin.NewAdmin(admin.WithResolver(names), admin.WithCredentials(o.credentials), admin.WithTls(o.tls))
	if err != nil {
		return fmt.Errorf("make an admin client: %w", err)
	}
	return errors.Join(f(a), a.Close())
}

// hasRoute says whether the name servers know the topic.
func hasRoute(names *resolver, o options, topic string) error {
	return withAdmin(names, o, func(a admin.Admin) error {
		_, err := a.FetchClusterList(topic)
		return err
	})
}

// brokers returns the names of the broker groups that a topic has writable queues on, and their masters' addresses.
func brokers(ctx context.Context, a admin.Admin, topic string) (map[string]string, error) {
	queues, err := a.FetchPublishMessageQueues(ctx, topic)
	if err != nil {
		return nil, err
	}
	_, servers, err := behind(a, "cli")
	if err != nil {
		return nil, err
	}
	masters := map[string]string{}
	for _, q := range queues {
		masters[q.BrokerName] = servers.FindBrokerAddrByName(q.BrokerName)
	}
	return masters, nil
}

// createTopic creates the topic on the master of every broker group, and fails if the name servers do not show it on
// all of them (yet). The client does not sign this request, so that ours sends it.
func createTopic(ctx context.Context, names *resolver, o options) error {
	topic, signed := o.topic, o.remoting()
	defer signed.Close()
	var want map[string]string
	err := withAdmin(names, o, func(a admin.Admin) (err error) {
		if want, err = brokers(ctx, a, everyBroker); err != nil {
			return fmt.Errorf("find the brokers (they must have autoCreateTopicEnable, or create topic %s by hand): %w", topic, err)
		}
		for name, address := range want {
			err := ours.New(signed).PutTopic(ctx, address, nil, ours.TopicConfig{
				Name: topic, ReadQueues: createdQueues, WriteQueues: createdQueues, Perm: ours.PermRead | ours.PermWrite,
			})
			if err != nil {
				return fmt.Errorf("create topic %s on %s: %w", topic, name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return withAdmin(names, o, func(a admin.Admin) error {
		got, err := brokers(ctx, a, topic)
		if err != nil {
			return fmt.Errorf("look at topic %s: %w", topic, err)
		}
		for name := range want {
			if _, ok := got[name]; !ok {
				return fmt.Errorf("topic %s is not on %s yet", topic, name)
			}
		}
		return nil
	})
}

// clientLog passes the client's warnings and errors on. It implements the client's rlog.Logger.
type clientLog struct{ log *slog.Logger }

func (clientLog) Debug(string, map[string]any) {}
func (clientLog) Info(string, map[string]any)  {}
func (l clientLog) Warning(msg string, fields map[string]any) {
	l.log.Warn(msg, attributes(fields)...)
}
func (l clientLog) Error(msg string, fields map[string]any) {
	if msg == "executeLocalTransaction but state unexpected" { // whatever is not committed: ours are meant
		return
	}
	l.log.Error(msg, attributes(fields)...)
}
func (l clientLog) Fatal(msg string, fields map[string]any) { l.Error(msg, fields) }
func (clientLog) Level(string)                              {}
func (clientLog) OutputPath(string) error                   { return nil }

func attributes(fields map[string]any) []any {
	var a []any
	for k, v := range fields {
		a = append(a, k, v)
	}
	return a
}

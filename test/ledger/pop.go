// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// POP is what gRPC clients consume by: a broker hands out messages of any queue, and hands them out again after a time unless
// they were acknowledged one by one. The client of this program does not know it, so it is spoken here.
const (
	popMessage remoting.RequestCode = 200050 // RequestCode.POP_MESSAGE
	ackMessage remoting.RequestCode = 200051 // RequestCode.ACK_MESSAGE

	pollingFull    remoting.ResponseCode = 209 // ResponseCode.POLLING_FULL
	pollingTimeout remoting.ResponseCode = 210 // ResponseCode.POLLING_TIMEOUT
)

const (
	popBatch     = 32 // the most that a broker gives at once
	popPoll      = 5 * time.Second
	popTimeout   = popPoll + 10*time.Second
	poppersEach  = 2 // of a broker
	routeRefresh = time.Second
)

// popper consumes from every master of a topic.
type popper struct {
	options
	names   *resolver
	remotes *remoting.Client
	receive func(key string, from place, body []byte)
}

// remoting is a client of our own, which signs as the others do.
func (o *options) remoting() *remoting.Client {
	var options remoting.Options
	if o.tls {
		options.TLS = &tls.Config{InsecureSkipVerify: true} // as the other client does
	}
	if !o.credentials.IsEmpty() {
		options.Credentials = &remoting.Credentials{AccessKey: o.credentials.AccessKey, SecretKey: o.credentials.SecretKey}
	}
	return remoting.NewClient(options)
}

// popAll starts to consume until ctx ends or stop is called.
func popAll(ctx context.Context, names *resolver, o options, receive func(key string, from place, body []byte)) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &popper{options: o, names: names, remotes: o.remoting(), receive: receive}
	var popping sync.WaitGroup
	popping.Go(func() { p.follow(ctx) })
	return func() error {
		cancel()
		popping.Wait()
		return p.remotes.Close()
	}
}

// follow the topic's masters.
func (p *popper) follow(ctx context.Context) {
	running := map[string]context.CancelFunc{} // by address
	var popping sync.WaitGroup
	defer popping.Wait()
	for {
		masters := p.masters(ctx)
		for addr, end := range running {
			if _, still := masters[addr]; !still && len(masters) > 0 {
				end()
				delete(running, addr)
			}
		}
		for addr, group := range masters {
			if running[addr] != nil {
				continue
			}
			on, end := context.WithCancel(ctx)
			defer end()
			running[addr] = end
			for range poppersEach {
				popping.Go(func() { p.popFrom(on, addr, group) })
			}
		}
		if !sleep(ctx, routeRefresh) {
			return
		}
	}
}

// masters are the brokerNames of the topic's groups by their masters' addresses, as the first name server says that answers.
func (p *popper) masters(ctx context.Context) map[string]string {
	client := admin.New(p.remotes)
	for _, server := range p.names.Resolve() {
		route, err := client.TopicRoute(ctx, server, p.topic)
		if err != nil {
			continue
		}
		masters := map[string]string{}
		for _, group := range route.Brokers {
			if addr := group.Addrs[admin.MasterID]; addr != "" {
				masters[addr] = group.Name
			}
		}
		return masters
	}
	return nil
}

// popFrom one broker until ctx ends.
func (p *popper) popFrom(ctx context.Context, addr, group string) {
	for ctx.Err() == nil {
		messages, err := p.pop(ctx, addr, group)
		if err != nil {
			sleep(ctx, errorPause) // it may not be master any more
			continue
		}
		var acking sync.WaitGroup
		for _, m := range messages {
			acking.Go(func() { p.handle(ctx, addr, group, m) })
		}
		acking.Wait()
		if p.only == consumeOnly && p.rate > 0 {
			sleep(ctx, time.Duration(float64(len(messages)*poppersEach)/p.rate*float64(time.Second)))
		}
	}
}

// handle a message: what is not acknowledged, because its broker is gone, comes again.
func (p *popper) handle(ctx context.Context, addr, group string, m popped) {
	p.receive(m.GetShardingKey(), place{group, m.Queue.QueueId, m.QueueOffset}, m.Body)
	ctx, cancel := context.WithTimeout(ctx, popTimeout)
	defer cancel()
	_, _ = p.remotes.Invoke(ctx, addr, m.ack(p.topic, p.group))
}

// popped is a message with what its acknowledgement must name (ExtraInfoUtil.buildExtraInfo).
type popped struct {
	*primitive.MessageExt
	handle string
}

// pop waits for messages, popPoll at most; there may be none.
func (p *popper) pop(ctx context.Context, addr, group string) ([]popped, error) {
	ctx, cancel := context.WithTimeout(ctx, popTimeout)
	defer cancel()
	first := "0" // ConsumeInitMode.MIN
	if p.fromLast {
		first = "1"
	}
	answer, err := p.remotes.Invoke(ctx, addr, remoting.Request{Code: popMessage, Fields: map[string]string{
		"consumerGroup": p.group, "topic": p.topic, "queueId": "-1", "maxMsgNums": strconv.Itoa(popBatch),
		"invisibleTime": millis(p.invisible), "pollTime": millis(popPoll), "bornTime": strconv.FormatInt(time.Now().UnixMilli(), 10),
		"initMode": first, "expType": "TAG", "exp": "*", "order": "false",
	}})
	switch {
	case remoting.IsCode(err, pollingFull, pollingTimeout, remoting.PullNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return parsePopped(group, answer)
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// parsePopped reads an answer to POP_MESSAGE (MQClientAPIImpl.processPopResponse).
func parsePopped(group string, answer *remoting.Response) ([]popped, error) {
	starts, err := parseStartOffsets(answer.Fields["startOffsetInfo"])
	if err != nil {
		return nil, err
	}
	var out []popped
	for _, m := range primitive.DecodeMessage(answer.Body) {
		const handle = "POP_CK" // of one that comes again, MessageConst.PROPERTY_POP_CK
		if given := m.GetProperty(handle); given != "" {
			out = append(out, popped{m, given})
			continue
		}
		kind := retryKind(m.Topic)
		start, ok := starts[fmt.Sprintf("%s %d", kind, m.Queue.QueueId)]
		if !ok {
			return nil, fmt.Errorf("no start offset of queue %d of %s in %q", m.Queue.QueueId, m.Topic, answer.Fields["startOffsetInfo"])
		}
		out = append(out, popped{m, fmt.Sprintf("%d %s %s %s %s %s %d %d", start, answer.Fields["popTime"], answer.Fields["invisibleTime"],
			answer.Fields["reviveQid"], kind, group, m.Queue.QueueId, m.QueueOffset)})
	}
	return out, nil
}

// parseStartOffsets reads "<kind> <queue> <offset>;…" by "<kind> <queue>" (ExtraInfoUtil.parseStartOffsetInfo).
func parseStartOffsets(text string) (map[string]int64, error) {
	starts := map[string]int64{}
	for part := range strings.SplitSeq(text, ";") {
		fields := strings.Fields(part)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("start offset %q", part)
		}
		offset, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("start offset %q: %w", part, err)
		}
		starts[fields[0]+" "+fields[1]] = offset
	}
	return starts, nil
}

// The kinds of topics in a handle: the topic itself, its group's retry topic, and that of enableRetryTopicV2.
const ordinary, retry, retryV2 = "0", "1", "2"

func retryKind(topic string) string {
	switch {
	case !strings.HasPrefix(topic, retryPrefix):
		return ordinary
	case strings.Contains(topic, "+"):
		return retryV2
	}
	return retry
}

const retryPrefix = "%RETRY%"

// ack is the request that acknowledges a message (MQClientAPIImpl.ackMessageAsync).
func (m popped) ack(topic, group string) remoting.Request {
	fields := strings.Fields(m.handle)
	if len(fields) != 8 {
		fields = make([]string, 8) // the broker refuses it
	}
	switch fields[4] {
	case retry:
		topic = retryPrefix + group + "_" + topic // KeyBuilder.buildPopRetryTopicV1
	case retryV2:
		topic = retryPrefix + group + "+" + topic
	}
	return remoting.Request{Code: ackMessage, Fields: map[string]string{
		"consumerGroup": group, "topic": topic, "queueId": fields[6], "extraInfo": m.handle, "offset": fields[7],
	}}
}

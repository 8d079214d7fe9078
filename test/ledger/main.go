// SPDX-License-Identifier: Apache-2.0

// Command ledger judges a RocketMQ cluster from outside, through a client that is not ours: it sends numbered messages,
// consumes them, and says whether every acknowledged one came back, none before its time, and none whose transaction was rolled
// back. (POP, which that client does not know, it speaks itself.) Progress goes to stderr, the verdict is one line of JSON on
// stdout. The exit status is 0 only when messages were acknowledged and all that is so.
//
// SIGTERM or SIGINT ends sending and begins draining; a second one ends draining. The verdict comes in any case.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// options are the flags.
type options struct {
	nameServers string
	topic       string
	group       string
	run         string
	only        string
	messages    int
	duration    time.Duration
	rate        float64
	size        int
	producers   int
	createTopic bool
	fromLast    bool
	wait        time.Duration
	drain       time.Duration
	poll        time.Duration
	delayLevel  int
	delay       time.Duration
	transaction bool
	ordered     bool
	pop         bool
	invisible   time.Duration
	// credentials sign every request; from the environment, because others can see arguments.
	credentials primitive.Credentials
	// tls: connections are opened with it.
	tls bool
}

const both, produceOnly, consumeOnly = "both", "produce", "consume"

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("ledger", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.nameServers, "name-servers", os.Getenv("NAMESRV_ADDR"), "name servers, host:port;host:port (default $NAMESRV_ADDR)")
	f.StringVar(&o.topic, "topic", "ledger", "topic to use; brokers create it with the first message unless --create-topic")
	f.BoolVar(&o.createTopic, "create-topic", false, "create the topic on the masters of all broker groups first")
	f.StringVar(&o.group, "group", "ledger", "consumer group")
	f.BoolVar(&o.fromLast, "from-last", false, "let the consumer group begin at the end of queues that it has no offset in (default at their start)")
	f.BoolVar(&o.tls, "tls", false, "open connections with TLS; certificates are not looked at, as by RocketMQ's other clients")
	f.StringVar(&o.run, "run", "", "name of this run, part of every message (default a random one; needed with --only consume)")
	f.StringVar(&o.only, "only", both, "produce, consume or both")
	f.IntVar(&o.messages, "messages", 0, "send until this many are acknowledged; with --only consume: wait for this many")
	f.DurationVar(&o.duration, "duration", 0, "send for this long; with --only consume: receive for at most this long")
	f.Float64Var(&o.rate, "rate", 0, "messages a second, over all producers (default as fast as it goes); with --only consume --pop: from each broker")
	f.IntVar(&o.size, "size", 100, "bytes of a message")
	f.IntVar(&o.delayLevel, "delay-level", 0, "let brokers hold every message back: 1 for a second, 4 for 30 s (RocketMQ's messageDelayLevel)")
	f.DurationVar(&o.delay, "delay", 0, "let brokers hold every message back until so long after it was sent (a delivery time, not a level)")
	f.BoolVar(&o.transaction, "transactions", false, "send every message in a transaction: of ten, one is rolled back, and of one the broker must ask how it ended")
	f.BoolVar(&o.pop, "pop", false, "consume as gRPC clients do, by POP, straight from the brokers")
	f.DurationVar(&o.invisible, "invisible", 30*time.Second, "with --pop: after what time a message that was not acknowledged comes again")
	f.BoolVar(&o.ordered, "ordered", false, "give the messages of each sender a sharding key, and look at the order in which they come")
	f.IntVar(&o.producers, "producers", 4, "concurrent senders")
	f.DurationVar(&o.wait, "wait", time.Minute, "how long to wait for name servers, brokers and topic at the start, and without --duration for an acknowledgement")
	f.DurationVar(&o.drain, "drain", time.Minute, "how long to wait for the messages that are still missing when sending has ended")
	f.DurationVar(&o.poll, "poll", 30*time.Second, "how often clients look for new routes and name servers")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.credentials = primitive.Credentials{AccessKey: os.Getenv("ACCESS_KEY"), SecretKey: os.Getenv("SECRET_KEY")}
	return o, o.check(f.Args())
}

// namePattern is what brokers accept as the name of a topic or group (TopicValidator).
var namePattern = regexp.MustCompile(`^[%|a-zA-Z0-9_-]+$`)

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.only != both && o.only != produceOnly && o.only != consumeOnly:
		return fmt.Errorf("--only %q: it is %s, %s or %s", o.only, produceOnly, consumeOnly, both)
	case o.messages <= 0 && o.duration <= 0:
		return errors.New("how much? give --messages, --duration or both")
	case o.messages < 0 || o.duration < 0 || o.rate < 0 || o.size < 0 || o.delay < 0:
		return errors.New("--messages, --duration, --rate, --size and --delay cannot be negative")
	case o.delayLevel < 0 || o.delayLevel > len(delayLevels):
		return fmt.Errorf("--delay-level %d: it is 0, for none, to %d", o.delayLevel, len(delayLevels))
	case o.kinds() > 1:
		return errors.New("a message is of one kind: give --delay-level, --delay, --transactions or --ordered")
	case o.pop && o.ordered:
		return errors.New("--pop does not keep the order that --ordered looks at")
	case o.pop && o.invisible < time.Second:
		return errors.New("--invisible must be a second at least")
	case o.producers < 1 || o.poll <= 0:
		return errors.New("--producers and --poll must be positive")
	case !namePattern.MatchString(o.topic) || !namePattern.MatchString(o.group):
		return fmt.Errorf("--topic %q, --group %q: letters, digits, - and _ only", o.topic, o.group)
	case o.run != "" && !namePattern.MatchString(o.run):
		return fmt.Errorf("--run %q: letters, digits, - and _ only", o.run)
	case o.run == "" && o.only == consumeOnly:
		return errors.New("--only consume needs --run, as in the verdict of the run that produced")
	}
	if o.run == "" {
		o.run = strconv.FormatUint(rand.Uint64(), 36)
	}
	return nil
}

// kinds of messages that were asked for, ordinary ones aside.
func (o *options) kinds() (n int) {
	for _, asked := range []bool{o.delayLevel > 0, o.delay > 0, o.transaction, o.ordered} {
		if asked {
			n++
		}
	}
	return n
}

// delayLevels are RocketMQ's own (MessageStoreConfig.messageDelayLevel), from level 1 on.
var delayLevels = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute,
	5 * time.Minute, 6 * time.Minute, 7 * time.Minute, 8 * time.Minute, 9 * time.Minute, 10 * time.Minute, 20 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour,
}

// due is when a message that is sent now comes at the soonest; zero if it is not held back.
func (o *options) due(now time.Time) time.Time {
	switch {
	case o.delayLevel > 0:
		return now.Add(delayLevels[o.delayLevel-1])
	case o.delay > 0:
		return now.Add(o.delay)
	}
	return time.Time{}
}

func main() {
	o, err := parseFlags(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(2)
	}
	rlog.SetLogger(clientLog{slog.New(slog.NewTextHandler(os.Stderr, nil))})

	draining, endDrain := context.WithCancel(context.Background())
	sending, endSending := context.WithCancel(draining)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "ledger: signal: no more sending, draining")
		endSending()
		<-signals
		endDrain()
	}()
	l := &ledger{options: o, stderr: os.Stderr, account: newAccount(time.Now())}
	v, err := l.judge(sending, draining)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
	}
	line, jsonErr := json.Marshal(v)
	if jsonErr != nil {
		fmt.Fprintln(os.Stderr, "ledger:", jsonErr)
	}
	fmt.Println(string(line))
	if err != nil || !v.good() {
		os.Exit(1)
	}
}

// ledger is one run.
type ledger struct {
	options
	stderr  io.Writer
	account *account
}

// judge sends while sending lives, waits for what is missing while draining lives, both within the options' limits, and
// returns the verdict, also when it returns an error.
func (l *ledger) judge(sending, draining context.Context) (verdict, error) {
	err := l.work(sending, draining)
	v := l.account.verdict(time.Now())
	v.Run, v.Topic = l.run, l.topic
	switch l.only {
	case produceOnly:
		v = v.producedOnly()
	case consumeOnly:
		// Without a number to wait for, what came is all that can be said.
		v = v.consumedOnly(max(l.messages, v.Received))
	}
	return v, err
}

func (l *ledger) work(sending, draining context.Context) error {
	clients, endClients := context.WithCancel(draining)
	defer endClients()
	go every(clients, time.Second, l.progress)

	names, err := newResolver(l.nameServers)
	if err != nil {
		return err
	}
	if err := l.await(sending, "the name servers' addresses", func() error { return names.refresh(sending) }); err != nil {
		return err
	}
	go every(clients, l.poll, func() {
		if err := names.refresh(clients); err != nil && clients.Err() == nil {
			fmt.Fprintln(l.stderr, "ledger:", err)
		}
	})
	if err := l.prepareTopic(sending, names); err != nil {
		return err
	}

	consuming := make(chan error, 1)
	stopConsumer := func() error { return nil }
	if l.only != produceOnly {
		// Beside the sending: where brokers create the topic, it appears with the first message.
		go func() {
			err := l.await(clients, "topic "+l.topic, func() error { return hasRoute(names, l.options, l.topic) })
			if err == nil && l.pop {
				stopConsumer = popAll(clients, names, l.options, l.receive)
			} else if err == nil {
				stopConsumer, err = consume(clients, names, l.options, l.receive)
			}
			consuming <- err
		}()
	} else {
		consuming <- nil
	}

	if l.only == consumeOnly {
		limited, cancel := limit(sending, l.duration)
		defer cancel()
		l.until(limited, func() bool { _, received, _, _ := l.account.counts(); return l.messages > 0 && received >= l.messages })
	} else {
		if err := l.produce(clients, sending, names); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeout(draining, l.drain)
	defer cancel()
	select {
	case err := <-consuming:
		if err != nil {
			return err
		}
	case <-limited.Done():
		return fmt.Errorf("the consumer did not start: %w", limited.Err())
	}
	if l.only == both {
		l.until(limited, func() bool { _, _, open, _ := l.account.counts(); return open == 0 })
	}
	if l.only != produceOnly {
		l.until(limited, func() bool { return l.account.quiet(time.Now()) >= settling })
	}
	l.progress()
	return stopWithin(stopLimit, stopConsumer)
}

// settling is how long nothing comes before a consumer leaves. A broker may have a message that it did not acknowledge, which
// nobody counts on and which the group would lag by for ever; and the client saves only what its listener was done with
// some time before.
const settling = time.Second

// stopLimit bounds the consumer's farewell (it saves its offsets at the brokers).
const stopLimit = 5 * time.Second

func stopWithin(limit time.Duration, stop func() error) error {
	done := make(chan error, 1)
	go func() { done <- stop() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return nil
	}
}

// prepareTopic waits until messages can be sent.
func (l *ledger) prepareTopic(ctx context.Context, names *resolver) error {
	if l.createTopic {
		return l.await(ctx, "topic "+l.topic, func() error { return createTopic(ctx, names, l.options) })
	}
	if l.only == consumeOnly {
		return nil
	}
	return l.await(ctx, "a broker", func() error {
		if hasRoute(names, l.options, l.topic) == nil {
			return nil
		}
		return hasRoute(names, l.options, everyBroker)
	})
}

// await tries until it works, for as long as --wait says.
func (l *ledger) await(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last try: %w)", what, ctx.Err(), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// until looks for a condition until ctx ends.
func (l *ledger) until(ctx context.Context, done func() bool) {
	for !done() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// limit is context.WithTimeout where no duration means no limit.
func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// produce sends numbered messages until one of the limits or the end of sending. A send under way is not cut off.
func (l *ledger) produce(clients, sending context.Context, names *resolver) error {
	s, err := newSender(clients, names, l.options)
	if err != nil {
		return err
	}
	sending, cancel := limit(sending, l.duration)
	defer cancel()
	q := newQuota(l.messages, l.rate)
	if l.duration == 0 {
		// Nothing else would end a run whose brokers are gone for good.
		q.patience = l.wait
	}
	var senders sync.WaitGroup
	for i := range l.producers {
		key := ""
		if l.ordered {
			key = fmt.Sprintf("sender-%d", i)
		}
		senders.Go(func() {
			for number, ok := q.take(sending); ok; number, ok = q.take(sending) {
				q.settle(l.send(clients, s, key, number))
			}
		})
	}
	senders.Wait()
	l.account.stop(time.Now())
	if q.gaveUp() {
		return fmt.Errorf("no message was acknowledged for %v: gave up sending", l.wait)
	}
	return nil
}

// errorPause keeps senders from spinning while a broker refuses connections.
const errorPause = 50 * time.Millisecond

// send sends one message and books what became of it.
func (l *ledger) send(ctx context.Context, s *sender, key string, number int) (acked bool) {
	began := time.Now()
	due, never := l.due(began), l.transaction && outcome(number) == rolledBack
	l.account.expect(number, due, never)
	where, err := s.send(ctx, key, due, message(l.run, number, l.size))
	if err == nil && never {
		l.account.rollBack()
		return false
	}
	if err == nil {
		now := time.Now()
		l.account.ack(number, where, now)
		l.account.sent(now.Sub(began))
		return true
	}
	l.account.fail(err)
	select {
	case <-ctx.Done():
	case <-time.After(errorPause):
	}
	return false
}

// receive books a delivery of this run; other runs may have used the topic before.
func (l *ledger) receive(key string, from place, body []byte) {
	now := time.Now()
	l.account.came(now)
	run, number, ok := parseMessage(body)
	if ok && run == l.run {
		l.account.receive(key, number, from, now)
	}
}

func (l *ledger) progress() {
	acked, received, open, sendErrors := l.account.counts()
	elapsed := time.Since(l.account.started).Seconds()
	switch l.only {
	case produceOnly:
		fmt.Fprintf(l.stderr, "ledger %6.1fs  acked %d  send errors %d\n", elapsed, acked, sendErrors)
	case consumeOnly:
		fmt.Fprintf(l.stderr, "ledger %6.1fs  received %d\n", elapsed, received)
	default:
		fmt.Fprintf(l.stderr, "ledger %6.1fs  acked %d  received %d  missing %d  send errors %d\n", elapsed, acked, received, open, sendErrors)
	}
}

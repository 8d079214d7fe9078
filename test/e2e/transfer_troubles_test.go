// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// Topics move while servers fail and users change their minds. A user is promised that a transfer goes on where it can,
// leaves everything as it was where it cannot, and loses no message either way.
func transferTroubles(t *testing.T, w *world) {
	ctx := t.Context()
	n := w.namespace(t, "troubles", kit.Restricted)
	ok(t, n.Apply(ctx, manifest(t, "transfer-troubles.yaml")))
	ok(t, n.AwaitReady(ctx, smallLimit))
	n.Log.Printf("Ready")
	one := kit.Installation{NameService: "names", Controller: "quorum", Broker: "one"}
	two := kit.Installation{NameService: "names", Broker: "two"}
	far := kit.Installation{NameService: "others", Broker: "far"}

	type part struct {
		name     string
		from, to kit.Installation
		tell     func(*transfers)
	}
	var running sync.WaitGroup
	for _, parts := range [][]part{
		{{"Deleted", one, two, transferDeleted}, {"SourceFailsOver", one, two, sourceFailsOver}},
		{{"TargetDown", two, far, targetDown}, {"OtherNameServers", two, far, otherNameServers}},
	} {
		running.Go(func() {
			for _, p := range parts {
				t.Run(p.name, func(t *testing.T) {
					p.from.Namespace = in(t, n)
					p.to.Namespace = p.from.Namespace
					p.tell(&transfers{T: t, w: w, one: &p.from, two: &p.to, source: masterOf(t, &p.from, 0), target: masterOf(t, &p.to, 0)})
				})
			}
		})
	}
	running.Wait()
	list, err := w.place.Kubectl(ctx, "-n", n.Name, "get", "topictransfers")
	ok(t, err)
	n.Log.Block(list)
}

// belongings are what a broker and its name server have of a topic and of the group of its name.
type belongings struct {
	Topic   *admin.TopicConfig
	Group   *admin.SubscriptionGroup
	Offsets map[int]int64
	// Perms are what clients see, by brokerName.
	Perms map[string]int
}

func (s *transfers) belongings(c *kit.Installation, broker, topic string) (belongings, error) {
	ctx := s.Context()
	b := belongings{Perms: map[string]int{}}
	var err error
	if b.Topic, err = c.Admin.Topic(ctx, broker, topic); err != nil && !remoting.IsCode(err, remoting.TopicNotExist) {
		return b, err
	}
	groups, _, err := c.Admin.Groups(ctx, broker)
	if err != nil {
		return b, err
	}
	if group, exists := groups[topic]; exists {
		b.Group = &group
	}
	offsets, err := c.Admin.Offsets(ctx, broker)
	if err != nil {
		return b, err
	}
	b.Offsets = offsets[admin.TopicGroup{Topic: topic, Group: topic}]
	route, err := c.Admin.TopicRoute(ctx, c.NameServers(1)[0]+"."+c.Name+":9876", topic)
	if remoting.IsCode(err, remoting.TopicNotExist) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	for _, q := range route.Queues {
		b.Perms[q.Broker] = q.Perm
	}
	return b, nil
}

func (s *transfers) before(topic string) belongings {
	s.Helper()
	b, err := s.belongings(s.one, s.source, topic)
	ok(s.T, err)
	if b.Topic == nil || b.Group == nil || len(b.Offsets) != 4 || !maps.Equal(b.Perms, map[string]int{s.one.Group(0): admin.PermRead | admin.PermWrite}) {
		s.Fatalf("the source is not ready: %+v", b)
	}
	return b
}

// asBefore expects that the source has everything as it was, and that the target has nothing.
func (s *transfers) asBefore(topic string, before belongings) {
	s.Helper()
	after, err := s.belongings(s.one, s.source, topic)
	ok(s.T, err)
	if diff := cmp.Diff(before, after); diff != "" {
		s.Errorf("the source of %s (-before +after):\n%s", topic, diff)
	}
	there, err := s.belongings(s.two, s.target, topic)
	ok(s.T, err)
	delete(there.Perms, s.one.Group(0)) // where both have the same name servers
	if diff := cmp.Diff(belongings{Perms: map[string]int{}}, there); diff != "" {
		s.Errorf("the target has of %s (-nothing +this):\n%s", topic, diff)
	}
}

// consumed expects that all messages of a ledger come.
func (s *transfers) consumed(topic string, sent *kit.Verdict) {
	s.Helper()
	got := s.ledger(kit.LedgerOptions{Topic: topic, Only: "consume", Run: sent.Run, Messages: sent.Acked, Duration: time.Minute})
	if got.Received < sent.Acked { // there may be some that were not acknowledged
		s.Errorf("of %d messages of %s that were acknowledged %d came", sent.Acked, topic, got.Received)
	}
}

func (s *transfers) ready(name string) (v1alpha1.TransferPhase, string, string) {
	s.Helper()
	transfer, err := s.get(name)
	ok(s.T, err)
	if c := meta.FindStatusCondition(transfer.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return transfer.Status.Phase, c.Reason, c.Message
	}
	return transfer.Status.Phase, "", ""
}

// transferDeleted: a user who deletes a TopicTransfer has everything as before when it is gone.
func transferDeleted(s *transfers) {
	const topic = "deleted"
	s.topic(topic)
	s.consumer(topic)
	held := s.ledger(kit.LedgerOptions{Topic: topic, Only: "produce", Messages: 50})
	before := s.before(topic)
	s.create(topic, "")
	s.await(topic, v1alpha1.TransferDrain, "is offline: start it")
	if config, _ := s.settings(s.source, topic); config.Perm != admin.PermRead {
		s.Errorf("the source takes messages in Drain: %+v", config)
	}
	if config, group := s.settings(s.target, topic); config.Perm != before.Topic.Perm || !group.Equal(*before.Group) {
		s.Errorf("the target has in Drain: %+v, %+v", config, group)
	}

	began := time.Now()
	transfer, err := s.get(topic)
	ok(s.T, err)
	ok(s.T, s.one.Client.Delete(s.Context(), transfer))
	// Looked at more often than others, so that it is not restored meanwhile.
	for deadline := began.Add(transferLimit); ; time.Sleep(20 * time.Millisecond) {
		transfer, err = s.get(topic)
		if apierrors.IsNotFound(err) {
			break
		}
		ok(s.T, err)
		if time.Now().After(deadline) {
			s.Fatalf("it is still there: %+v", transfer.Status)
		}
	}
	s.asBefore(topic, before)
	s.one.Log.Printf("it is gone after %.1f s, and everything is as before", time.Since(began).Seconds())
	ok(s.T, s.one.Await(s.Context(), "the roll back to be told", time.Minute, func(ctx context.Context) error {
		return eventSays(ctx, s.one, string(v1alpha1.TransferRolledBack), "cluster one has topic deleted as before: the TopicTransfer was deleted")
	}))
	s.consumed(topic, held)
	if v := s.ledger(kit.LedgerOptions{Topic: topic, Messages: 50}); v.Lost != 0 || v.Groups[s.one.Group(0)].Acked != 50 {
		s.Errorf("after it was taken back: %s", v)
	}
}

// sourceFailsOver: the source's master dies in Drain. The slave that takes over is drained just so.
func sourceFailsOver(s *transfers) {
	ctx := s.Context()
	const topic = "failing"
	s.topic(topic)
	s.consumer(topic)
	producer, err := s.one.StartLedger(ctx, kit.LedgerOptions{NameServers: s.one.Address(), Topic: topic, TopicExists: true, Only: "produce",
		Rate: 20, Duration: time.Hour, Poll: transferPoll})
	ok(s.T, err)
	s.awaitStored(topic)
	before := s.before(topic)
	s.create(topic, "")
	s.await(topic, v1alpha1.TransferDrain, "at one-0 and is offline: start it")
	time.Sleep(2 * transferPoll) // for the producer to leave

	dead, err := s.one.Master(ctx, 0)
	ok(s.T, err)
	pod, err := s.one.Pod(ctx, dead)
	ok(s.T, err)
	s.one.Log.Printf("killing %s, the source's master", dead)
	killed := time.Now()
	ok(s.T, s.one.DeletePod(ctx, dead, true))
	master, err := s.one.AwaitNewMaster(ctx, 0, dead, time.Minute)
	ok(s.T, err)
	s.one.Log.Printf("%s is master after %.1f s", master, time.Since(killed).Seconds())
	s.source = brokerOf(s.one, master)
	ok(s.T, s.one.Await(ctx, "the new master to be closed", time.Minute, func(ctx context.Context) error {
		now, err := s.one.Master(ctx, 0)
		if err != nil {
			return err
		}
		config, err := s.one.Admin.Topic(ctx, s.source, topic)
		if err != nil {
			return err
		}
		if now != master || config.Perm != admin.PermRead {
			return fmt.Errorf("the status names %s, and the topic has permission %d at %s", now, config.Perm, master)
		}
		return nil
	}))
	s.await(topic, v1alpha1.TransferDrain, "at one-0 and is offline: start it")
	s.one.Log.Printf("the transfer waits for it after %.1f s", time.Since(killed).Seconds())

	v, err := producer.End(ctx, time.Minute)
	ok(s.T, err)
	s.one.Log.Printf("ledger %s: %s", topic, v)
	if v.Groups[s.one.Group(0)].Acked == 0 || v.Groups[s.two.Group(0)].Acked == 0 {
		s.Errorf("the load was not on both clusters: %s", v)
	}
	s.consumed(topic, v)
	s.await(topic, v1alpha1.TransferCompleted, "")
	s.one.Log.Printf("completed after %.1f s", time.Since(killed).Seconds())
	s.moved(topic, *before.Topic, *before.Group)
	ok(s.T, s.one.AwaitPodReady(ctx, dead, pod.UID, 2*time.Minute))
}

// targetDown: the target's broker hangs while topics begin to move there, and others are about to.
func targetDown(s *transfers) {
	ctx := s.Context()
	begun := []string{"begun-0", "begun-1"}
	topics := append(slices.Clone(begun), "waiting", "refused")
	before := map[string]belongings{}
	for _, topic := range topics {
		s.topic(topic)
		s.consumer(topic)
		before[topic] = s.before(topic)
	}
	for _, topic := range begun {
		s.create(topic, "")
	}
	signal(s, "STOP")
	s.Cleanup(func() {
		if s.Failed() {
			s.one.Log.Printf("%s is deleted, for it may not be back", s.two.Member(0, 0))
			if err := s.two.DeletePod(context.WithoutCancel(ctx), s.two.Member(0, 0), true); err != nil {
				s.Error(err)
			}
		}
	})
	s.create("waiting", "")
	s.create("refused", ", stepTimeout: 5s")
	s.await("refused", v1alpha1.TransferRolledBack, "nothing was changed: far-0 of cluster far: it does not answer")
	s.await("waiting", v1alpha1.TransferPending, "far-0 of cluster far: it does not answer")
	for _, topic := range begun {
		ok(s.T, s.one.Await(ctx, "transfer "+topic+" to say what it waits for", time.Minute, func(context.Context) error {
			phase, reason, message := s.ready(topic)
			if phase != v1alpha1.TransferCompleted && (reason != v1alpha1.ReasonUnreachable || !strings.Contains(message, "far-0 of cluster far: it does not answer")) {
				return fmt.Errorf("it is %s: %s: %s", phase, reason, message)
			}
			return nil
		}))
	}
	// A source is not closed before its target is known to be complete.
	for _, topic := range topics {
		phase, _, _ := s.ready(topic)
		s.one.Log.Printf("%s is %s", topic, phase)
		if phase != v1alpha1.TransferPending && phase != v1alpha1.TransferCreateTarget && phase != v1alpha1.TransferRolledBack {
			continue
		}
		now, err := s.belongings(s.one, s.source, topic)
		ok(s.T, err)
		if diff := cmp.Diff(before[topic], now); diff != "" {
			s.Errorf("the source of %s, whose transfer is %s (-before +after):\n%s", topic, phase, diff)
		}
	}

	signal(s, "CONT")
	back := time.Now()
	for _, topic := range append(begun, "waiting") {
		s.await(topic, v1alpha1.TransferCompleted, "")
		s.arrived(topic, before[topic])
	}
	s.one.Log.Printf("all the others are completed %.1f s after it was back", time.Since(back).Seconds())
	s.asBefore("refused", before["refused"])
}

// signal the process of the target's broker, but not the shell that looks for it.
func signal(s *transfers, name string) {
	s.Helper()
	out, err := s.two.Exec(s.Context(), s.two.Member(0, 0), kit.RocketMQContainer, "sh", "-c",
		`for p in /proc/[0-9]*; do case "$(tr '\0' ' ' <$p/cmdline)" in *java*[B]rokerStartup*) kill -`+name+` "${p#/proc/}" && echo "$p";; esac; done`)
	ok(s.T, err)
	if strings.Count(out, "/proc/") != 1 {
		s.Fatalf("SIG%s reached the processes %q, want one", name, out)
	}
	s.one.Log.Printf("SIG%s to the broker in %s", name, s.two.Member(0, 0))
}

// arrived expects that the target has what the source had, and that the source has nothing left.
func (s *transfers) arrived(topic string, before belongings) {
	s.Helper()
	config, group := s.settings(s.target, topic)
	if !config.Equal(*before.Topic) || !group.Equal(*before.Group) {
		s.Errorf("the target has %+v, %+v, want %+v, %+v", config, group, before.Topic, before.Group)
	}
	left, err := s.belongings(s.one, s.source, topic)
	ok(s.T, err)
	if diff := cmp.Diff(belongings{Perms: map[string]int{}}, left); diff != "" {
		s.Errorf("the source has of %s (-nothing +this):\n%s", topic, diff)
	}
}

// otherNameServers: clients of the source cannot see the target, so its user repoints them, step by step, while it holds.
func otherNameServers(s *transfers) {
	ctx := s.Context()
	const topic = "repointed"
	s.topic(topic)
	old, err := s.one.StartLedger(ctx, kit.LedgerOptions{NameServers: s.one.Address(), Topic: topic, TopicExists: true, Rate: 20, Duration: time.Hour, Poll: transferPoll})
	ok(s.T, err)
	s.awaitStored(topic)
	var before belongings
	ok(s.T, s.one.Await(ctx, "the ledger's consumer", 2*time.Minute, func(context.Context) (err error) {
		if before, err = s.belongings(s.one, s.source, topic); err == nil && before.Group == nil {
			err = errors.New("its group is not there")
		}
		return err
	}))
	s.create(topic, ", holdBeforeClean: true")
	s.await(topic, v1alpha1.TransferDrain, "producers sent to two-0")

	// The producers are repointed as soon as it drains. Consumers go on at the source.
	producer, err := s.two.StartLedger(ctx, kit.LedgerOptions{NameServers: s.two.Address(), Topic: topic, TopicExists: true, Only: "produce", Rate: 20, Duration: 20 * time.Second, Poll: transferPoll})
	ok(s.T, err)
	v, err := old.End(ctx, ledgerLimit)
	ok(s.T, err)
	s.one.Log.Printf("ledger at the old name server: %s", v)
	if v.Lost != 0 || v.Groups[s.one.Group(0)].Acked != v.Acked {
		s.Errorf("at the old name server: %s", v)
	}

	s.await(topic, v1alpha1.TransferDrain, "cluster two is drained. Repoint the clients that use other name servers, then set spec.holdBeforeClean to false")
	if _, reason, _ := s.ready(topic); reason != v1alpha1.ReasonHolding {
		s.Errorf("the reason is %s", reason)
	}
	s.one.Log.Printf("it holds")
	repointed, err := producer.Verdict(ctx, time.Minute)
	ok(s.T, err)
	s.one.Log.Printf("ledger at the other name server: %s", repointed)
	if repointed.Failed() != 0 || repointed.Groups[s.two.Group(0)].Acked != repointed.Acked {
		s.Errorf("at the other name server: %s", repointed)
	}
	there := *s
	there.one = s.two // whose clients the ledger's are now
	there.consumed(topic, repointed)
	if v := there.ledger(kit.LedgerOptions{Topic: topic, Messages: 50}); v.Lost != 0 || v.Failed() != 0 || v.Groups[s.two.Group(0)].Acked != 50 {
		s.Errorf("after consumers are repointed too: %s", v)
	}

	// It still holds, and who is late can read all of the source.
	if phase, reason, message := s.ready(topic); phase != v1alpha1.TransferDrain || reason != v1alpha1.ReasonHolding {
		s.Errorf("it is %s: %s: %s", phase, reason, message)
	}
	held, err := s.belongings(s.one, s.source, topic)
	ok(s.T, err)
	closed := *before.Topic
	closed.Perm = admin.PermRead
	if held.Topic == nil || !held.Topic.Equal(closed) || held.Perms[s.one.Group(0)] != admin.PermRead {
		s.Errorf("the source has %+v, clients see %v", held.Topic, held.Perms)
	}
	read, err := s.readAll(topic)
	ok(s.T, err)
	if read < v.Acked {
		s.Errorf("of %d messages at the source %d can be read", v.Acked, read)
	}

	_, err = s.w.place.Kubectl(ctx, "-n", s.one.Name, "patch", "topictransfer", topic, "--type=merge", "-p", `{"spec":{"holdBeforeClean":false}}`)
	ok(s.T, err)
	s.await(topic, v1alpha1.TransferCompleted, "")
	s.arrived(topic, before)
}

// readAll counts the messages of a topic that the source lets anybody read.
func (s *transfers) readAll(topic string) (n int, err error) {
	queues, err := s.one.Admin.TopicStats(s.Context(), s.source, topic)
	if err != nil {
		return 0, err
	}
	for queue, stats := range queues {
		for offset := stats.MinOffset; offset < stats.MaxOffset; {
			messages, err := s.one.Admin.Messages(s.Context(), s.source, topic, queue, offset)
			if err != nil {
				return 0, err
			}
			if len(messages) == 0 {
				return n, fmt.Errorf("queue %d has no message at %d, but up to %d", queue, offset, stats.MaxOffset)
			}
			n += len(messages)
			offset += int64(len(messages))
		}
	}
	return n, nil
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	manyTransfers = 20
	// transferPoll is how often the clients of this story look for routes. The operator waits for those that take 30 s.
	transferPoll  = 5 * time.Second
	transferLimit = 6 * time.Minute
)

// Topics move between two clusters behind the same name servers, many at once, under load, while the operator dies. A user is
// promised that no message is lost, that clients need not know, that a group that is away holds its topic where it is,
// and that what is given up leaves everything as it was.
func topicTransfer(t *testing.T, w *world) {
	ctx := t.Context()
	one := &kit.Installation{Namespace: w.namespace(t, "transfer", kit.Restricted), NameService: "names", Broker: "one"}
	two := &kit.Installation{Namespace: one.Namespace, NameService: "names", Broker: "two"}
	ok(t, one.Apply(ctx, manifest(t, "transfer.yaml")))
	ok(t, one.AwaitReady(ctx, smallLimit))
	one.Log.Printf("Ready")
	s := &transfers{T: t, w: w, one: one, two: two, source: brokerOf(one, one.Member(0, 0)), target: brokerOf(two, two.Member(0, 0))}

	for _, topic := range []string{"moving", "strict", "away", "late", "dropped"} {
		s.topic(topic)
	}
	var held []*kit.Verdict
	for _, topic := range []string{"away", "late", "dropped"} {
		s.consumer(topic) // it has been there, and is away now
		held = append(held, s.ledger(kit.LedgerOptions{Topic: topic, Only: "produce", Messages: 50}))
	}
	for i := range manyTransfers {
		s.topic(fmt.Sprintf("many-%02d", i))
		s.consumer(fmt.Sprintf("many-%02d", i))
	}
	want, err := one.Admin.Topic(ctx, s.source, "moving")
	ok(t, err)
	var wantGroup admin.SubscriptionGroup

	strict, err := one.StartLedger(ctx, kit.LedgerOptions{NameServers: one.Address(), Topic: "strict", TopicExists: true, Ordered: true, Rate: 20, Duration: time.Hour, Poll: transferPoll})
	ok(t, err)
	load := kit.LedgerOptions{Topic: "moving", TopicExists: true, Poll: transferPoll}
	v := meanwhile(t, one, load, func() {
		s.awaitStored("moving")
		s.awaitStored("strict")
		ok(t, one.Await(ctx, "the ledger's consumer", 2*time.Minute, func(ctx context.Context) error {
			groups, _, err := one.Admin.Groups(ctx, s.source)
			if wantGroup = groups["moving"]; err == nil && wantGroup.Name == "" {
				err = errors.New("its group is not there")
			}
			return err
		}))
		s.create("moving", "")
		s.create("strict", ", strictOrder: true")
		s.create("away", "")
		s.create("late", ", drainTimeout: 40s")
		s.create("dropped", "")
		began := time.Now()
		for i := range manyTransfers {
			s.create(fmt.Sprintf("many-%02d", i), ", ttlSecondsAfterFinished: 600")
		}
		s.await("moving", v1alpha1.TransferDrain, "")
		ok(t, killOperator(ctx, one))
		s.await("dropped", v1alpha1.TransferDrain, "is offline: start it")
		s.abort("dropped")
		s.await("dropped", v1alpha1.TransferRolledBack, "spec.abort is set")
		for i := range manyTransfers {
			s.await(fmt.Sprintf("many-%02d", i), v1alpha1.TransferCompleted, "")
		}
		one.Log.Printf("%d transfers at once are completed after %.1f s", manyTransfers, time.Since(began).Seconds())
		s.await("late", v1alpha1.TransferRolledBack, "Drain did not end within 40s")
		s.await("moving", v1alpha1.TransferCompleted, "")
		one.Log.Printf("the topic under load is moved after %.1f s", time.Since(began).Seconds())
		s.strictlyOrdered()
	})
	undisturbed(t, one, v)
	if v.Groups[one.Group(0)].Acked == 0 || v.Groups[two.Group(0)].Acked == 0 {
		t.Errorf("the load was not on both clusters: %v", v.Groups)
	}
	ordered, err := strict.End(ctx, ledgerLimit)
	ok(t, err)
	one.Log.Printf("ledger strict: %s; %d not in order", ordered, ordered.Disordered)
	if ordered.Lost != 0 || ordered.Disordered != 0 || ordered.Groups[two.Group(0)].Acked == 0 {
		t.Errorf("strictly ordered: %s", ordered)
	}
	s.moved("moving", *want, wantGroup)

	// The group that was away consumes what it had left, which lets its topic go.
	s.await("away", v1alpha1.TransferDrain, fmt.Sprintf("consumer group away lags %d at one-0 and is offline: start it", s.stored("away")))
	s.consumed("away", held[0])
	s.await("away", v1alpha1.TransferCompleted, "")

	// What was taken back works where it was.
	for i, topic := range []string{"late", "dropped"} {
		s.consumed(topic, held[i+1])
		if v := s.ledger(kit.LedgerOptions{Topic: topic, Messages: 50}); v.Lost != 0 || v.Groups[one.Group(0)].Acked != 50 {
			t.Errorf("%s after it was taken back: %s", topic, v)
		}
		s.absent(s.target, topic)
	}
	list, err := w.place.Kubectl(ctx, "-n", one.Name, "get", "topictransfers")
	ok(t, err)
	one.Log.Block(list)
}

// transfers go from cluster one to cluster two, where their only groups' masters are at source and target.
type transfers struct {
	*testing.T
	w              *world
	one, two       *kit.Installation
	source, target string
}

// topic on the source only.
func (s *transfers) topic(name string) {
	s.Helper()
	ok(s.T, s.one.Admin.PutTopic(s.Context(), s.source, nil, admin.TopicConfig{Name: name, ReadQueues: 6, WriteQueues: 4, Perm: admin.PermRead | admin.PermWrite,
		Order: name == "strict", Attributes: map[string]string{"message.type": "NORMAL"}}))
	// A client that asks before would make it anew, on both clusters.
	ok(s.T, s.one.Await(s.Context(), "name server to show topic "+name, time.Minute, func(ctx context.Context) error {
		_, err := s.one.Admin.TopicRoute(ctx, s.one.NameServers(1)[0]+"."+s.one.Name+":9876", name)
		return err
	}))
}

// stored counts the messages that a topic ever got at the source: those that were acknowledged, and others whose
// acknowledgement did not come in time.
func (s *transfers) stored(topic string) (n int64) {
	s.Helper()
	queues, err := s.one.Admin.TopicStats(s.Context(), s.source, topic)
	ok(s.T, err)
	for _, queue := range queues {
		n += queue.MaxOffset
	}
	return n
}

// awaitStored waits for the first message of a topic.
func (s *transfers) awaitStored(topic string) {
	s.Helper()
	ok(s.T, s.one.Await(s.Context(), "messages in "+topic, 2*time.Minute, func(context.Context) error {
		if s.stored(topic) == 0 {
			return errors.New("there are none")
		}
		return nil
	}))
}

// consumer group that has been there.
func (s *transfers) consumer(name string) {
	s.Helper()
	group := admin.NewSubscriptionGroup(name)
	group.RetryMaxTimes, group.ConsumeTimeoutMinutes = 5, 7
	ok(s.T, s.one.Admin.PutGroup(s.Context(), s.source, nil, group))
	for queue := range 4 {
		ok(s.T, s.one.Admin.PutOffset(s.Context(), s.source, admin.ConsumerOffset{Topic: name, Group: name, Queue: queue}))
	}
}

func (s *transfers) ledger(options kit.LedgerOptions) *kit.Verdict {
	s.Helper()
	options.TopicExists, options.Poll = true, transferPoll
	return ledger(s.T, s.one, options)
}

func (s *transfers) settings(broker, topic string) (admin.TopicConfig, admin.SubscriptionGroup) {
	s.Helper()
	config, err := s.one.Admin.Topic(s.Context(), broker, topic)
	ok(s.T, err)
	groups, _, err := s.one.Admin.Groups(s.Context(), broker)
	ok(s.T, err)
	return *config, groups[topic]
}

func (s *transfers) create(topic, more string) {
	s.Helper()
	ok(s.T, s.one.Apply(s.Context(), "{apiVersion: rocketmq.apache.org/v1alpha1, kind: TopicTransfer, metadata: {name: "+topic+"}, spec: {topic: "+topic+
		", sourceCluster: "+s.one.Broker+", targetCluster: "+s.two.Broker+more+"}}"))
}

func (s *transfers) get(name string) (*v1alpha1.TopicTransfer, error) {
	transfer := &v1alpha1.TopicTransfer{}
	return transfer, s.one.Client.Get(s.Context(), client.ObjectKey{Namespace: s.one.Name, Name: name}, transfer)
}

// await a phase, and a message.
func (s *transfers) await(name string, phase v1alpha1.TransferPhase, message string) {
	s.Helper()
	ok(s.T, s.one.Await(s.Context(), fmt.Sprintf("transfer %s to be %s %q", name, phase, message), transferLimit, func(context.Context) error {
		transfer, err := s.get(name)
		if err != nil {
			return err
		}
		text := ""
		if c := meta.FindStatusCondition(transfer.Status.Conditions, v1alpha1.ConditionReady); c != nil {
			text = c.Message
		}
		if transfer.Status.Phase != phase || !strings.Contains(text, message) {
			return fmt.Errorf("it is %s: %s", transfer.Status.Phase, text)
		}
		return nil
	}))
}

func (s *transfers) abort(name string) {
	s.Helper()
	_, err := s.w.place.Kubectl(s.Context(), "-n", s.one.Name, "patch", "topictransfer", name, "--type=merge", "-p", `{"spec":{"abort":true}}`)
	ok(s.T, err)
}

// strictlyOrdered: the target gets its first message only when the source has none that is not consumed.
func (s *transfers) strictlyOrdered() {
	s.Helper()
	for deadline := time.Now().Add(transferLimit); ; time.Sleep(200 * time.Millisecond) {
		transfer, err := s.get("strict")
		ok(s.T, err)
		if transfer.Status.Phase == v1alpha1.TransferCompleted {
			s.one.Log.Printf("the strictly ordered topic is moved")
			return
		}
		config, err := s.one.Admin.Topic(s.Context(), s.target, "strict")
		open := err == nil && config.Perm&admin.PermWrite != 0
		if phase := transfer.Status.Phase; open && phase != v1alpha1.TransferCleanSource {
			if transfer, err = s.get("strict"); err != nil || (transfer.Status.Phase != v1alpha1.TransferCleanSource && transfer.Status.Phase != v1alpha1.TransferCompleted) {
				s.Fatalf("the target is open in %s, %v", phase, err)
			}
		}
		if time.Now().After(deadline) {
			s.Fatalf("strict is %s: %+v", transfer.Status.Phase, transfer.Status.Conditions)
		}
	}
}

// moved: the target has what the source had, and the source has nothing.
func (s *transfers) moved(topic string, want admin.TopicConfig, wantGroup admin.SubscriptionGroup) {
	s.Helper()
	got, group := s.settings(s.target, topic)
	if !got.Equal(want) {
		s.Errorf("topic %+v, want %+v", got, want)
	}
	if !group.Equal(wantGroup) {
		s.Errorf("group %+v, want %+v", group, wantGroup)
	}
	s.absent(s.source, topic)
	route, err := s.one.Admin.TopicRoute(s.Context(), s.one.NameServers(1)[0]+"."+s.one.Name+":9876", topic)
	ok(s.T, err)
	if len(route.Queues) != 1 || route.Queues[0].Broker != s.two.Group(0) {
		s.Errorf("route of %s: %+v", topic, route)
	}
}

func (s *transfers) absent(broker, topic string) {
	s.Helper()
	if _, err := s.one.Admin.Topic(s.Context(), broker, topic); !remoting.IsCode(err, remoting.TopicNotExist) {
		s.Errorf("topic %s at %s: %v", topic, broker, err)
	}
}

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
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	mostGroups  = 3
	scaleTopics = 300
	scaleGroups = 100
	// scalePoll is well below the drainSeconds of testdata/scale.yaml, as the clients' 30 s are below the default of 35.
	scalePoll = 5 * time.Second
)

// A user scales broker groups out and in with kubectl. New groups know everything that the old ones do before clients see
// them; a group that leaves is consumed first, and one that comes back goes on where it was.
func scaling(t *testing.T, w *world) {
	ctx := t.Context()
	c := small(w.namespace(t, "scale", kit.Restricted))
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml")))
	ok(t, c.AwaitReady(ctx, smallLimit))
	c.Log.Printf("Ready")
	for _, part := range []struct {
		name string
		tell func(*testing.T, *world, *kit.Installation)
	}{
		{"Out", scaleOut}, {"In", scaleIn}, {"Back", scaleBack}, {"Delayed", scaleInDelayed}, {"Forced", scaleInForced}, {"FewerSlaves", fewerSlaves},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.tell(t, w, small(in(t, c.Namespace))) }) {
			return
		}
	}
}

// brokerOf is where a pod's broker answers.
func brokerOf(c *kit.Installation, pod string) string { return pod + "." + c.Name + ":10911" }

// masterOf is where a group's master answers.
func masterOf(t *testing.T, c *kit.Installation, group int) string {
	t.Helper()
	pod, err := c.Master(t.Context(), group)
	ok(t, err)
	return brokerOf(c, pod)
}

func resize(t *testing.T, w *world, c *kit.Installation, groups int) {
	t.Helper()
	c.Log.Printf("kubectl scale broker %s --replicas=%d", c.Broker, groups)
	_, err := w.place.Kubectl(t.Context(), "-n", c.Name, "scale", "broker", c.Broker, fmt.Sprintf("--replicas=%d", groups))
	ok(t, err)
}

// groupsAre waits until the groups are open and there are so many.
func groupsAre(t *testing.T, c *kit.Installation, groups int, limit time.Duration) {
	t.Helper()
	ok(t, c.Await(t.Context(), fmt.Sprintf("%d open groups", groups), limit, func(ctx context.Context) error {
		b, err := c.Status(ctx)
		if err != nil {
			return err
		}
		var states []string
		for _, g := range b.Status.Groups {
			states = append(states, g.Name+" "+g.State)
			if g.State != "open" || g.Master == "" {
				for _, condition := range b.Status.Conditions {
					states = append(states, fmt.Sprintf("%s=%s %s", condition.Type, condition.Status, condition.Message))
				}
				return errors.New(strings.Join(states, ", "))
			}
		}
		if len(states) != groups {
			return fmt.Errorf("groups %v", states)
		}
		return nil
	}))
	ok(t, c.AwaitReady(t.Context(), limit))
}

func ledger(t *testing.T, c *kit.Installation, options kit.LedgerOptions) *kit.Verdict {
	t.Helper()
	options.NameServers = c.Address()
	l, err := c.StartLedger(t.Context(), options)
	ok(t, err)
	v, err := l.Verdict(t.Context(), options.Duration+ledgerLimit)
	ok(t, err)
	c.Log.Printf("ledger %s %s: %s", options.Topic, options.Only, v)
	return v
}

// variety is one topic of each kind that there is.
func variety(i int) admin.TopicConfig {
	topic := admin.TopicConfig{
		Name: fmt.Sprintf("topic-%03d", i), ReadQueues: 1 + i%7, WriteQueues: 1 + i%7, Perm: admin.PermRead | admin.PermWrite,
		Attributes: map[string]string{"message.type": []string{"NORMAL", "FIFO", "DELAY", "TRANSACTION"}[i%4]},
	}
	if i%10 == 9 {
		topic.Perm = admin.PermRead
	}
	topic.Order = i%6 == 5
	return topic
}

// users drops what RocketMQ makes itself.
func users(t *testing.T, c *kit.Installation, broker, group string) (map[string]admin.TopicConfig, map[string]admin.SubscriptionGroup) {
	t.Helper()
	topics, _, err := c.Admin.Topics(t.Context(), broker)
	ok(t, err)
	maps.DeleteFunc(topics, func(name string, _ admin.TopicConfig) bool { return admin.IsSystemTopic(name, c.Broker, group) })
	groups, _, err := c.Admin.Groups(t.Context(), broker)
	ok(t, err)
	maps.DeleteFunc(groups, func(name string, _ admin.SubscriptionGroup) bool { return admin.IsSystemGroup(name) })
	return topics, groups
}

func scaleOut(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	source := masterOf(t, c, 0)
	var topics []admin.TopicConfig
	for i := range scaleTopics {
		topics = append(topics, variety(i))
	}
	var groups []admin.SubscriptionGroup
	for i := range scaleGroups {
		group := admin.NewSubscriptionGroup(fmt.Sprintf("group-%03d", i))
		group.RetryMaxTimes, group.ConsumeOrderly, group.ConsumeTimeoutMinutes = i%5, i%2 == 0, 3+i
		groups = append(groups, group)
	}
	_, err := c.Admin.PutTopics(ctx, source, nil, topics)
	ok(t, err)
	_, err = c.Admin.PutGroups(ctx, source, nil, groups)
	ok(t, err)
	c.Log.Printf("%s has %d topics and %d consumer groups more", c.Group(0), scaleTopics, scaleGroups)
	// This consumer has been there, is away now, and begins at the end of queues that it does not know.
	ledger(t, c, kit.LedgerOptions{Topic: "away", Messages: 50})

	wantTopics, wantGroups := users(t, c, source, c.Group(0))
	if len(wantTopics) < scaleTopics || len(wantGroups) < scaleGroups {
		t.Fatalf("the source has only %d topics and %d groups", len(wantTopics), len(wantGroups))
	}
	for group := 1; group < mostGroups; group++ {
		began := time.Now()
		resize(t, w, c, group+1)
		groupsAre(t, c, group+1, 3*time.Minute)
		c.Log.Printf("%s is open after %.1f s", c.Group(group), time.Since(began).Seconds())
		gotTopics, gotGroups := users(t, c, masterOf(t, c, group), c.Group(group))
		if diff := cmp.Diff(wantTopics, gotTopics, cmp.Comparer(admin.TopicConfig.Equal)); diff != "" {
			t.Errorf("topics differ (-source +new group):\n%s", diff)
		}
		if diff := cmp.Diff(wantGroups, gotGroups, cmp.Comparer(admin.SubscriptionGroup.Equal)); diff != "" {
			t.Errorf("consumer groups differ (-source +new group):\n%s", diff)
		}
	}
	sent := ledger(t, c, kit.LedgerOptions{Topic: "away", Only: "produce", Messages: 200})
	if sent.Groups[c.Group(1)].Acked == 0 || sent.Groups[c.Group(2)].Acked == 0 {
		t.Errorf("a new group got no messages: %v", sent.Groups)
	}
	ok(t, c.DeletePod(ctx, "away", true))
	got := ledger(t, c, kit.LedgerOptions{Topic: "away", Only: "consume", Run: sent.Run, Messages: sent.Acked, Duration: time.Minute, FromLast: true})
	if got.Received < sent.Acked {
		t.Errorf("a consumer that was away got %d of %d messages", got.Received, sent.Acked)
	}
	if v := sendAndReceive(t, c, "made-later", 100); v.Groups[c.Group(2)].Acked == 0 {
		t.Errorf("a topic made later is not on the new group: %v", v.Groups)
	}

	// The rest of the story does without them: every 10 s slaves of 5.4.0 take apart what they have, and write all for each.
	for group := range mostGroups {
		broker := masterOf(t, c, group)
		for _, topic := range topics {
			ok(t, c.Admin.DeleteTopic(ctx, broker, topic.Name))
		}
		for _, consumers := range groups {
			ok(t, c.Admin.DeleteGroup(ctx, broker, consumers.Name, true))
		}
	}
}

func scaleIn(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	ledger(t, c, kit.LedgerOptions{Topic: "slow", Messages: 20})
	ok(t, c.DeletePod(ctx, "slow", true))
	waiting := ledger(t, c, kit.LedgerOptions{Topic: "slow", Only: "produce", Messages: 100})
	held := waiting.Groups[c.Group(2)].Acked
	if held == 0 {
		t.Fatalf("nothing was sent to %s", c.Group(2))
	}
	v := meanwhile(t, c, kit.LedgerOptions{Topic: "traffic", Poll: scalePoll}, func() {
		time.Sleep(5 * time.Second)
		resize(t, w, c, 2)
		awaitLag(t, c, "slow", held)
		resize(t, w, c, 3) // a change of mind
		groupsAre(t, c, 3, time.Minute)
		c.Log.Printf("cancelled")
		resize(t, w, c, 2)
		awaitLag(t, c, "slow", held)
		got := ledger(t, c, kit.LedgerOptions{Topic: "slow", Only: "consume", Run: waiting.Run, Messages: waiting.Acked, Duration: time.Minute})
		if got.Received < waiting.Acked {
			t.Errorf("of %d messages that were waiting %d came", waiting.Acked, got.Received)
		}
		groupsAre(t, c, 2, 2*time.Minute)
	})
	undisturbed(t, c, v)
	var claims corev1.PersistentVolumeClaimList
	ok(t, c.Client.List(ctx, &claims, client.InNamespace(c.Name)))
	kept := slices.DeleteFunc(claims.Items, func(claim corev1.PersistentVolumeClaim) bool { return !strings.Contains(claim.Name, c.Group(2)) })
	if len(kept) != groupMembers {
		t.Errorf("%d volumes of the group are kept, want %d", len(kept), groupMembers)
	}
}

// scaleBack grows onto the volumes that were kept.
func scaleBack(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	resize(t, w, c, 3)
	groupsAre(t, c, 3, 3*time.Minute)
	b, err := c.Status(ctx)
	ok(t, err)
	c.Log.Printf("masters %s", b.Status.Masters)
	// Nothing of what was consumed comes again, and what is sent now comes.
	for _, group := range []string{"slow", "traffic"} {
		stats, err := c.Admin.ConsumeStats(ctx, masterOf(t, c, 2), group)
		ok(t, err)
		if lag := stats.Lag(); lag != 0 || len(stats.Queues) == 0 {
			t.Errorf("group %s lags %d in %d queues of the group that came back", group, lag, len(stats.Queues))
		}
	}
	if v := ledger(t, c, kit.LedgerOptions{Topic: "traffic", Messages: 100}); v.Lost != 0 || v.Groups[c.Group(2)].Acked == 0 {
		t.Errorf("after the return: %s", v)
	}
}

// scaleInDelayed removes a group that holds messages for later: they come before it goes.
func scaleInDelayed(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	const messages, aMinute = 60, 5
	l, err := c.StartLedger(ctx, kit.LedgerOptions{NameServers: c.Address(), Topic: "later", Messages: messages, DelayLevel: aMinute})
	ok(t, err)
	ok(t, c.Await(ctx, "the messages to wait at the brokers", time.Minute, func(ctx context.Context) error {
		waiting := int64(0)
		for group := range mostGroups {
			levels, err := c.Admin.DelayBacklog(ctx, masterOf(t, c, group))
			if err != nil {
				return err
			}
			waiting += levels[aMinute]
		}
		if waiting < messages {
			return fmt.Errorf("%d wait", waiting)
		}
		return nil
	}))
	resize(t, w, c, 2)
	awaitDraining(t, c, "delayed messages")
	v, err := l.Verdict(ctx, ledgerLimit)
	ok(t, err)
	c.Log.Printf("ledger: %s", v)
	if v.Acked != messages || v.Lost != 0 || v.Groups[c.Group(2)].Acked == 0 {
		t.Errorf("of %d messages %d were acknowledged, %d of them lost", messages, v.Acked, v.Lost)
	}
	groupsAre(t, c, 2, 2*time.Minute)
}

// scaleInForced gives up messages that nobody reads any more.
func scaleInForced(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	resize(t, w, c, 3)
	groupsAre(t, c, 3, 3*time.Minute)
	ledger(t, c, kit.LedgerOptions{Topic: "given-up", Messages: 20})
	ok(t, c.DeletePod(ctx, "given-up", true))
	held := ledger(t, c, kit.LedgerOptions{Topic: "given-up", Only: "produce", Messages: 50}).Groups[c.Group(2)].Acked
	if held == 0 {
		t.Fatalf("nothing was sent to %s", c.Group(2))
	}
	resize(t, w, c, 2)
	awaitLag(t, c, "given-up", held)
	time.Sleep(20 * time.Second) // longer than the drain lasts
	awaitDraining(t, c, "force-scale-in="+c.Group(2))
	_, err := w.place.Kubectl(ctx, "-n", c.Name, "annotate", "broker", c.Broker, "rocketmq.apache.org/force-scale-in="+c.Group(2))
	ok(t, err)
	groupsAre(t, c, 2, 2*time.Minute)
}

// awaitDraining waits until the condition Draining says so.
func awaitDraining(t *testing.T, c *kit.Installation, what string) {
	t.Helper()
	awaitDrain(t, c, "the drain to wait for "+what, func(message string) bool { return strings.Contains(message, what) })
}

// awaitLag waits until the drain waits for a consumer group that lags so much. A broker that was too busy to acknowledge
// a message may have it all the same.
func awaitLag(t *testing.T, c *kit.Installation, group string, least int) {
	t.Helper()
	before := "consumer group " + group + " lags "
	awaitDrain(t, c, fmt.Sprintf("the drain to wait for %s%d or more", before, least), func(message string) bool {
		_, lag, found := strings.Cut(message, before)
		n := 0
		_, _ = fmt.Sscan(lag, &n)
		return found && n >= least
	})
}

func awaitDrain(t *testing.T, c *kit.Installation, what string, is func(message string) bool) {
	t.Helper()
	ok(t, c.Await(t.Context(), what, time.Minute, func(ctx context.Context) error {
		condition, err := c.Condition(ctx, "Broker", c.Broker, v1alpha1.ConditionDraining)
		if err != nil {
			return err
		}
		if condition == nil || condition.Status != metav1.ConditionTrue || !is(condition.Message) {
			return fmt.Errorf("condition Draining: %+v", condition)
		}
		c.Log.Printf("Draining: %s", condition.Message)
		return nil
	}))
}

// fewerSlaves removes the member that is master.
func fewerSlaves(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	first := c.Member(0, 0)
	v := meanwhile(t, c, kit.LedgerOptions{Topic: "handover", Poll: scalePoll}, func() {
		time.Sleep(5 * time.Second)
		if master, err := c.Master(ctx, 0); err != nil {
			t.Error(err)
		} else if master == first {
			pod, err := c.Pod(ctx, first)
			ok(t, err)
			text := followLog(ctx, t, c, first)
			c.Log.Printf("kubectl delete pod %s, the master", first)
			ok(t, c.DeletePod(ctx, first, false))
			tellHandover(c, <-text)
			ok(t, c.AwaitPodReady(ctx, first, pod.UID, 2*time.Minute))
		}
		ok(t, c.AwaitReady(ctx, 2*time.Minute))
		if master, err := c.Master(ctx, 0); err != nil || master == first {
			t.Fatalf("master %s, %v", master, err)
		}
		c.Log.Printf("spec.replicaPerGroup: 0")
		_, err := w.place.Kubectl(ctx, "-n", c.Name, "patch", "broker", c.Broker, "--type=merge", "-p", `{"spec":{"replicaPerGroup":0}}`)
		ok(t, err)
		ok(t, c.Await(ctx, "groups of one member", 4*time.Minute, func(ctx context.Context) error {
			b, err := c.Status(ctx)
			if err != nil {
				return err
			}
			if b.Status.Members != "2/2" || b.Status.Masters != first+" "+c.Member(1, 0) {
				return fmt.Errorf("members %s, masters %s", b.Status.Members, b.Status.Masters)
			}
			return nil
		}))
	})
	undisturbed(t, c, v)
}

// tellHandover prints what a master said of it before it ended.
func tellHandover(c *kit.Installation, said string) {
	for line := range strings.Lines(said) {
		if strings.Contains(line, "handover") {
			c.Log.Printf("%s", strings.TrimSpace(line))
		}
	}
}

// followLog reads a pod's log to its end.
func followLog(ctx context.Context, t *testing.T, c *kit.Installation, pod string) <-chan string {
	t.Helper()
	out := make(chan string, 1)
	go func() {
		text, err := c.Logs(ctx, pod, kit.RocketMQContainer, kit.LogFollow())
		if err != nil && ctx.Err() == nil {
			text += err.Error()
		}
		out <- text
	}()
	return out
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e && long

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// part of a story, that shares its cluster with the others.
type part struct {
	name string
	tell func(*testing.T, *kit.Installation)
}

func parts(t *testing.T, c *kit.Installation, all ...part) {
	t.Helper()
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			here := *c
			here.Namespace = in(t, c.Namespace)
			ok(t, here.AwaitReady(t.Context(), 2*time.Minute))
			p.tell(t, &here)
		})
	}
}

// stopAsMaster is kubectl delete pod of a group's master, that has to hand over. It returns when the pod is gone.
func stopAsMaster(t *testing.T, c *kit.Installation, master, heir string) {
	t.Helper()
	c.Log.Printf("kubectl delete pod %s, the master", master)
	handsOver(t, c, master, heir, func() { ok(t, c.DeletePod(t.Context(), master, false)) })
}

// RocketMQ 5.5.0: slaves never learn consumer offsets. A user is promised that a consumer group that is offline while the
// master is stopped goes on where it was, and is warned of the masters that stop unasked.
func offsetsCarried(t *testing.T, w *world) {
	const version, topic, messages = "5.5.0", "away", 500
	ctx := t.Context()
	ok(t, w.place.LoadRocketMQ(ctx, version))
	c := small(w.namespace(t, "offsets", kit.Restricted))
	ok(t, c.Apply(ctx, manifest(t, "small.yaml"), runAll(version)...))
	ok(t, c.AwaitReady(ctx, smallLimit))
	defect, err := c.AwaitCondition(ctx, "Broker", c.Broker, v1alpha1.ConditionKnownDefect, metav1.ConditionTrue, time.Minute)
	ok(t, err)
	c.Log.Printf("KnownDefect: %s", defect.Message)
	for _, word := range []string{version, "consumer offsets", "unplanned failover"} {
		if !strings.Contains(defect.Message, word) {
			t.Errorf("KnownDefect does not say %q", word)
		}
	}
	sendAndReceive(t, c, topic, messages)
	slave, master := members(t, c, 0)
	pod, err := c.Pod(ctx, master)
	ok(t, err)
	var want map[int]int64
	ok(t, c.Await(ctx, "the group's offsets", time.Minute, func(ctx context.Context) error {
		want, err = offsets(ctx, c, master, topic)
		if sum := total(want); err == nil && sum != messages {
			err = fmt.Errorf("it has consumed %d messages", sum)
		}
		return err
	}))
	time.Sleep(15 * time.Second) // slaves ask every 10 s
	slaves, err := offsets(ctx, c, slave, topic)
	ok(t, err)
	c.Log.Printf("offsets at the master %v, at the slave %v", want, slaves)

	stopAsMaster(t, c, master, slave)
	got, err := offsets(ctx, c, slave, topic)
	ok(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("consumer offsets (-old master +new master):\n%s", diff)
	}
	ok(t, c.AwaitPodReady(ctx, master, pod.UID, 2*time.Minute))
	ok(t, c.AwaitReady(ctx, time.Minute))
	sent := ledger(t, c, kit.LedgerOptions{Topic: topic, Only: "produce", Messages: 100})
	if v := ledger(t, c, kit.LedgerOptions{Topic: topic, Only: "consume", Run: sent.Run, Messages: sent.Acked, Duration: time.Minute}); v.Received != sent.Acked {
		t.Errorf("of %d messages that were sent afterwards %d came", sent.Acked, v.Received)
	}
}

// offsets of a consumer group in the topic of the same name.
func offsets(ctx context.Context, c *kit.Installation, pod, name string) (map[int]int64, error) {
	all, err := c.Admin.Offsets(ctx, brokerOf(c, pod))
	return all[admin.TopicGroup{Topic: name, Group: name}], err
}

func total(offsets map[int]int64) (sum int) {
	for _, offset := range offsets {
		sum += int(offset)
	}
	return sum
}

// two thousand topics are so many that a slave of RocketMQ 5.4.0, which takes them over anew every ten seconds, lacks some
// of them for a good part of the time.
const (
	manyTopicsCount = 2000
	manyGroupsCount = 100
)

// A master with 2,000 topics stops on purpose while its slave lacks most of them. A user is promised that none is missing
// afterwards, and that producers see no error.
func manyTopics(t *testing.T, w *world) {
	ctx := t.Context()
	c := small(w.namespace(t, "many", kit.Restricted))
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits()...))
	ok(t, c.AwaitReady(ctx, smallLimit))
	fill(t, c, masterOf(t, c, 0), manyTopicsCount, manyGroupsCount)
	c.Log.Printf("%s has %d topics and %d consumer groups more", c.Group(0), manyTopicsCount, manyGroupsCount)
	parts(t, c, part{"Rolled", manyTopicsRolled}, part{"MasterDeleted", manyTopicsMasterDeleted})
}

// late makes one topic more, waits until the slave lacks many and is still deleting, and tells what the master has.
func late(t *testing.T, c *kit.Installation, name, master, slave string) (map[string]admin.TopicConfig, map[string]admin.SubscriptionGroup) {
	t.Helper()
	c.Log.Printf("making the topic %s", name)
	ok(t, c.Admin.PutTopic(t.Context(), brokerOf(c, master), nil, admin.TopicConfig{Name: name, ReadQueues: 3, WriteQueues: 3, Perm: admin.PermRead | admin.PermWrite}))
	topics, groups := users(t, c, brokerOf(c, master), c.Group(0))
	if _, there := topics[name]; !there || len(topics) <= manyTopicsCount || len(groups) < manyGroupsCount {
		t.Fatalf("the master has %d topics and %d groups", len(topics), len(groups))
	}
	ok(t, c.Await(t.Context(), "the slave to take its topics apart", 5*time.Minute, func(ctx context.Context) error {
		all, err := c.Admin.TopicsState(ctx, brokerOf(c, master))
		if err != nil {
			return err
		}
		left, err := c.Admin.TopicsState(ctx, brokerOf(c, slave))
		if err != nil {
			return err
		}
		if lacks := all.Total - left.Total; lacks < manyTopicsCount/40 || lacks > manyTopicsCount/2 {
			return fmt.Errorf("it has %d of %d topics", left.Total, all.Total)
		}
		c.Log.Printf("the slave has %d of %d topics", left.Total, all.Total)
		return nil
	}))
	return topics, groups
}

// manyTopicsRolled holds the change until the slave is back and lacks topics: the master's turn comes when it has them.
func manyTopicsRolled(t *testing.T, c *kit.Installation) {
	ctx := t.Context()
	const change, paused = `config.flushIntervalCommitLog: "400"`, "paused: true"
	var order []string
	for group := range rollingGroups {
		slave, master := members(t, c, group)
		order = append(order, slave, master)
	}
	slave, master := order[0], order[1]
	pod, err := c.Pod(ctx, slave)
	ok(t, err)
	var topics map[string]admin.TopicConfig
	var groups map[string]admin.SubscriptionGroup
	undisturbed(t, c, meanwhile(t, c, kit.LedgerOptions{Topic: "rolling", Poll: scalePoll}, func() {
		time.Sleep(5 * time.Second)
		replaceInOrder(t, c, order, func() {
			ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(change)...))
			before := map[string]kit.Life{slave: {UID: pod.UID}}
			ok(t, c.Await(ctx, slave+" to be new", time.Minute, func(ctx context.Context) error { return allNew(ctx, c, before, order[:1]) }))
			c.Log.Printf("spec.%s", paused)
			ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(change, paused)...))
			ok(t, c.AwaitPodReady(ctx, slave, pod.UID, 2*time.Minute))
			awaitInSync(t, c)
			topics, groups = late(t, c, "late", master, slave)
			time.Sleep(1500 * time.Millisecond) // for the operator to have looked
			c.Log.Printf("going on")
			ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(change)...))
			ok(t, c.Await(ctx, "the change to wait", time.Minute, func(ctx context.Context) error {
				now, err := upToDate(ctx, c)
				if err == nil && !strings.Contains(now, slave+" lacks topics or consumer groups of its master, and "+master+" may stop only when that is over") {
					err = errors.New(now)
				}
				return err
			}))
			c.Log.Printf("the change waits for the slave's topics")
		})
	}))
	if now, err := c.Master(ctx, 0); err != nil || now != slave {
		t.Errorf("master is %s (%v), want %s", now, err, slave)
	}
	ok(t, has(ctx, c, brokerOf(c, slave), topics, groups))
}

// manyTopicsMasterDeleted: a pod that is deleted cannot wait for long. What its successor lacks, or goes on to delete, is
// written back.
func manyTopicsMasterDeleted(t *testing.T, c *kit.Installation) {
	ctx := t.Context()
	slave, master := members(t, c, 0)
	pod, err := c.Pod(ctx, master)
	ok(t, err)
	during(t, c, kit.LedgerOptions{Topic: "deleting", Poll: scalePoll}, func() {
		time.Sleep(5 * time.Second)
		topics, groups := late(t, c, "later", master, slave)
		stopAsMaster(t, c, master, slave)
		began := time.Now()
		rest, back := awaitRestored(t, c, brokerOf(c, slave), topics, groups)
		c.Log.Printf("every topic and group is there %.1f s after the old master's end, and %.1f s after the last deletion", back.Sub(began).Seconds(), back.Sub(rest).Seconds())
		if back.Sub(rest) > time.Minute {
			t.Error("that took more than a minute")
		}
		ok(t, c.AwaitPodReady(ctx, master, pod.UID, 2*time.Minute))
		ok(t, c.AwaitReady(ctx, 2*time.Minute))
		ok(t, has(ctx, c, brokerOf(c, slave), topics, groups))
	})
}

// One group of a master and two slaves, with no other group to take the messages meanwhile: what is done on purpose loses
// none of them, also while one slave is away.
func threeMembers(t *testing.T, w *world) {
	const spec = "replicaPerGroup: 2"
	c := small(w.namespace(t, "three", kit.Restricted))
	ok(t, c.Apply(t.Context(), manifest(t, "small.yaml"), brokerEdits(spec)...))
	ok(t, c.AwaitReady(t.Context(), smallLimit))
	parts(t, c,
		part{"Rolled", func(t *testing.T, c *kit.Installation) { rolled(t, c, 3, spec) }},
		part{"SlaveRebuilding", slaveRebuilding})
}

// One group of a master and a slave.
func oneGroup(t *testing.T, w *world) {
	c := small(w.namespace(t, "one", kit.Restricted))
	ok(t, c.Apply(t.Context(), manifest(t, "small.yaml")))
	ok(t, c.AwaitReady(t.Context(), smallLimit))
	parts(t, c,
		part{"Rolled", func(t *testing.T, c *kit.Installation) { rolled(t, c, groupMembers) }},
		part{"MasterDeleted", func(t *testing.T, c *kit.Installation) { masterDeleted(t, w, c) }})
}

// turns of the first group's members: the slaves, the last one first, and the master.
func turns(t *testing.T, c *kit.Installation, size int) []string {
	t.Helper()
	master, err := c.Master(t.Context(), 0)
	ok(t, err)
	var order []string
	for ordinal := size - 1; ordinal >= 0; ordinal-- {
		if pod := c.Member(0, ordinal); pod != master {
			order = append(order, pod)
		}
	}
	return append(order, master)
}

// rolled changes memory and a property that needs a restart.
func rolled(t *testing.T, c *kit.Installation, size int, spec ...string) {
	ctx := t.Context()
	order := turns(t, c, size)
	during(t, c, kit.LedgerOptions{Topic: "rolling", Poll: time.Second}, func() {
		time.Sleep(5 * time.Second)
		replaceInOrder(t, c, order, func() {
			changes := append([]string{moreMemory, `config.flushIntervalCommitLog: "400"`}, spec...)
			ok(t, c.Apply(ctx, manifest(t, "small.yaml"), brokerEdits(changes...)...))
		})
	})
	ok(t, runWith(ctx, c, order, "flushIntervalCommitLog", "400", time.Minute))
	for _, name := range order {
		pod, err := c.Pod(ctx, name)
		ok(t, err)
		if got := requestedMemory(pod); got != "300Mi" {
			t.Errorf("%s requests %s of memory, want 300Mi", name, got)
		}
	}
}

// slaveRebuilding: the master is stopped while one slave has just come back on an empty disk. The other one takes over.
func slaveRebuilding(t *testing.T, c *kit.Installation) {
	ctx := t.Context()
	order := turns(t, c, 3)
	rebuilt, heir, master := order[0], order[1], order[2]
	pods := map[string]*corev1.Pod{}
	for _, name := range order {
		pod, err := c.Pod(ctx, name)
		ok(t, err)
		pods[name] = pod
	}
	during(t, c, kit.LedgerOptions{Topic: "rebuilding", Poll: time.Second}, func() {
		time.Sleep(10 * time.Second)
		claim := loseDisk(t, c, rebuilt)
		ok(t, c.Await(ctx, rebuilt+" to run again", time.Minute, func(ctx context.Context) error {
			pod, err := c.Pod(ctx, rebuilt)
			if err == nil && (pod.UID == pods[rebuilt].UID || pod.Status.Phase != corev1.PodRunning) {
				err = fmt.Errorf("it is %s", pod.Status.Phase)
			}
			return err
		}))
		stopAsMaster(t, c, master, heir)
		ok(t, c.AwaitPodReady(ctx, master, pods[master].UID, 2*time.Minute))
		ok(t, c.AwaitPodReady(ctx, rebuilt, pods[rebuilt].UID, 2*time.Minute))
		now, err := c.Set.CoreV1().PersistentVolumeClaims(c.Name).Get(ctx, claim.Name, metav1.GetOptions{})
		ok(t, err)
		if now.UID == claim.UID {
			t.Errorf("%s still has its old disk", rebuilt)
		}
	})
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	rolesFollowStatus(t, c)
}

// The operator is killed at random moments of changes that follow each other. A user is promised that each change still
// replaces every pod once, and that no acknowledged message is lost.
func operatorKilled(t *testing.T, w *world, times int) {
	const longest = 40 * time.Second // between a kill's ledger and the kill
	ctx := t.Context()
	c := small(w.namespace(t, "operator-kills", kit.Restricted))
	const safe = `config.allAckInSyncStateSet: "true"`
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(safe)...))
	ok(t, c.AwaitReady(ctx, smallLimit))
	operator := &kit.Namespace{Cluster: c.Cluster, Name: kit.OperatorNamespace, Log: c.Log}
	random := chance(t, c.Log)
	seen := watchReplacements(ctx, t, c)
	changes := 0
	for i := range times {
		during(t, c, kit.LedgerOptions{Topic: fmt.Sprintf("kill-%d", i+1), Poll: scalePoll}, func() {
			done, err := settled(ctx, c)
			ok(t, err)
			if done {
				changes++
				c.Log.Printf("change %d", changes)
				ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(safe, fmt.Sprintf(`podAnnotations: {change: "%d"}`, changes))...))
			}
			time.Sleep(time.Duration(random.Int64N(int64(longest))))
			now, err := upToDate(ctx, c)
			ok(t, err)
			c.Log.Printf("kill %d of %d, while: %s", i+1, times, now)
			ok(t, killOperator(ctx, c))
			ok(t, operator.AwaitOperator(ctx, time.Minute))
		})
	}
	ok(t, c.AwaitReady(ctx, 8*time.Minute))
	time.Sleep(10 * time.Second) // a replacement too many would begin now
	want, got := map[string]int{}, map[string]int{}
	for group := range rollingGroups {
		for ordinal := range groupMembers {
			want["created "+c.Member(group, ordinal)] = changes
		}
	}
	for _, pod := range seen() {
		got[pod]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%d changes did not replace each pod so often (-want +got):\n%s", changes, diff)
	}
}

// settled: nothing is left to do.
func settled(ctx context.Context, c *kit.Installation) (bool, error) {
	b, err := c.Status(ctx)
	if err != nil {
		return false, err
	}
	return b.Status.ObservedGeneration == b.Generation && meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionReady) &&
		meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionUpToDate), nil
}

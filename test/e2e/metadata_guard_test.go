// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	// guardTopics are so many that taking them apart lasts longer than the operator needs to see one more.
	guardTopics = 4000
	guardGroups = 100
	// guardLimit is how long after the end of the slave's own deletions everything has to be back.
	guardLimit = 30 * time.Second
)

// A master dies while its slave, as RocketMQ 5.4.0 does all the time, deletes its topics one by one to take them over anew.
// A user is promised that every topic and consumer group is back soon after the new master has come to rest, even if the
// operator is replaced meanwhile, and that what was deleted before stays deleted.
func metadataGuard(t *testing.T, w *world) {
	ctx := t.Context()
	c := small(w.namespace(t, "guard", kit.Restricted))
	ok(t, c.Apply(ctx, manifest(t, "small.yaml")))
	ok(t, c.AwaitReady(ctx, smallLimit))
	c.Log.Printf("Ready")
	slave, before := members(t, c, 0)
	master, successor := brokerOf(c, before), brokerOf(c, slave)
	fill(t, c, master, guardTopics+1, guardGroups)
	awaitSaved(t, c, guardTopics+1)
	ok(t, c.Admin.DeleteTopic(ctx, master, variety(7).Name))
	awaitSaved(t, c, guardTopics)
	awaitWithout(t, c, master, successor, variety(7).Name)

	awaitTakenApart(t, c, master, successor)
	c.Log.Printf("making one more")
	late := admin.TopicConfig{Name: "late", ReadQueues: 3, WriteQueues: 3, Perm: admin.PermRead | admin.PermWrite, Attributes: map[string]string{"message.type": "FIFO"}}
	ok(t, c.Admin.PutTopic(ctx, master, nil, late))
	awaitSaved(t, c, guardTopics+1)
	wantTopics, wantGroups := users(t, c, master, c.Group(0))
	if _, there := wantTopics[variety(7).Name]; there || len(wantTopics) < guardTopics+1 || len(wantGroups) < guardGroups {
		t.Fatalf("the master has %d topics and %d groups", len(wantTopics), len(wantGroups))
	}

	left, err := c.Admin.TopicsState(ctx, successor)
	ok(t, err)
	c.Log.Printf("killing the master %s and the operator; the slave %s has %d of more than %d topics", before, slave, left.Total, len(wantTopics))
	ok(t, c.DeletePod(ctx, before, true))
	ok(t, killOperator(ctx, c))
	elected, err := c.AwaitNewMaster(ctx, 0, before, time.Minute)
	ok(t, err)
	if elected != slave {
		t.Fatalf("%s is master, not %s", elected, slave)
	}
	began := time.Now()
	c.Log.Printf("%s is master", slave)
	rest, back := awaitRestored(t, c, successor, wantTopics, wantGroups)
	c.Log.Printf("after the election its own deletions went on for %.1f s, and after %.1f s every topic and group was back", rest.Sub(began).Seconds(), back.Sub(began).Seconds())
	if after := back.Sub(rest); after > guardLimit {
		t.Errorf("everything was back %s after the last deletion, want %s at most", after, guardLimit)
	}

	ok(t, c.AwaitReady(ctx, 3*time.Minute))
	awaitSaved(t, c, len(wantTopics))
	topics, nowGroups := users(t, c, successor, c.Group(0))
	if diff := cmp.Diff(wantTopics, topics, cmp.Comparer(admin.TopicConfig.Equal)); diff != "" {
		t.Errorf("topics differ (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(wantGroups, nowGroups, cmp.Comparer(admin.SubscriptionGroup.Equal)); diff != "" {
		t.Errorf("consumer groups differ (-before +after):\n%s", diff)
	}
	events, err := w.place.Kubectl(ctx, "-n", c.Name, "get", "events", "--field-selector", "reason=MetadataRestored")
	ok(t, err)
	c.Log.Block(events)
	if !strings.Contains(events, slave) {
		t.Error("no event tells what was written back")
	}
}

// fill makes topics of every kind, and consumer groups, on a broker.
func fill(t *testing.T, c *kit.Installation, broker string, topics, groups int) {
	t.Helper()
	const batch = 500
	for from := 0; from < topics; from += batch {
		var some []admin.TopicConfig
		for i := from; i < min(from+batch, topics); i++ {
			some = append(some, variety(i))
		}
		_, err := c.Admin.PutTopics(t.Context(), broker, nil, some)
		ok(t, err)
	}
	var all []admin.SubscriptionGroup
	for i := range groups {
		group := admin.NewSubscriptionGroup(fmt.Sprintf("group-%03d", i))
		group.RetryMaxTimes = i
		all = append(all, group)
	}
	_, err := c.Admin.PutGroups(t.Context(), broker, nil, all)
	ok(t, err)
}

// awaitSaved waits until the operator has saved so many topics of the first group's master.
func awaitSaved(t *testing.T, c *kit.Installation, topics int) {
	t.Helper()
	ok(t, c.Await(t.Context(), fmt.Sprintf("%d topics to be saved", topics), time.Minute, func(ctx context.Context) error {
		var saved corev1.ConfigMap
		if err := c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: c.Group(0) + "-metadata"}, &saved); err != nil {
			return err
		}
		if saved.Data["topics"] != strconv.Itoa(topics) {
			return fmt.Errorf("saved are %s topics and %s groups", saved.Data["topics"], saved.Data["consumerGroups"])
		}
		return nil
	}))
}

// awaitWithout waits until the slave has taken over that a topic is gone: in the midst of its deletions it may have it still, in
// the table that it took from the master before, and puts that back at their end.
func awaitWithout(t *testing.T, c *kit.Installation, master, slave, gone string) {
	t.Helper()
	ok(t, c.Await(t.Context(), "the slave to have all topics but "+gone, 5*time.Minute, func(ctx context.Context) error {
		all, err := c.Admin.TopicsState(ctx, master)
		if err != nil {
			return err
		}
		has, err := c.Admin.TopicsState(ctx, slave)
		if err != nil {
			return err
		}
		if has.Total < all.Total {
			return fmt.Errorf("it has %d of %d topics", has.Total, all.Total)
		}
		switch _, err := c.Admin.Topic(ctx, slave, gone); {
		case err == nil:
			return errors.New("it has " + gone)
		case !remoting.IsCode(err, remoting.TopicNotExist):
			return err
		}
		return nil
	}))
}

// awaitTakenApart waits until the slave has begun to delete, and has most still.
func awaitTakenApart(t *testing.T, c *kit.Installation, master, slave string) {
	t.Helper()
	last := 0
	ok(t, c.Await(t.Context(), "the slave to take its topics apart", 5*time.Minute, func(ctx context.Context) error {
		left, err := c.Admin.TopicsState(ctx, slave)
		if err != nil {
			return err
		}
		all, err := c.Admin.TopicsState(ctx, master)
		if err != nil {
			return err
		}
		lacks := all.Total - left.Total
		falling := left.Total < last
		last = left.Total
		if !falling || lacks == 0 || lacks > guardTopics/4 {
			return fmt.Errorf("it has %d of %d topics", left.Total, all.Total)
		}
		c.Log.Printf("the slave has %d of %d topics", left.Total, all.Total)
		return nil
	}))
}

// awaitRestored follows a new master until it has all again. rest is when its own deletions ended: the last time that a
// look showed fewer topics than the one before.
func awaitRestored(t *testing.T, c *kit.Installation, broker string, topics map[string]admin.TopicConfig, groups map[string]admin.SubscriptionGroup) (rest, back time.Time) {
	t.Helper()
	last := 1 << 30
	rest = time.Now()
	ok(t, c.Await(t.Context(), "every topic and group to be back", 15*time.Minute, func(ctx context.Context) error {
		state, err := c.Admin.TopicsState(ctx, broker)
		if err != nil {
			return err
		}
		if state.Total < last {
			rest = time.Now()
		}
		if last = state.Total; state.Total < len(topics) {
			return fmt.Errorf("it has %d topics", state.Total)
		}
		err = has(ctx, c, broker, topics, groups)
		back = time.Now()
		return err
	}))
	return rest, back
}

// has compares topics and consumer groups, field by field, with what a broker has.
func has(ctx context.Context, c *kit.Installation, broker string, topics map[string]admin.TopicConfig, groups map[string]admin.SubscriptionGroup) error {
	now, _, err := c.Admin.Topics(ctx, broker)
	if err != nil {
		return err
	}
	nowGroups, _, err := c.Admin.Groups(ctx, broker)
	if err != nil {
		return err
	}
	for name, topic := range topics {
		if !now[name].Equal(topic) {
			return errors.New("it lacks topic " + name)
		}
	}
	for name, group := range groups {
		if !nowGroups[name].Equal(group) {
			return errors.New("it lacks consumer group " + name)
		}
	}
	return nil
}

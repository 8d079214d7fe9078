// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	groupsPer = 5 // topics for each consumer group
	appliers  = 8 // requests at once, as kubectl apply of several files

	deleteEach = 60 * time.Millisecond // Kubernetes deletes some 20 objects of a namespace a second

	readyBar        = 20 * time.Millisecond // a topic
	oneReadyBar     = 3 * time.Second
	entityMemoryBar = 6 << 10 // bytes an object
	manyLimit       = 10 * time.Minute
)

// topics measures how soon many topics and consumer groups are as their objects say, how soon one that is changed among them,
// and what they cost the operator.
func (b *bench) topics(ctx context.Context, topics int) error {
	groups := topics / groupsPer
	c, err := b.launch(ctx, "bench-topics", quickstart)
	if err != nil {
		return err
	}
	time.Sleep(settle)
	before, err := b.memory(ctx)
	if err != nil {
		return err
	}

	began := time.Now()
	if err := b.createEntities(ctx, c, topics, groups); err != nil {
		return err
	}
	accepted := time.Now()
	if err := awaitEntities(ctx, c, topics+groups); err != nil {
		return err
	}
	ready := time.Since(accepted)
	bar := time.Duration(topics) * readyBar
	fmt.Fprintf(b.out, "\n%d Topics and %d ConsumerGroups: accepted in %.1f s, all Ready %.1f s after the last (bar %s)\n",
		topics, groups, accepted.Sub(began).Seconds(), ready.Seconds(), bar)

	one, err := b.changeOne(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "one changed among them: Ready after %.1f s (bar %s)\n", one.Seconds(), oneReadyBar)

	time.Sleep(settle)
	after, err := b.memory(ctx)
	if err != nil {
		return err
	}
	each := (after - before) / float64(topics+groups)
	fmt.Fprintf(b.out, "operator's memory: %.1f MiB before, %.1f MiB after, %.1f KiB an object (bar %d KiB)\n", before/(1<<20), after/(1<<20), each/(1<<10), entityMemoryBar>>10)

	var missed error
	if ready > bar || one > oneReadyBar || each > entityMemoryBar {
		missed = errors.New("a bar is missed")
	}
	return errors.Join(missed, c.Delete(ctx, deleteLimit+time.Duration(topics+groups)*deleteEach))
}

func (b *bench) createEntities(ctx context.Context, c *kit.Installation, topics, groups int) error {
	creating, ctx := errgroup.WithContext(ctx)
	creating.SetLimit(appliers)
	create := func(object client.Object, name string) {
		object.SetNamespace(c.Name)
		object.SetName(name)
		creating.Go(func() error { return c.Client.Create(ctx, object) })
	}
	for i := range topics {
		create(&v1alpha1.Topic{Spec: v1alpha1.TopicSpec{Queues: new(int32(2))}}, fmt.Sprintf("topic-%d", i))
	}
	for i := range groups {
		create(&v1alpha1.ConsumerGroup{Spec: v1alpha1.ConsumerGroupSpec{RetryMaxTimes: new(int32(4))}}, fmt.Sprintf("group-%d", i))
	}
	return creating.Wait()
}

func awaitEntities(ctx context.Context, c *kit.Installation, all int) error {
	return c.Await(ctx, "all topics and consumer groups to be Ready", manyLimit, func(ctx context.Context) error {
		var topics v1alpha1.TopicList
		var groups v1alpha1.ConsumerGroupList
		if err := errors.Join(c.Client.List(ctx, &topics, client.InNamespace(c.Name)), c.Client.List(ctx, &groups, client.InNamespace(c.Name))); err != nil {
			return err
		}
		missing := all
		for i := range topics.Items {
			if isReady(&topics.Items[i]) {
				missing--
			}
		}
		for i := range groups.Items {
			if isReady(&groups.Items[i]) {
				missing--
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d are not", missing)
		}
		return nil
	})
}

func isReady(e v1alpha1.Entity) bool {
	return e.Common().ObservedGeneration == e.GetGeneration() && meta.IsStatusConditionTrue(e.Common().Conditions, v1alpha1.ConditionReady)
}

// changeOne returns how long it took until it was Ready again.
func (b *bench) changeOne(ctx context.Context, c *kit.Installation) (time.Duration, error) {
	topic := &v1alpha1.Topic{ObjectMeta: metav1.ObjectMeta{Namespace: c.Name, Name: "topic-0"}}
	if err := c.Client.Patch(ctx, topic, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"queues":3}}`))); err != nil {
		return 0, err
	}
	began := time.Now()
	err := c.Await(ctx, "the changed topic to be Ready", manyLimit, func(ctx context.Context) error {
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(topic), topic); err != nil {
			return err
		}
		if !isReady(topic) || topic.Status.WriteQueues != 3 {
			return errors.New("it is not")
		}
		return nil
	})
	return time.Since(began), err
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	rolls     = 3
	rollBar   = 1.20 // times what it cannot do without
	rollLimit = 8 * time.Minute
)

// replacement of one pod.
type replacement struct {
	stopping, ready, inSync time.Time
	leading                 bool // when it was told to stop
}

// rollTimes is what a roll took, and the terms that it cannot do without.
type rollTimes struct {
	all      time.Duration
	restarts []time.Duration // of slaves, from being told to stop to ready
	masters  int
	drain    time.Duration // for producers to leave a master
	syncs    time.Duration // from ready to in sync, in all
}

// floor is the sum of the terms. A master restarts like a slave, once it has handed over.
func (r rollTimes) floor() time.Duration {
	sum := r.syncs + time.Duration(r.masters)*(r.drain+median(r.restarts))
	for _, restart := range r.restarts {
		sum += restart
	}
	return sum
}

func (r rollTimes) ratio() float64 { return r.all.Seconds() / r.floor().Seconds() }

// roll replaces all brokers of the quickstart, again and again, and compares the time with what it cannot do without.
func (b *bench) roll(ctx context.Context) error {
	c, err := b.launch(ctx, "bench-roll", quickstart)
	if err != nil {
		return err
	}
	var all []rollTimes
	for i := range rolls {
		took, err := b.rollOnce(ctx, c, i)
		if err != nil {
			return err
		}
		all = append(all, took)
	}
	return errors.Join(judgeRoll(b.out, all), c.Delete(ctx, deleteLimit))
}

// judgeRoll prints the terms of the roll with the median ratio, and returns what misses the bar.
func judgeRoll(out io.Writer, all []rollTimes) error {
	slices.SortFunc(all, func(a, b rollTimes) int { return cmp.Compare(a.ratio(), b.ratio()) })
	m := all[len(all)/2]
	fmt.Fprintf(out, "\nrolling update of %d groups of %d, median of %d: %.1f s, ratio %.2f of its floor (bar %.2f)\n"+
		"  floor            %.1f s, the sum of\n"+
		"  slaves' restarts %v s\n"+
		"  masters' ones    %d x %.1f s, as a slave's\n"+
		"  producers leave  %d x %.0f s, drainSeconds\n"+
		"  until in sync    %.1f s in all\n",
		groups, groupMembers, len(all), m.all.Seconds(), m.ratio(), rollBar, m.floor().Seconds(), seconds(m.restarts),
		m.masters, median(m.restarts).Seconds(), m.masters, m.drain.Seconds(), m.syncs.Seconds())
	if m.ratio() > rollBar {
		return fmt.Errorf("a rolling update takes %.2f times as long as it must", m.ratio())
	}
	return nil
}

// rollOnce changes the pods' template, and follows each pod until all are new and in sync.
func (b *bench) rollOnce(ctx context.Context, c *kit.Installation, nth int) (rollTimes, error) {
	broker, err := c.Status(ctx)
	if err != nil {
		return rollTimes{}, err
	}
	before, err := c.Lives(ctx)
	if err != nil {
		return rollTimes{}, err
	}
	pods := map[string]*replacement{}
	for group := range groups {
		for member := range groupMembers {
			pods[c.Member(group, member)] = &replacement{}
		}
	}
	began := time.Now()
	if err := c.ApplyPath(ctx, quickstart, "  clusterMode: CONTROLLER\n", fmt.Sprintf("  clusterMode: CONTROLLER\n  podAnnotations: {roll: %q}\n", fmt.Sprint(nth))); err != nil {
		return rollTimes{}, err
	}
	err = c.Await(ctx, "every broker to be new and in sync", rollLimit, func(ctx context.Context) error { return follow(ctx, c, before, pods) })
	if err != nil {
		return rollTimes{}, err
	}
	if err := c.AwaitReady(ctx, startLimit); err != nil {
		return rollTimes{}, err
	}
	took := rollTimes{all: time.Since(began), drain: time.Duration(desired.DrainSeconds(broker)) * time.Second}
	for _, pod := range pods {
		took.syncs += pod.inSync.Sub(pod.ready)
		if pod.leading {
			took.masters++
		} else {
			took.restarts = append(took.restarts, pod.ready.Sub(pod.stopping))
		}
	}
	if took.masters != groups {
		return rollTimes{}, fmt.Errorf("%d masters were replaced, not %d", took.masters, groups)
	}
	b.log.Printf("roll %d took %.1f s, its floor is %.1f s", nth+1, took.all.Seconds(), took.floor().Seconds())
	return took, nil
}

// follow notes what has become of each pod, and says what is missing.
func follow(ctx context.Context, c *kit.Installation, before map[string]kit.Life, pods map[string]*replacement) error {
	now, err := c.OwnPods(ctx)
	if err != nil {
		return err
	}
	states, err := syncStates(ctx, c)
	if err != nil {
		return err
	}
	var missing []error
	for name, r := range pods {
		pod := now[name]
		if pod == nil {
			missing = append(missing, fmt.Errorf("%s is gone", name))
			continue
		}
		state := states[pod.Labels[kit.GroupLabel]]
		note := func(at *time.Time, happened bool) {
			if happened && at.IsZero() {
				*at = time.Now()
			}
		}
		isNew := pod.UID != before[name].UID
		if !isNew && pod.DeletionTimestamp != nil && r.stopping.IsZero() {
			r.leading = strings.HasPrefix(state.MasterAddr, name+".")
		}
		note(&r.stopping, !isNew && pod.DeletionTimestamp != nil)
		note(&r.ready, isNew && kit.PodReady(pod))
		note(&r.inSync, !r.ready.IsZero() && slices.ContainsFunc(state.InSync, func(m admin.Replica) bool { return strings.HasPrefix(m.Addr, name+".") }))
		if r.inSync.IsZero() {
			missing = append(missing, fmt.Errorf("%s is not new and in sync", name))
		} else if r.stopping.IsZero() {
			return fmt.Errorf("%s was replaced between two looks", name)
		}
	}
	return errors.Join(missing...)
}

func syncStates(ctx context.Context, c *kit.Installation) (map[string]admin.SyncState, error) {
	var controllers, names []string
	for _, pod := range c.Controllers(controllerCount) {
		controllers = append(controllers, pod+"."+c.Name+":9878")
	}
	for group := range groups {
		names = append(names, c.Group(group))
	}
	leader, err := c.Admin.FindLeader(ctx, controllers)
	if err != nil {
		return nil, err
	}
	return c.Admin.SyncStateData(ctx, leader, names...)
}

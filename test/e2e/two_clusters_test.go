// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// Two teams use the same manifests, names and all, in two namespaces at the same time. A user is promised that their
// clusters have nothing to do with each other: no broker, no topic and no restart crosses over.
func twoClusters(t *testing.T, w *world) {
	ctx := t.Context()
	one, two := small(w.namespace(t, "one", kit.Restricted)), small(w.namespace(t, "two", kit.Restricted))
	for _, c := range []*kit.Installation{one, two} {
		ok(t, c.Apply(ctx, manifest(t, "small.yaml")))
	}
	for _, c := range []*kit.Installation{one, two} {
		ok(t, c.AwaitReady(ctx, smallLimit))
		ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, groupMembers), time.Minute))
		c.Log.Printf("%s is Ready", c.Name)
	}
	t.Run("Apart", func(t *testing.T) { clustersApart(t, small(in(t, one.Namespace)), small(in(t, two.Namespace))) })
	t.Run("Scaled", func(t *testing.T) { oneScaled(t, w, small(in(t, one.Namespace)), small(in(t, two.Namespace))) })
}

func clustersApart(t *testing.T, one, two *kit.Installation) {
	ctx := t.Context()
	const topic = "only-in-one"
	l, err := one.StartLedger(ctx, kit.LedgerOptions{NameServers: one.Address(), Topic: topic, Messages: 100})
	ok(t, err)
	v, err := l.Verdict(ctx, ledgerLimit)
	ok(t, err)
	one.Log.Printf("ledger: %s", v)
	if v.Acked != 100 || v.Lost != 0 {
		t.Errorf("of 100 messages %d were acknowledged, %d of them lost", v.Acked, v.Lost)
	}
	for _, c := range []struct {
		own, other *kit.Installation
		hasTopic   bool
	}{{one, two, true}, {two, one, false}} {
		shows := func(text string) func(string) error {
			return func(output string) error {
				if !strings.Contains(output, text) {
					return fmt.Errorf("it does not show %s: %s", text, output)
				}
				return nil
			}
		}
		// Brokers register under names that end in their namespace.
		list := mqadmin(t, c.own.Namespace, c.own.Member(0, 0), "clusterList", shows("."+c.own.Name+".svc"))
		c.own.Log.Block(list)
		if strings.Contains(list, "."+c.other.Name+".svc") {
			t.Errorf("clusterList in %s shows brokers of %s", c.own.Name, c.other.Name)
		}
		topics := mqadmin(t, c.own.Namespace, c.own.Member(0, 0), "topicList", shows("SCHEDULE_TOPIC_XXXX")) // which each broker has
		if got := strings.Contains(topics, topic); got != c.hasTopic {
			t.Errorf("topic %s known in %s: %t, want %t", topic, c.own.Name, got, c.hasTopic)
		}
	}
}

// oneScaled gives one cluster a second group, which the other one must not get.
func oneScaled(t *testing.T, w *world, one, two *kit.Installation) {
	ctx := t.Context()
	lives, err := two.Lives(ctx)
	ok(t, err)
	resize(t, w, one, 2)
	groupsAre(t, one, 2, 5*time.Minute)
	ok(t, one.AwaitRegistered(ctx, one.NameServers(1), one.Topology(2, groupMembers), time.Minute))
	ok(t, two.AwaitRegistered(ctx, two.NameServers(1), two.Topology(1, groupMembers), time.Minute))
	copied, _ := users(t, one, masterOf(t, one, 1), one.Group(1))
	if _, ok := copied["only-in-one"]; !ok {
		t.Errorf("the new group has the topics %v", slices.Sorted(maps.Keys(copied)))
	}
	resize(t, w, one, 1)
	groupsAre(t, one, 1, 3*time.Minute)
	now, err := two.Lives(ctx)
	ok(t, err)
	if diff := cmp.Diff(lives, now); diff != "" {
		t.Errorf("pods of the other cluster changed (-before +after):\n%s", diff)
	}
}

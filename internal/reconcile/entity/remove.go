// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/saved"
)

const (
	// deletesAtOnce leaves most of a broker's threads to its clients.
	deletesAtOnce = 8
	// patience is for how long slaves and name servers may keep a resource from going. Slaves copy their master's tables every ten
	// seconds (SlaveSynchronize), and a name server that restarts forgets the route by itself.
	patience = time.Minute
)

// remove goes on with deletions. It reports whether tables were changed.
func (t *turn[E]) remove(ctx context.Context, deletions []entity.Deletion) (changed bool) {
	at := map[string][]string{} // names, by brokerName
	var gone, ifEmpty []entity.Deletion
	add := func(d entity.Deletion) {
		for _, place := range d.Places {
			at[place] = append(at[place], d.Name)
		}
	}
	for _, d := range deletions {
		switch _, said := t.said[d.Object]; {
		case said: // in this turn
		case len(d.Places) == 0:
			gone = append(gone, d)
		case d.Deletion == v1alpha1.DeleteIfEmpty:
			ifEmpty = append(ifEmpty, d)
		default:
			add(d)
		}
	}
	for _, d := range t.emptied(ctx, ifEmpty) {
		add(d)
	}
	for i := range t.places {
		if names := at[t.places[i].Name]; len(names) > 0 {
			changed = true
			t.deleteAt(ctx, i, names)
			t.sooner(time.Second) // to see that they are gone
		}
	}
	if len(gone) > 0 {
		t.finish(ctx, gone)
	}
	return changed
}

// deleteAt a group. What fails is tried again.
func (t *turn[E]) deleteAt(ctx context.Context, i int, names []string) {
	if _, err := t.forget(ctx, t.places[i].Name, names); err != nil {
		return // the metadata guard would bring them back
	}
	var all errgroup.Group
	all.SetLimit(deletesAtOnce)
	for _, name := range names {
		all.Go(func() error { return t.Delete(ctx, t.client, t.groups[i].master, name) })
	}
	_ = all.Wait() // the next look shows what is left
}

// forget what the metadata guard has saved of entries.
func (t *turn[E]) forget(ctx context.Context, brokerName string, names []string) (found bool, err error) {
	if t.Traces == nil {
		return false, nil
	}
	var topics, groups []string
	for _, name := range names {
		ofTopics, ofGroups := t.Traces(name)
		topics, groups = append(topics, ofTopics...), append(groups, ofGroups...)
	}
	return saved.Forget(ctx, t.Env, t.view.broker, brokerName, topics, groups)
}

// at are the groups of a deletion, by index.
func (t *turn[E]) at(d entity.Deletion) (at []int) {
	for i := range t.places {
		if slices.Contains(d.Places, t.places[i].Name) {
			at = append(at, i)
		}
	}
	return at
}

// say why a deletion waits.
func (t *turn[E]) say(d entity.Deletion, reason, message string, again time.Duration) {
	t.said[d.Object] = entity.Answer{Of: len(t.places), Present: len(d.Places), Reason: reason, Message: message}
	t.sooner(again)
}

// finish deletions: no group has the entries any more, and neither the metadata guard nor name servers shall know them.
func (t *turn[E]) finish(ctx context.Context, gone []entity.Deletion) {
	var names []string
	for _, d := range gone {
		names = append(names, d.Name)
	}
	for i := range t.places {
		if _, err := t.forget(ctx, t.places[i].Name, names); err != nil {
			for _, d := range gone {
				t.say(d, v1alpha1.ReasonDeleting, fmt.Sprintf("what is saved of %s could not be changed: %s", t.places[i].Name, err), retrySoon)
			}
			return
		}
	}
	left := t.atSlaves(ctx, names)
	maps.Copy(left, t.deleteRoutes(ctx, names))
	for _, d := range gone {
		why, keeps := left[d.Name]
		since, known := t.lingers[d.Object]
		if keeps && !known {
			t.lingers[d.Object], since = t.now, t.now
		}
		if keeps && t.now.Sub(since) < patience {
			t.say(d, v1alpha1.ReasonDeleting, why, retrySoon)
			continue
		}
		t.said[d.Object] = entity.Answer{Of: len(t.places), Gone: true}
	}
}

// atSlaves says which of the names, which their masters do not have any more, a slave still has. Were it elected now, they would
// be back, and nobody would delete them any more.
func (t *turn[E]) atSlaves(ctx context.Context, names []string) map[string]string {
	left := map[string]string{}
	for _, g := range t.groups {
		for _, slave := range g.slaves {
			table, _, err := t.Read(ctx, t.client, slave, nil)
			for _, name := range names {
				if _, has := table[name]; has || err != nil {
					left[name] = fmt.Sprintf("a slave of %s, %s, has not taken over yet that it is deleted", g.name, slave)
				}
			}
		}
	}
	return left
}

// deleteRoutes at every name server. It says of which names a route is left, and where.
func (t *turn[E]) deleteRoutes(ctx context.Context, names []string) map[string]string {
	b := t.view.broker
	failed := map[string]string{}
	if t.Traces == nil {
		return failed
	}
	servers, err := t.Reach.NameServers(ctx, b.Status.NameServiceRef, desired.ExternalNameServers(b))
	if err != nil {
		for _, name := range names {
			failed[name] = "its route at the name servers cannot be deleted: " + err.Error()
		}
		return failed
	}
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(deletesAtOnce)
	for _, name := range names {
		topics, _ := t.Traces(name)
		for _, server := range servers {
			for _, topic := range topics {
				all.Go(func() error {
					if err := t.Reach.Client.DeleteTopicRoute(ctx, server, desired.ClusterName(b), topic); err != nil {
						mu.Lock()
						defer mu.Unlock()
						failed[name] = fmt.Sprintf("name server %s does not let its route go", server)
					}
					return nil
				})
			}
		}
	}
	_ = all.Wait() // errors are in failed
	return failed
}

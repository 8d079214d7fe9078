// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
)

const (
	// quietTime without a loss of entries shows that a new master has ended the synchronization that it was in as a slave:
	// that deletes some tens of entries a second.
	quietTime = 6 * time.Second
	// A slave whose tables were incomplete at every look for behindTime is behind, until they were complete at wholeLooks looks
	// in a row.
	behindTime = time.Minute
	wholeLooks = 3
)

// tableHistory is what earlier looks at a group's tables showed.
type tableHistory struct {
	term   string
	total  int       // of the master's entries
	since  time.Time // when the entries last became fewer, or were first seen
	shrunk bool
	slaves map[string]slaveHistory
}

type slaveHistory struct {
	whole  time.Time // when the slave last had everything, or was first seen
	looks  int       // how many looks in a row it has had everything
	behind bool
}

// tableState is the answer of one broker.
type tableState struct{ topics, groups admin.TableState }

func readTableState(ctx context.Context, c *admin.Client, broker string) (tableState, error) {
	topics, err := c.TopicsState(ctx, broker)
	if err != nil {
		return tableState{}, err
	}
	groups, err := c.GroupsState(ctx, broker)
	return tableState{topics, groups}, err
}

// follow takes in one look at a group. Brokers that did not answer are missing in states.
func follow(g fleet.Mastership, states map[string]tableState, before tableHistory, now time.Time) (fleet.Tables, tableHistory) {
	master := states[g.Master]
	total := master.topics.Total + master.groups.Total
	after := tableHistory{term: g.Term, total: total, since: before.since, shrunk: before.shrunk, slaves: map[string]slaveHistory{}}
	if before.term != g.Term {
		before = tableHistory{}
		after.since, after.shrunk = now, false
	} else if total < before.total {
		after.since, after.shrunk = now, true
	}
	out := fleet.Tables{
		Term: g.Term, Master: g.Master, Version: metadata.Version{Topics: master.topics.Version, Groups: master.groups.Version}.String(),
		Quiet: now.Sub(after.since) >= quietTime, Shrunk: after.shrunk,
	}
	for _, addr := range g.Slaves {
		slave, known := before.slaves[addr]
		if !known {
			slave.whole = now
		}
		if state, answered := states[addr]; answered {
			lacks := state.topics.Total < master.topics.Total || state.groups.Total < master.groups.Total
			if lacks {
				slave.looks = 0
				out.Lacking = append(out.Lacking, addr)
			} else {
				slave.looks, slave.whole = slave.looks+1, now
				out.Whole = append(out.Whole, addr)
			}
			if lacks && now.Sub(slave.whole) >= behindTime {
				slave.behind = true
			} else if slave.looks >= wholeLooks {
				slave.behind = false
			}
		}
		after.slaves[addr] = slave
		if slave.behind {
			out.Behind = append(out.Behind, addr)
		}
	}
	return out, after
}

// followTables looks at the tables of all followed groups. A group whose master does not answer is missing in what is
// followed, and keeps its history.
func followTables(ctx context.Context, c *admin.Client, followed map[string]fleet.Mastership, before map[string]tableHistory,
	patience func(context.Context, string) (context.Context, context.CancelFunc)) (map[string]fleet.Tables, map[string]tableHistory) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	states := map[string]tableState{}
	for _, g := range followed {
		for _, broker := range append(slices.Clone(g.Slaves), g.Master) {
			wg.Go(func() {
				ctx, cancel := patience(ctx, broker)
				defer cancel()
				state, err := readTableState(ctx, c, broker)
				if err != nil {
					return // it is looked at again
				}
				mu.Lock()
				defer mu.Unlock()
				states[broker] = state
			})
		}
	}
	wg.Wait()
	tables, after := map[string]fleet.Tables{}, map[string]tableHistory{}
	now := time.Now()
	for name, g := range followed {
		if _, answered := states[g.Master]; !answered {
			if history, known := before[name]; known {
				after[name] = history
			}
			continue
		}
		tables[name], after[name] = follow(g, states, before[name], now)
	}
	return tables, after
}

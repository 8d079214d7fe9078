// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// awaitTarget chooses who takes over. A slave that restarted a moment ago gets time to be in sync again.
func (r *run) awaitTarget(ctx context.Context) error {
	var err error
	waited := r.await(ctx, r.within(inSyncTimeout), slowPoll, func(ctx context.Context) (late string) {
		late, err = r.choose(ctx)
		return late
	})
	if waited != nil {
		r.step("%s", waited)
	}
	return err
}

// choose takes the living member of the SyncStateSet with the most data. If there is none, late says which slave may yet
// be one.
func (r *run) choose(ctx context.Context) (late string, err error) {
	state, err := r.syncState(ctx, r.withLeader())
	if err != nil {
		return "", err
	}
	best := int64(-1)
	for i, replica := range slices.Concat(state.InSync, state.NotInSync) {
		if replica.Addr == r.Address || !replica.Alive || r.Stopping(ctx, replica.Addr) {
			continue
		}
		if i >= len(state.InSync) {
			late = replica.Addr + " is not in sync yet"
			continue
		}
		offset, err := r.end(ctx, replica.Addr)
		if err != nil {
			late = fmt.Sprintf("%s does not answer: %s", replica.Addr, err)
		} else if offset > best {
			best, r.target = offset, target{replica.ID, replica.Addr}
		}
	}
	switch {
	case best >= 0:
		return "", nil
	case late == "":
		late = r.unheard(ctx, state)
	}
	return late, ErrNoTarget
}

// unheard says which member of the SyncStateSet is taken for dead by the controllers and lives to the name servers: a controller that
// leads since a moment ago has not got its heartbeat yet.
func (r *run) unheard(ctx context.Context, state admin.SyncState) string {
	shown, _ := r.brokers(ctx)
	for _, replica := range state.InSync {
		registered := slices.Contains(slices.Collect(maps.Values(shown[r.Group].Addrs)), replica.Addr)
		if replica.Addr != r.Address && !replica.Alive && registered && !r.Stopping(ctx, replica.Addr) {
			return "the controllers have not heard of " + replica.Addr + " yet"
		}
	}
	return ""
}

// syncState is what the controllers know of the group.
func (r *run) syncState(ctx context.Context, end limit) (admin.SyncState, error) {
	states, err := askController(ctx, r, end, func(ctx context.Context, leader string) (map[string]admin.SyncState, error) {
		return r.Admin.SyncStateData(ctx, leader, r.Group)
	})
	return states[r.Group], err
}

// askController asks the controller that leads. A node that is drained may have that one too: another leads soon. The wait
// for it ends when nobody is left who could take over anyway, as when the whole cluster is deleted.
func askController[T any](ctx context.Context, r *run, end limit, ask func(ctx context.Context, leader string) (T, error)) (answer T, err error) {
	waited := r.await(ctx, end, slowPoll, func(ctx context.Context) string {
		var leader string
		leader, err = r.Admin.FindLeader(ctx, r.Controllers)
		if err != nil {
			err = fmt.Errorf("nobody can take over: %w", err)
		} else {
			answer, err = call(ctx, func(ctx context.Context) (T, error) { return ask(ctx, leader) })
		}
		if err == nil || !r.replaceable(ctx) {
			return ""
		}
		return err.Error()
	})
	if waited != nil {
		err = waited
	}
	return answer, err
}

// replaceable says whether a name server shows another member of the group that is not being stopped.
func (r *run) replaceable(ctx context.Context) bool {
	shown, _ := r.brokers(ctx)
	for _, addr := range shown[r.Group].Addrs {
		if addr != r.Address && !r.Stopping(ctx, addr) {
			return true
		}
	}
	return false
}

// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const (
	// settleTime is for requests that were let through before new ones were refused: until they are stored.
	settleTime = 200 * time.Millisecond
	// nearby is how little the target lacks before messages are refused, in bytes: what it copies in a moment.
	nearby = 16 << 20
	// attempts bound how often messages are refused for nothing.
	attempts = 3
)

// errAgain: the target was not elected, so that messages may be taken meanwhile, and it is worth another attempt.
var errAgain = errors.New("not elected")

// change of master: it refuses messages, lets the target copy the last that it took, and has it elected. While controllers
// look for a leader, or another target must be chosen, it takes messages again.
func (r *run) change(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		leader, err := r.awaitLeader(ctx)
		if err != nil {
			return err
		}
		r.awaitNear(ctx)
		err = r.attempt(ctx, leader)
		if !errors.Is(err, errAgain) || ctx.Err() != nil || attempt == attempts {
			return err
		}
		r.step("%s; trying again", err)
		if err := r.reopen(ctx, r.within(ownTimeout), r.between()); err != nil {
			return err
		}
		if err := r.awaitTarget(ctx); err != nil {
			return err
		}
	}
}

// Properties that make a broker's store refuse everything.
const (
	role      = "brokerRole"
	roleSlave = "SLAVE"
	brokerID  = "brokerId" // of the present role
	// tryOn keeps a timer's message that cannot be stored; without, it is given up after three attempts in 1 s
	// (TimerMessageStore.TimerDequeuePutMessageService).
	tryOn = "timerEnableRetryUntilSuccess"
)

// closed are the properties of a master that is about to lose its place. Clients know the fence, and send elsewhere or again; the
// permission keeps out what consumers send back (AbstractSendMessageProcessor.consumerSendMsgBack). And as a slave's its store
// refuses everything, what the broker itself writes included: that is the first thing which the change of master will do
// (ReplicasManager.changeToSlave), and a new master to which its former one still sends something waits for 5 s before it serves
// (AutoSwitchHAClient.closeMasterAndWait).
func (r *run) closed() map[string]string {
	properties := settings.Held(r.before, true)
	if _, known := r.before[role]; known {
		properties[role] = roleSlave
	}
	if _, known := r.before[tryOn]; known {
		properties[tryOn] = "true"
	}
	return properties
}

// between are the properties between two attempts: producers that have left stay away.
func (r *run) between() map[string]string {
	properties := r.ownBefore()
	if r.drained {
		maps.Copy(properties, settings.Held(r.before, false))
	}
	return properties
}

// reopen a broker that is to be as before, if it is still master: the store of one that has been told of another master stays a
// slave's.
func (r *run) reopen(ctx context.Context, end limit, properties map[string]string) error {
	for range 2 { // before and after
		config, err := r.config(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("this broker does not answer itself: %w", err)
		case config[brokerID] != strconv.FormatInt(admin.MasterID, 10):
			_ = r.tell(ctx, end, map[string]string{role: roleSlave})
			return errors.New("it is no master any more")
		case len(differing(config, properties)) == 0:
			return nil
		}
		if err := r.tell(ctx, end, properties); err != nil {
			return err
		}
	}
	return nil
}

// awaitLeader of the controllers, before anything is refused.
func (r *run) awaitLeader(ctx context.Context) (string, error) {
	return askController(ctx, r, r.withLeader(), func(_ context.Context, leader string) (string, error) { return leader, nil })
}

// awaitNear waits until the target lacks little, before anything is refused: a member of the SyncStateSet may be seconds behind.
func (r *run) awaitNear(ctx context.Context) {
	err := r.await(ctx, r.within(nearTimeout), tellPause, func(ctx context.Context) string {
		mine, err := r.end(ctx, r.Addr)
		theirs, theirErr := r.end(ctx, r.target.addr)
		switch err := errors.Join(err, theirErr); {
		case err != nil:
			return err.Error()
		case mine-theirs > nearby:
			return fmt.Sprintf("%s is %d MiB behind", r.target.addr, (mine-theirs)>>20)
		}
		return ""
	})
	if err != nil {
		r.step("%s; going on all the same", err)
	}
}

// attempt to change the master.
func (r *run) attempt(ctx context.Context, leader string) error {
	end, err := r.handUp(ctx, fixed(min(fenceTimeout, time.Until(r.Until()))))
	if err != nil {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	if err := r.elect(ctx, leader); err != nil {
		return err
	}
	r.held = false // nothing to take back: it is no master any more
	r.step("the controllers made %s master, after %.2fs without messages", r.target.addr, time.Since(r.refusing).Seconds())
	r.reportPast(ctx, end)
	return nil
}

// handUp refuses messages and returns the end of what was taken until then, which the target has. Somebody may lift the fence
// meanwhile: then it begins anew.
func (r *run) handUp(ctx context.Context, by limit) (end int64, err error) {
	for {
		if err := r.close(ctx, by); err != nil {
			return 0, err
		}
		if err := r.refresh(ctx, func() error { return sleep(ctx, settleTime) }); err != nil {
			return 0, err
		}
		if end, err = r.catchUp(ctx, by); err != nil {
			return 0, err
		}
		config, err := r.config(ctx)
		if err != nil {
			return 0, fmt.Errorf("whether this broker still refuses messages is not known: %w", err)
		}
		if len(differing(config, r.closed())) == 0 {
			return end, nil
		}
		r.step("somebody lifted the fence: putting it back")
	}
}

// close refuses messages from now on.
func (r *run) close(ctx context.Context, by limit) error {
	r.held, r.refusing = true, time.Now() // also if the answer is lost
	if err := r.tell(ctx, by, r.closed()); err != nil {
		return err
	}
	r.step("messages are refused")
	return nil
}

// catchUp waits until the target has all that this broker has now. If it writes more, no client was told of that.
func (r *run) catchUp(ctx context.Context, by limit) (end int64, err error) {
	err = r.await(ctx, by, fastPoll, func(ctx context.Context) string {
		var err error
		if end, err = r.end(ctx, r.Addr); err != nil {
			return "this broker does not tell where its log ends: " + err.Error()
		}
		return ""
	})
	if err != nil {
		return 0, err
	}
	began, first := time.Now(), int64(-1)
	err = r.await(ctx, by, fastPoll, func(ctx context.Context) string {
		theirs, err := r.end(ctx, r.target.addr)
		switch {
		case err != nil:
			return fmt.Sprintf("%s does not tell what it has: %s", r.target.addr, err)
		case theirs >= end:
			return ""
		case first < 0:
			first = theirs
		}
		return fmt.Sprintf("%s still lacks %d bytes, having copied %d in %.1fs", r.target.addr, end-theirs, theirs-first, time.Since(began).Seconds())
	})
	if err == nil {
		r.step("%s has every message, up to %d", r.target.addr, end)
	}
	return end, err
}

// elect makes the target master.
func (r *run) elect(ctx context.Context, leader string) error {
	request := admin.ElectMasterRequest{ClusterName: r.Cluster, BrokerName: r.Group, BrokerID: r.target.id}
	election, err := call(ctx, func(ctx context.Context) (*admin.ElectMasterResult, error) {
		return r.Admin.ElectMaster(ctx, leader, request)
	})
	if err == nil && r.Tell {
		r.tellMembers(ctx, election)
	}
	if err == nil || remoting.IsCode(err, remoting.ControllerMasterStillExist) {
		return nil
	}
	if remoting.IsCode(err, remoting.ControllerNotLeader) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", errAgain, err) // it was not even asked for
	}
	wait := max(time.Until(r.withLeader()()), callTimeout)
	state, stateErr := r.syncState(ctx, fixed(wait))
	switch {
	case stateErr != nil:
		// The answer may be lost and the election done: then taking back the fence would let two masters write.
		r.held = false
		r.step("whether %s was elected is not known, so the broker refuses messages until it stops", r.target.addr)
		return errors.Join(err, stateErr)
	case state.MasterAddr == r.Address || state.MasterAddr == "":
		return fmt.Errorf("%w: %w", errAgain, err)
	case state.MasterAddr != r.target.addr:
		r.step("the controllers have made another one master meanwhile")
		r.target = target{state.MasterID, state.MasterAddr}
	}
	return nil
}

// tellMembers of the group who is master now, all at once. One that does not hear of it asks the controllers by itself.
func (r *run) tellMembers(ctx context.Context, election *admin.ElectMasterResult) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	var telling sync.WaitGroup
	for _, member := range election.Addrs {
		telling.Go(func() {
			if err := r.Admin.NotifyRoleChanged(ctx, member, election); err != nil {
				r.step("%s was not told of its role: %s", member, err)
			}
		})
	}
	telling.Wait()
}

// awaitRoutes waits until every name server that answers shows the new master.
func (r *run) awaitRoutes(ctx context.Context) {
	err := r.await(ctx, r.within(routeTimeout), 5*fastPoll, func(ctx context.Context) string {
		answered := false
		for _, server := range r.NameServers {
			info, err := call(ctx, func(ctx context.Context) (*admin.ClusterInfo, error) { return r.Admin.ClusterInfo(ctx, server) })
			if err != nil {
				continue
			}
			answered = true
			if shown := info.Brokers[r.Group].Addrs[admin.MasterID]; shown != r.target.addr {
				return fmt.Sprintf("name server %s shows the master %q", server, shown)
			}
		}
		if !answered {
			return "no name server answers"
		}
		return ""
	})
	if err != nil {
		r.step("%s; stopping all the same", err)
		return
	}
	r.step("the name servers show the new master")
}

// awaitSyncStateSet waits until enough members are in sync without this one for the new master to take messages.
func (r *run) awaitSyncStateSet(ctx context.Context) {
	config, err := call(ctx, func(ctx context.Context) (map[string]string, error) { return r.Admin.BrokerConfig(ctx, r.target.addr) })
	wanted := 1
	if err == nil {
		_, _ = fmt.Sscan(config["minInSyncReplicas"], &wanted)
	}
	if wanted <= 1 {
		return
	}
	err = r.await(ctx, r.within(syncSetTimeout), slowPoll, func(ctx context.Context) string {
		state, err := r.syncState(ctx, fixed(callTimeout))
		if err != nil {
			return err.Error()
		}
		n := 0
		for _, replica := range state.InSync {
			if replica.Addr != r.Address && replica.Alive {
				n++
			}
		}
		if n < wanted {
			return fmt.Sprintf("%d members are in sync without this one, minInSyncReplicas is %d", n, wanted)
		}
		return ""
	})
	if err != nil {
		r.step("%s; stopping all the same", err)
	}
}

// sleep is cut short by the end of ctx, which is an error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

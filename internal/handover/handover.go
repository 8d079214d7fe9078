// Package handover moves the mastership of a broker group to a slave so that no acknowledged message is lost and, where
// another group takes the traffic meanwhile, no producer sees an error. A master runs it before it stops.
package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Bounds of the steps, within Master.Limit.
const (
	callTimeout     = 3 * time.Second  // of one request
	ownTimeout      = 10 * time.Second // until this broker answers
	quorumTimeout   = 20 * time.Second // until a controller leads and answers
	inSyncTimeout   = 20 * time.Second // until a living slave is in sync, if none is
	targetPatience  = 10 * time.Second // with a target that does not answer during the drain
	tablesTimeout   = 15 * time.Second // until the target knows every topic and group
	catchUpTimeout  = 10 * time.Second // until the target has every message
	routeTimeout    = 15 * time.Second // until name servers show the new master
	carryTimeout    = 15 * time.Second // for what the target still lacks
	syncSetTimeout  = 10 * time.Second // until the SyncStateSet is large enough
	restoreTimeout  = 3 * time.Second  // to take back what a failed handover did
	slowPoll        = time.Second
	fastPoll        = 10 * time.Millisecond
	waitReportEvery = 10 * time.Second
	// settleTime without a new message shows that no request is under way that came before new ones were refused.
	settleTime = 200 * time.Millisecond
)

// ErrNoTarget means that no other member can take over, so there is nothing to hand over to.
var ErrNoTarget = errors.New("no slave that is alive has every message")

// Master is the broker that hands over.
type Master struct {
	Admin *admin.Client
	// Addr is where it answers to itself, Address what it registers with.
	Addr, Address string
	// Cluster and Group are brokerClusterName and brokerName.
	Cluster, Group string
	Mode           settings.Mode
	// NameServers and Controllers as they are now.
	NameServers, Controllers []string
	// Stopping says whether the broker that registers that address is being stopped as well: it is no target.
	Stopping func(ctx context.Context, address string) bool
	// Drain is how long producers get to leave, 0 for not at all.
	Drain time.Duration
	// Limit is how long all of it may take.
	Limit time.Duration
	// Log gets a line for each step.
	Log func(format string, args ...any)
}

// target is the member that takes over.
type target struct {
	id   int64
	addr string
}

// run is one handover.
type run struct {
	Master
	began  time.Time
	target target
	tables *metadata.Tables
	// withdrawn and fenced are what a failure has to take back.
	withdrawn, fenced bool
}

// Run hands over, if this broker is a master. It returns when the broker may stop, with an error if mastership is where
// it was; the broker then takes messages as before, unless it is unknown who is master. The end of ctx ends it at once.
func (m Master) Run(ctx context.Context) error {
	r := &run{Master: m, began: time.Now()}
	limited, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	err := r.run(limited)
	if err != nil {
		r.restore(ctx)
	}
	return err
}

func (r *run) run(ctx context.Context) error {
	isMaster, err := r.isMaster(ctx)
	if err != nil || !isMaster {
		return err
	}
	if r.Mode == settings.Static {
		return r.leave(ctx, func(context.Context) error { return nil })
	}
	if err := r.awaitTarget(ctx); err != nil {
		return err
	}
	r.step("%s takes over from %s", r.target.addr, r.Address)
	for _, step := range []func(context.Context) error{r.drain, r.awaitTables, r.fence, r.catchUp, r.elect, r.carry, r.awaitSyncStateSet} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	r.step("handed over")
	return nil
}

func (r *run) step(format string, args ...any) {
	r.Log("handover %.1fs: %s", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// call gives one request its time.
func call[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return do(ctx)
}

// await asks until the answer is "", and returns the last one as an error when the time is over.
func (r *run) await(ctx context.Context, limit, pause time.Duration, ask func(context.Context) string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	said := time.Now()
	for {
		missing := ask(ctx)
		if missing == "" {
			return nil
		}
		if time.Since(said) > waitReportEvery {
			r.step("waiting: %s", missing)
			said = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %s", limit, missing)
		case <-time.After(pause):
		}
	}
}

// askSelf asks this broker. One that is slow is asked again, one whose port is closed is not.
func askSelf[T any](ctx context.Context, r *run, ask func(context.Context) (T, error)) (answer T, err error) {
	_ = r.await(ctx, ownTimeout, slowPoll, func(ctx context.Context) string { // err says more
		answer, err = call(ctx, ask)
		if err == nil || errors.Is(err, syscall.ECONNREFUSED) {
			return ""
		}
		return err.Error()
	})
	return answer, err
}

func (r *run) isMaster(ctx context.Context) (bool, error) {
	status, err := askSelf(ctx, r, func(ctx context.Context) (*admin.HAStatus, error) { return r.Admin.HAStatus(ctx, r.Addr) })
	if err != nil || !status.Master || r.Mode == settings.Static {
		return err == nil && status.Master, err
	}
	state, err := r.syncState(ctx)
	return err == nil && state.MasterAddr == r.Address, err
}

func (r *run) syncState(ctx context.Context) (admin.SyncState, error) {
	states, err := askController(ctx, r, func(ctx context.Context, leader string) (map[string]admin.SyncState, error) {
		return r.Admin.SyncStateData(ctx, leader, r.Group)
	})
	return states[r.Group], err
}

// askController asks the controller that leads. A node that is drained may have that one too: another leads soon. The wait
// for it ends when nobody is left who could take over anyway, as when the whole cluster is deleted.
func askController[T any](ctx context.Context, r *run, ask func(ctx context.Context, leader string) (T, error)) (answer T, err error) {
	_ = r.await(ctx, quorumTimeout, slowPoll, func(ctx context.Context) string { // err says more
		leader := r.Admin.Leader(ctx, r.Controllers)
		if leader == "" {
			err = errors.New("no controller leads, so nobody can take over")
		} else {
			answer, err = call(ctx, func(ctx context.Context) (T, error) { return ask(ctx, leader) })
		}
		if err == nil || !r.replaceable(ctx) {
			return ""
		}
		return err.Error()
	})
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

// awaitTarget chooses who takes over. A slave that restarted a moment ago gets time to be in sync again.
func (r *run) awaitTarget(ctx context.Context) error {
	var err error
	waited := r.await(ctx, inSyncTimeout, slowPoll, func(ctx context.Context) (late string) {
		late, err = r.choose(ctx)
		return late
	})
	if waited != nil {
		r.step("%s", waited)
	}
	return err
}

// choose takes the living member of the SyncStateSet with the most data. If there is none, late says which slave is
// alive and may yet be one.
func (r *run) choose(ctx context.Context) (late string, err error) {
	state, err := r.syncState(ctx)
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
	if best < 0 {
		return late, ErrNoTarget
	}
	return "", nil
}

// end of a broker's commit log.
func (r *run) end(ctx context.Context, broker string) (int64, error) {
	status, err := call(ctx, func(ctx context.Context) (*admin.HAStatus, error) { return r.Admin.HAStatus(ctx, broker) })
	if err != nil {
		return 0, err
	}
	return status.End(), nil
}

// awaitTables waits until the target knows what clients would miss. It is bounded: what is left is carried later.
func (r *run) awaitTables(ctx context.Context) error {
	err := r.await(ctx, tablesTimeout, slowPoll, func(ctx context.Context) string {
		mine, err := r.read(ctx, r.Addr)
		if err != nil {
			return err.Error()
		}
		theirs, err := r.read(ctx, r.target.addr)
		if err != nil {
			return err.Error()
		}
		if lacks := metadata.ForNewMaster(mine, theirs); len(lacks.Topics)+len(lacks.Groups) > 0 {
			return fmt.Sprintf("%s lacks %d topics and %d consumer groups", r.target.addr, len(lacks.Topics), len(lacks.Groups))
		}
		return ""
	})
	if err != nil {
		r.step("%s; they are carried over later", err)
	}
	return ctx.Err()
}

func (r *run) read(ctx context.Context, addr string) (*metadata.Tables, error) {
	return metadata.Read(ctx, r.Admin, metadata.Broker{Addr: addr, Cluster: r.Cluster, Group: r.Group})
}

// fence refuses new messages from now on, which clients then send elsewhere or again.
func (r *run) fence(ctx context.Context) error {
	r.fenced = true // also if the answer is lost
	_, err := askSelf(ctx, r, func(ctx context.Context) (any, error) {
		return nil, r.Admin.UpdateBrokerConfig(ctx, r.Addr, fence(true))
	})
	if err == nil {
		r.step("new messages are refused")
	}
	return err
}

func fence(on bool) map[string]string {
	const key = "startAcceptSendRequestTimeStamp"
	return map[string]string{key: settings.GroupSettings{Fenced: on}.Properties()[key]}
}

// runsWith says whether a broker's config has all of the properties.
func runsWith(config, properties map[string]string) bool {
	for key, value := range properties {
		if config[key] != value {
			return false
		}
	}
	return true
}

// catchUp waits until the target has every message, and reads the tables while this broker is still the master: as a slave
// it would begin to take over the other's.
func (r *run) catchUp(ctx context.Context) error {
	last, since := int64(-1), time.Now()
	err := r.await(ctx, catchUpTimeout, fastPoll, func(ctx context.Context) string {
		mine, err := r.end(ctx, r.Addr)
		if err != nil {
			return err.Error()
		}
		if mine != last {
			last, since = mine, time.Now()
		}
		theirs, err := r.end(ctx, r.target.addr)
		switch {
		case err != nil:
			return err.Error()
		case theirs < mine:
			return fmt.Sprintf("%s lacks %d bytes", r.target.addr, mine-theirs)
		case time.Since(since) < settleTime:
			return "messages that were under way are still being stored"
		}
		return ""
	})
	if err != nil {
		return err
	}
	config, err := askSelf(ctx, r, func(ctx context.Context) (map[string]string, error) { return r.Admin.BrokerConfig(ctx, r.Addr) })
	if err != nil {
		return err
	}
	if !runsWith(config, fence(true)) {
		return errors.New("somebody lifted the fence")
	}
	r.step("%s has every message", r.target.addr)
	if r.tables, err = r.read(ctx, r.Addr); err != nil {
		return err
	}
	return nil
}

// elect makes the target master, and waits until every name server that answers shows it.
func (r *run) elect(ctx context.Context) error {
	request := admin.ElectMasterRequest{ClusterName: r.Cluster, BrokerName: r.Group, BrokerID: r.target.id}
	_, err := askController(ctx, r, func(ctx context.Context, leader string) (*admin.ElectMasterResult, error) {
		result, err := r.Admin.ElectMaster(ctx, leader, request)
		if remoting.IsCode(err, remoting.ControllerMasterStillExist) { // done before
			return result, nil
		}
		return result, err
	})
	if err != nil {
		state, stateErr := r.syncState(ctx)
		if stateErr != nil {
			// The answer may be lost and the election done: then taking back the fence would let two masters write.
			r.fenced, r.withdrawn = false, false
			r.step("whether %s was elected is not known, so the broker refuses messages until it stops", r.target.addr)
			return errors.Join(err, stateErr)
		}
		if state.MasterAddr != r.target.addr {
			return err
		}
	}
	r.fenced, r.withdrawn = false, false // nothing to take back: it is no master any more
	r.step("the controllers made %s master", r.target.addr)
	err = r.await(ctx, routeTimeout, 5*fastPoll, func(ctx context.Context) string {
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
		return nil
	}
	r.step("the name servers show the new master")
	return nil
}

// carry writes to the new master what it lacks. From here on nothing is an error: mastership has moved.
func (r *run) carry(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, carryTimeout)
	defer cancel()
	theirs, err := r.read(ctx, r.target.addr)
	if err != nil {
		r.step("topics, groups and offsets were not compared: %s", err)
		return nil
	}
	lacks := metadata.ForNewMaster(r.tables, theirs)
	if lacks.Empty() {
		return nil
	}
	if err := lacks.Apply(ctx, r.Admin, r.target.addr, theirs, metadata.Limits{}); err != nil {
		r.step("topics, groups and offsets were not carried over: %s", err)
		return nil
	}
	r.step("carried over %d topics, %d consumer groups and %d consumer offsets", len(lacks.Topics), len(lacks.Groups), len(lacks.Offsets))
	return nil
}

// awaitSyncStateSet waits until enough members are in sync without this one for the new master to take messages.
func (r *run) awaitSyncStateSet(ctx context.Context) error {
	config, err := call(ctx, func(ctx context.Context) (map[string]string, error) { return r.Admin.BrokerConfig(ctx, r.target.addr) })
	wanted := 1
	if err == nil {
		_, _ = fmt.Sscan(config["minInSyncReplicas"], &wanted)
	}
	if wanted <= 1 {
		return nil
	}
	err = r.await(ctx, syncSetTimeout, slowPoll, func(ctx context.Context) string {
		state, err := r.syncState(ctx)
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
	return nil
}

// restore takes back what a handover did that came to nothing. It has time of its own: the handover's may be over.
func (r *run) restore(ctx context.Context) {
	properties := map[string]string{}
	if r.fenced {
		maps.Copy(properties, fence(false))
	}
	if r.withdrawn {
		properties["brokerPermission"] = settings.GroupSettings{Permission: settings.ReadWrite}.Properties()["brokerPermission"]
	}
	if len(properties) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer cancel()
	if err := r.Admin.UpdateBrokerConfig(ctx, r.Addr, properties); err != nil {
		r.step("the broker could not be told to take messages again: %s", err)
		return
	}
	r.step("the broker takes messages again until it stops")
}

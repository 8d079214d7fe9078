// SPDX-License-Identifier: Apache-2.0

// Package handover moves the mastership of a broker group to a slave so that no acknowledged message is lost and, where
// another group takes the traffic meanwhile, no producer sees an error. A master runs it before it stops.
//
// A master that refuses messages still writes: what POP consumers take and acknowledge, delayed messages that come due, ends of
// transactions. So nothing here waits for it to fall silent: it is made to (see run.closed), and if it writes all the same, the
// slave takes over from the end of what clients were told is stored. What comes after that is dropped with this broker and done
// again by the new master, which RocketMQ allows.
package handover

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Bounds of the steps, if there is the time (see run.within).
const (
	callTimeout     = 3 * time.Second        // of one request
	ownTimeout      = 10 * time.Second       // until this broker answers
	quorumTimeout   = 20 * time.Second       // until a controller leads and answers
	leastTime       = 4 * time.Second        // for a handover without a drain
	inSyncTimeout   = 20 * time.Second       // until a living slave is in sync, if none is
	targetPatience  = 10 * time.Second       // with a target that does not answer during the drain
	tablesTimeout   = 15 * time.Second       // until the target knows every topic and group
	nearTimeout     = 10 * time.Second       // until the target is close behind
	fenceTimeout    = 5 * time.Second        // in which messages are refused and the target is not elected yet
	routeTimeout    = 15 * time.Second       // until name servers show the new master
	carryTimeout    = 15 * time.Second       // for what the target still lacks
	syncSetTimeout  = 10 * time.Second       // until the SyncStateSet is large enough
	restoreTimeout  = 3 * time.Second        // to take back what a failed handover did
	tellTimeout     = 500 * time.Millisecond // for the answer to changed properties, before a look whether they are there
	tellPause       = 100 * time.Millisecond
	slowPoll        = time.Second
	fastPoll        = 10 * time.Millisecond
	waitReportEvery = 10 * time.Second
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
	// Tell: the group's brokers do not listen to controllers, which have no credentials, so that this one tells them.
	Tell bool
	// Stopping says whether the broker that registers that address is being stopped as well: it is no target.
	Stopping func(ctx context.Context, address string) bool
	// Drain is how long producers get to leave, 0 for not at all; less if there is not the time.
	Drain time.Duration
	// Until is by when all of it must be over, as far as is known when it is asked: it may turn out that there is more time.
	Until func() time.Time
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
	// before are the properties that the broker ran with; held says that others may be in force now, which a failure has to
	// take back, and drained that producers have left.
	before        map[string]string
	held, drained bool
	// refusing is since when messages are refused, zero if they never were.
	refusing time.Time
	// tables are this broker's, nil if they could not be read.
	tables *tables
	copies copies
}

// Run hands over, if this broker is a master. It returns when the broker may stop, with an error if mastership is where
// it was; the broker then takes messages as before, unless it is unknown who is master. The end of ctx ends it at once.
func (m Master) Run(ctx context.Context) error {
	r := &run{Master: m, began: time.Now()}
	err := r.run(ctx)
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
	r.before, err = askSelf(ctx, r, r.config)
	if err != nil {
		return err
	}
	if r.Mode == settings.Static {
		return r.leave(ctx, func(context.Context) error { return nil })
	}
	if err := r.awaitTarget(ctx); err != nil {
		return err
	}
	r.step("%s takes over from %s", r.target.addr, r.Address)
	for _, step := range []func(context.Context) error{r.drain, r.awaitTables, r.awaitCopy, r.change} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	// Mastership has moved: from here on nothing is an error.
	r.awaitRoutes(ctx)
	r.carry(ctx)
	r.awaitSyncStateSet(ctx)
	r.step("handed over")
	return nil
}

func (r *run) step(format string, args ...any) {
	r.Log("handover %.1fs: %s", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// limit says when a wait is over, as far as is known when it is asked.
type limit func() time.Time

// within the time that is wanted for a step that begins now, or a third of what is left for all of them.
func (r *run) within(wanted time.Duration) limit {
	began := time.Now()
	return func() time.Time { return began.Add(min(wanted, r.Until().Sub(began)/3)) }
}

// withLeader is for what waits for a controller that leads: as nothing can be done without one, it gets all but
// what is needed then, or a third.
func (r *run) withLeader() limit {
	began := time.Now()
	return func() time.Time {
		left := r.Until().Sub(began)
		return began.Add(min(quorumTimeout, max(left/3, left-leastTime)))
	}
}

// fixed is a time from now on, whatever is left.
func fixed(d time.Duration) limit {
	end := time.Now().Add(d)
	return func() time.Time { return end }
}

// errNoTime ends what a limit bounds.
var errNoTime = errors.New("there is no time left")

// bounded ends at the limit, which may move meanwhile.
func bounded(ctx context.Context, end limit) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for left := time.Until(end()); left > 0; left = time.Until(end()) {
			if sleep(ctx, min(left, slowPoll)) != nil {
				return
			}
		}
		cancel(errNoTime)
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// call gives one request its time.
func call[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return do(ctx)
}

// await asks until the answer is "", and returns the last one as an error when the time is over: one that the end of the time
// cut off says nothing.
func (r *run) await(ctx context.Context, end limit, pause time.Duration, ask func(context.Context) string) error {
	began := time.Now()
	if !end().After(began) {
		return errNoTime
	}
	limited, cancel := bounded(ctx, end)
	defer cancel()
	said := began
	missing := ""
	for {
		answer := ask(limited)
		if answer == "" {
			return nil
		}
		if limited.Err() == nil || missing == "" {
			missing = answer
		}
		if time.Since(said) > waitReportEvery {
			r.step("waiting: %s", missing)
			said = time.Now()
		}
		if sleep(limited, pause) != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("%s: %w", missing, context.Cause(ctx))
			}
			return fmt.Errorf("after %s: %s", time.Since(began).Round(100*time.Millisecond), missing)
		}
	}
}

// askSelf asks this broker. One that is slow is asked again, one whose port is closed is not.
func askSelf[T any](ctx context.Context, r *run, ask func(context.Context) (T, error)) (answer T, err error) {
	waited := r.await(ctx, r.within(ownTimeout), slowPoll, func(ctx context.Context) string {
		answer, err = call(ctx, ask)
		if err == nil || errors.Is(err, syscall.ECONNREFUSED) {
			return ""
		}
		return "this broker does not answer itself: " + err.Error()
	})
	if waited != nil {
		err = waited
	}
	return answer, err
}

func (r *run) isMaster(ctx context.Context) (bool, error) {
	status, err := askSelf(ctx, r, func(ctx context.Context) (*admin.HAStatus, error) { return r.Admin.HAStatus(ctx, r.Addr) })
	if err != nil || !status.Master || r.Mode == settings.Static {
		return err == nil && status.Master, err
	}
	state, err := r.syncState(ctx, r.withLeader())
	return err == nil && state.MasterAddr == r.Address, err
}

// end of a broker's commit log, in bytes.
func (r *run) end(ctx context.Context, broker string) (int64, error) {
	epoch, err := call(ctx, func(ctx context.Context) (admin.Epoch, error) { return r.Admin.Epoch(ctx, broker) })
	return epoch.End, err
}

// tell this broker what to run with, if it does not yet, and look whether it does. Its answer may be late: a changed permission
// is registered at every name server first (AdminBrokerProcessor.updateBrokerConfig), and one of them may be gone.
func (r *run) tell(ctx context.Context, end limit, properties map[string]string) error {
	return r.await(ctx, end, tellPause, func(ctx context.Context) string {
		told := errors.New("it has others again")
		for range 2 {
			config, err := r.config(ctx)
			if err != nil {
				return "this broker does not answer itself: " + err.Error()
			}
			missing := differing(config, properties)
			if len(missing) == 0 {
				return ""
			}
			short, cancel := context.WithTimeout(ctx, tellTimeout)
			if err := r.Admin.UpdateBrokerConfig(short, r.Addr, missing); err != nil {
				told = err
			}
			cancel()
		}
		return fmt.Sprintf("this broker does not run with the properties %v: %s", properties, told)
	})
}

// config is what this broker runs with.
func (r *run) config(ctx context.Context) (map[string]string, error) {
	return call(ctx, func(ctx context.Context) (map[string]string, error) { return r.Admin.BrokerConfig(ctx, r.Addr) })
}

// differing are those of the properties that config has not, or otherwise.
func differing(config, properties map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range properties {
		if config[key] != value {
			out[key] = value
		}
	}
	return out
}

// restore takes back what a handover did that came to nothing.
func (r *run) restore(ctx context.Context) {
	if !r.held {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if err := r.reopen(ctx, fixed(restoreTimeout), r.ownBefore()); err != nil {
		r.step("the broker refuses messages until it stops: %s", err)
		return
	}
	r.step("the broker takes messages again until it stops")
}

// ownBefore are the properties that a handover changes, as they were.
func (r *run) ownBefore() map[string]string {
	own := map[string]string{}
	for key := range r.closed() {
		if value, known := r.before[key]; known {
			own[key] = value
		}
	}
	return own
}

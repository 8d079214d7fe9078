// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const (
	// readTimeout is for tables of any size.
	readTimeout = 10 * time.Second
	// copyInterval is how often a slave copies offsets from its master: it looks every 3 s whether the last copy is more than
	// 10 s old (ReplicasManager.handleSlaveSynchronize).
	copyInterval = 12 * time.Second
	copyPoll     = 100 * time.Millisecond
	// freshCopy is how old a copy may be.
	freshCopy = 3 * time.Second
)

// tables are what one broker knows besides messages.
type tables struct {
	metadata.Tables
	// unread says why the consumer offsets are missing, nil if they are not. There may be more than fit into an answer, which
	// must not keep anybody from taking over.
	unread error
}

// awaitTables waits until the target knows what clients would miss. It is bounded: what is left is carried later.
func (r *run) awaitTables(ctx context.Context) error {
	err := r.await(ctx, r.within(tablesTimeout), slowPoll, func(ctx context.Context) string {
		r.lookAtCopy(ctx)
		mine, err := r.read(ctx, r.Addr)
		if err != nil {
			return "this broker's topics and consumer groups cannot be read: " + err.Error()
		}
		r.tables = mine
		theirs, err := r.read(ctx, r.target.addr)
		if err != nil {
			return fmt.Sprintf("topics and consumer groups of %s cannot be read: %s", r.target.addr, err)
		}
		if lacks := metadata.ForNewMaster(&mine.Tables, &theirs.Tables); len(lacks.Topics)+len(lacks.Groups) > 0 {
			return fmt.Sprintf("%s lacks %d topics and %d consumer groups", r.target.addr, len(lacks.Topics), len(lacks.Groups))
		}
		return r.shareUsers(ctx)
	})
	if err != nil {
		r.step("%s; what can be is carried over later", err)
	}
	return ctx.Err()
}

// shareUsers with the target, where brokers ask for credentials: they do not share them, so that a slave that is new may not know
// all. It says what keeps it from knowing them.
func (r *run) shareUsers(ctx context.Context) string {
	if !r.Tell {
		return ""
	}
	shared, err := call(ctx, func(ctx context.Context) (int, error) {
		return metadata.ShareUsers(ctx, r.Admin, r.Addr, r.target.addr)
	})
	switch refused := new(remoting.ResponseError); {
	case errors.As(err, &refused): // it will not change its mind: brokers that are to have no users any more refuse this
		r.step("users are not given to %s: %s", r.target.addr, err)
	case err != nil:
		return fmt.Sprintf("users could not be given to %s: %s", r.target.addr, err)
	case shared > 0:
		r.step("gave %d users to %s, which did not know them", shared, r.target.addr)
	}
	return ""
}

// read a broker's tables.
func (r *run) read(ctx context.Context, addr string) (*tables, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	broker := metadata.Broker{Addr: addr, Cluster: r.Cluster, Group: r.Group}
	names, _, err := metadata.ReadNames(ctx, r.Admin, broker)
	if err != nil {
		return nil, err
	}
	t := &tables{Tables: *names}
	t.Offsets, t.unread = metadata.ReadOffsets(ctx, r.Admin, broker)
	return t, nil
}

// refresh reads the tables once more beside something else, which is not to wait for them: those that are there when it is done
// count. They tell of messages as consumed, and what tells of them as given to POP consumers is in the log before: so they must
// be older than the point from which the target takes over.
func (r *run) refresh(ctx context.Context, beside func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan *tables, 1)
	go func() {
		if t, err := r.read(ctx, r.Addr); err == nil && t.unread == nil {
			read <- t
		}
	}()
	err := beside()
	select {
	case r.tables = <-read:
	default:
	}
	return err
}

// copies are what is known of when the target copies how far delayed messages are delivered.
type copies struct {
	of      string // the target
	offsets map[int]int64
	last    time.Time // when they were seen to change
}

// lookAtCopy looks how far delayed messages are delivered to the target's knowledge.
func (r *run) lookAtCopy(ctx context.Context) {
	now, err := call(ctx, func(ctx context.Context) (map[int]int64, error) { return r.Admin.DelayOffsets(ctx, r.target.addr) })
	if err != nil {
		return
	}
	if r.copies.of == r.target.addr && !maps.Equal(now, r.copies.offsets) {
		r.copies.last = time.Now()
	}
	r.copies.of, r.copies.offsets = r.target.addr, now
}

// awaitCopy waits until the target has just copied how far delayed messages are delivered, if any come due. From there it
// delivers them when it is master: what came due since comes twice. And a copy must not happen while it becomes one: it would
// tell of messages as delivered that it does not have.
func (r *run) awaitCopy(ctx context.Context) error {
	r.lookAtCopy(ctx)
	mine, err := call(ctx, func(ctx context.Context) (map[int]int64, error) { return r.Admin.DelayOffsets(ctx, r.Addr) })
	if err != nil || maps.Equal(mine, r.copies.offsets) {
		return ctx.Err()
	}
	err = r.await(ctx, r.within(copyInterval+slowPoll), copyPoll, func(ctx context.Context) string {
		r.lookAtCopy(ctx)
		if time.Since(r.copies.last) < freshCopy {
			return ""
		}
		return r.target.addr + " has not copied how far delayed messages are delivered"
	})
	if err != nil {
		r.step("%s; some of them come twice", err)
	}
	return ctx.Err()
}

// carry writes to the new master what it lacks.
func (r *run) carry(ctx context.Context) {
	if r.tables == nil {
		r.step("topics, groups and offsets are not carried over: they could not be read")
		return
	}
	ctx, cancel := bounded(ctx, r.within(carryTimeout))
	defer cancel()
	theirs, err := r.read(ctx, r.target.addr)
	if err != nil {
		r.step("topics, groups and offsets were not compared: %s", err)
		return
	}
	lacks := metadata.ForNewMaster(&r.tables.Tables, &theirs.Tables)
	if unread := errors.Join(r.tables.unread, theirs.unread); unread != nil {
		lacks.Offsets = nil
		r.step("consumer offsets are not carried over, so that some messages come twice: %s", unread)
	}
	if lacks.Empty() {
		return
	}
	if err := lacks.Apply(ctx, r.Admin, r.target.addr, &theirs.Tables, metadata.Limits{}); err != nil {
		r.step("topics, groups and offsets were not carried over: %s", err)
		return
	}
	r.step("carried over %d topics, %d consumer groups and %d consumer offsets", len(lacks.Topics), len(lacks.Groups), len(lacks.Offsets))
}

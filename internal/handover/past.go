// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

const (
	// pastTimeout is for reading what this broker stored too late, promotionTimeout until the new master has begun its epoch.
	pastTimeout      = 3 * time.Second
	promotionTimeout = 10 * time.Second
)

// reportPast looks at what this broker has stored beyond end, which it drops when it comes back as a slave. It wrote most of that
// by itself, and the new master will do the same. A message of a client's among it is lost: that it was let through before the
// fence and stored long after it is not impossible.
func (r *run) reportPast(ctx context.Context, end int64) {
	_ = sleep(ctx, settleTime) // what is being stored right now counts too
	p, err := r.readPast(ctx, end)
	if len(p.sent) > 0 {
		begin := r.newEpoch(ctx, end)
		p.sent = slices.DeleteFunc(p.sent, func(m sentLate) bool { return m.offset < begin }) // the new master has these
	}
	switch {
	case len(p.sent) > 0:
		r.step("LOST: %s does not have %s, which clients were told are stored", r.target.addr, p)
	case err != nil:
		r.step("whether this broker stored a client's message after %s took over, at %d, is not known: %s", r.target.addr, end, err)
	default:
		r.step("nothing of a client's was stored after %s took over, and %d records that this broker wrote by itself, which is done again",
			r.target.addr, p.own)
	}
}

// newEpoch is where the new master's own log begins, from end on: it has everything before.
func (r *run) newEpoch(ctx context.Context, end int64) int64 {
	begin := end
	err := r.await(ctx, r.within(promotionTimeout), tellPause, func(ctx context.Context) string {
		epoch, err := call(ctx, func(ctx context.Context) (admin.Epoch, error) { return r.Admin.Epoch(ctx, r.target.addr) })
		switch {
		case err != nil:
			return fmt.Sprintf("%s does not tell where its epoch begins: %s", r.target.addr, err)
		case epoch.Start < end:
			return r.target.addr + " has not begun its epoch"
		}
		begin = epoch.Start
		return ""
	})
	if err != nil {
		r.step("%s", err)
	}
	return begin
}

// past is what a former master stored too late.
type past struct {
	sent []sentLate
	own  int // records that it wrote by itself
}

// sentLate is a message that a client was told of.
type sentLate struct {
	offset int64 // in the log
	topic  string
}

// readPast reads the log of this broker from begin on.
func (r *run) readPast(ctx context.Context, begin int64) (p past, err error) {
	ctx, cancel := bounded(ctx, r.within(pastTimeout))
	defer cancel()
	epoch, err := r.Admin.Epoch(ctx, r.Addr)
	if err != nil {
		return p, err
	}
	for begin < epoch.End {
		m, next, err := r.Admin.MessageAt(ctx, r.Addr, begin)
		if err != nil {
			return p, fmt.Errorf("at %d of %d: %w", begin, epoch.End, err)
		}
		if next <= begin {
			return p, fmt.Errorf("at %d of %d: no message there", begin, epoch.End)
		}
		switch {
		case m == nil: // the rest of a file
		case r.acknowledged(m):
			p.sent = append(p.sent, sentLate{begin, topicOf(m)})
		default:
			p.own++
		}
		begin = next
	}
	return p, nil
}

// Names of messages' properties (MessageConst).
const (
	realTopic  = "REAL_TOPIC"              // it waits under another topic, or did (ScheduleMessageService)
	timerOut   = "TIMER_OUT_MS"            // it waits for a time, or did (TimerMessageStore)
	timerRoll  = "TIMER_ROLL_TIMES"        // it waits longer than the timer's wheel is
	checkTimes = "TRANSACTION_CHECK_TIMES" // its producer was asked how the transaction ended
)

// topicOf is the topic that a message is for.
func topicOf(m *admin.Message) string {
	if real := m.Properties[realTopic]; real != "" {
		return real
	}
	return m.Topic
}

// acknowledged reports whether a client sent this message, and was told that it is stored; not if the broker stored it by itself:
// what POP consumers do, a delayed message that came due, one whose transaction was committed, one that is to be tried again.
func (r *run) acknowledged(m *admin.Message) bool {
	has := func(property string) bool { _, ok := m.Properties[property]; return ok }
	switch {
	case admin.IsSystemTopic(topicOf(m), r.Cluster, r.Group):
		return false
	case admin.IsSystemTopic(m.Topic, r.Cluster, r.Group): // it waits: for a time, or for the end of its transaction
		return !has(timerRoll) && !has(checkTimes)
	case strings.HasPrefix(m.Topic, "%RETRY%"): // from PopReviveService, or what was to be consumed again is due
		return false
	}
	return !has(realTopic) && !has(timerOut) && !m.Committed
}

// String counts the messages of clients.
func (p past) String() string {
	count := map[string]int{}
	for _, m := range p.sent {
		count[m.topic]++
	}
	var said []string
	for _, topic := range slices.Sorted(maps.Keys(count)) {
		said = append(said, fmt.Sprintf("%d messages of topic %s", count[topic], topic))
	}
	return strings.Join(said, ", ")
}

// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// mostRefused is how long messages may be refused, whatever else the master writes meanwhile.
const mostRefused = time.Second

// checkMoved expects that the slave is master, lacks nothing, and that messages were not refused for long.
func (c *cluster) checkMoved(t *testing.T, log []string, err error) {
	t.Helper()
	if err != nil || c.master != slave {
		t.Fatalf("%v, master is %s: %q", err, c.master, log)
	}
	if n := c.lostMessages(); n != 0 || c.longest > mostRefused {
		t.Errorf("lost %d messages, refused them for %s: %q", n, c.longest, log)
	}
}

// said finds a line of the log.
func said(log []string, text string) bool {
	for _, line := range log {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// TestMasterWritesOn: what a master writes by itself while it refuses messages does not keep it from handing over, also if it cannot
// be made to stop.
func TestMasterWritesOn(t *testing.T) {
	t.Parallel()
	kinds := map[string][]kind{
		"POP":          {popRecord, popTimer, popRetried},
		"delayed":      {dueLevel},
		"timers":       {dueTimer},
		"transactions": {committed, halfEnded},
	}
	for name, kinds := range kinds {
		for i, rate := range []float64{1, 4, 10, 20, 30, 60, 120, 500, 10, 20, 30, 60, 120, 500} {
			for _, deaf := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %g a second %d, deaf %t", name, rate, i, deaf), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						c := newCluster()
						c.deaf = deaf
						var dice *rand.Rand
						if i >= 8 {
							dice = rand.New(rand.NewPCG(1, uint64(rate)))
						}
						c.writes(writer{kind: message, rate: 200, takes: 5 * time.Millisecond})
						for _, k := range kinds {
							c.writes(writer{kind: k, rate: rate / float64(len(kinds)), dice: dice})
						}
						log, err := c.handOver(t, time.Second)
						c.checkMoved(t, log, err)
						// A new master to which the former one still sends something waits for 5 s.
						if last := c.log[len(c.log)-1]; !deaf && last.offset >= c.start {
							t.Errorf("the former master wrote on: %q", log)
						}
						if !said(log, "nothing of a client's was stored after") {
							t.Errorf("said of what is dropped: %q", log)
						}
					})
				})
			}
		}
	}
}

// TestUnderWay: messages that were let through before the fence are stored after it, and none is lost.
func TestUnderWay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				dice := rand.New(rand.NewPCG(2, seed))
				c.lag, c.deaf = time.Duration(dice.IntN(300))*time.Millisecond, seed%2 == 0
				c.writes(writer{kind: message, rate: 300, dice: dice, takes: settleTime * 9 / 10})
				c.writes(writer{kind: half, rate: 50, dice: dice, takes: settleTime / 2})
				c.writes(writer{kind: popRecord, rate: 300, dice: dice})
				time.Sleep(time.Second)
				log, err := c.handOver(t, 0)
				c.checkMoved(t, log, err)
			})
		})
	}
}

// TestStoredTooLate: a message that was let through and is stored when the slave has taken over is lost, and the log says so.
func TestStoredTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.deaf = true
		c.writes(writer{kind: message, rate: 300, takes: settleTime + 60*time.Millisecond})
		c.writes(writer{kind: popRecord, rate: 100})
		time.Sleep(time.Second)
		log, err := c.handOver(t, 0)
		if n := c.lostMessages(); err != nil || n == 0 || !said(log, fmt.Sprintf("LOST: %s does not have %d messages of topic t", slave, n)) {
			t.Errorf("%v, lost %d messages, and no word of it: %q", err, n, log)
		}
	})
}

// TestFenceLifted: somebody gives the permission back and lifts the fence, now and then. It is put back before the slave takes over.
func TestFenceLifted(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{100 * time.Millisecond, 150 * time.Millisecond, 210 * time.Millisecond, 230 * time.Millisecond, time.Second} {
		t.Run(every.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.writes(writer{kind: message, rate: 200, takes: 5 * time.Millisecond})
				lifted := 0
				ended := make(chan struct{})
				go func() {
					for ; lifted < 10; lifted++ {
						select {
						case <-ended:
							return
						case <-time.After(every):
						}
						c.mu.Lock()
						c.advance(time.Now())
						if c.master == oldMaster {
							maps.Copy(c.configs[oldMaster], settings.GroupSettings{Permission: settings.ReadWrite}.Properties())
							c.refuse(false)
						}
						c.mu.Unlock()
					}
				}()
				log, err := c.handOver(t, 0)
				close(ended)
				c.checkMoved(t, log, err)
				if every < settleTime && !said(log, "somebody lifted the fence") {
					t.Errorf("nobody noticed: %q", log)
				}
			})
		})
	}
}

// TestTablesUnreadable: tables that cannot be read, or not soon, keep nobody from taking over.
func TestTablesUnreadable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		unread, mute bool
		said         string
	}{
		{"offsets larger than an answer", true, false, "consumer offsets are not carried over"},
		{"no table", false, true, "topics, groups and offsets are not carried over"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.unread, c.mute = test.unread, test.mute
				c.writes(writer{kind: message, rate: 200})
				log, err := c.handOver(t, 0)
				c.checkMoved(t, log, err)
				if !said(log, test.said) {
					t.Errorf("no word of it, want %q: %q", test.said, log)
				}
			})
		})
	}
}

// TestDelayedMessages: the slave becomes master right after it copied how far they are delivered, so that few come twice, and not
// while it copies that.
func TestDelayedMessages(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{0, 5 * time.Second, copyInterval - 300*time.Millisecond} {
		t.Run(age.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.delayed, c.copied = true, time.Now().Add(-age)
				c.writes(writer{kind: dueLevel, rate: 500})
				log, err := c.handOver(t, 0)
				c.checkMoved(t, log, err)
				if twice := time.Duration(time.Now().UnixMilli()-c.delayOffset(slave)) * time.Millisecond; twice > 2*time.Second {
					t.Errorf("what came due in %s comes twice: %q", twice, log)
				}
			})
		})
	}
}

// TestShortOfTime: a handover fits into the time that there is, and takes what it is given meanwhile.
func TestShortOfTime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// has is the time as it is known first, given what it is from the second second on.
		has, given  time.Duration
		alone       bool
		least, most time.Duration // until the slave is master
	}{
		{name: "a minute", has: time.Minute, given: time.Minute, least: 29 * time.Second, most: 34 * time.Second},
		{name: "20 s", has: 13 * time.Second, given: 13 * time.Second, least: 6 * time.Second, most: 9 * time.Second},
		{name: "20 s, the only group", has: 13 * time.Second, given: 13 * time.Second, alone: true, most: 2 * time.Second},
		{name: "10 s", has: 6 * time.Second, given: 6 * time.Second, least: 2 * time.Second, most: 5 * time.Second},
		{name: "3 s", has: 2 * time.Second, given: 2 * time.Second, most: 2 * time.Second},
		{name: "more than it seemed", has: 13 * time.Second, given: wholeTime, least: 34 * time.Second, most: 40 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.alone = test.alone
				c.writes(writer{kind: message, rate: 100, takes: 5 * time.Millisecond})
				c.writes(writer{kind: popRecord, rate: 300})
				began := time.Now()
				log, err := c.handOverUntil(t, 35*time.Second, func() time.Time {
					if time.Since(began) < 2*time.Second {
						return began.Add(test.has)
					}
					return began.Add(test.given)
				})
				c.checkMoved(t, log, err)
				if took := time.Since(began); took < test.least || took > test.most {
					t.Errorf("took %s, want %s to %s: %q", took, test.least, test.most, log)
				}
			})
		})
	}
}

// TestNoTimeForLateTarget: a master with little time that cannot hand over leaves java its share.
func TestNoTimeForLateTarget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.late = time.Now().Add(time.Hour)
		began := time.Now()
		log, err := c.handOverUntil(t, 35*time.Second, func() time.Time { return began.Add(13 * time.Second) })
		if took := time.Since(began); err == nil || took > 6*time.Second {
			t.Errorf("%v after %s: %q", err, took, log)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// checkEnd hands over, and expects that master in the end, within the limit, and an error if it is the old one.
func (c *cluster) checkEnd(t *testing.T, master string, limit time.Duration) {
	t.Helper()
	began := time.Now()
	log, err := c.handOver(t, time.Second)
	if took := time.Since(began); c.master != master || (err == nil) != (c.master == slave) || took > limit {
		t.Errorf("%v after %s, master is %s: %q", err, took, c.master, log)
	}
}

func TestHandOver(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		alone   bool
		history string
	}{
		{"others take over the traffic", false, "4/held 4/fenced elected"},
		{"the only group", true, "4/fenced elected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.alone = test.alone
				log, err := c.handOver(t, time.Second)
				if err != nil {
					t.Fatalf("%v after %q", err, log)
				}
				if got := strings.Join(c.history, " "); got != test.history {
					t.Errorf("did %q, want %q", got, test.history)
				}
				if c.offsets[slave]["0"] != 9 {
					t.Errorf("the new master has the offset %d of the old one's 9", c.offsets[slave]["0"])
				}
				if !said(log, "carried over 0 topics, 0 consumer groups and 1 consumer offsets") { // one is negative
					t.Errorf("said %q", log)
				}
				if n := c.lostMessages(); n != 0 {
					t.Errorf("the new master lacks %d messages", n)
				}
				if settings.Writable(c.configs[oldMaster]) || !settings.HeldByAgent(c.configs[oldMaster]) {
					t.Errorf("the operator takes %v for its own", c.configs[oldMaster])
				}
			})
		})
	}
}

// TestStaticMaster: one whose place nobody can take lets producers leave, for as long as there is time.
func TestStaticMaster(t *testing.T) {
	t.Parallel()
	for limit, want := range map[time.Duration]time.Duration{wholeTime: 35 * time.Second, 13 * time.Second: 6500 * time.Millisecond} {
		t.Run(limit.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.static = true
				began := time.Now()
				log, err := c.handOverUntil(t, 35*time.Second, func() time.Time { return began.Add(limit) })
				if got := strings.Join(c.history, " "); err != nil || got != "4/held" || time.Since(began).Round(time.Second/2) != want {
					t.Errorf("%v after %s, did %q, want %s: %q", err, time.Since(began), got, want, log)
				}
			})
		})
	}
}

func TestNobodyTakesOver(t *testing.T) {
	t.Parallel()
	c := newCluster()
	c.inSync = false
	if _, err := c.handOver(t, time.Second); !errors.Is(err, ErrNoTarget) || len(c.history) > 0 {
		t.Errorf("%v, did %q", err, c.history)
	}
	c = newCluster()
	c.master = slave
	if log, err := c.handOver(t, time.Second); err != nil || len(c.history)+len(log) > 0 {
		t.Errorf("a slave that stops: %v, did %q, said %q", err, c.history, log)
	}
}

// TestTargetLate: a slave that is alive gets time to be in sync, but not one that is stopped as well.
func TestTargetLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.late = time.Now().Add(1500 * time.Millisecond)
		if log, err := c.handOver(t, 0); err != nil || c.master != slave || c.lostMessages() != 0 {
			t.Errorf("%v after %q", err, log)
		}
		c = newCluster() // its controllers have another leader since a moment ago
		c.unheard = time.Now().Add(1500 * time.Millisecond)
		if log, err := c.handOver(t, 0); err != nil || c.master != slave || c.lostMessages() != 0 {
			t.Errorf("%v after %q", err, log)
		}
		c = newCluster()
		c.stopping, c.unheard = true, time.Now().Add(time.Hour)
		began := time.Now()
		if _, err := c.handOver(t, time.Second); !errors.Is(err, ErrNoTarget) || len(c.history) > 0 || time.Since(began) > time.Second {
			t.Errorf("%v after %s, did %q", err, time.Since(began), c.history)
		}
	})
}

// TestTargetAway: a slave that restarts while producers leave still takes over; one that stays away is given up.
func TestTargetAway(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		away    time.Duration
		history string
		err     error
	}{
		{2 * time.Second, "4/held 4/fenced elected", nil},
		{time.Hour, "4/held 6/open", ErrNoTarget},
	} {
		t.Run(test.away.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.away = test.away
				began := time.Now()
				log, err := c.handOver(t, targetPatience+5*time.Second)
				if !errors.Is(err, test.err) {
					t.Errorf("%v after %q", err, log)
				}
				if took := time.Since(began); err != nil && took > targetPatience+3*time.Second {
					t.Errorf("given up after %s", took)
				}
				if got := strings.Join(c.history, " "); got != test.history {
					t.Errorf("did %q, want %q", got, test.history)
				}
			})
		})
	}
}

// TestTargetDies: one that dies when messages are refused already is not waited for long, and messages are taken again.
func TestTargetDies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.alone, c.dead = true, true
		log, err := c.handOver(t, time.Second)
		if c.master != oldMaster || err == nil || !strings.Contains(err.Error(), slave+" does not tell what it has") {
			t.Errorf("%v, master is %s: %q", err, c.master, log)
		}
		if !settings.Writable(c.configs[oldMaster]) || c.longest > fenceTimeout+time.Second || c.refused > attempts*(fenceTimeout+time.Second) {
			t.Errorf("refused messages for %s, %s at a time; now %v", c.refused, c.longest, c.configs[oldMaster])
		}
	})
}

// TestControllersBusy: controllers that are electing a leader themselves are waited for, but not when everybody stops.
func TestControllersBusy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		busy     time.Duration
		stopping bool
		master   string
		limit    time.Duration
	}{
		{"for a while", 10 * time.Second, false, slave, 15 * time.Second},
		{"for good", time.Hour, false, oldMaster, quorumTimeout + 5*time.Second},
		{"the slave stops too", time.Hour, true, oldMaster, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.busy, c.stopping = time.Now().Add(test.busy), test.stopping
				c.checkEnd(t, test.master, test.limit)
			})
		})
	}
}

// TestLeaderLeavesToo: the node that is drained has the leading controller as well. Its wait for another one grows with the time
// that it turns out to have, and shrinks with it.
func TestLeaderLeavesToo(t *testing.T) {
	t.Parallel()
	const short = 13 * time.Second
	for _, test := range []struct {
		name     string
		election time.Duration
		given    time.Duration // as it turns out after 3 s
		master   string
		limit    time.Duration
	}{
		{"and there is time", 14 * time.Second, wholeTime, slave, 20 * time.Second},
		{"and nobody says how much time there is", 8 * time.Second, short, slave, short},
		{"and it is too late then", 14 * time.Second, short, oldMaster, 10 * time.Second},
		{"and there is less time", 8 * time.Second, 6 * time.Second, oldMaster, 4500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.alone, c.moving = true, time.Now().Add(test.election)
				began := time.Now()
				log, err := c.handOverUntil(t, 35*time.Second, func() time.Time {
					if time.Since(began) < 3*time.Second {
						return began.Add(short)
					}
					return began.Add(test.given)
				})
				if took := time.Since(began); c.master != test.master || (err == nil) != (test.master == slave) || took > test.limit {
					t.Errorf("%s is master after %s, %v: %q", c.master, took, err, log)
				}
			})
		})
	}
}

// TestControllersMove: while controllers that knew their leader a moment ago look for one, messages are taken.
func TestControllersMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.alone, c.moves = true, 8*time.Second
		c.writes(writer{kind: message, rate: 100})
		c.checkEnd(t, slave, 15*time.Second)
		if c.longest > time.Second || c.lostMessages() != 0 {
			t.Errorf("refused messages for %s at a time, lost %d", c.longest, c.lostMessages())
		}
		if got, want := strings.Join(c.history, " "), "4/fenced 6/open 4/fenced elected"; got != want {
			t.Errorf("did %q, want %q", got, want)
		}
	})
}

// TestSlowItself: a broker that is slow to answer on a busy machine is asked again, one that does not serve is not.
func TestSlowItself(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		slow   time.Duration
		closed bool
		master string
		limit  time.Duration
	}{
		{"for a while", ownTimeout - 2*time.Second, false, slave, ownTimeout + 5*time.Second},
		{"for good", time.Hour, false, oldMaster, ownTimeout + time.Second},
		{"it does not serve", 0, true, oldMaster, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.slow, c.closed = time.Now().Add(test.slow), test.closed
				c.checkEnd(t, test.master, test.limit)
			})
		})
	}
}

// TestNameServerGone: a broker tells of its permission at every name server before it answers, and one of them may be gone. Who
// waits for the answer refuses messages meanwhile.
func TestNameServerGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.alone, c.slowRegistration = true, 24*time.Second
		c.checkEnd(t, slave, 10*time.Second)
		if c.refused > time.Second {
			t.Errorf("refused messages for %s", c.refused)
		}
	})
}

// TestElectionUnknown: a master that cannot know whether it still is one takes no messages.
func TestElectionUnknown(t *testing.T) {
	t.Parallel()
	for drain, history := range map[time.Duration]string{0: "4/fenced elected", time.Second: "4/held 4/fenced elected"} {
		t.Run(drain.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.broken = true
				log, err := c.handOver(t, drain)
				if got := strings.Join(c.history, " "); err == nil || got != history {
					t.Errorf("%v, did %q, want %q: %q", err, got, history, log)
				}
				if last := log[len(log)-1]; !strings.Contains(last, "refuses messages until it stops") {
					t.Errorf("its last word is %q", last)
				}
			})
		})
	}
}

// TestEveryFailure lets each request fail, once before it has an effect and once after: either mastership moves with every
// message, or the broker takes messages as before.
func TestEveryFailure(t *testing.T) {
	t.Parallel()
	requests := 0
	synctest.Test(t, func(t *testing.T) {
		whole := newCluster()
		if _, err := whole.handOver(t, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		requests = whole.requests
	})
	for _, lost := range []bool{false, true} {
		for n := 1; n <= requests; n++ {
			t.Run(fmt.Sprintf("%d lost %t", n, lost), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := newCluster()
					c.failing, c.lost = n, lost
					before := maps.Clone(c.configs[oldMaster])
					log, err := c.handOver(t, 50*time.Millisecond)
					switch {
					case c.master == slave && c.lostMessages() != 0:
						t.Errorf("the new master lacks %d messages: %q", c.lostMessages(), log)
					case c.master == slave && err != nil:
						t.Errorf("mastership moved, and yet: %v", err)
					case c.master == oldMaster && err == nil:
						t.Errorf("nothing happened, and no word of it: %q", log)
					case c.master == oldMaster && !maps.Equal(before, c.configs[oldMaster]):
						t.Errorf("left as %v: %q", c.configs[oldMaster], log)
					}
				})
			})
		}
	}
}

// TestTwoAtOnce: while one group hands over, the other waits, so that one of them is always there for producers; for as
// long as it can afford to.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	const drain, short = 35 * time.Second, 13 * time.Second
	for _, test := range []struct {
		back    time.Duration
		told    time.Duration // after which it is known how much time there is; before that it counts on little
		history string
	}{
		{60 * time.Second, 0, "the other is back, 4/held, 4/fenced, elected"},
		{60 * time.Second, 5 * time.Second, "the other is back, 4/held, 4/fenced, elected"},
		{60 * time.Second, time.Hour, "4/fenced, elected"},
		{time.Hour, 0, "4/fenced, elected"},
	} {
		t.Run(fmt.Sprintf("back after %s, told after %s", test.back, test.told), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				maps.Copy(c.configs[elsewhere], settings.Held(c.configs[elsewhere], false))
				ended := make(chan struct{})
				defer close(ended)
				go func() {
					select {
					case <-ended:
					case <-time.After(test.back):
						c.mu.Lock()
						defer c.mu.Unlock()
						maps.Copy(c.configs[elsewhere], settings.GroupSettings{Permission: settings.ReadWrite}.Properties())
						c.history = append(c.history, "the other is back")
					}
				}()
				began := time.Now()
				log, err := c.handOverUntil(t, drain, func() time.Time {
					if time.Since(began) < test.told {
						return began.Add(short)
					}
					return began.Add(wholeTime)
				})
				if got := strings.Join(c.history, ", "); err != nil || got != test.history {
					t.Errorf("%v, did %q, want %q: %q", err, got, test.history, log)
				}
			})
		})
	}
}

// TestClosedBefore: a group that the operator has taken from producers is not given back to them, whatever becomes of the handover.
func TestClosedBefore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		before  settings.GroupSettings
		history string
	}{
		{"draining", settings.GroupSettings{Permission: settings.ReadOnly}, "4/fenced elected"},
		{"hidden", settings.GroupSettings{}, "0/fenced elected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				maps.Copy(c.configs[oldMaster], test.before.Properties())
				log, err := c.handOver(t, time.Second)
				if got := strings.Join(c.history, " "); err != nil || got != test.history {
					t.Errorf("%v, did %q, want %q: %q", err, got, test.history, log)
				}
				c = newCluster()
				maps.Copy(c.configs[oldMaster], test.before.Properties())
				before := maps.Clone(c.configs[oldMaster])
				c.dead = true
				if _, err := c.handOver(t, time.Second); err == nil || !maps.Equal(c.configs[oldMaster], before) {
					t.Errorf("%v, left as %v", err, c.configs[oldMaster])
				}
			})
		})
	}
}

// TestNoMasterAnyMore: a broker that was told of another master while it handed over stays closed. If its store took something as
// a slave's, the log would not be its master's any more.
func TestNoMasterAnyMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.alone, c.dead, c.deposed = true, true, true
		log, err := c.handOver(t, time.Second)
		if err == nil || c.configs[oldMaster][role] != roleSlave || settings.Writable(c.configs[oldMaster]) {
			t.Errorf("%v, left as %v: %q", err, c.configs[oldMaster], log)
		}
		if last := log[len(log)-1]; !strings.Contains(last, "refuses messages until it stops") {
			t.Errorf("its last word is %q", last)
		}
	})
}

package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

const (
	oldMaster = "old:1"
	slave     = "slave:1"
	elsewhere = "elsewhere:1"
	quorum    = "quorum:1"
	names     = "names:1"
	newNames  = "new-names:1"
)

// cluster is two groups, in memory: a, whose master hands over, and z.
type cluster struct {
	mu     sync.Mutex
	master string // of group a
	alone  bool   // there is no group z
	behind int64  // bytes that the slave lacks; it catches up by half with every look
	inSync bool
	// late is for how long the slave, alive, is not in sync; stopping that it is on its way out itself.
	late     time.Time
	stopping bool
	configs  map[string]map[string]string
	topics   map[string]map[string]admin.TopicConfig
	offsets  map[string]map[string]int64 // of t@g, by broker and queue
	requests int
	// failing is the number of the request that is answered with an error, 0 for none; lost ones are done first.
	failing int
	lost    bool
	// busy is until when the controllers refuse to answer; broken ones do from the election on, which they still do.
	busy   time.Time
	broken bool
	// slow is until when the old master answers nothing of use; closed that its port is.
	slow   time.Time
	closed bool
	// away is for how long the slave is gone once the drain has begun.
	away    time.Duration
	back    time.Time
	history []string
}

func newCluster() *cluster {
	config := func() map[string]string {
		return settings.GroupSettings{Permission: settings.ReadWrite}.Properties()
	}
	topic := admin.TopicConfig{Name: "t", ReadQueues: 1, WriteQueues: 1, Perm: 6}
	return &cluster{
		master: oldMaster, inSync: true, behind: 1000,
		configs: map[string]map[string]string{oldMaster: config(), slave: config(), elsewhere: config()},
		topics:  map[string]map[string]admin.TopicConfig{oldMaster: {"t": topic}, slave: {"t": topic}},
		offsets: map[string]map[string]int64{oldMaster: {"0": 9}, slave: {"0": 4}},
	}
}

func (c *cluster) State(addr string) fakemq.State {
	if c.closed && addr == oldMaster {
		return fakemq.Refused
	}
	return fakemq.Serving
}

func (c *cluster) Answer(addr string, request remoting.Request) (fakemq.Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	failing := c.requests == c.failing
	if failing && !c.lost {
		return fakemq.Answer{Code: remoting.SystemError}, true
	}
	answer := c.answer(addr, request)
	if failing {
		return fakemq.Answer{Code: remoting.SystemError}, true
	}
	return answer, true
}

func (c *cluster) answer(addr string, request remoting.Request) fakemq.Answer {
	body := func(v any) fakemq.Answer {
		text, _ := json.Marshal(v) // plain data
		return fakemq.Answer{Body: string(text)}
	}
	if addr == oldMaster && time.Now().Before(c.slow) {
		return fakemq.Answer{Code: remoting.SystemBusy}
	}
	switch request.Code {
	case remoting.ControllerGetMetadataInfo:
		return fakemq.Answer{Fields: map[string]string{"isLeader": "true"}}
	case remoting.ControllerGetSyncStateData:
		if time.Now().Before(c.busy) {
			return fakemq.Answer{Code: remoting.SystemBusy}
		}
		state := admin.SyncState{MasterAddr: c.master, InSync: []admin.Replica{{ID: 1, Addr: oldMaster, Alive: true}}}
		replica := admin.Replica{ID: 2, Addr: slave, Alive: true}
		switch {
		case !c.inSync || time.Now().Before(c.back):
		case time.Now().Before(c.late):
			state.NotInSync = append(state.NotInSync, replica)
		default:
			state.InSync = append(state.InSync, replica)
		}
		return body(map[string]any{"replicasInfoTable": map[string]admin.SyncState{"a": state}})
	case remoting.ControllerElectMaster:
		if time.Now().Before(c.busy) {
			return fakemq.Answer{Code: remoting.SystemBusy}
		}
		c.master = slave
		c.history = append(c.history, "elected")
		if c.broken {
			c.busy = time.Now().Add(time.Hour)
			return fakemq.Answer{Code: remoting.SystemBusy}
		}
		return fakemq.Answer{Fields: map[string]string{"masterBrokerId": "2", "masterEpoch": "2", "syncStateSetEpoch": "1", "masterAddress": slave}, Body: "{}"}
	case remoting.GetBrokerClusterInfo:
		if addr == newNames && c.master == oldMaster { // it has just started
			return body(admin.ClusterInfo{})
		}
		addrs := map[int64]string{0: oldMaster, 2: slave}
		if c.master == slave {
			addrs = map[int64]string{0: slave, 1: oldMaster}
		}
		info := admin.ClusterInfo{Brokers: map[string]admin.BrokerData{"a": {Name: "a", Cluster: "c", Addrs: addrs}}}
		if !c.alone {
			info.Brokers["z"] = admin.BrokerData{Name: "z", Cluster: "c", Addrs: map[int64]string{0: elsewhere}}
		}
		return body(info)
	case remoting.GetBrokerConfig:
		var out strings.Builder
		for key, value := range c.configs[addr] {
			fmt.Fprintf(&out, "%s=%s\n", key, value)
		}
		return fakemq.Answer{Body: out.String()}
	case remoting.UpdateBrokerConfig:
		for line := range strings.Lines(string(request.Body)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			c.configs[addr][key] = value
			c.history = append(c.history, key+"="+value)
			if key == "brokerPermission" && value == "4" {
				c.back = time.Now().Add(c.away)
			}
		}
		return fakemq.Answer{}
	case remoting.GetBrokerHAStatus:
		const end = 5000
		if addr == c.master {
			return body(admin.HAStatus{Master: true, MaxOffset: end})
		}
		if addr == slave && time.Now().Before(c.back) {
			return fakemq.Answer{Code: remoting.SystemError}
		}
		lacks := c.behind
		c.behind /= 2
		return body(admin.HAStatus{Source: admin.HASource{MaxOffset: end - lacks}})
	case remoting.GetAllTopicConfig:
		return body(map[string]any{"topicConfigTable": c.topics[addr], "dataVersion": admin.DataVersion{}})
	case remoting.GetAllSubscriptionGroupConfig:
		return body(map[string]any{"subscriptionGroupTable": map[string]admin.SubscriptionGroup{"g": admin.NewSubscriptionGroup("g")}, "dataVersion": admin.DataVersion{}})
	case remoting.GetAllConsumerOffset:
		return body(map[string]any{"offsetTable": map[string]map[string]int64{"t@g": c.offsets[addr]}})
	case remoting.UpdateConsumerOffset:
		if c.master != addr {
			c.history = append(c.history, "carried too early")
		}
		var offset int64
		_, _ = fmt.Sscan(request.Fields["commitOffset"], &offset)
		c.offsets[addr][request.Fields["queueId"]] = offset
		return fakemq.Answer{}
	}
	return fakemq.Answer{Code: remoting.RequestCodeNotSupported}
}

// limit is that of a drain of 35 s.
const limit = 130 * time.Second

func (c *cluster) handOver(t *testing.T, drain time.Duration) (log []string, err error) {
	t.Helper()
	rc := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(c)})
	defer rc.Close()
	err = Master{
		Admin: admin.New(rc), Addr: oldMaster, Address: oldMaster, Cluster: "c", Group: "a", Mode: settings.ControllerMode,
		NameServers: []string{newNames, names}, Controllers: []string{quorum}, Drain: drain, Limit: limit,
		Stopping: func(_ context.Context, address string) bool { return c.stopping && address == slave },
		Log:      func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) },
	}.Run(t.Context())
	return log, err
}

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
		{"others take over the traffic", false, "brokerPermission=4 startAcceptSendRequestTimeStamp=4102444800000 elected"},
		{"the only group", true, "startAcceptSendRequestTimeStamp=4102444800000 elected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
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
			if c.behind != 0 {
				t.Errorf("the new master lacks %d bytes", c.behind)
			}
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
		if log, err := c.handOver(t, 0); err != nil || c.master != slave || c.behind != 0 {
			t.Errorf("%v after %q", err, log)
		}
		c = newCluster()
		c.stopping = true
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
		{2 * time.Second, "brokerPermission=4 startAcceptSendRequestTimeStamp=4102444800000 elected", nil},
		{time.Hour, "brokerPermission=4 brokerPermission=6", ErrNoTarget},
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

// TestElectionUnknown: a master that cannot know whether it still is one takes no messages.
func TestElectionUnknown(t *testing.T) {
	t.Parallel()
	const fenced = "startAcceptSendRequestTimeStamp=4102444800000 elected"
	for drain, history := range map[time.Duration]string{0: fenced, time.Second: "brokerPermission=4 " + fenced} {
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
	whole := newCluster()
	if _, err := whole.handOver(t, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []bool{false, true} {
		for n := 1; n <= whole.requests; n++ {
			t.Run(fmt.Sprintf("%d lost %t", n, lost), func(t *testing.T) {
				t.Parallel()
				c := newCluster()
				c.failing, c.lost = n, lost
				before := maps.Clone(c.configs[oldMaster])
				log, err := c.handOver(t, 50*time.Millisecond)
				switch {
				case c.master == slave && c.behind != 0:
					t.Errorf("the new master lacks %d bytes: %q", c.behind, log)
				case c.master == slave && err != nil:
					t.Errorf("mastership moved, and yet: %v", err)
				case c.master == oldMaster && err == nil:
					t.Errorf("nothing happened, and no word of it: %q", log)
				case c.master == oldMaster && !maps.Equal(before, c.configs[oldMaster]):
					t.Errorf("left as %v: %q", c.configs[oldMaster], log)
				}
			})
		}
	}
}

// TestTwoAtOnce: while one group hands over, the other waits, so that one of them is always there for producers; for as
// long as it can afford to.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	const drain = 35 * time.Second
	for _, test := range []struct {
		back    time.Duration
		history string
	}{
		{60 * time.Second, "the other is back, brokerPermission=4, startAcceptSendRequestTimeStamp=4102444800000, elected"},
		{time.Hour, "startAcceptSendRequestTimeStamp=4102444800000, elected"},
	} {
		t.Run(test.back.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.configs[elsewhere]["brokerPermission"] = "4"
				ended := make(chan struct{})
				defer close(ended)
				go func() {
					select {
					case <-ended:
					case <-time.After(test.back):
						c.mu.Lock()
						defer c.mu.Unlock()
						c.configs[elsewhere]["brokerPermission"] = "6"
						c.history = append(c.history, "the other is back")
					}
				}()
				log, err := c.handOver(t, drain)
				if got := strings.Join(c.history, ", "); err != nil || got != test.history {
					t.Errorf("%v, did %q, want %q: %q", err, got, test.history, log)
				}
			})
		})
	}
}

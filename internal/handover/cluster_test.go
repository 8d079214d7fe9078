// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
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
	inSync bool
	static bool // it has no controllers

	// log is the old master's. The slave has what is older than lag, and catches up with what it lacked at first by half with
	// every look. start is where the new master's own log begins.
	writers []*writer
	log     []record
	lag     time.Duration
	behind  int64
	start   int64
	// deaf: its store goes on writing although it is told to be a slave's.
	deaf bool
	// refusing is since when messages are refused, if they are; refused for how long in all before the election, longest at a
	// time.
	refusing         time.Time
	refused, longest time.Duration

	// late is until when the slave, alive, is not in sync, unheard until when the controllers take it for dead; stopping that it is on
	// its way out itself.
	late     time.Time
	unheard  time.Time
	stopping bool
	configs  map[string]map[string]string
	topics   map[string]map[string]admin.TopicConfig
	offsets  map[string]map[string]int64 // of t@g, by broker and queue
	// delays are how far delayed messages are delivered; the slave copies that now and then.
	delayed bool
	copied  time.Time
	// unread: the offsets cannot be read; mute: questions for tables are not answered.
	unread, mute bool

	requests int
	// failing is the number of the request that is answered with an error, 0 for none; lost ones are done first.
	failing int
	lost    bool
	// slowRegistration is how long the answer to a changed permission takes.
	slowRegistration time.Duration
	// busy is until when the controllers refuse to answer; broken ones do from the election on, which they still do. moves is for
	// how long they have no leader once messages are refused.
	busy   time.Time
	broken bool
	moves  time.Duration
	moving time.Time
	// slow is until when the old master answers nothing of use; closed that its port is.
	slow   time.Time
	closed bool
	// away is for how long the slave is gone once the drain has begun, dead that it does not come back once messages are refused.
	// deposed: then the old master is told of another one.
	away          time.Duration
	back          time.Time
	dead, deposed bool
	history       []string
	over          chan struct{}
}

func newCluster() *cluster {
	config := func() map[string]string {
		properties := settings.GroupSettings{Permission: settings.ReadWrite}.Properties()
		properties[role], properties[brokerID] = "SYNC_MASTER", "0"
		return properties
	}
	topic := admin.TopicConfig{Name: "t", ReadQueues: 1, WriteQueues: 1, Perm: 6}
	c := &cluster{
		master: oldMaster, inSync: true, behind: 1000, lag: 20 * time.Millisecond,
		configs: map[string]map[string]string{oldMaster: config(), slave: config(), elsewhere: config()},
		topics:  map[string]map[string]admin.TopicConfig{oldMaster: {"t": topic}, slave: {"t": topic}},
		offsets: map[string]map[string]int64{oldMaster: {"0": 9, "1": -1}, slave: {"0": 4}},
		copied:  time.Now(),
	}
	for range 20 {
		c.append(record{kind: message, stored: time.Now().Add(-time.Minute)})
	}
	return c
}

func (c *cluster) State(addr string) fakemq.State {
	if c.closed && addr == oldMaster {
		return fakemq.Refused
	}
	return fakemq.Serving
}

func (c *cluster) Answer(addr string, request remoting.Request) (fakemq.Answer, bool) {
	c.mu.Lock()
	c.advance(time.Now())
	c.requests++
	failing := c.requests == c.failing
	if failing && !c.lost {
		c.mu.Unlock()
		return fakemq.Answer{Code: remoting.SystemError}, true
	}
	answer := c.answer(addr, request)
	mute := c.mute
	c.mu.Unlock()
	if request.Code == remoting.UpdateBrokerConfig && strings.Contains(string(request.Body), "brokerPermission") {
		c.sleep(c.slowRegistration)
	}
	if failing {
		return fakemq.Answer{Code: remoting.SystemError}, true
	}
	switch request.Code {
	case remoting.GetAllTopicConfig, remoting.GetAllSubscriptionGroupConfig, remoting.GetAllConsumerOffset:
		return answer, !mute
	}
	return answer, true
}

// sleep, but not beyond the end of the handover.
func (c *cluster) sleep(d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-c.over:
	case <-time.After(d):
	}
}

// fenced says whether the old master refuses messages.
func (c *cluster) fenced() bool {
	config := c.configs[oldMaster]
	return len(config[settings.Fence]) > 1 || c.master != oldMaster
}

func (c *cluster) answer(addr string, request remoting.Request) fakemq.Answer {
	if addr == oldMaster && time.Now().Before(c.slow) {
		return fakemq.Answer{Code: remoting.SystemBusy}
	}
	switch addr {
	case quorum:
		return c.answerAsController(request)
	case names, newNames:
		return c.answerAsNameServer(addr)
	}
	return c.answerAsBroker(addr, request)
}

func body(v any) fakemq.Answer {
	text, _ := json.Marshal(v) // plain data
	return fakemq.Answer{Body: string(text)}
}

func (c *cluster) answerAsController(request remoting.Request) fakemq.Answer {
	leads := !time.Now().Before(c.moving)
	switch request.Code {
	case remoting.ControllerGetMetadataInfo:
		return fakemq.Answer{Fields: map[string]string{"isLeader": fmt.Sprint(leads)}}
	case remoting.ControllerGetSyncStateData:
		if time.Now().Before(c.busy) {
			return fakemq.Answer{Code: remoting.SystemBusy}
		}
		state := admin.SyncState{MasterAddr: c.master, InSync: []admin.Replica{{ID: 1, Addr: oldMaster, Alive: true}}}
		replica := admin.Replica{ID: 2, Addr: slave, Alive: !time.Now().Before(c.unheard)}
		switch {
		case !c.inSync || time.Now().Before(c.back):
		case time.Now().Before(c.late):
			state.NotInSync = append(state.NotInSync, replica)
		default:
			state.InSync = append(state.InSync, replica)
		}
		return body(map[string]any{"replicasInfoTable": map[string]admin.SyncState{"a": state}})
	case remoting.ControllerElectMaster:
		switch {
		case !leads:
			return fakemq.Answer{Code: remoting.ControllerNotLeader}
		case time.Now().Before(c.busy):
			return fakemq.Answer{Code: remoting.SystemBusy}
		}
		c.start = c.whole(c.end(time.Now().Add(-c.lag)) - c.behind)
		c.refuse(false)
		c.master = slave
		c.configs[oldMaster][role], c.configs[oldMaster][brokerID] = roleSlave, "1"
		c.history = append(c.history, "elected")
		if c.broken {
			c.busy = time.Now().Add(time.Hour)
			return fakemq.Answer{Code: remoting.SystemBusy}
		}
		return fakemq.Answer{Fields: map[string]string{"masterBrokerId": "2", "masterEpoch": "2", "syncStateSetEpoch": "1", "masterAddress": slave}, Body: "{}"}
	}
	return fakemq.Answer{Code: remoting.RequestCodeNotSupported}
}

func (c *cluster) answerAsNameServer(addr string) fakemq.Answer {
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
}

func (c *cluster) answerAsBroker(addr string, request remoting.Request) fakemq.Answer {
	if addr == slave && (time.Now().Before(c.back) || c.dead && c.fenced() && c.master == oldMaster) {
		return fakemq.Answer{Code: remoting.SystemError}
	}
	switch request.Code {
	case remoting.GetBrokerConfig:
		var out strings.Builder
		for key, value := range c.configs[addr] {
			fmt.Fprintf(&out, "%s=%s\n", key, value)
		}
		return fakemq.Answer{Body: out.String()}
	case remoting.UpdateBrokerConfig:
		c.update(addr, string(request.Body))
		return fakemq.Answer{}
	case remoting.GetBrokerHAStatus:
		return body(admin.HAStatus{Master: addr == c.master})
	case remoting.GetBrokerEpochCache:
		epochs := []map[string]int64{{"epoch": 1, "startOffset": 0}}
		if c.master == addr && addr == slave {
			epochs = append(epochs, map[string]int64{"epoch": 2, "startOffset": c.start})
		}
		return body(map[string]any{"epochList": epochs, "maxOffset": c.endOf(addr)})
	case remoting.ViewMessageByID:
		for _, r := range c.log {
			if fmt.Sprint(r.offset) == request.Fields["offset"] {
				return fakemq.Answer{Body: string(r.bytes())}
			}
		}
		return fakemq.Answer{Code: remoting.SystemError}
	case remoting.GetAllDelayOffset:
		return body(map[string]any{"offsetTable": map[string]int64{"3": c.delayOffset(addr)}})
	case remoting.GetAllTopicConfig:
		return body(map[string]any{"topicConfigTable": c.topics[addr], "dataVersion": admin.DataVersion{}})
	case remoting.GetAllSubscriptionGroupConfig:
		return body(map[string]any{"subscriptionGroupTable": map[string]admin.SubscriptionGroup{"g": admin.NewSubscriptionGroup("g")}, "dataVersion": admin.DataVersion{}})
	case remoting.GetAllConsumerOffset:
		if c.unread {
			return fakemq.Answer{Code: remoting.SystemError}
		}
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

// endOf a broker's log.
func (c *cluster) endOf(addr string) int64 {
	switch addr {
	case oldMaster:
		return c.end(time.Now())
	case c.master:
		return c.start
	}
	lacks := c.behind
	c.behind /= 2
	return c.end(time.Now().Add(-c.lag)) - lacks
}

// delayOffset moves all the time on the master, and in steps on the slave.
func (c *cluster) delayOffset(addr string) int64 {
	if !c.delayed {
		return 0
	}
	if addr == oldMaster {
		return time.Now().UnixMilli()
	}
	if since := time.Since(c.copied); since >= copyInterval {
		c.copied = c.copied.Add(since / copyInterval * copyInterval)
	}
	return c.copied.UnixMilli()
}

// update a broker's properties. The history has what changes.
func (c *cluster) update(addr, text string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if c.configs[addr][key] == value {
			continue
		}
		c.configs[addr][key] = value
		if key == settings.Permission && value == "4" {
			c.back = time.Now().Add(c.away)
		}
		if key == settings.Fence && value == fenced && c.moves > 0 {
			c.moving, c.moves = time.Now().Add(c.moves), 0
		}
	}
	if addr == oldMaster && c.deposed && c.fenced() {
		c.configs[addr][brokerID] = "1"
	}
	if addr == oldMaster {
		c.refuse(c.fenced())
		state := fmt.Sprintf("%s/%s", c.configs[addr][settings.Permission], map[string]string{
			"0": "open", drained: "held", fenced: "fenced"}[c.configs[addr][settings.Fence]])
		c.history = append(c.history, state)
	}
}

// drained and fenced are what a held broker shows.
var (
	drained = settings.Held(nil, false)[settings.Fence]
	fenced  = settings.Held(nil, true)[settings.Fence]
)

// refuse books for how long messages are refused.
func (c *cluster) refuse(now bool) {
	if !c.refusing.IsZero() {
		took := time.Since(c.refusing)
		c.refused += took
		c.longest = max(c.longest, took)
		c.refusing = time.Time{}
	}
	if now {
		c.refusing = time.Now()
	}
}

// wholeTime is that of a drain of 35 s.
const wholeTime = 130 * time.Second

func (c *cluster) handOver(t *testing.T, drain time.Duration) (log []string, err error) {
	t.Helper()
	began := time.Now()
	return c.handOverUntil(t, drain, func() time.Time { return began.Add(wholeTime) })
}

func (c *cluster) handOverUntil(t *testing.T, drain time.Duration, until func() time.Time) (log []string, err error) {
	t.Helper()
	mode := settings.ControllerMode
	if c.static {
		mode = settings.Static
	}
	c.over = make(chan struct{})
	defer close(c.over)
	rc := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(c)})
	defer rc.Close()
	err = Master{
		Admin: admin.New(rc), Addr: oldMaster, Address: oldMaster, Cluster: "c", Group: "a", Mode: mode,
		NameServers: []string{newNames, names}, Controllers: []string{quorum}, Drain: drain, Until: until,
		Stopping: func(_ context.Context, address string) bool { return c.stopping && address == slave },
		Log:      func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) },
	}.Run(t.Context())
	return log, err
}

// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"maps"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Brokers is what the servers of a Broker resource said, and what the next look needs to know of this one.
type Brokers struct {
	fleet.Answer
	memory
}

// memory of earlier looks. Losing it costs a few questions more.
type memory struct {
	// disks, by target.
	disks map[string]diskUse
	// tables of the followed groups, by brokerName.
	tables map[string]tableHistory
	// misses counts for how many looks in a row a server has not answered.
	misses map[string]int
	// leaderless: there are controllers, and none answered as their leader.
	leaderless bool
}

// diskUse is how full the fuller one of a broker's disks was, in percent.
type diskUse struct {
	used int
	at   time.Time
}

// SameBrokers reports whether two answers tell the same. The wording of an error is no news.
func SameBrokers(a, b *Brokers) bool {
	if a == nil || b == nil {
		return false
	}
	said, says := a.Answer, b.Answer
	said.Unreachable, says.Unreachable = nil, nil
	sameServers := maps.EqualFunc(a.Unreachable, b.Unreachable, func(_, _ string) bool { return true })
	return sameServers && reflect.DeepEqual(said, says)
}

// CompleteBrokers reports whether every server answered.
func CompleteBrokers(b *Brokers) bool { return !b.leaderless && len(b.misses) == 0 }

// GlanceBrokers asks the controllers' leader whether a group has had an election, or a member died or came, since the
// last look. A leader that does not answer makes a look due, which finds the next one.
func GlanceBrokers(c *admin.Client, groups []string) Glance[*Brokers] {
	return func(ctx context.Context, last *Brokers) bool {
		if last == nil || last.Leader == "" {
			return false
		}
		states, err := c.SyncStateData(ctx, last.Leader, groups...)
		return err != nil || !reflect.DeepEqual(states, last.SyncStates)
	}
}

const (
	// shortPatience is for a server that did not answer the last look, so that a dead one does not hold up what the
	// others say. Every fullPatience-th time it gets as long as everybody.
	shortPatience = time.Second
	fullPatience  = 4

	// lagBound is how many bytes of its master's messages a slave may lack and still take over within a second or two.
	lagBound = 16 << 20

	// diskPressure is the percentage from which on a disk is part of the answer: below RocketMQ's first limit,
	// BrokerConfig.diskMaxUsedSpaceRatio (75 %), at which it deletes old files; from 90 % on it refuses messages (DefaultMessageStore.CleanCommitLogService).
	diskPressure = 70
	// diskStep is what the percentage is rounded down to, so that the answer does not change with every message.
	diskStep = 5
	// diskInterval is how often brokers are asked for their disks: these fill slowly, and the answer costs a broker much.
	diskInterval = 30 * time.Second

	// everywhere is a topic that every broker makes, for reading and writing (TopicConfigManager).
	everywhere = "SELF_TEST_TOPIC"
)

// ProbeBrokers asks all servers at once: a few requests to each name server and broker, one to the leading controller for all
// groups.
func ProbeBrokers(c *admin.Client, targets fleet.Targets) Probe[*Brokers] {
	return func(ctx context.Context, last *Brokers) *Brokers {
		l := newBrokersLook(c, targets, last)
		details, enough := context.WithCancel(ctx)
		defer enough()

		var roles, more sync.WaitGroup // the questions about who is master, and all others
		for _, server := range targets.NameServers {
			roles.Go(func() { l.registrations(ctx, server) })
			more.Go(func() { l.permissions(details, server) })
		}
		roles.Go(func() { l.syncStates(ctx) })
		for group, master := range targets.Masters {
			more.Go(func() { l.staticSlaves(details, group, master) })
		}
		for _, broker := range targets.Brokers {
			more.Go(func() { l.broker(details, broker) })
		}
		more.Go(func() { l.tables(details) })

		roles.Wait()
		if l.rolesChanged() {
			// The change has to reach the pass soon. Brokers that change their roles may not answer for seconds: they get shortPatience.
			defer time.AfterFunc(shortPatience, enough).Stop()
		}
		more.Wait()
		l.now.CaughtUp = caughtUp(targets.Followed, l.ends)
		return l.now
	}
}

// brokersLook is one look at the servers of a Broker resource, one method for each question. A server that does not answer is
// missing in what was found, unless a method says otherwise, and is asked again by the next look.
type brokersLook struct {
	*admin.Client
	targets fleet.Targets
	first   bool
	last    *Brokers

	mu   sync.Mutex // guards what follows
	now  *Brokers
	ends map[string]int64 // of commit logs, by target
}

func newBrokersLook(c *admin.Client, targets fleet.Targets, last *Brokers) *brokersLook {
	l := &brokersLook{Client: c, targets: targets, first: last == nil, last: last, ends: map[string]int64{}}
	if l.first {
		l.last = &Brokers{}
	}
	l.now = &Brokers{
		Answer: fleet.Answer{
			Registered: map[string]map[string]map[int64]string{}, Shown: map[string]map[string]int{}, Unreachable: map[string]string{}, Refused: map[string]string{},
			InSyncHosts: map[string][]string{}, CaughtUp: map[string]bool{}, Properties: map[string]map[string]string{}, Disks: map[string]int{},
		},
		memory: memory{disks: map[string]diskUse{}, misses: map[string]int{}},
	}
	return l
}

// patience with a server, by how it answered before.
func (l *brokersLook) patience(ctx context.Context, server string) (context.Context, context.CancelFunc) {
	if l.last.misses[server]%fullPatience == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, shortPatience)
}

// missed counts that a server did not answer. The caller holds the lock.
func (l *brokersLook) missed(server string) {
	l.now.misses[server] = l.last.misses[server] + 1
}

// rolesChanged reports whether name servers or controllers say something else than at the last look.
func (l *brokersLook) rolesChanged() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := reflect.DeepEqual(l.now.Registered, l.last.Registered) && reflect.DeepEqual(l.now.SyncStates, l.last.SyncStates)
	return !l.first && !same
}

// registrations asks a name server who is registered. One that does not answer is named.
func (l *brokersLook) registrations(ctx context.Context, server string) {
	ctx, cancel := l.patience(ctx, server)
	defer cancel()
	info, err := l.ClusterInfoOf(ctx, server, l.targets.Groups...)

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.now.Unreachable[server] = err.Error()
		l.missed(server)
		return
	}
	groups := map[string]map[int64]string{}
	for _, group := range l.targets.Groups {
		if data, ok := info.Brokers[group]; ok {
			groups[group] = data.Addrs
		}
	}
	l.now.Registered[server] = groups
}

// permissions asks a name server what clients are told that they may do with each group.
func (l *brokersLook) permissions(ctx context.Context, server string) {
	ctx, cancel := l.patience(ctx, server)
	defer cancel()
	route, err := l.TopicRouteOf(ctx, server, everywhere, l.targets.Groups...)
	if err != nil {
		return // registrations reports a name server that does not answer
	}

	shown := map[string]int{}
	for _, queue := range route.Queues {
		if slices.Contains(l.targets.Groups, queue.Broker) {
			shown[queue.Broker] = queue.Perm
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.Shown[server] = shown
}

// syncStates asks the controllers' leader for its records.
func (l *brokersLook) syncStates(ctx context.Context) {
	leader, err := l.FindLeader(ctx, l.targets.Controllers)
	var states map[string]admin.SyncState
	if err == nil {
		states, err = l.SyncStateData(ctx, leader, l.targets.Groups...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil { // no leader any more: the next look finds the new one
		l.now.leaderless = len(l.targets.Controllers) > 0
		return
	}
	l.now.Leader, l.now.SyncStates = leader, states
}

// staticSlaves asks a STATIC master which slaves are in sync.
func (l *brokersLook) staticSlaves(ctx context.Context, group, master string) {
	status, err := l.HAStatus(ctx, master)
	if err != nil {
		return
	}
	hosts := []string{}
	for _, slave := range status.Slaves {
		if host, _, err := net.SplitHostPort(slave.Addr); err == nil && slave.InSync {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.InSyncHosts[group] = hosts
}

// broker asks a broker what it runs with, how far its commit log is, and how full its disks are.
func (l *brokersLook) broker(ctx context.Context, broker string) {
	ctx, cancel := l.patience(ctx, broker)
	defer cancel()
	config, err := l.BrokerConfig(ctx, broker)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.missed(broker)
		if refused := new(remoting.ResponseError); errors.As(err, &refused) && refused.Code == remoting.NoPermission {
			l.now.Refused[broker] = refused.Error()
		}
		return
	}
	status, statusErr := l.HAStatus(ctx, broker)
	disk, diskErr := l.diskUse(ctx, broker)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.Properties[broker] = runtimeProperties(config)
	if statusErr == nil { // if not, the slave counts as "not compared" for this look
		l.ends[broker] = status.End()
	}
	if diskErr == nil {
		l.now.disks[broker] = disk
	}
	if disk.used >= diskPressure {
		l.now.Disks[broker] = disk.used / diskStep * diskStep
	}
}

// runtimeProperties are those that the operator sets while a broker runs.
func runtimeProperties(config map[string]string) map[string]string {
	keys := []string{"namesrvAddr", "controllerAddr", "brokerPermission", "startAcceptSendRequestTimeStamp"}
	for _, live := range settings.LiveKeys() {
		keys = append(keys, live.Key)
	}
	out := map[string]string{}
	for _, key := range keys {
		if value, known := config[key]; known {
			out[key] = value
		}
	}
	return out
}

// diskUse of a broker: the last one if it is younger than diskInterval, else a new one.
func (l *brokersLook) diskUse(ctx context.Context, broker string) (diskUse, error) {
	if known := l.last.disks[broker]; time.Since(known.at) < diskInterval {
		return known, nil
	}
	info, err := l.BrokerRuntimeInfo(ctx, broker)
	if err != nil {
		return diskUse{}, err
	}
	return diskUse{int(100 * max(info.CommitLogDiskRatio(), info.ConsumeQueueDiskRatio())), time.Now()}, nil
}

// tables asks how many topics and consumer groups brokers have, and of which version, without reading them.
func (l *brokersLook) tables(ctx context.Context) {
	followed, after := followTables(ctx, l.Client, l.targets.Followed, l.last.tables, l.patience)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.Tables, l.now.tables = followed, after
}

// caughtUp says of each slave whether its commit log ends less than lagBound before its master's.
func caughtUp(groups map[string]fleet.Mastership, ends map[string]int64) map[string]bool {
	out := map[string]bool{}
	for _, g := range groups {
		master, answered := ends[g.Master]
		for _, slave := range g.Slaves {
			if end, known := ends[slave]; answered && known {
				out[slave] = master-end < lagBound
			}
		}
	}
	return out
}

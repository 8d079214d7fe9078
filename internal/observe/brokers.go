package observe

import (
	"context"
	"maps"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// BrokerTargets are the servers to ask about a Broker resource, as host:port that the operator can dial.
type BrokerTargets struct {
	NameServers []string
	Controllers []string
	// Groups are the brokerNames.
	Groups []string
	// Masters are the STATIC masters to ask for their slaves, by brokerName.
	Masters map[string]string
	// Brokers are those to ask for their properties.
	Brokers []string
	// Draining are the masters to ask for what is not consumed, by brokerName.
	Draining map[string]string
	// Guarded are the groups whose tables are followed, by brokerName.
	Guarded map[string]Guarded
	// Cluster is the brokerClusterName.
	Cluster string
}

// Brokers is what the servers said about a Broker resource.
type Brokers struct {
	// Registered: for each name server that answered, the members of each group: address by broker id.
	Registered map[string]map[string]map[int64]string
	// Shown: for each name server that answered, the permission that it tells clients of, by brokerName (see
	// admin.RouteQueue). A group that it does not know is missing.
	Shown map[string]map[string]int
	// Unreachable are the name servers that did not answer, with the error.
	Unreachable map[string]string
	// Leader is the controller that leads, "" if none was found.
	Leader string
	// SyncStates are the leader's records of the groups. A group that it does not know is missing.
	SyncStates map[string]admin.SyncState
	// InSyncHosts are the hosts of the slaves that a STATIC master says are in sync, by brokerName.
	InSyncHosts map[string][]string
	// CaughtUp: whether a slave of a followed group lacks next to nothing of its master's messages, by target. One is
	// missing if it, or its master, did not answer.
	CaughtUp map[string]bool
	// Properties are those that the operator may set at run time, of the brokers that answered, by target. One that a
	// broker does not know is missing.
	Properties map[string]map[string]string
	// Disks says how full the disks are that near RocketMQ's limits, in steps of 5 %, by target.
	Disks map[string]int
	// Backlogs are what the draining groups still hold, by brokerName. One that did not answer is missing.
	Backlogs map[string]Backlog
	// Tables of the guarded groups whose master answered, by brokerName.
	Tables map[string]Followed

	// disks are what this and earlier looks showed of them, by target.
	disks map[string]diskUse
	// tables are what this and earlier looks showed of the guarded groups.
	tables map[string]tableHistory
	// misses counts for how many looks in a row a server has not answered.
	misses map[string]int
}

// diskUse is how full the fuller one of a broker's disks was, in percent.
type diskUse struct {
	used int
	at   time.Time
}

const (
	// shortPatience is for a server that did not answer the last look, so that a dead one does not hold up what the
	// others say. Every fullPatience-th time it gets as long as everybody.
	shortPatience = time.Second
	fullPatience  = 4
)

// patience with a server, by how it answered before.
func (b *Brokers) patience(ctx context.Context, server string) (context.Context, context.CancelFunc) {
	if b == nil || b.misses[server]%fullPatience == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, shortPatience)
}

// missed counts that a server did not answer.
func (b *Brokers) missed(server string, last *Brokers) {
	b.misses[server] = 1
	if last != nil {
		b.misses[server] += last.misses[server]
	}
}

// diskUse of a broker, as it was told not long ago or is now.
func (b *Brokers) diskUse(ctx context.Context, c *admin.Client, broker string) (diskUse, error) {
	if b != nil && time.Since(b.disks[broker].at) < diskInterval {
		return b.disks[broker], nil
	}
	info, err := c.BrokerRuntimeInfo(ctx, broker)
	if err != nil {
		return diskUse{}, err
	}
	return diskUse{int(100 * max(info.CommitLogDiskRatio(), info.ConsumeQueueDiskRatio())), time.Now()}, nil
}

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

// runtimeProperties are what the operator sets while a broker runs.
func runtimeProperties() []string {
	keys := []string{"namesrvAddr", "controllerAddr", "brokerPermission", "startAcceptSendRequestTimeStamp"}
	for _, live := range settings.LiveKeys() {
		keys = append(keys, live.Key)
	}
	return keys
}

// lagBound is how many bytes of its master's messages a slave may lack and still take over within a second or two.
const lagBound = 16 << 20

// diskPressure is from when on a disk is told of: below RocketMQ's first limit, BrokerConfig.diskMaxUsedSpaceRatio (75 %),
// at which it deletes old files; from 90 % on it refuses messages (DefaultMessageStore.CleanCommitLogService).
const diskPressure = 70

// diskInterval is how often disks are asked for: they fill slowly, and the question is an expensive one.
const diskInterval = 30 * time.Second

// everywhere is a topic that every broker makes, for reading and writing (TopicConfigManager).
const everywhere = "SELF_TEST_TOPIC"

// SameBrokers reports whether two answers tell the same. The wording of an error is no news.
func SameBrokers(a, b *Brokers) bool {
	keys := func(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
	return a != nil && b != nil && reflect.DeepEqual(a.Registered, b.Registered) && reflect.DeepEqual(a.Shown, b.Shown) && slices.Equal(keys(a.Unreachable), keys(b.Unreachable)) &&
		a.Leader == b.Leader && reflect.DeepEqual(a.SyncStates, b.SyncStates) && reflect.DeepEqual(a.InSyncHosts, b.InSyncHosts) && reflect.DeepEqual(a.CaughtUp, b.CaughtUp) &&
		reflect.DeepEqual(a.Properties, b.Properties) && reflect.DeepEqual(a.Disks, b.Disks) && reflect.DeepEqual(a.Backlogs, b.Backlogs) &&
		reflect.DeepEqual(a.Tables, b.Tables)
}

// ProbeBrokers asks all servers at once: one request to each name server, one to the leading controller for all groups.
func ProbeBrokers(c *admin.Client, targets BrokerTargets) Probe[*Brokers] {
	return func(ctx context.Context, last *Brokers) *Brokers {
		out := &Brokers{
			Registered: map[string]map[string]map[int64]string{}, Shown: map[string]map[string]int{}, Unreachable: map[string]string{},
			InSyncHosts: map[string][]string{}, CaughtUp: map[string]bool{}, Properties: map[string]map[string]string{}, Disks: map[string]int{},
			Backlogs: map[string]Backlog{}, disks: map[string]diskUse{}, misses: map[string]int{},
		}
		var mu sync.Mutex
		var urgent, more sync.WaitGroup // who is master, and all else
		details, enough := context.WithCancel(ctx)
		defer enough()
		ends := map[string]int64{} // of commit logs
		for _, server := range targets.NameServers {
			urgent.Go(func() {
				ctx, cancel := last.patience(ctx, server)
				defer cancel()
				info, err := c.ClusterInfo(ctx, server)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					out.Unreachable[server] = err.Error()
					out.missed(server, last)
					return
				}
				groups := map[string]map[int64]string{}
				for _, group := range targets.Groups {
					if data, ok := info.Brokers[group]; ok {
						groups[group] = data.Addrs
					}
				}
				out.Registered[server] = groups
			})
		}
		for _, server := range targets.NameServers {
			more.Go(func() {
				ctx, cancel := last.patience(details, server)
				defer cancel()
				route, err := c.TopicRoute(ctx, server, everywhere)
				if err != nil {
					return // that it does not answer is told by the other question
				}
				shown := map[string]int{}
				for _, queue := range route.Queues {
					if slices.Contains(targets.Groups, queue.Broker) {
						shown[queue.Broker] = queue.Perm
					}
				}
				mu.Lock()
				defer mu.Unlock()
				out.Shown[server] = shown
			})
		}
		for group, master := range targets.Masters {
			more.Go(func() {
				status, err := c.HAStatus(details, master)
				if err != nil {
					return // it is not registered then, which shows
				}
				hosts := []string{}
				for _, slave := range status.Slaves {
					if host, _, err := net.SplitHostPort(slave.Addr); err == nil && slave.InSync {
						hosts = append(hosts, host)
					}
				}
				slices.Sort(hosts)
				mu.Lock()
				defer mu.Unlock()
				out.InSyncHosts[group] = hosts
			})
		}
		for _, broker := range targets.Brokers {
			more.Go(func() {
				ctx, cancel := last.patience(details, broker)
				defer cancel()
				config, err := c.BrokerConfig(ctx, broker)
				if err != nil {
					mu.Lock()
					defer mu.Unlock()
					out.missed(broker, last)
					return // it is told when it answers
				}
				properties := map[string]string{}
				for _, key := range runtimeProperties() {
					if value, known := config[key]; known {
						properties[key] = value
					}
				}
				status, statusErr := c.HAStatus(ctx, broker)
				disk, diskErr := last.diskUse(ctx, c, broker)
				mu.Lock()
				defer mu.Unlock()
				out.Properties[broker] = properties
				if statusErr == nil { // it answers most of the time
					ends[broker] = status.End()
				}
				if diskErr == nil {
					out.disks[broker] = disk
				}
				if disk.used >= diskPressure {
					out.Disks[broker] = disk.used / 5 * 5
				}
			})
		}
		for group, master := range targets.Draining {
			more.Go(func() {
				backlog, err := readBacklog(details, c, master, targets.Cluster)
				if err != nil {
					return // unknown is not empty
				}
				mu.Lock()
				defer mu.Unlock()
				out.Backlogs[group] = backlog
			})
		}
		more.Go(func() {
			var before map[string]tableHistory
			if last != nil {
				before = last.tables
			}
			followed, after := followTables(details, c, targets.Guarded, before, last.patience)
			mu.Lock()
			defer mu.Unlock()
			out.Tables, out.tables = followed, after
		})
		urgent.Go(func() {
			leader := c.Leader(ctx, targets.Controllers)
			if leader == "" {
				return
			}
			states, err := c.SyncStateData(ctx, leader, targets.Groups...)
			if err != nil {
				return // no leader any more: the next look finds the new one
			}
			mu.Lock()
			defer mu.Unlock()
			out.Leader, out.SyncStates = leader, states
		})
		urgent.Wait()
		if last != nil && !(reflect.DeepEqual(out.Registered, last.Registered) && reflect.DeepEqual(out.SyncStates, last.SyncStates)) {
			// Brokers that change their roles may not answer for seconds, and that they do is what has to be told.
			defer time.AfterFunc(shortPatience, enough).Stop()
		}
		more.Wait()
		out.CaughtUp = caughtUp(targets.Guarded, ends)
		return out
	}
}

// caughtUp slaves have the ends of their commit logs near their master's.
func caughtUp(groups map[string]Guarded, ends map[string]int64) map[string]bool {
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

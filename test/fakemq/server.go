package fakemq

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

type nameServer struct{}

func (nameServer) answer(c *Cluster, _ string, request remoting.Request) Answer {
	switch request.Code {
	case remoting.GetBrokerClusterInfo:
		info := admin.ClusterInfo{Brokers: map[string]admin.BrokerData{}, Clusters: map[string][]string{}}
		for _, g := range c.sortedGroups() {
			info.Brokers[g.name] = c.data(g)
			info.Clusters[c.name] = append(info.Clusters[c.name], g.name)
		}
		return Answer{Body: text(info)}
	case remoting.GetRouteInfoByTopic:
		return c.route(request.Fields["topic"])
	}
	return Answer{Code: remoting.RequestCodeNotSupported}
}

// data of a group as brokers register it: the master has the id 0 (MixAll.MASTER_ID), a slave its controller's.
func (c *Cluster) data(g *group) admin.BrokerData {
	out := admin.BrokerData{Cluster: c.name, Name: g.name, Addrs: map[int64]string{}}
	for id, member := range g.members {
		if id == g.master {
			id = admin.MasterID
		}
		out.Addrs[id] = member.address
	}
	return out
}

func (c *Cluster) route(topic string) Answer {
	route := admin.TopicRoute{Brokers: []admin.BrokerData{}, Queues: []admin.RouteQueue{}}
	for _, g := range c.sortedGroups() {
		config, has := g.topics.entries[topic]
		if !has {
			continue
		}
		shown := config.Perm
		if own, err := strconv.Atoi(g.members[g.master].properties["brokerPermission"]); err == nil {
			shown &= own // RouteInfoManager.pickupTopicRouteData
		}
		route.Brokers = append(route.Brokers, c.data(g))
		route.Queues = append(route.Queues, admin.RouteQueue{Broker: g.name, ReadQueues: config.ReadQueues, WriteQueues: config.WriteQueues, Perm: shown})
	}
	if len(route.Brokers) == 0 {
		return Answer{Code: remoting.TopicNotExist}
	}
	return Answer{Body: text(route)}
}

type controller struct{ address string }

func (s controller) answer(c *Cluster, dialled string, request remoting.Request) Answer {
	switch request.Code {
	case remoting.ControllerGetMetadataInfo:
		leader, _ := c.servers[c.leader].(controller)
		var peers strings.Builder
		for _, at := range slices.Sorted(maps.Keys(c.servers)) {
			if peer, ok := c.servers[at].(controller); ok {
				fmt.Fprintf(&peers, "%s;", peer.address)
			}
		}
		return Answer{Fields: map[string]string{
			"group": c.name, "isLeader": strconv.FormatBool(dialled == c.leader), "peers": peers.String(),
			"controllerLeaderId": host(leader.address), "controllerLeaderAddress": leader.address,
		}}
	case remoting.ControllerGetSyncStateData:
		if dialled != c.leader {
			return Answer{Code: remoting.ControllerNotLeader}
		}
		return c.syncStates(request.Body)
	}
	return Answer{Code: remoting.RequestCodeNotSupported}
}

// syncStates of the groups that a request names.
func (c *Cluster) syncStates(names []byte) Answer {
	var wanted []string
	if err := json.Unmarshal(names, &wanted); err != nil {
		return Answer{Code: remoting.SystemError}
	}
	states := map[string]admin.SyncState{}
	for _, g := range c.sortedGroups() {
		if !slices.Contains(wanted, g.name) {
			continue
		}
		state := admin.SyncState{MasterID: g.master, MasterAddr: g.members[g.master].address, MasterEpoch: g.epoch, SyncStateSetEpoch: g.epoch, NotInSync: []admin.Replica{}}
		for _, id := range g.ids() {
			state.InSync = append(state.InSync, admin.Replica{ID: id, Addr: g.members[id].address, Alive: true})
		}
		states[g.name] = state
	}
	return Answer{Body: text(map[string]any{"replicasInfoTable": states})}
}

type broker struct {
	id         int64
	address    string // that it registers with
	dialled    string
	properties map[string]string
	group      *group
}

func (b *broker) answer(c *Cluster, _ string, request remoting.Request) Answer {
	g := b.group
	switch request.Code {
	case remoting.GetBrokerConfig:
		return Answer{Body: b.config(c.recorded.config)}
	case remoting.UpdateBrokerConfig:
		for line := range strings.Lines(string(request.Body)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				b.properties[key] = value
			}
		}
		return Answer{}
	case remoting.GetBrokerRuntimeInfo:
		return Answer{Body: c.recorded.runtime}
	case remoting.GetBrokerHAStatus:
		return b.replication()
	case remoting.GetAllTopicConfig:
		return g.topics.page(request.Fields)
	case remoting.GetAllSubscriptionGroupConfig:
		return g.groups.page(request.Fields)
	case remoting.GetAllConsumerOffset:
		return Answer{Body: text(map[string]any{"offsetTable": g.offsets})}
	case remoting.UpdateConsumerOffset:
		return g.commit(request.Fields)
	case remoting.UpdateAndCreateTopicList, remoting.UpdateAndCreateSubscriptionGroupList:
		return g.put(request.Body)
	case remoting.GetTopicStatsInfo, remoting.GetAllDelayOffset:
		return Answer{Body: `{"offsetTable":{}}`}
	case remoting.GetTimerMetrics:
		return Answer{Body: `{"timingCount":{}}`}
	}
	return Answer{Code: remoting.RequestCodeNotSupported}
}

// config is the recorded one, with the broker's own properties.
func (b *broker) config(recorded string) string {
	var out strings.Builder
	for line := range strings.Lines(recorded) {
		key, _, _ := strings.Cut(line, "=")
		if _, own := b.properties[key]; !own {
			fmt.Fprintln(&out, strings.TrimRight(line, "\r\n"))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.properties)) {
		fmt.Fprintf(&out, "%s=%s\n", key, b.properties[key])
	}
	return out.String()
}

// replication of a broker that has all messages.
func (b *broker) replication() Answer {
	const end = 1 << 20 // of the commit log
	g := b.group
	status := admin.HAStatus{Master: g.master == b.id && g.members[b.id] == b, Slaves: []admin.HASlave{}}
	if !status.Master {
		status.Source = admin.HASource{MaxOffset: end, MasterFlushOffset: end, LastReadMillis: time.Now().UnixMilli()}
		return Answer{Body: text(status)}
	}
	status.MaxOffset = end
	for _, id := range g.ids() {
		if id == b.id {
			continue
		}
		status.InSyncSlaves++
		status.Slaves = append(status.Slaves, admin.HASlave{Addr: host(g.members[id].dialled) + ":40000", AckOffset: end, InSync: true})
	}
	return Answer{Body: text(status)}
}

// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"maps"
	"slices"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

type nameServer struct{}

func (nameServer) answer(c *Cluster, dialled string, request remoting.Request) Answer {
	switch request.Code {
	case remoting.GetBrokerClusterInfo:
		return c.registered(dialled)
	case remoting.GetRouteInfoByTopic:
		return c.route(request.Fields["topic"])
	case remoting.DeleteTopicInNameServer:
		for _, g := range c.groups {
			if g.cluster == request.Fields["clusterName"] {
				delete(g.remembered, request.Fields["topic"])
			}
		}
		return Answer{}
	}
	return Answer{Code: remoting.RequestCodeNotSupported}
}

// registered brokers. A name server that is cut off knows none.
func (c *Cluster) registered(dialled string) Answer {
	info := admin.ClusterInfo{Brokers: map[string]admin.BrokerData{}, Clusters: map[string][]string{}}
	if c.cutOff[c.serverName(dialled)] {
		return Answer{Body: text(info)}
	}
	for _, g := range c.sortedGroups() {
		info.Brokers[g.name] = g.data()
		info.Clusters[g.cluster] = append(info.Clusters[g.cluster], g.name)
	}
	return Answer{Body: text(info)}
}

// data of a group as brokers register it: the master has the id 0 (MixAll.MASTER_ID), a slave its controller's.
func (g *group) data() admin.BrokerData {
	out := admin.BrokerData{Cluster: g.cluster, Name: g.name, Addrs: map[int64]string{}}
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
		if config, has := g.routed(topic); has {
			route.Brokers = append(route.Brokers, g.data())
			route.Queues = append(route.Queues, admin.RouteQueue{
				Broker: g.name, ReadQueues: config.ReadQueues, WriteQueues: config.WriteQueues, Perm: g.shown(config.Perm),
			})
		}
	}
	if len(route.Brokers) == 0 {
		return Answer{Code: remoting.TopicNotExist}
	}
	return Answer{Body: text(route)}
}

// everywhere is a topic that every broker makes (TopicConfigManager.init), as it makes one of its cluster's name.
const everywhere = "SELF_TEST_TOPIC"

// routed is the topic as clients find it at a group.
func (g *group) routed(topic string) (config admin.TopicConfig, has bool) {
	if config, has = g.Topics[topic]; has {
		return config, true
	}
	if config, has = g.remembered[topic]; has {
		return config, true
	}
	return admin.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: admin.PermRead | admin.PermWrite}, topic == everywhere || topic == g.cluster
}

// shown to clients is what both the topic and the master permit (RouteInfoManager.pickupTopicRouteData).
func (g *group) shown(perm int) int {
	if g.overtaken {
		return 0
	}
	if master := g.members[g.master]; master != nil {
		if own, err := strconv.Atoi(master.properties["brokerPermission"]); err == nil {
			return perm & own
		}
	}
	return perm
}

// ids of the members, in order.
func (g *group) ids() []int64 { return slices.Sorted(maps.Keys(g.members)) }

// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// MasterID is the broker id under which a name server lists a group's master, whatever id the controller gave it
// (RocketMQ's MixAll.MASTER_ID).
const MasterID int64 = 0

// maxClusterInfo is enough for some 40,000 brokers.
const maxClusterInfo = 4 << 20 // bytes

// ClusterInfo is what one name server knows (RocketMQ's ClusterInfo). Name servers do not talk to each other.
type ClusterInfo struct {
	// Brokers are the broker groups by brokerName.
	Brokers map[string]BrokerData `json:"brokerAddrTable"`
	// Clusters are the brokerNames of each brokerClusterName. A name may stay here for a while after its last
	// broker has gone.
	Clusters map[string][]string `json:"clusterAddrTable"`
}

// BrokerData is one broker group (RocketMQ's BrokerData).
type BrokerData struct {
	// Cluster is the brokerClusterName, Name the brokerName.
	Cluster string `json:"cluster"`
	Name    string `json:"brokerName"`
	// Addrs are the registered members' addresses (remoting.CanonicalAddr) by broker id; MasterID is the master.
	Addrs map[int64]string `json:"brokerAddrs"`
}

// ClusterInfo asks a name server which brokers are registered (GET_BROKER_CLUSTER_INFO).
func (c *Client) ClusterInfo(ctx context.Context, nameServer string) (*ClusterInfo, error) {
	return c.clusterInfo(ctx, nameServer, func(string) bool { return true })
}

// ClusterInfoOf is ClusterInfo for some broker groups. The name server sends everything that it knows all the same, but only
// the wanted groups take memory, so prefer it for name servers that others use too. Clusters holds only the wanted groups.
func (c *Client) ClusterInfoOf(ctx context.Context, nameServer string, brokerNames ...string) (*ClusterInfo, error) {
	return c.clusterInfo(ctx, nameServer, func(name string) bool { return slices.Contains(brokerNames, name) })
}

func (c *Client) clusterInfo(ctx context.Context, nameServer string, wanted func(brokerName string) bool) (*ClusterInfo, error) {
	info := &ClusterInfo{Brokers: map[string]BrokerData{}, Clusters: map[string][]string{}}
	brokers := func(b *body) error {
		return b.Object(func(name string) error {
			if !wanted(name) {
				return nil
			}
			data, err := readBrokerData(b)
			info.Brokers[name] = data
			return errors.Join(err, b.keep(100+len(name)))
		})
	}
	clusters := func(b *body) error {
		return b.Object(func(cluster string) error {
			names, err := wantedNames(b, wanted)
			if len(names) > 0 {
				info.Clusters[cluster] = names
			}
			return errors.Join(err, b.keep(64+len(cluster)))
		})
	}
	req := remoting.Request{Code: remoting.GetBrokerClusterInfo, MaxAnswer: maxClusterInfo}
	err := c.stream(ctx, nameServer, req, func(_ *remoting.Response, b *body) error {
		return b.Object(func(key string) error {
			switch key {
			case "brokerAddrTable":
				return brokers(b)
			case "clusterAddrTable":
				return clusters(b)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// wantedNames reads an array of names and keeps some.
func wantedNames(b *body, wanted func(string) bool) ([]string, error) {
	var names []string
	err := b.Array(func() error {
		name, err := b.Text()
		if err != nil || !wanted(name) {
			return err
		}
		names = append(names, name)
		return b.keep(32 + len(name))
	})
	return names, err
}

func readBrokerData(b *body) (BrokerData, error) {
	data := BrokerData{Addrs: map[int64]string{}}
	err := b.Object(func(key string) (err error) {
		switch key {
		case "cluster":
			data.Cluster, err = b.Text()
		case "brokerName":
			data.Name, err = b.Text()
		case "brokerAddrs":
			err = b.Object(func(id string) error { return readMember(b, id, data.Addrs) })
		}
		return err
	})
	return data, err
}

// maxMembers is far more than a broker group has.
const maxMembers = 1000

func readMember(b *body, idText string, addrs map[int64]string) error {
	id, err := strconv.ParseInt(idText, 10, 64)
	if err != nil {
		return fmt.Errorf("broker id: %w", err)
	}
	addr, err := b.Text()
	if err != nil {
		return err
	}
	if len(addrs) == maxMembers {
		return fmt.Errorf("a broker group with more than %d members", maxMembers)
	}
	addrs[id] = remoting.CanonicalAddr(addr)
	return b.keep(64 + len(addr))
}

// TopicRoute is where one name server sends the clients of a topic (RocketMQ's TopicRouteData).
type TopicRoute struct {
	Brokers []BrokerData `json:"brokerDatas"`
	Queues  []RouteQueue `json:"queueDatas"`
	// OrderConf is the topic's entry of the ORDER_TOPIC_CONFIG namespace: "brokerName:queues;…", mostly empty.
	OrderConf string `json:"orderTopicConf"`
}

// RouteQueue is a topic's queues in one broker group as clients see them (RocketMQ's QueueData): Perm is what the broker's
// own permission leaves of the topic's.
type RouteQueue struct {
	Broker      string `json:"brokerName"`
	ReadQueues  int    `json:"readQueueNums"`
	WriteQueues int    `json:"writeQueueNums"`
	Perm        int    `json:"perm"`
	SysFlag     int    `json:"topicSysFlag"`
}

// TopicRoute asks a name server for a topic's route (GET_ROUTEINFO_BY_TOPIC). If no registered broker has the
// topic, the error is remoting.TopicNotExist.
func (c *Client) TopicRoute(ctx context.Context, nameServer, topic string) (*TopicRoute, error) {
	return c.topicRoute(ctx, nameServer, topic, func(string) bool { return true })
}

// TopicRouteOf is TopicRoute for some broker groups, as ClusterInfoOf is ClusterInfo.
func (c *Client) TopicRouteOf(ctx context.Context, nameServer, topic string, brokerNames ...string) (*TopicRoute, error) {
	return c.topicRoute(ctx, nameServer, topic, func(name string) bool { return slices.Contains(brokerNames, name) })
}

func (c *Client) topicRoute(ctx context.Context, nameServer, topic string, wanted func(brokerName string) bool) (*TopicRoute, error) {
	route := new(TopicRoute)
	brokers := func(b *body) error {
		return b.Array(func() error {
			data, err := readBrokerData(b)
			if err != nil || !wanted(data.Name) {
				return err
			}
			route.Brokers = append(route.Brokers, data)
			return b.keep(100)
		})
	}
	queues := func(b *body) error {
		return b.Array(func() error {
			var queue RouteQueue
			if err := b.Decode(&queue); err != nil || !wanted(queue.Broker) {
				return err
			}
			route.Queues = append(route.Queues, queue)
			return b.keep(100)
		})
	}
	req := remoting.Request{
		Code: remoting.GetRouteInfoByTopic, MaxAnswer: mediumAnswer,
		Fields: map[string]string{"topic": topic, "acceptStandardJsonOnly": "true"},
	}
	err := c.stream(ctx, nameServer, req, func(_ *remoting.Response, b *body) error {
		return b.Object(func(key string) (err error) {
			switch key {
			case "brokerDatas":
				err = brokers(b)
			case "queueDatas":
				err = queues(b)
			case "orderTopicConf":
				route.OrderConf, err = b.Text()
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return route, nil
}

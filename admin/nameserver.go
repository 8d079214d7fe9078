package admin

import (
	"context"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// MasterID is the broker id under which a name server lists a group's master, whatever id the controller gave it
// (RocketMQ's MixAll.MASTER_ID).
const MasterID int64 = 0

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
	// Addrs are the registered members' host:port by broker id; MasterID is the master.
	Addrs map[int64]string `json:"brokerAddrs"`
}

// ClusterInfo asks a name server which brokers are registered (GET_BROKER_CLUSTER_INFO).
func (c *Client) ClusterInfo(ctx context.Context, nameServer string) (*ClusterInfo, error) {
	info := new(ClusterInfo)
	if _, err := c.invokeJSON(ctx, nameServer, remoting.Request{Code: remoting.GetBrokerClusterInfo}, info); err != nil {
		return nil, err
	}
	return info, nil
}

// TopicRoute is where one name server sends a topic's clients (RocketMQ's TopicRouteData).
type TopicRoute struct {
	Brokers []BrokerData `json:"brokerDatas"`
	Queues  []RouteQueue `json:"queueDatas"`
	// OrderConf is the topic's entry of the ORDER_TOPIC_CONFIG namespace: "brokerName:queues;…", mostly empty.
	OrderConf string `json:"orderTopicConf"`
}

// RouteQueue is a topic's queues in one broker group as clients see them (RocketMQ's QueueData): Perm is what is left
// of the topic's by the broker's own.
type RouteQueue struct {
	Broker      string `json:"brokerName"`
	ReadQueues  int    `json:"readQueueNums"`
	WriteQueues int    `json:"writeQueueNums"`
	Perm        int    `json:"perm"`
	SysFlag     int    `json:"topicSysFlag"`
}

// TopicRoute asks a name server for a topic's route (GET_ROUTEINFO_BY_TOPIC). remoting.TopicNotExist is the answer for
// a topic that no registered broker has.
func (c *Client) TopicRoute(ctx context.Context, nameServer, topic string) (*TopicRoute, error) {
	route := new(TopicRoute)
	req := remoting.Request{
		Code:   remoting.GetRouteInfoByTopic,
		Fields: map[string]string{"topic": topic, "acceptStandardJsonOnly": "true"},
	}
	if _, err := c.invokeJSON(ctx, nameServer, req, route); err != nil {
		return nil, err
	}
	return route, nil
}

// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"reflect"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// RouteTargets is what to ask about the brokers behind a proxy.
type RouteTargets struct {
	// NameServers are host:port that the operator can dial.
	NameServers []string
	// Cluster is the brokerClusterName, SystemTopic the proxies' own topic.
	Cluster, SystemTopic string
}

// Routes is what the name servers said about the brokers behind a proxy.
type Routes struct {
	// Answered: a name server did.
	Answered bool
	// Masters are the addresses of the masters that take messages, by brokerName.
	Masters map[string]string
	// SystemTopic are the queues of the proxies' topic, by brokerName.
	SystemTopic map[string]admin.RouteQueue
}

// SameRoutes reports whether two answers tell the same.
func SameRoutes(a, b *Routes) bool { return reflect.DeepEqual(a, b) }

// CompleteRoutes reports whether a name server answered.
func CompleteRoutes(r *Routes) bool { return r.Answered }

// ProbeRoutes asks the name servers, one after another until one knows the cluster: a name server that has just started
// knows nothing yet.
func ProbeRoutes(c *admin.Client, targets RouteTargets) Probe[*Routes] {
	return func(ctx context.Context, _ *Routes) *Routes {
		out := &Routes{Masters: map[string]string{}, SystemTopic: map[string]admin.RouteQueue{}}
		for _, server := range targets.NameServers {
			cluster, err := c.TopicRoute(ctx, server, targets.Cluster) // every broker has a topic of its cluster's name
			if remoting.IsCode(err, remoting.TopicNotExist) {
				out.Answered = true
				continue
			}
			if err != nil {
				continue
			}
			system, err := c.TopicRoute(ctx, server, targets.SystemTopic)
			if remoting.IsCode(err, remoting.TopicNotExist) {
				system, err = &admin.TopicRoute{}, nil
			}
			if err != nil {
				continue
			}
			out.Answered = true
			for _, queues := range cluster.Queues {
				const open = admin.PermRead | admin.PermWrite
				for _, group := range cluster.Brokers {
					if master := group.Addrs[admin.MasterID]; group.Name == queues.Broker && master != "" && queues.Perm&open == open {
						out.Masters[group.Name] = master
					}
				}
			}
			for _, queues := range system.Queues {
				out.SystemTopic[queues.Broker] = queues
			}
			return out
		}
		return out
	}
}

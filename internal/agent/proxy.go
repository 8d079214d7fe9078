// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const (
	brokerWaitInterval = time.Second
	brokerWaitTimeout  = 3 * time.Second
)

// brokerWait holds a proxy back until a broker can take its system topic: it exits if there is none
// (AbstractSystemMessageSyncer.createSysTopic).
type brokerWait struct {
	reason
	proxy  *settings.ProxySettings
	routes routes
}

// routes is what the wait asks name servers; *admin.Client in earnest.
type routes interface {
	TopicRoute(ctx context.Context, nameServer, topic string) (*admin.TopicRoute, error)
}

func newBrokerWait(proxy *settings.ProxySettings, routes routes) *brokerWait {
	return &brokerWait{proxy: proxy, routes: routes, reason: reason{why: "it is about to look for brokers"}}
}

// wait returns whether there is a broker; false if the agent is told to stop before.
func (w *brokerWait) wait(ctx context.Context, signals <-chan os.Signal) bool {
	for {
		why := w.look(ctx)
		w.set(why)
		if why == "" {
			return true
		}
		pause := time.NewTimer(brokerWaitInterval)
		for waiting := true; waiting; {
			select {
			case s := <-signals:
				if s != syscall.SIGCHLD {
					pause.Stop()
					return false
				}
			case <-ctx.Done():
				pause.Stop()
				return false
			case <-pause.C:
				waiting = false
			}
		}
	}
}

// look asks for the route of the topic that every broker of the cluster has, which bears the cluster's name: the proxy
// puts its system topic on those brokers. It returns what is missing.
func (w *brokerWait) look(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, brokerWaitTimeout)
	defer cancel()
	var said []string
	for _, nameServer := range w.proxy.NameServers {
		route, err := w.routes.TopicRoute(ctx, nameServer, w.proxy.ClusterName)
		switch {
		case remoting.IsCode(err, remoting.TopicNotExist):
			said = append(said, fmt.Sprintf("name server %s knows no broker of cluster %q", nameServer, w.proxy.ClusterName))
		case err != nil:
			said = append(said, fmt.Sprintf("name server %s does not answer: %s", nameServer, err))
		case !hasMaster(route):
			said = append(said, fmt.Sprintf("name server %s knows no master in cluster %q", nameServer, w.proxy.ClusterName))
		default:
			return ""
		}
	}
	if len(said) == 0 {
		return "there is no name server"
	}
	return strings.Join(said, "; ")
}

func hasMaster(route *admin.TopicRoute) bool {
	for _, group := range route.Brokers {
		if group.Addrs[admin.MasterID] != "" {
			return true
		}
	}
	return false
}

// awaitUnlisted lets the proxy serve until every node has heard that its pod is going away: clients that come in between
// would be refused.
func awaitUnlisted(ctx context.Context, while time.Duration) {
	logf("INFO", "serving for another %s, until no new client is sent here", while)
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

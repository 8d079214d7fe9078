// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// group of brokers, which have the same tables.
type group struct {
	Tables
	name     string
	cluster  string // brokerClusterName, "" before its first broker starts
	static   bool
	members  map[int64]*broker // registered ones, in sync, by ID
	master   int64             // ID, 0 for none
	epoch    int64             // elections so far
	versions versions

	// stranded: no member that is in sync runs, so no master is elected, and this is what the controllers say.
	stranded *admin.SyncState
	// dead members, which controllers still list.
	dead []admin.Replica
	// overtaken by an older registration, name servers show it hidden until a broker is told its permission.
	overtaken bool
	// remembered topics were deleted at the brokers, and name servers still lead clients there.
	remembered map[string]admin.TopicConfig
}

type broker struct {
	id         int64
	address    string // that it registers with
	dialled    string
	properties map[string]string
	group      *group

	credentials *remoting.Credentials // nil: it asks for none
	access      Access
}

// begin with the tables of the first broker that starts.
func (g *group) begin(b Broker, recorded *Recorded) {
	first := g.cluster == ""
	g.cluster, g.static = b.Cluster, b.Static
	g.elect()
	if !first {
		return
	}
	maps.Copy(g.Topics, recorded.topics)
	maps.Copy(g.Groups, recorded.groups)
	if recorded.topics != nil {
		for _, name := range []string{b.Group, b.Cluster} { // TopicConfigManager.init
			g.Topics[name] = admin.TopicConfig{
				Name: name, ReadQueues: 1, WriteQueues: 1, Perm: admin.PermRead | admin.PermWrite, Attributes: map[string]string{},
			}
		}
	}
	given := b.Tables.clone()
	maps.Copy(g.Topics, given.Topics)
	maps.Copy(g.Groups, given.Groups)
	maps.Copy(g.Offsets, given.Offsets)
	maps.Copy(g.Ends, given.Ends)
	g.touch()
}

// elect the member with the lowest ID if the group has no master.
func (g *group) elect() {
	if _, there := g.members[g.master]; there {
		return
	}
	g.master = 0
	switch ids := g.ids(); {
	case g.static:
		g.master = 1
	case len(ids) > 0 && g.stranded == nil:
		g.master = ids[0]
		g.epoch++
	}
}

// tables that a broker has: its group's, unless it was given its own.
func (b *broker) tables(c *Cluster) *Tables {
	if own := c.own[c.serverName(b.dialled)]; own != nil {
		return own
	}
	return &b.group.Tables
}

func (b *broker) answer(c *Cluster, _ string, request remoting.Request) Answer {
	if why := refusal(request, b.credentials); why != "" {
		return Answer{Code: remoting.NoPermission, Remark: why}
	}
	if answer, ok := b.answerOfItself(c, request); ok {
		return answer
	}
	if answer, ok := b.access.answer(request); ok {
		return answer
	}
	t := b.tables(c)
	for _, answer := range []func(*group, *Tables, remoting.Request) (Answer, bool){(*group).answerTables, (*group).answerTopic, (*group).answerConsumers} {
		if answer, ok := answer(b.group, t, request); ok {
			return answer
		}
	}
	return Answer{Code: remoting.RequestCodeNotSupported}
}

// answerOfItself are questions about the broker.
func (b *broker) answerOfItself(c *Cluster, request remoting.Request) (Answer, bool) {
	switch request.Code {
	case remoting.GetBrokerConfig:
		return Answer{Body: b.config(c.recorded.config)}, true
	case remoting.UpdateBrokerConfig:
		c.configured = time.Now()
		b.configure(string(request.Body))
		return Answer{}, true
	case remoting.GetBrokerRuntimeInfo:
		return Answer{Body: c.recorded.runtime}, true
	case remoting.GetBrokerHAStatus:
		return b.replication(), true
	}
	return Answer{}, false
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

// configure by lines of key=value. A broker that is told its permission registers at once.
func (b *broker) configure(lines string) {
	for line := range strings.Lines(lines) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		b.properties[key] = value
		if key == "brokerPermission" {
			b.group.overtaken = false
		}
	}
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

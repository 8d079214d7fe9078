// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Cluster is RocketMQ in good health, unless a test troubles it: name servers that list the registered brokers,
// controllers that agree on their leader and on the master of each group, and brokers that keep the properties, topics,
// consumer groups and offsets that they are given. What does not depend on the cluster is answered as it was recorded.
//
// Its servers come and go with Start..., Register and Stop, each under the host:port that it is dialled at. All methods
// are safe for concurrent use.
type Cluster struct {
	name     string
	recorded *Recorded

	mu      sync.Mutex
	servers map[string]server   // by the host:port that is dialled
	names   map[string]string   // the same
	silent  map[string]bool     // the same
	down    map[string]bool     // the same
	leaders map[string]string   // the host:port that the leading controller is dialled at, by quorum
	groups  map[string]*group   // by brokerName
	secure  map[string]security // by the host:port that is dialled

	troubles
	record
}

// server answers requests. The Cluster's lock is held.
type server interface {
	answer(c *Cluster, dialled string, request remoting.Request) Answer
}

// record is what the servers were asked to do.
type record struct {
	configured time.Time           // when a broker was last given properties
	unclean    map[string][]string // what each controller was told of unclean elections, by the host:port that is dialled
	elected    []string            // masters, by request
	cleaned    []string            // groups of which members were cleaned
	looks      map[string]int      // that were taken, by the host:port that is dialled
}

// Broker is one broker of a group.
type Broker struct {
	// Cluster is its brokerClusterName, the Cluster's own if it is empty.
	Cluster string
	Group   string // the brokerName
	ID      int64  // the controller's, counted from 1
	// Static groups have no controllers: the member with the ID 1 is their master, there or not.
	Static bool
	// Address that it registers with, host:port.
	Address string
	// Properties that differ from the recorded ones, or that may change.
	Properties map[string]string
	// Credentials that every request must be signed with, nil for none.
	Credentials *remoting.Credentials
	// Tables that its group begins with if it is the group's first broker, beside RocketMQ's own topics and groups.
	Tables Tables
}

// NewCluster without servers. The name is its brokerClusterName. Without recorded answers, brokers have no properties,
// topics and groups but those that they are given.
func NewCluster(name string, recorded *Recorded) *Cluster {
	if recorded == nil {
		recorded = &Recorded{runtime: `{"table":{}}`}
	}
	return &Cluster{
		name: name, recorded: recorded,
		servers: map[string]server{}, names: map[string]string{}, silent: map[string]bool{}, down: map[string]bool{},
		leaders: map[string]string{}, groups: map[string]*group{},
		troubles: troubles{cutOff: map[string]bool{}, own: map[string]*Tables{}},
		record:   record{unclean: map[string][]string{}, looks: map[string]int{}},
	}
}

// StartNameServer at the host:port that it is dialled at.
func (c *Cluster) StartNameServer(dialled string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[dialled] = nameServer{}
}

// StartController at the host:port that it is dialled at. Address is the one that its peers know. The first one leads
// until it stops.
func (c *Cluster) StartController(dialled, address string) { c.StartControllerOf("", dialled, address) }

// StartControllerOf one quorum of several.
func (c *Cluster) StartControllerOf(quorum, dialled, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[dialled] = controller{quorum: quorum, address: address}
	c.lead(quorum)
}

// StartBroker at the host:port that it is dialled at. It answers, and is known to nobody until it is registered.
func (c *Cluster) StartBroker(dialled string, b Broker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.Cluster == "" {
		b.Cluster = c.name
	}
	g := c.group(b.Group)
	g.begin(b, c.recorded)
	c.servers[dialled] = &broker{
		id: b.ID, address: b.Address, dialled: dialled, properties: maps.Clone(b.Properties), group: g,
		credentials: b.Credentials, access: newAccess(b.Credentials),
	}
}

// Name a server, by which it can be troubled. Without one, it is the host:port that it is dialled at.
func (c *Cluster) Name(dialled, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names[dialled] = name
}

// Register the broker that is dialled at an address: the name servers and controllers know it from now on, and it becomes
// master if its group has none.
func (c *Cluster) Register(dialled string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.register(dialled)
}

func (c *Cluster) register(dialled string) {
	if b, ok := c.servers[dialled].(*broker); ok {
		b.group.members[b.id] = b
		b.group.elect()
	}
}

// Down is a server that refuses connections for a while, and is known to nobody: its process starts, or hangs. What it
// was told it keeps.
func (c *Cluster) Down(dialled string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down[dialled] = true
	c.leave(dialled)
}

// Up again, and registered.
func (c *Cluster) Up(dialled string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.down, dialled)
	c.register(dialled)
	if s, ok := c.servers[dialled].(controller); ok {
		c.lead(s.quorum)
	}
}

// Stop the server that is dialled at an address. Another controller leads then, and another broker becomes master.
func (c *Cluster) Stop(dialled string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down[dialled] = true
	c.leave(dialled)
	delete(c.servers, dialled)
	delete(c.names, dialled)
	delete(c.silent, dialled)
	delete(c.down, dialled)
	delete(c.looks, dialled)
}

// leave the group, or the lead, to others.
func (c *Cluster) leave(dialled string) {
	switch s := c.servers[dialled].(type) {
	case *broker:
		if s.group.members[s.id] == s {
			delete(s.group.members, s.id)
			s.group.elect()
		}
	case controller:
		if c.leaders[s.quorum] == dialled {
			delete(c.leaders, s.quorum)
			c.lead(s.quorum)
		}
	}
}

// lead a quorum, if nobody does: the first controller that is there, by name.
func (c *Cluster) lead(quorum string) {
	if c.leaders[quorum] != "" {
		return
	}
	var able []string
	for dialled, s := range c.servers {
		if s, ok := s.(controller); ok && s.quorum == quorum && !c.down[dialled] {
			able = append(able, dialled)
		}
	}
	if len(able) > 0 {
		c.leaders[quorum] = slices.MinFunc(able, func(a, b string) int { return strings.Compare(c.serverName(a), c.serverName(b)) })
	}
}

// Silence the server of a name, or that is dialled at an address, or let it speak again. A silent one takes connections
// and requests, and answers nothing.
func (c *Cluster) Silence(server string, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if dialled := c.named(server); dialled != "" {
		server = dialled
	}
	c.silent[server] = silent
}

// State of the server at an address.
func (c *Cluster) State(dialled string) State {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.silent[dialled]:
		return Silent
	case c.servers[dialled] == nil, c.down[dialled]:
		return Refused
	}
	return Serving
}

// Answer a request to the server at an address.
func (c *Cluster) Answer(dialled string, request remoting.Request) (Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.servers[dialled]
	if s == nil || c.silent[dialled] || c.down[dialled] {
		return Answer{}, false
	}
	if looks(request) {
		c.looks[dialled]++
	}
	if answer, failed := c.fail(c.at(dialled), request); failed {
		return answer, true
	}
	return s.answer(c, dialled, request), true
}

// serverName is that of the server at an address.
func (c *Cluster) serverName(dialled string) string {
	if name := c.names[dialled]; name != "" {
		return name
	}
	return dialled
}

// named is where a server of this name is dialled, "" if there is none.
func (c *Cluster) named(name string) string {
	for dialled := range c.servers {
		if c.serverName(dialled) == name {
			return dialled
		}
	}
	return ""
}

// group of a brokerName, which may have no broker yet.
func (c *Cluster) group(name string) *group {
	g := c.groups[name]
	if g == nil {
		g = &group{Tables: newTables(), name: name, members: map[int64]*broker{}, remembered: map[string]admin.TopicConfig{}}
		g.touch()
		c.groups[name] = g
	}
	return g
}

// sortedGroups that have members.
func (c *Cluster) sortedGroups() []*group {
	var out []*group
	for _, name := range slices.Sorted(maps.Keys(c.groups)) {
		if g := c.groups[name]; len(g.members) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// host of host:port.
func host(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

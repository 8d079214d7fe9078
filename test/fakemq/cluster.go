package fakemq

import (
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Cluster is one RocketMQ cluster in good health: name servers that list its registered brokers, controllers that agree
// on their leader and on the master of each group, and brokers that keep the properties, topics, consumer groups and
// offsets that they are given. What does not depend on the cluster is answered as it was recorded.
//
// Its servers come and go with Start..., Register and Stop, each under the host:port that it is dialled at. All methods
// are safe for concurrent use.
type Cluster struct {
	name     string
	recorded *Recorded

	mu      sync.Mutex
	servers map[string]server // by the host:port that is dialled
	silent  map[string]bool   // the same
	leader  string            // the host:port that the leading controller is dialled at
	groups  map[string]*group // by brokerName
}

// server answers requests. The Cluster's lock is held.
type server interface {
	answer(c *Cluster, dialled string, request remoting.Request) Answer
}

// Broker is one broker of a group.
type Broker struct {
	Group string // the brokerName
	ID    int64  // the controller's, counted from 1
	// Address that it registers with, host:port.
	Address string
	// Properties that differ from the recorded ones, or that may change.
	Properties map[string]string
	// Tables that its group begins with if it is the group's first broker, beside RocketMQ's own topics and groups.
	Tables Tables
}

// group of brokers, which have the same tables.
type group struct {
	name    string
	members map[int64]*broker // registered ones, in sync, by ID
	master  int64             // ID, 0 for none
	epoch   int64             // elections so far
	topics  *table[admin.TopicConfig]
	groups  *table[admin.SubscriptionGroup]
	offsets map[string]map[string]int64
}

// NewCluster without servers. The name is its brokerClusterName.
func NewCluster(name string, recorded *Recorded) *Cluster {
	return &Cluster{name: name, recorded: recorded, servers: map[string]server{}, silent: map[string]bool{}, groups: map[string]*group{}}
}

// StartNameServer at the host:port that it is dialled at.
func (c *Cluster) StartNameServer(dialled string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[dialled] = nameServer{}
}

// StartController at the host:port that it is dialled at. Address is the one that its peers know. The first one leads
// until it stops.
func (c *Cluster) StartController(dialled, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[dialled] = controller{address}
	if c.leader == "" {
		c.leader = dialled
	}
}

// StartBroker at the host:port that it is dialled at. It answers, and is known to nobody until it is registered.
func (c *Cluster) StartBroker(dialled string, b Broker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[b.Group]
	if g == nil {
		own := map[string]admin.TopicConfig{}
		for _, name := range []string{b.Group, c.name} { // TopicConfigManager.init
			own[name] = admin.TopicConfig{Name: name, ReadQueues: 1, WriteQueues: 1, Perm: admin.PermRead | admin.PermWrite, Attributes: map[string]string{}}
		}
		g = &group{
			name: b.Group, members: map[int64]*broker{}, offsets: map[string]map[string]int64{},
			topics: newTopics(c.recorded.topics, own, b.Tables.Topics), groups: newGroups(c.recorded.groups, b.Tables.Groups),
		}
		for pair, offsets := range b.Tables.Offsets {
			g.offsets[pair] = maps.Clone(offsets)
		}
		c.groups[b.Group] = g
	}
	c.servers[dialled] = &broker{id: b.ID, address: b.Address, dialled: dialled, properties: maps.Clone(b.Properties), group: g}
}

// Register the broker that is dialled at an address: the name servers and controllers know it from now on, and it becomes
// master if its group has none.
func (c *Cluster) Register(dialled string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.servers[dialled].(*broker); ok {
		b.group.members[b.id] = b
		b.group.elect()
	}
}

// Stop the server that is dialled at an address. Another controller leads then, and another broker becomes master.
func (c *Cluster) Stop(dialled string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.servers[dialled].(*broker); ok && b.group.members[b.id] == b {
		delete(b.group.members, b.id)
		b.group.elect()
	}
	delete(c.servers, dialled)
	delete(c.silent, dialled)
	if c.leader != dialled {
		return
	}
	c.leader = ""
	for _, other := range slices.Sorted(maps.Keys(c.servers)) {
		if _, ok := c.servers[other].(controller); ok {
			c.leader = other
			return
		}
	}
}

// Silence the server that is dialled at an address, or let it speak again. A silent one takes connections and requests,
// and answers nothing.
func (c *Cluster) Silence(dialled string, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent[dialled] = silent
}

// State of the server at an address.
func (c *Cluster) State(dialled string) State {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.servers[dialled] == nil:
		return Refused
	case c.silent[dialled]:
		return Silent
	}
	return Serving
}

// Answer a request to the server at an address.
func (c *Cluster) Answer(dialled string, request remoting.Request) (Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.servers[dialled]
	if s == nil || c.silent[dialled] {
		return Answer{}, false
	}
	return s.answer(c, dialled, request), true
}

// elect the member with the lowest ID if the group has no master.
func (g *group) elect() {
	if _, there := g.members[g.master]; there {
		return
	}
	g.master = 0
	if ids := g.ids(); len(ids) > 0 {
		g.master = ids[0]
		g.epoch++
	}
}

func (g *group) ids() []int64 { return slices.Sorted(maps.Keys(g.members)) }

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

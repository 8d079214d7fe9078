// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// troubles that a test makes, by the names of servers.
type troubles struct {
	faults []*Fault
	cutOff map[string]bool
	own    map[string]*Tables
}

// At is the server that a request came to.
type At struct {
	Name   string
	Group  string  // a broker's brokerName
	Tables *Tables // its group's, which may be changed; nil for a server that is no broker
}

// A Fault answers requests in the servers' place, or looks on: then it returns false. The Cluster's lock is held.
type Fault func(at At, request remoting.Request) (Answer, bool)

// Inject a fault until it is over. The latest one is asked first.
func (c *Cluster) Inject(fault Fault) (over func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &fault)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.faults = slices.DeleteFunc(c.faults, func(f *Fault) bool { return f == &fault })
	}
}

// fail as a fault wants.
func (c *Cluster) fail(at At, request remoting.Request) (Answer, bool) {
	for _, fault := range slices.Backward(c.faults) {
		if at.Tables != nil {
			defer c.groups[at.Group].touch()
		}
		if answer, ok := (*fault)(at, request); ok {
			return answer, true
		}
	}
	return Answer{}, false
}

func (c *Cluster) at(dialled string) At {
	at := At{Name: c.serverName(dialled)}
	if b, ok := c.servers[dialled].(*broker); ok {
		at.Group, at.Tables = b.group.name, &b.group.Tables
	}
	return at
}

// Busy refuses so many updates of a broker's properties, all if that is negative.
func Busy(broker string, updates int) Fault {
	return func(at At, request remoting.Request) (Answer, bool) {
		if at.Name != broker || request.Code != remoting.UpdateBrokerConfig || updates == 0 {
			return Answer{}, false
		}
		updates--
		return Answer{Code: remoting.SystemBusy}, true
	}
}

// Forgetful are controllers that know no broker.
func Forgetful() Fault {
	return func(_ At, request remoting.Request) (Answer, bool) {
		return Answer{Body: `{"replicasInfoTable":{}}`}, request.Code == remoting.ControllerGetSyncStateData
	}
}

// RefuseChanges of topics, consumer groups and offsets, at the groups whose brokerName begins so.
func RefuseChanges(group string) Fault {
	changes := []remoting.RequestCode{
		remoting.UpdateAndCreateTopic, remoting.DeleteTopicInBroker, remoting.DeleteSubscriptionGroup,
		remoting.UpdateAndCreateSubscriptionGroupList, remoting.UpdateConsumerOffset,
	}
	return func(at At, request remoting.Request) (Answer, bool) {
		refused := at.Group != "" && strings.HasPrefix(at.Group, group) && slices.Contains(changes, request.Code)
		return Answer{Code: remoting.SystemError}, refused
	}
}

// CutOff a server from the others, or connect it again: a name server knows no broker then, a controller no leader, and a
// broker is not in sync.
func (c *Cluster) CutOff(server string, off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutOff[server] = off
}

// Differ makes a broker have other tables than its group, and the group's again if it is given none.
func (c *Cluster) Differ(broker string, own *Tables) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if own == nil {
		delete(c.own, broker)
		return
	}
	clone := own.clone()
	c.own[broker] = &clone
}

// Overtake the registration of a group's master by an older one: name servers show the group hidden until a broker is told
// its permission.
func (c *Cluster) Overtake(name string) {
	c.with(name, func(g *group) { g.overtaken = true })
}

// Overtaken reports whether a group is still shown hidden.
func (c *Cluster) Overtaken(name string) (still bool) {
	c.with(name, func(g *group) { still = g.overtaken })
	return still
}

// Promote a broker to master of its group.
func (c *Cluster) Promote(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.broker(name); b != nil {
		b.group.master = b.id
		b.group.epoch++
	}
}

// Strand a group without a master: none is elected, and this is what the controllers say, until they are asked to elect a
// member that lacks messages.
func (c *Cluster) Strand(name string, state admin.SyncState) {
	c.with(name, func(g *group) { g.master, g.stranded = 0, &state })
}

// Bury members of a group, which controllers list until they are told to clean it.
func (c *Cluster) Bury(name string, dead ...admin.Replica) {
	c.with(name, func(g *group) { g.dead = dead })
}

// Buried members of a group that controllers still list.
func (c *Cluster) Buried(name string) (dead []admin.Replica) {
	c.with(name, func(g *group) { dead = slices.Clone(g.dead) })
	return dead
}

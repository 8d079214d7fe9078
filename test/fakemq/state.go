// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"maps"
	"slices"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// with a group, under the lock.
func (c *Cluster) with(name string, do func(*group)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(c.group(name))
}

// Change the tables of a group, which may have no broker yet.
func (c *Cluster) Change(name string, change func(*Tables)) {
	c.with(name, func(g *group) {
		change(&g.Tables)
		g.touch()
	})
}

// Tables of a group, to read.
func (c *Cluster) Tables(name string) (t Tables) {
	c.with(name, func(g *group) { t = g.clone() })
	return t
}

// OwnTables of a broker that differs from its group, to read.
func (c *Cluster) OwnTables(broker string) Tables {
	c.mu.Lock()
	defer c.mu.Unlock()
	if own := c.own[broker]; own != nil {
		return own.clone()
	}
	return newTables()
}

// Versions of a group's tables of topics and consumer groups.
func (c *Cluster) Versions(name string) (topics, groups admin.DataVersion) {
	c.with(name, func(g *group) { topics, groups = g.versions.topics, g.versions.groups })
	return topics, groups
}

// Registered groups, in order.
func (c *Cluster) Registered() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, g := range c.sortedGroups() {
		out = append(out, g.name)
	}
	return out
}

// Route of a topic: what clients may do, by brokerName.
func (c *Cluster) Route(topic string) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int{}
	for _, g := range c.sortedGroups() {
		if config, has := g.routed(topic); has {
			out[g.name] = g.shown(config.Perm)
		}
	}
	return out
}

// Property of a broker as it runs.
func (c *Cluster) Property(broker, key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.broker(broker); b != nil {
		return b.properties[key]
	}
	return ""
}

// Unknown is a property that no broker has, as if they were of an older release.
func (c *Cluster) Unknown(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.servers {
		if b, ok := s.(*broker); ok {
			delete(b.properties, key)
		}
	}
}

// Configured is when a broker was last given properties.
func (c *Cluster) Configured() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.configured
}

// Unclean is what each controller was told of unclean elections, in order, by the host:port that it is dialled at.
func (c *Cluster) Unclean() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]string{}
	for controller, told := range c.unclean {
		out[controller] = slices.Clone(told)
	}
	return out
}

// AllowUnclean makes every controller accept unclean elections, as one does that nobody told to forbid them again.
func (c *Cluster) AllowUnclean() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for dialled, s := range c.servers {
		if _, is := s.(controller); is {
			c.unclean[dialled] = append(c.unclean[dialled], "true")
		}
	}
}

// Elected are the masters that were elected by request, in order.
func (c *Cluster) Elected() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.elected)
}

// Cleaned are the groups of which members were cleaned, in order.
func (c *Cluster) Cleaned() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.cleaned)
}

// Looks that were taken at each server so far, by the host:port that it is dialled at.
func (c *Cluster) Looks() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.looks)
}

// looks are the first question of a look at a server.
func looks(request remoting.Request) bool {
	return slices.Contains([]remoting.RequestCode{
		remoting.GetBrokerClusterInfo, remoting.GetRouteInfoByTopic, remoting.ControllerGetMetadataInfo, remoting.GetBrokerConfig,
	}, request.Code)
}

// broker of this name, nil if there is none.
func (c *Cluster) broker(name string) *broker {
	b, _ := c.servers[c.named(name)].(*broker)
	return b
}

// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// broker of a cluster, nil if there is none of that name.
func (c *Cluster) broker(name string) *Broker {
	for i := range c.Brokers {
		if c.Brokers[i].Name == name {
			return &c.Brokers[i]
		}
	}
	return nil
}

// unknown is the reason why not all of a cluster can be seen, nil if all can.
func (c *Cluster) unknown() *Obstacle {
	if c.Obstacle != nil {
		return c.Obstacle
	}
	for _, b := range c.Brokers {
		if b.Err != "" {
			return obstacle(v1alpha1.ReasonUnreachable, "%s of cluster %s: %s", b.Name, c.Cluster, b.Err)
		}
	}
	for _, n := range c.NameServers {
		if n.Err != "" {
			return obstacle(v1alpha1.ReasonUnreachable, "name server %s of cluster %s: %s", n.Addr, c.Cluster, n.Err)
		}
	}
	if len(c.Brokers) == 0 || len(c.NameServers) == 0 {
		return obstacle(v1alpha1.ReasonUnreachable, "cluster %s has %d brokers and %d name servers that run", c.Cluster, len(c.Brokers), len(c.NameServers))
	}
	return nil
}

// sharesNameServers reports whether clients of one cluster see the other one too.
func (c *Cluster) sharesNameServers(other *Cluster) bool {
	return slices.ContainsFunc(c.NameServers, func(n NameServer) bool {
		return slices.ContainsFunc(other.NameServers, func(o NameServer) bool { return n.Addr == o.Addr })
	})
}

// leadsTo reports whether the name server still leads clients to one of these brokers for the topic. Other Brokers of the same RocketMQ
// cluster keep their topic: if the name server shows only those, there is nothing to delete.
func (n *NameServer) leadsTo(brokers []v1alpha1.TransferBroker) bool {
	return slices.ContainsFunc(brokers, func(b v1alpha1.TransferBroker) bool {
		_, shown := n.Perms[b.Name]
		return shown
	})
}

func recorded(t *admin.TopicConfig) *v1alpha1.TransferTopic {
	if t == nil {
		return nil
	}
	return &v1alpha1.TransferTopic{
		ReadQueues: int32(t.ReadQueues), WriteQueues: int32(t.WriteQueues), Perm: int32(t.Perm), Order: t.Order,
		FilterType: t.FilterType, SysFlag: int32(t.SysFlag), Attributes: maps.Clone(t.Attributes),
	}
}

func (d *decider) config(t *v1alpha1.TransferTopic) admin.TopicConfig {
	return admin.TopicConfig{
		Name: d.spec.Topic, ReadQueues: int(t.ReadQueues), WriteQueues: int(t.WriteQueues), Perm: int(t.Perm), Order: t.Order,
		FilterType: t.FilterType, SysFlag: int(t.SysFlag), Attributes: maps.Clone(t.Attributes),
	}
}

// closed is the topic without write permission: producers that look at routes send nothing.
func closed(t admin.TopicConfig) admin.TopicConfig {
	t.Perm &^= admin.PermWrite
	return t
}

// fence is the topic with no queues, which makes brokers refuse every message: the number of queues is the only setting of a topic that
// they always check.
func fence(t admin.TopicConfig) admin.TopicConfig {
	t.ReadQueues, t.WriteQueues, t.Perm = 0, 0, 0
	return t
}

// moved are the consumer groups that go to the target.
func (d *decider) moved() []string {
	var names []string
	for _, g := range d.Status.Groups {
		if !g.Stays {
			names = append(names, g.Name)
		}
	}
	return names
}

func (d *decider) movedCount() string {
	if n := len(d.moved()); n != 1 {
		return fmt.Sprintf("%d consumer groups", n)
	}
	return "1 consumer group"
}

// settings of a consumer group for a broker of the target: those at the source's broker of the same position, or at another one if that
// does not have the group.
func (d *decider) settings(group string, place int) (admin.SubscriptionGroup, bool) {
	brokers := d.seen.Source.Brokers
	for i := range brokers {
		if g, ok := brokers[(place+i)%len(brokers)].Groups[group]; ok {
			return g, true
		}
	}
	return admin.SubscriptionGroup{}, false
}

// lag is how many messages a consumer group has not consumed at a broker, of the topic and of its retries.
func lag(b *Broker, group string) int64 {
	if b.Broadcast[group] {
		return 0 // only its consumers know
	}
	sum := b.Retries[group]
	for queue, q := range b.Queues {
		sum += max(0, q.MaxOffset-max(q.MinOffset, b.Offsets[group][queue]))
	}
	return sum
}

func sorted(brokers []Broker) []Broker {
	return slices.SortedFunc(slices.Values(brokers), func(a, b Broker) int { return cmp.Compare(a.Name, b.Name) })
}

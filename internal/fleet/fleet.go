// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Seen is what a fleet is put together from.
type Seen struct {
	// Broker is the resource; its status is the one that the last pass left.
	Broker *v1alpha1.Broker
	// Installation and Dependencies say which addresses and properties the brokers are to have.
	Installation desired.Installation
	Dependencies desired.Dependencies
	// Pods of all groups.
	Pods []corev1.Pod
	// Answer of the servers, and when they were asked.
	*Answer
	At time.Time
	// Backlogs are what the masters of leaving groups still hold, by brokerName. One that was not counted is missing.
	Backlogs map[string]Backlog
	// Known: the answer is young enough to be the truth, and a name server was among those that answered.
	Known bool
	// Now is when the pass runs.
	Now time.Time
}

// Fleet is a Broker's groups with their members.
type Fleet struct {
	Seen
	Groups []*Group
}

// Group is a broker group that exists or is about to.
type Group struct {
	Number int32
	// Name is the brokerName and the name of the StatefulSet.
	Name string
	// Record is what the StatefulSet records of the group: its state and how many members it has.
	Record desired.GroupState
	// Set is the StatefulSet as it was applied, Revision what its pods are to be made from: the wanted one, even while others are
	// to follow it first.
	Set      *appsv1.StatefulSet
	Revision pods.Revision
	// Saved marks the tables that the metadata guard has saved, nil if there are none.
	Saved *metadata.Mark

	// Members are those that the group is to have, by ordinal.
	Members []*Member
	// Surplus are members that still run beyond that number.
	Surplus []*Member
	// Pods are all that carry the group's name.
	Pods []*corev1.Pod
}

// Member of a group: a broker, whether it runs or not.
type Member struct {
	// Name of its pod.
	Name    string
	Ordinal int32
	// Pod is nil if there is none. It may be on its way out.
	Pod *corev1.Pod
	// Registered is the address that it registers with, Dialable the one at which the operator reaches it, "" while it has none.
	Registered, Dialable string
	// ID that it is registered with, nil if it is not; 0 is the master.
	ID   *int64
	Role v1alpha1.Role
	// InSync: it has all that was acknowledged.
	InSync bool
}

// See puts together what is known of the groups.
func See(seen Seen, groups []*Group) *Fleet {
	f := &Fleet{Seen: seen, Groups: groups}
	if f.Answer == nil {
		f.Answer = &Answer{}
	}
	for _, g := range groups {
		g.Members, g.Surplus, g.Pods = nil, nil, nil
		for i := range f.Pods {
			if f.Pods[i].Labels[desired.LabelGroup] == g.Name {
				g.Pods = append(g.Pods, &f.Pods[i])
			}
		}

		for ordinal := range max(g.Record.Members, desired.MemberCount(f.Broker)) {
			m := f.member(g.Name, ordinal)
			if ordinal < g.Record.Members {
				g.Members = append(g.Members, m)
			} else if m.Pod != nil {
				g.Surplus = append(g.Surplus, m)
			}
		}
	}
	return f
}

func (f *Fleet) member(group string, ordinal int32) *Member {
	m := &Member{Name: desired.PodName(group, ordinal), Ordinal: ordinal}
	if i := slices.IndexFunc(f.Pods, func(pod corev1.Pod) bool { return pod.Name == m.Name }); i >= 0 {
		m.Pod = &f.Pods[i]
	}
	m.Registered = f.registeredAddress(m)
	if m.Pod == nil {
		return m
	}

	if m.Pod.Status.PodIP != "" {
		m.Dialable = pods.BrokerAddr(m.Pod)
	}
	if id, registered := f.registeredID(group, m.Registered); registered && f.Known {
		m.ID, m.Role = &id, v1alpha1.RoleSlave
		if id == admin.MasterID {
			m.Role = v1alpha1.RoleMaster
		}
		m.InSync = f.inSync(group, m)
	}
	return m
}

// registeredAddress of a member. A pod that runs an older spec goes on with the network of that.
func (f *Fleet) registeredAddress(m *Member) string {
	hostNetwork := f.Broker.Spec.HostNetwork
	if m.Pod != nil {
		hostNetwork = m.Pod.Spec.HostNetwork
	}
	switch {
	case !hostNetwork:
		return f.Installation.BrokerAddress(f.Broker, m.Name)
	case m.Pod == nil:
		return ""
	}
	return pods.BrokerAddr(m.Pod)
}

// registeredID is the id that most name servers know an address by.
func (f *Fleet) registeredID(group, addr string) (int64, bool) {
	votes := map[int64]int{}
	best, found := int64(0), false
	for _, groups := range f.Answer.Registered {
		for id, registered := range groups[group] {
			if registered != addr {
				continue
			}
			votes[id]++
			if !found || votes[id] > votes[best] || (votes[id] == votes[best] && id < best) {
				best, found = id, true
			}
		}
	}
	return best, found
}

// registeredEverywhere: every name server answers, and knows the member.
func (f *Fleet) registeredEverywhere(g *Group, m *Member) bool {
	for _, groups := range f.Answer.Registered {
		known := false
		for _, registered := range groups[g.Name] {
			known = known || registered == m.Registered
		}
		if !known {
			return false
		}
	}
	return len(f.Unreachable) == 0
}

func (f *Fleet) inSync(group string, m *Member) bool {
	if f.controlled() {
		return slices.ContainsFunc(f.SyncStates[group].InSync, func(r admin.Replica) bool { return r.Addr == m.Registered && r.Alive })
	}
	return m.Role == v1alpha1.RoleMaster || slices.Contains(f.InSyncHosts[group], m.Pod.Status.PodIP)
}

// controlled: controllers elect the masters.
func (f *Fleet) controlled() bool { return desired.Mode(f.Broker) == settings.ControllerMode }

// ledByController: controllers elect the masters, and one of them leads and has answered.
func (f *Fleet) ledByController() bool { return f.controlled() && f.Known && f.Leader != "" }

// onNodes reports whether brokers use the addresses of their nodes, be it because of an older spec.
func (f *Fleet) onNodes() bool {
	return f.Broker.Spec.HostNetwork || slices.ContainsFunc(f.Pods, func(pod corev1.Pod) bool { return pod.Spec.HostNetwork })
}

// AskedSince reports whether the servers were asked after a moment.
func (f *Fleet) AskedSince(moment metav1.Time) bool {
	return f.Known && f.At.After(moment.Add(time.Second))
}

// Wanted is the number of brokers that the StatefulSets ask for.
func (f *Fleet) Wanted() int {
	n := 0
	for _, g := range f.Groups {
		n += len(g.Members)
	}
	return n
}

// Group of that name, nil if there is none.
func (f *Fleet) Group(name string) *Group {
	if i := slices.IndexFunc(f.Groups, func(g *Group) bool { return g.Name == name }); i >= 0 {
		return f.Groups[i]
	}
	return nil
}

// Runs reports whether the member has a pod that is not on its way out.
func (m *Member) Runs() bool { return m.Pod != nil && m.Pod.DeletionTimestamp == nil }

// State of the group.
func (g *Group) State() scale.State { return g.Record.State }

// Leader is the registered master, be it on its way out; nil if none is known now.
func (g *Group) Leader() *Member {
	for _, m := range g.Members {
		if m.Role == v1alpha1.RoleMaster {
			return m
		}
	}
	return nil
}

// Master of the group that runs, nil if none is known now.
func (g *Group) Master() *Member {
	if m := g.Leader(); m != nil && m.Runs() {
		return m
	}
	return nil
}

// Slaves of a master that are ready.
func (g *Group) Slaves(master *Member) (out []*Member) {
	for _, m := range slices.Concat(g.Members, g.Surplus) {
		if m != master && m.Pod != nil && pods.Ready(m.Pod) {
			out = append(out, m)
		}
	}
	return out
}

// at is the member that registers with an address, nil if it is none of the wanted ones.
func (g *Group) at(addr string) *Member {
	for _, m := range g.Members {
		if m.Registered == addr {
			return m
		}
	}
	return nil
}

// names of the members' pods, or their addresses if there is no such member.
func (g *Group) names(replicas []admin.Replica) []string {
	var out []string
	for _, r := range replicas {
		if m := g.at(r.Addr); m != nil {
			out = append(out, m.Name)
			continue
		}
		out = append(out, r.Addr)
	}
	return out
}

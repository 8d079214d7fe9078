// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// Targets are the servers to ask next, besides name servers and controllers.
func (f *Fleet) Targets() Targets {
	t := Targets{
		Cluster: desired.ClusterName(f.Broker),
		Masters: map[string]string{}, Followed: map[string]Mastership{},
	}
	for _, g := range f.Groups {
		t.Groups = append(t.Groups, g.Name)
		if mastership, ok := f.Followed(g); ok {
			t.Followed[g.Name] = mastership
		}
		for _, m := range slices.Concat(g.Members, g.Surplus) {
			if !m.Runs() || m.Dialable == "" {
				continue
			}
			t.Brokers = append(t.Brokers, m.Dialable)
			if !f.controlled() && m.isStaticMaster() {
				t.Masters[g.Name] = m.Dialable
			}
		}
	}
	return t
}

// LeavingMasters are the masters of the groups that leave, to ask for what they still hold, by brokerName.
func (f *Fleet) LeavingMasters() map[string]string {
	out := map[string]string{}
	for _, g := range f.Groups {
		if master := g.Master(); master != nil && g.State().Leaving() && master.Dialable != "" {
			out[g.Name] = master.Dialable
		}
	}
	return out
}

// Followed is the mastership whose tables are followed, false while the group has no master, or has no metadata of its own
// yet or any more.
func (f *Fleet) Followed(g *Group) (Mastership, bool) {
	master := g.Master()
	if master == nil || master.Dialable == "" || g.State() == scale.Hidden || g.State() == scale.Removing {
		return Mastership{}, false
	}
	out := Mastership{Term: string(master.Pod.UID), Master: master.Dialable}
	if f.controlled() {
		state := f.SyncStates[g.Name]
		if state.MasterAddr != master.Registered {
			return Mastership{}, false // the name servers do not know the new one yet
		}
		out.Term = fmt.Sprintf("%s/%d", master.Pod.UID, state.MasterEpoch)
	}
	if restarts := pods.Restarts(master.Pod); restarts > 0 { // a server that was killed may have lost its tables
		out.Term += fmt.Sprintf("/restart%d", restarts)
	}
	for _, slave := range g.Slaves(master) {
		if slave.Dialable != "" {
			out.Slaves = append(out.Slaves, slave.Dialable)
		}
	}
	return out, true
}

// Guarded is the mastership under which the metadata guard saves a group's tables, false while it does not.
func (f *Fleet) Guarded(g *Group) (Mastership, bool) {
	if !desired.MetadataGuarded(f.Broker) {
		return Mastership{}, false
	}
	return f.Followed(g)
}

// GuardSettled reports whether what is saved of a group is of the master that there is now.
func (f *Fleet) GuardSettled(g *Group) bool {
	guarded, ok := f.Guarded(g)
	if !ok {
		return !desired.MetadataGuarded(f.Broker)
	}
	return g.Saved != nil && g.Saved.Term == guarded.Term
}

// Risk is what may cost topics or consumer groups: a reason of MetadataAtRisk.
type Risk struct{ Reason, Message string }

// Together are several risks in one condition: its reason is the first one that the operator works on.
func Together(risks []Risk) (reason, message string) {
	urgency := []string{v1alpha1.ReasonRestoring, v1alpha1.ReasonNotSaved, v1alpha1.ReasonTooLarge, v1alpha1.ReasonSlaveBehind}
	ordered := slices.SortedStableFunc(slices.Values(risks), func(a, b Risk) int {
		return cmp.Compare(slices.Index(urgency, a.Reason), slices.Index(urgency, b.Reason))
	})
	var messages []string
	for _, r := range ordered {
		messages = append(messages, r.Message)
	}
	return ordered[0].Reason, strings.Join(messages, "; ")
}

// BehindRisks names the slaves that lack topics or consumer groups of their master for long.
func (f *Fleet) BehindRisks(g *Group) (out []Risk) {
	for _, m := range slices.Concat(g.Members, g.Surplus) {
		if m.Dialable != "" && slices.Contains(f.Tables[g.Name].Behind, m.Dialable) {
			out = append(out, Risk{v1alpha1.ReasonSlaveBehind, fmt.Sprintf("%s lacked topics or consumer groups of its master in every check of the last minute. "+
				"If it became master now, clients would miss them until the operator has restored them", m.Name)})
		}
	}
	return out
}

// TooLargeRisk says that what a group's master knows does not fit into a ConfigMap.
func TooLargeRisk(g *Group) Risk {
	return Risk{v1alpha1.ReasonTooLarge, fmt.Sprintf("%s has more topics and consumer groups than 16 ConfigMaps can hold, so the newest are not saved: "+
		"a failover may lose those that are missing in what was saved last. Delete topics that nobody uses, or spread them over more Brokers", g.Name)}
}

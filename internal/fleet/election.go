// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// electionTime is how long a group may be without a master before it is a trouble: elections need seconds.
const electionTime = 10 * time.Second

// Orphaned reports whether a group has no master and gets none by itself, because nobody in its SyncStateSet is alive or on
// the way. One that has never had a master waits only for its first member.
func (f *Fleet) Orphaned(g *Group, status v1alpha1.BrokerGroupStatus) bool {
	state, listed := f.SyncStates[g.Name]
	switch {
	case !f.ledByController(), !listed, state.MasterEpoch == 0, g.State() == scale.Removing:
		return false
	case status.Master != "", status.MasterSince == nil, f.At.Sub(status.MasterSince.Time) < electionTime:
		return false
	}
	hopeful := slices.ContainsFunc(state.InSync, func(r admin.Replica) bool {
		return r.Alive || (!lost(state, r) && f.coming(g.at(r.Addr)))
	})
	return !hopeful
}

// coming reports whether a member may be about to serve: it has been stopping or starting for a short time only.
func (f *Fleet) coming(m *Member) bool {
	if m == nil || m.Pod == nil {
		return false
	}
	since := m.Pod.CreationTimestamp
	if running := pods.RunningSince(m.Pod); !running.IsZero() {
		since = running
	}
	if m.Pod.DeletionTimestamp != nil {
		since = *m.Pod.DeletionTimestamp // the end of its time to stop
	}
	return pods.Stuck(m.Pod) == "" && f.At.Sub(since.Time) < registration
}

// UncleanAllowed reports whether the user's annotation allows an election in which a member that lacks messages may become master.
func (f *Fleet) UncleanAllowed(g *Group) bool { return uncleanAllowed(f.Broker, g.Name) }

func uncleanAllowed(b *v1alpha1.Broker, group string) bool {
	names := strings.FieldsFunc(b.Annotations[v1alpha1.AnnotationUncleanElection], func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(names, group)
}

// Hesitation says what keeps an unclean election that is allowed, "" for nothing: nobody is there to elect, or the
// controllers would elect in another group too, for which it is not allowed. Others are all Brokers.
func (f *Fleet) Hesitation(g *Group, others []v1alpha1.Broker) string {
	if !slices.ContainsFunc(f.SyncStates[g.Name].NotInSync, func(r admin.Replica) bool { return r.Alive }) {
		return "an unclean election is allowed, but no other member runs"
	}
	ours := f.Broker.Status.ControllerRef
	for i := range others {
		other := &others[i]
		if other.UID == f.Broker.UID {
			other = f.Broker
		}
		if theirs := other.Status.ControllerRef; theirs == nil || ours == nil || *theirs != *ours {
			continue
		}
		for _, group := range other.Status.Groups {
			if group.Master == "" && len(group.Members) > 0 && group.Name != g.Name && !uncleanAllowed(other, group.Name) {
				return fmt.Sprintf("an unclean election is allowed, but group %s of Broker %s/%s has no master either, and the controllers "+
					"could elect one there too: bring it back, or allow it there as well", group.Name, other.Namespace, other.Name)
			}
		}
	}
	return ""
}

// Choices are the words of NoMaster: what happened, what can be done, and what it costs. Why says what keeps an election that
// is allowed.
func (f *Fleet) Choices(g *Group, why string) string {
	state := f.SyncStates[g.Name]
	var returning, gone, alive []string
	for _, r := range state.InSync {
		name := g.names([]admin.Replica{r})[0]
		if lost(state, r) {
			gone = append(gone, name)
			continue
		}
		returning = append(returning, name+doing(g.at(r.Addr)))
	}
	for _, r := range state.NotInSync {
		if r.Alive {
			alive = append(alive, g.names([]admin.Replica{r})...)
		}
	}

	var out strings.Builder
	fmt.Fprintf(&out, "%s has no master, and no member with all acknowledged messages runs", g.Name)
	if len(returning) > 0 {
		fmt.Fprintf(&out, ". Bring one of them back, and nothing is lost: %s", strings.Join(returning, ", "))
	}
	if len(gone) > 0 {
		fmt.Fprintf(&out, ". The disk of %s was lost, and with it the messages that no other member has", strings.Join(gone, ", "))
	}
	switch {
	case why != "":
		fmt.Fprintf(&out, ". %s%s", strings.ToUpper(why[:1]), why[1:])
	case g.Record.Unclean == scale.UncleanOver:
		fmt.Fprintf(&out, ". The annotation %s has been used for one election; to allow another, remove it and set it again", v1alpha1.AnnotationUncleanElection)
	case f.UncleanAllowed(g):
		out.WriteString(". An unclean election is allowed and comes next")
	case len(alive) == 0:
		out.WriteString(". No other member runs that could take over")
	default:
		fmt.Fprintf(&out, ". Or let %s take over with what it has: every acknowledged message that it does not have is lost, and is cut off from "+
			"the others' disks when they come back: kubectl annotate --overwrite -n %s broker %s %s=%s", strings.Join(alive, " or "),
			f.Broker.Namespace, f.Broker.Name, v1alpha1.AnnotationUncleanElection, g.Name)
	}
	return out.String()
}

// doing says in brackets why a member does not run.
func doing(m *Member) string {
	switch {
	case m == nil, m.Pod == nil:
		return " (its pod does not exist)"
	case m.Pod.DeletionTimestamp != nil:
		return " (its pod does not end)"
	case pods.Stuck(m.Pod) != "":
		return " (its pod cannot start: " + pods.Stuck(m.Pod) + ")"
	case pods.Starting(m.Pod):
		return " (its broker is still starting, which takes long with many messages: wait for it)"
	}
	return " (its pod does not become ready)"
}

// Elected tells of the member that an unclean election made master.
func (f *Fleet) Elected(g *Group, addr string) string {
	elected := addr
	if m := g.at(addr); m != nil {
		elected = m.Name
	}
	return fmt.Sprintf("%s was elected master of %s, as the annotation allows: acknowledged messages that it does not have are lost; %s had all of them",
		elected, g.Name, strings.Join(g.names(f.SyncStates[g.Name].InSync), ", "))
}

// MayElectUnclean reports whether a Controller's own spec allows unclean elections, in any spelling that RocketMQ takes for true
// (MixAll.properties2Object).
func MayElectUnclean(ctl *v1alpha1.Controller) bool {
	return strings.EqualFold(strings.TrimSpace(string(ctl.Spec.Config[admin.ElectUncleanMaster])), "true")
}

// Election decides about the unclean election of a group. Why is what keeps one that is allowed (see Hesitation).
func (f *Fleet) Election(g *Group, status v1alpha1.BrokerGroupStatus, orphaned bool, why string) scale.Election {
	return scale.NextElection(scale.Orphan{
		Stage: g.Record.Unclean, Allowed: f.UncleanAllowed(g), Orphaned: orphaned, Hesitates: why != "",
		Led: f.ledByController(), HasMaster: status.Master != "",
	})
}

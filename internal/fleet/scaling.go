// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Source is the group whose topics and consumer groups a new one is given: that of spec.scalePodName, or the first one that
// is not hidden. Without a master to copy from it returns the reason and the sentence that say why.
func (f *Fleet) Source(target *Group) (source *Group, reason, why string) {
	for _, g := range f.Groups {
		if g != target && g.State() != scale.Hidden && g.State() != scale.Removing {
			source = g
			break
		}
	}

	if given := f.Broker.Spec.ScalePodName; given != "" {
		source = f.Group(desired.GroupOfPod(f.Broker.Name, given))
		switch source {
		case nil:
			return nil, v1alpha1.ReasonSourceUnknown, fmt.Sprintf("spec.scalePodName %q is no pod of this Broker: name one such as %s, or leave it empty",
				given, desired.PodName(desired.GroupName(f.Broker.Name, 0), 0))
		case target:
			return nil, v1alpha1.ReasonSourceUnknown, fmt.Sprintf("spec.scalePodName %q is of the new group itself: name a pod of another group", given)
		}
	}

	switch {
	case source == nil:
		return nil, v1alpha1.ReasonSourceUnknown, "there is no other group to copy topics and consumer groups from"
	case source.Master() == nil:
		return nil, v1alpha1.ReasonSourceUnreachable, fmt.Sprintf("%s, whose topics and consumer groups it is to get, has no master", source.Name)
	}
	return source, "", ""
}

// Life is what scale.Next decides a group's next state by. Copied: a hidden group has every topic and consumer group that clients need.
// Shared: the slaves of a leaving one have the consumer offsets up to the end.
func (f *Fleet) Life(g *Group, copied, shared bool) scale.Group {
	return scale.Group{
		Name: g.Name, State: g.State(), Age: f.Now.Sub(g.Record.Since.Time),
		Wanted: f.wanted(g), Last: g == f.Groups[len(f.Groups)-1], Replaced: f.unreplaced() == "",
		Copied: copied, Drained: f.Drained(g), Fenced: f.Fenced(g), Shared: shared,
		Forced: f.ForceAsked(g) && !g.Record.StaleForce,
	}
}

func (f *Fleet) wanted(g *Group) bool { return g.Number < desired.GroupCount(f.Broker) }

// Staying says why an open group that is to leave stays for now, "" if it does not have to, or is not to leave.
func (f *Fleet) Staying(g *Group) string {
	why := f.unreplaced()
	if why == "" || g.State() != scale.Open || f.wanted(g) {
		return ""
	}
	return fmt.Sprintf("%s is no longer in spec.size, and stays until every remaining group takes messages: %s", g.Name, why)
}

// unreplaced says why the groups that stay could not take what clients send, "" if they all take messages.
func (f *Fleet) unreplaced() string {
	if !f.Known {
		return "no name server answers the operator"
	}
	for _, g := range f.Groups {
		if !f.wanted(g) {
			continue
		}
		master := g.Master()
		if g.State() != scale.Open {
			return g.Name + " is not open to clients yet"
		}
		if master == nil {
			return g.Name + " has no master"
		}
		properties, answered := f.Properties[master.Dialable]
		switch {
		case !answered:
			return master.Name + ", the master of " + g.Name + ", does not answer"
		case settings.Refuses(properties, f.At) || properties[settings.Permission] != scale.Open.Settings().Properties()[settings.Permission]:
			return master.Name + ", the master of " + g.Name + ", takes no messages"
		}
	}
	return ""
}

// ForceAsked reports whether the user's annotation names the group to be removed with what it holds.
func (f *Fleet) ForceAsked(g *Group) bool {
	return f.Broker.Annotations[v1alpha1.AnnotationForceScaleIn] == g.Name
}

// backlog that was counted while the group was in its present state.
func (f *Fleet) backlog(g *Group) (Backlog, bool) {
	backlog, counted := f.Backlogs[g.Name]
	return backlog, counted && f.Known && backlog.At.After(g.Record.Since.Time)
}

// Drained reports whether the group holds nothing that is not consumed.
func (f *Fleet) Drained(g *Group) bool {
	backlog, counted := f.backlog(g)
	return counted && backlog.Empty()
}

// Fenced reports whether the group's backlog was counted while every member that answers refused new messages.
func (f *Fleet) Fenced(g *Group) bool {
	backlog, counted := f.backlog(g)
	if !counted || !backlog.Fenced {
		return false
	}
	answered := false
	for _, m := range slices.Concat(g.Members, g.Surplus) {
		properties, ok := f.Properties[m.Dialable]
		if !ok {
			continue
		}
		answered = true
		if !settings.Refuses(properties, f.At) {
			return false
		}
	}
	return answered
}

// Leaving says what a group that leaves waits for. Unshared is what keeps its slaves from knowing how far everything is
// consumed, "" if they know.
func (f *Fleet) Leaving(g *Group, unshared string) string {
	backlog, counted := f.backlog(g)
	switch {
	case g.State() == scale.Removing:
		return fmt.Sprintf("%s is being removed; its pods are stopping", g.Name)
	case g.Master() == nil:
		return fmt.Sprintf("%s takes no new messages and has no master, so nobody can consume the rest. Bring one of its members back. "+
			"To remove the group and lose what is not consumed: %s",
			g.Name, f.howToForce(g))
	case !counted && g.Record.StaleForce:
		return fmt.Sprintf("%s takes no new messages; what it still holds is not counted yet. To remove it without counting: %s", g.Name, f.howToForce(g))
	case !counted:
		return fmt.Sprintf("%s takes no new messages; what it still holds is not counted yet", g.Name)
	case unshared != "":
		return fmt.Sprintf("%s takes no new messages and all of its own are consumed. It waits until its slaves have the consumer offsets, "+
			"which is tried again: %s. To remove it without, so that messages may come twice if the group is ever created again: %s", g.Name, unshared, f.howToForce(g))
	case backlog.Empty():
		return fmt.Sprintf("%s takes no new messages and all of its own are consumed; before it is removed, clients get %d s in all to notice",
			g.Name, desired.DrainSeconds(f.Broker))
	}
	return fmt.Sprintf("%s takes no new messages and waits for: %s. To keep the group, raise spec.size. To remove it and lose what is not consumed: %s",
		g.Name, backlog, f.howToForce(g))
}

// howToForce says how to give up what a group that leaves holds.
func (f *Fleet) howToForce(g *Group) string {
	command := fmt.Sprintf("kubectl annotate --overwrite -n %s broker %s %s=%s", f.Broker.Namespace, f.Broker.Name, v1alpha1.AnnotationForceScaleIn, g.Name)
	if !g.Record.StaleForce {
		return command
	}
	return fmt.Sprintf("the annotation %[1]s is from before %[2]s began to leave, so it does not count; remove it with kubectl annotate -n %[3]s broker %[4]s %[1]s- "+
		"and, when this message has changed, set it again with %[5]s", v1alpha1.AnnotationForceScaleIn, g.Name, f.Broker.Namespace, f.Broker.Name, command)
}

// Removable reports whether nothing of a group that is being removed is left but its objects.
func (f *Fleet) Removable(g *Group) bool {
	return g.State() == scale.Removing && len(g.Pods) == 0 && f.recordsClean(g)
}

// recordsClean: the controllers list nothing of a group whose disks are gone.
func (f *Fleet) recordsClean(g *Group) bool {
	if !f.controlled() || !desired.DisksGo(f.Broker) || f.Broker.Spec.HostNetwork {
		return true
	}
	state, listed := f.SyncStates[g.Name]
	return f.ledByController() && (!listed || len(state.InSync)+len(state.NotInSync) == 0)
}

// Shrink says how to come to the wanted number of members.
func (f *Fleet) Shrink(g *Group) scale.Step {
	var members []scale.Member
	for _, m := range g.Members {
		members = append(members, scale.Member{
			Pod: m.Name, Registered: m.Role != "", Master: m.Role == v1alpha1.RoleMaster,
			InSync: m.InSync && m.Runs() && pods.Ready(m.Pod) && f.AskedSince(pods.ReadySince(m.Pod)),
		})
	}
	return scale.Shrink(members, int(desired.MemberCount(f.Broker)))
}

// GoneReplicas are the ids that the controllers list of members whose disk is gone.
func (f *Fleet) GoneReplicas(g *Group) []int64 {
	if !f.ledByController() || f.onNodes() {
		return nil // a node's address does not tell which pod's disk it was
	}
	state := f.SyncStates[g.Name]
	replicas := slices.Concat(state.InSync, state.NotInSync)
	// Without any id in the SyncStateSet the controllers forget the group, and its brokers could never register again
	// (ReplicasInfoManager.handleCleanBrokerDataEvent).
	keep := g.State() != scale.Removing && !slices.ContainsFunc(state.InSync, func(r admin.Replica) bool { return r.Alive })

	var gone []int64
	for _, replica := range replicas {
		if replica.Alive || (keep && slices.Contains(state.InSync, replica)) || !f.ours(replica.Addr) {
			continue // a stranger's record is not ours to clean
		}
		if lost(state, replica) || (desired.DisksGo(f.Broker) && !f.hasDisk(g, replica.Addr)) {
			gone = append(gone, replica.ID)
		}
	}
	slices.Sort(gone)
	return gone
}

// lost: the member came back on an empty disk. It has another id now, and its old one never returns.
func lost(state admin.SyncState, old admin.Replica) bool {
	return slices.ContainsFunc(slices.Concat(state.InSync, state.NotInSync), func(r admin.Replica) bool { return r.Addr == old.Addr && r.ID > old.ID })
}

// hasDisk: a member with that address is wanted, or still runs.
func (f *Fleet) hasDisk(g *Group, addr string) bool {
	return slices.ContainsFunc(slices.Concat(g.Members, g.Surplus), func(m *Member) bool { return m.Registered == addr })
}

// Disks of pods that near the limit at which RocketMQ refuses messages, in percent, in the order of the pods.
func (f *Fleet) fullDisks() (out []fullDisk) {
	for i := range f.Pods {
		if used := f.Disks[pods.BrokerAddr(&f.Pods[i])]; used > 0 {
			out = append(out, fullDisk{&f.Pods[i], used})
		}
	}
	return out
}

type fullDisk struct {
	pod  *corev1.Pod
	used int
}

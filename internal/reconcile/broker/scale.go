package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

const (
	// copyTimeout bounds the part of a copy that one pass does.
	copyTimeout = 15 * time.Second
	// copyInterval is how soon a copy of metadata goes on that a pass does only a part of.
	copyInterval = 100 * time.Millisecond
	// copyEntries and copyOffsets are how much that is; the status tells the progress from pass to pass.
	copyEntries = 2500
	copyOffsets = 20000
	// cleanTimeout bounds what one pass asks of the controllers.
	cleanTimeout = 3 * time.Second
)

// copyMetadata gives hidden groups the topics, consumer groups and offsets that clients will look for.
func (p *brokerPass) copyMetadata(ctx context.Context) (*kube.Waiting, error) {
	for _, g := range p.groups {
		if g.State != scale.Hidden || g.number >= desired.GroupCount(p.broker) {
			continue
		}
		reason, message := p.copyTo(ctx, g)
		if reason != "" {
			p.Conditions.Set(v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, reason, message)
			if reason == v1alpha1.ReasonCopying {
				p.LookAgain(copyInterval)
			} else {
				p.LookAgain(pass.Soon)
			}
			return nil, nil // one after the other: they have the same source
		}
		p.copied = append(p.copied, g.name)
	}
	return nil, nil
}

// copyTo does a part of the copy. It returns why the copy is not complete, "" if it is.
func (p *brokerPass) copyTo(ctx context.Context, g *group) (reason, message string) {
	source, reason, why := p.source(g)
	if reason != "" {
		return reason, fmt.Sprintf("%s stays hidden from clients: %s", g.name, why)
	}
	target := p.master(g.name)
	if target == nil {
		return v1alpha1.ReasonTargetUnreachable, fmt.Sprintf("%s stays hidden from clients: it has no master yet", g.name)
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	to := reach.Broker(target)
	has, err := metadata.Read(ctx, p.Reach.Client, p.metadataOf(to, g.name))
	if err != nil {
		return v1alpha1.ReasonTargetUnreachable, fmt.Sprintf("%s stays hidden from clients: %s does not answer: %s", g.name, target.Name, err)
	}
	wanted, err := metadata.Read(ctx, p.Reach.Client, p.metadataOf(reach.Broker(source), source.Labels[desired.LabelGroup]))
	if err != nil {
		return v1alpha1.ReasonSourceUnreachable, fmt.Sprintf("%s stays hidden from clients: %s, which it copies, does not answer: %s", g.name, source.Name, err)
	}
	ends, err := metadata.Ends(ctx, p.Reach.Client, to, wanted, has)
	if err != nil {
		return v1alpha1.ReasonTargetUnreachable, fmt.Sprintf("%s stays hidden from clients: %s", g.name, err)
	}
	plan := metadata.ForNewGroup(wanted, has, ends)
	if plan.Empty() {
		if !pods.Ready(target) { // it may refuse messages (probe.Prober.Ready)
			return v1alpha1.ReasonTargetUnreachable, fmt.Sprintf("%s stays hidden from clients: it knows all that %s knows, but its master %s is not ready", g.name, source.Name, target.Name)
		}
		p.tellCopied(g, source, target, wanted, plan)
		return "", ""
	}
	progress := fmt.Sprintf("%s is hidden from clients and gets what %s knows: copied %d/%d topics, %d/%d consumer groups, %d offsets to go", g.name, source.Name,
		len(wanted.Topics)-len(plan.Topics), len(wanted.Topics), len(wanted.Groups)-len(plan.Groups), len(wanted.Groups), len(plan.Offsets))
	if err := plan.Apply(ctx, p.Reach.Client, to, has, metadata.Limits{Entries: copyEntries, Offsets: copyOffsets}); err != nil {
		return v1alpha1.ReasonTargetUnreachable, fmt.Sprintf("%s; %s refused or broke off: %s", progress, target.Name, err)
	}
	return v1alpha1.ReasonCopying, progress
}

// metadataOf a group is read at this address.
func (p *brokerPass) metadataOf(addr, group string) metadata.Broker {
	return metadata.Broker{Addr: addr, Cluster: desired.ClusterName(p.broker), Group: group}
}

// tellCopied says what came out of a copy, and what the target has otherwise.
func (p *brokerPass) tellCopied(g *group, source, target *corev1.Pod, wanted *metadata.Tables, plan metadata.Plan) {
	p.Event(target, "MetadataCopied", "Scale", "%s has the %d topics and %d consumer groups of %s", g.name, len(wanted.Topics), len(wanted.Groups), source.Name)
	if len(plan.Differ) > 0 {
		p.Warn(target, "MetadataDiffers", "Scale", "%s keeps what it has otherwise than %s: %s", g.name, source.Name, some(plan.Differ))
	}
	if len(plan.Gone) > 0 {
		p.Warn(target, "MetadataLeftOver", "Scale", "%s has topics from before that %s does not have; delete them if they are not wanted: %s",
			g.name, source.Name, some(plan.Gone))
	}
}

// some of many names.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// source is the master to copy from: of the group that spec.scalePodName names, or of the first one that is not hidden.
func (p *brokerPass) source(target *group) (pod *corev1.Pod, reason, why string) {
	name := ""
	for _, g := range p.groups {
		if g.name != target.name && g.State != scale.Hidden && g.State != scale.Removing {
			name = g.name
			break
		}
	}
	if given := p.broker.Spec.ScalePodName; given != "" {
		name = desired.GroupOfPod(p.broker.Name, given)
		if !slices.ContainsFunc(p.groups, func(g *group) bool { return g.name == name }) {
			return nil, v1alpha1.ReasonSourceUnknown, fmt.Sprintf("spec.scalePodName %q is no pod of this Broker: name one such as %s, or leave it empty",
				given, desired.PodName(desired.GroupName(p.broker.Name, 0), 0))
		}
		if name == target.name {
			return nil, v1alpha1.ReasonSourceUnknown, fmt.Sprintf("spec.scalePodName %q is of the new group itself: name a pod of another group", given)
		}
	}
	if name == "" {
		return nil, v1alpha1.ReasonSourceUnknown, "no other group is there to copy from"
	}
	if pod = p.master(name); pod == nil {
		return nil, v1alpha1.ReasonSourceUnreachable, fmt.Sprintf("%s, which it copies, has no master", name)
	}
	return pod, "", ""
}

// master of a group, nil if none is known now.
func (p *brokerPass) master(group string) *corev1.Pod {
	for _, status := range p.broker.Status.Groups {
		if status.Name == group && status.Master != "" {
			return p.pod(status.Master)
		}
	}
	return nil
}

// advance moves each group on in its life. The new state is only recorded here: the next pass acts on it.
func (p *brokerPass) advance(ctx context.Context) (*kube.Waiting, error) {
	drain := time.Duration(desired.DrainSeconds(p.broker)) * time.Second
	for i, g := range p.groups {
		backlog, counted := p.seen.Backlogs[g.name]
		counted = counted && p.seen.known && p.seen.at.After(g.Since.Time)
		last := i == len(p.groups)-1
		drained, fenced := counted && backlog.Empty(), counted && backlog.Fenced && p.fenced(g.name)
		asked := p.broker.Annotations[desired.AnnotationForceScaleIn] == g.name
		unshared := ""
		if g.State == scale.Closed && drained && fenced {
			unshared = p.shareOffsets(ctx, g)
		}
		next, why := scale.Next(scale.Group{
			Name: g.name, State: g.State, Age: time.Since(g.Since.Time),
			Wanted: g.number < desired.GroupCount(p.broker), Last: last,
			Copied:  slices.Contains(p.copied, g.name),
			Drained: drained, Fenced: fenced, Shared: unshared == "",
			Forced: asked && !g.StaleForce,
		}, drain)
		stale := scale.StaleForce(g.State, next, g.StaleForce, asked)
		delete(g.set.Annotations, desired.AnnotationForceStale)
		if stale {
			g.set.Annotations[desired.AnnotationForceStale] = "true"
		}
		if next != g.State {
			g.set.Annotations[desired.AnnotationState] = string(next)
			g.set.Annotations[desired.AnnotationStateSince] = time.Now().UTC().Format(time.RFC3339)
			if waiting, err := p.Apply(ctx, g.set); waiting != nil || err != nil {
				return waiting, err
			}
			p.Event(g.set, "GroupState", "Scale", "%s goes from %s to %s: %s", g.name, g.State, next, why)
			continue
		}
		if stale != g.StaleForce {
			if waiting, err := p.Apply(ctx, g.set); waiting != nil || err != nil {
				return waiting, err
			}
			g.StaleForce = stale
		}
		if err := p.leave(ctx, g, counted, unshared); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// shareOffsets lets the slaves of a group that leaves know how far everything is consumed: one that is elected when the
// group comes back would hand out again what it does not know. By themselves they ask every 10 s (SlaveSynchronize), on
// 5.5.0 in vain. It returns what keeps that, "" if they know.
func (p *brokerPass) shareOffsets(ctx context.Context, g *group) string {
	master := p.master(g.name)
	if master == nil {
		return "there is no master"
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	known, err := metadata.Read(ctx, p.Reach.Client, p.metadataOf(reach.Broker(master), g.name))
	if err != nil {
		return fmt.Sprintf("%s does not answer: %s", master.Name, err)
	}
	for _, slave := range p.slaves(g, master) {
		addr := reach.Broker(slave)
		has, err := metadata.Read(ctx, p.Reach.Client, p.metadataOf(addr, g.name))
		if err != nil {
			return fmt.Sprintf("%s does not answer: %s", slave.Name, err)
		}
		if _, err := p.Reach.Client.PutOffsets(ctx, addr, metadata.ForNewMaster(known, has).Offsets); err != nil {
			return fmt.Sprintf("%s does not take that: %s", slave.Name, err)
		}
	}
	return ""
}

// leave says what a leaving group waits for, and removes it in the end. unshared is what shareOffsets returned.
func (p *brokerPass) leave(ctx context.Context, g *group, counted bool, unshared string) error {
	backlog := p.seen.Backlogs[g.name]
	switch {
	case g.State == scale.Removing:
		if len(p.podsOf(g.name)) > 0 || !p.recordsClean(g) {
			p.draining("%s leaves; its pods stop", g.name)
			return nil
		}
		return p.removeGroup(ctx, g)
	case !g.State.Leaving():
	case p.master(g.name) == nil:
		p.draining("%s takes no new messages, and has no master to hand out the rest: start it, or give up what it holds: %s",
			g.name, p.howToForce(g))
	case !counted && g.StaleForce:
		p.draining("%s takes no new messages; what it still holds is not counted yet; to give that up: %s",
			g.name, p.howToForce(g))
	case !counted:
		p.draining("%s takes no new messages; what it still holds is not counted yet", g.name)
	case unshared != "":
		p.draining("%s takes no new messages and holds none that is not consumed; its slaves are told how far it is consumed, lest "+
			"messages come twice when it comes back: %s. It is tried again; to go without: %s", g.name, unshared, p.howToForce(g))
	case backlog.Empty():
		p.draining("%s takes no new messages and holds none that is not consumed; it is watched for %d s more",
			g.name, desired.DrainSeconds(p.broker))
	default:
		p.draining("%s takes no new messages and waits for: %s. Growing spec.size keeps it; to give up what is not consumed: %s",
			g.name, backlog, p.howToForce(g))
	}
	return nil
}

// draining says what a group or a slave that leaves waits for. Much of that is on no watch.
func (p *brokerPass) draining(format string, args ...any) {
	p.Conditions.Raise(v1alpha1.ConditionDraining, format, args...)
	p.LookAgain(pass.Soon)
}

// howToForce says how to give up what a leaving group holds.
func (p *brokerPass) howToForce(g *group) string {
	if !g.StaleForce {
		return p.forceCommand(g)
	}
	return fmt.Sprintf("the annotation %[1]s is from before %[2]s began to leave, so it does not count; remove it with kubectl annotate -n %[3]s broker %[4]s %[1]s- "+
		"and, when this message has changed, set it again with %[5]s", desired.AnnotationForceScaleIn, g.name, p.broker.Namespace, p.broker.Name, p.forceCommand(g))
}

func (p *brokerPass) forceCommand(g *group) string {
	return fmt.Sprintf("kubectl annotate --overwrite -n %s broker %s %s=%s", p.broker.Namespace, p.broker.Name, desired.AnnotationForceScaleIn, g.name)
}

// fenced: every member that answers refuses new messages.
func (p *brokerPass) fenced(group string) bool {
	answered := false
	for _, pod := range p.podsOf(group) {
		properties, ok := p.seen.Properties[reach.Broker(&pod)]
		if !ok {
			continue
		}
		answered = true
		if properties["startAcceptSendRequestTimeStamp"] != scale.Closed.Settings().Properties()["startAcceptSendRequestTimeStamp"] {
			return false
		}
	}
	return answered
}

// shrink lets surplus members go, one group and one member at a time.
func (p *brokerPass) shrink(ctx context.Context) (*kube.Waiting, error) {
	wanted := desired.MemberCount(p.broker)
	for i, g := range p.groups {
		if g.State.Leaving() || g.Members <= wanted {
			continue
		}
		if waiting, err := p.shrinkGroup(ctx, g, p.broker.Status.Groups[i], int(wanted)); waiting != nil || err != nil {
			return waiting, err
		}
		return nil, nil
	}
	return nil, nil
}

func (p *brokerPass) shrinkGroup(ctx context.Context, g *group, status v1alpha1.BrokerGroupStatus, wanted int) (*kube.Waiting, error) {
	var members []scale.Member
	for _, m := range status.Members {
		pod := p.pod(m.Pod)
		members = append(members, scale.Member{
			Pod: m.Pod, Registered: m.Role != "", Master: m.Role == v1alpha1.RoleMaster,
			InSync: m.InSync && pod != nil && pods.Ready(pod) && p.seen.freshFor(pods.ReadySince(pod)),
		})
	}
	step := scale.Shrink(members, wanted)
	switch {
	case step.Waiting != "":
		p.draining("%s", step.Waiting)
		return nil, nil
	case step.HandOver != "":
		p.draining("%s is master and gives that away before it leaves", step.HandOver)
		pod := p.pod(step.HandOver)
		if pod == nil {
			return nil, nil
		}
		p.Event(pod, "HandingOver", "Scale", "%s is to leave %s and hands over to another member first", step.HandOver, g.name)
		return nil, p.DeletePod(ctx, pod)
	}
	p.draining("%s leaves %s", members[len(members)-1].Pod, g.name)
	smaller := g.set.DeepCopy()
	smaller.Spec.Replicas = new(int32(step.Members))
	if waiting, err := p.Apply(ctx, smaller); waiting != nil || err != nil {
		return waiting, err
	}
	p.Event(g.set, "Scaled", "Scale", "group %s goes from %d to %d members", g.name, len(members), step.Members)
	return nil, nil
}

// cleanRecords removes from the controllers what is on no disk any more: members that left with their disk, and the old
// identity of one that came back on an empty disk. A retained disk keeps its record: without it, its broker could
// never register again.
func (p *brokerPass) cleanRecords(ctx context.Context) (*kube.Waiting, error) {
	if p.controller == nil || !p.seen.known || p.seen.Leader == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	for _, g := range p.groups {
		gone := p.goneReplicas(g)
		if len(gone) == 0 {
			continue
		}
		err := p.Reach.Client.CleanBrokerData(ctx, p.seen.Leader, desired.ClusterName(p.broker), g.name, gone...)
		if err != nil {
			p.Retry(g.set, "RecordNotCleaned", "Clean", "the controllers still list brokers %v of %s, whose disks are gone; it is tried again: %s", gone, g.name, err)
			continue
		}
		p.Event(g.set, "RecordCleaned", "Clean", "the controllers no longer list brokers %v of %s, whose disks are gone", gone, g.name)
	}
	return nil, nil
}

// goneReplicas are the ids of dead replicas whose disk is gone.
func (p *brokerPass) goneReplicas(g *group) []int64 {
	if p.onNodes() {
		return nil // a node's address does not tell which pod's disk it was
	}
	state := p.seen.SyncStates[g.name]
	replicas := slices.Concat(state.InSync, state.NotInSync)
	// Without any id in the SyncStateSet the controllers forget the group, and its brokers could never register again
	// (ReplicasInfoManager.handleCleanBrokerDataEvent).
	last := g.State != scale.Removing && !slices.ContainsFunc(state.InSync, func(r admin.Replica) bool { return r.Alive })
	var gone []int64
	for _, replica := range replicas {
		if replica.Alive || (last && slices.Contains(state.InSync, replica)) {
			continue
		}
		pod := p.memberAt(g, replica.Addr)
		reborn := slices.ContainsFunc(replicas, func(r admin.Replica) bool { return r.Alive && r.Addr == replica.Addr && r.ID > replica.ID })
		if reborn || (desired.DisksGo(p.broker) && pod < 0) {
			gone = append(gone, replica.ID)
		}
	}
	slices.Sort(gone)
	return gone
}

// memberAt is the ordinal of the wanted or still running member with that address, -1 if there is none.
func (p *brokerPass) memberAt(g *group, addr string) int32 {
	for i := range max(g.Members, desired.MemberCount(p.broker)) {
		pod := desired.PodName(g.name, i)
		wanted := g.State != scale.Removing && i < g.Members
		if (wanted || p.anyPod(pod) != nil) && p.address(pod) == addr {
			return i
		}
	}
	return -1
}

// recordsClean: the controllers list nothing of a group whose disks are gone.
func (p *brokerPass) recordsClean(g *group) bool {
	if p.controller == nil || !desired.DisksGo(p.broker) || p.broker.Spec.HostNetwork {
		return true
	}
	state, listed := p.seen.SyncStates[g.name]
	return p.seen.known && p.seen.Leader != "" && (!listed || len(state.InSync)+len(state.NotInSync) == 0)
}

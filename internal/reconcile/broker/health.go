package broker

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// raiseTroubles names what is wrong while the brokers that work go on.
func (p *brokerPass) raiseTroubles(ctx context.Context) (*kube.Waiting, error) {
	if err := p.LostNodes(ctx, p.pods); err != nil {
		return nil, err
	}
	p.checkStrangers()
	p.checkDisks()
	p.checkControllerState()
	return nil, nil
}

// checkStrangers looks for brokers of our names that are not ours.
func (p *brokerPass) checkStrangers() {
	// Under hostNetwork an address that a pod left lingers at the name servers for a while, and looks like any other.
	if p.onNodes() {
		return
	}
	ours := p.Installation.BrokerAddress(p.broker, "") // what follows the name of a pod, one that left included
	strangers := map[string]string{}
	for _, groups := range p.seen.Registered {
		for group, members := range groups {
			for _, addr := range members {
				if !strings.HasSuffix(addr, ours) {
					strangers[addr] = group
				}
			}
		}
	}
	for _, addr := range slices.Sorted(maps.Keys(strangers)) {
		p.Conditions.Raise(v1alpha1.ConditionBrokerNameConflict, "the name servers also know a broker %s at %s, which is not of this resource: "+
			"two brokers of one name get each other's traffic; stop one of them", strangers[addr], addr)
	}
}

// checkDisks tells of disks that near the limit at which RocketMQ refuses messages.
func (p *brokerPass) checkDisks() {
	for i := range p.pods {
		pod := &p.pods[i]
		if used := p.seen.Disks[reach.Broker(pod)]; used > 0 {
			p.Conditions.Raise(v1alpha1.ConditionDiskPressure, "the disk of %s is %d %% full. RocketMQ deletes its oldest messages from 75 %% on and refuses new ones from "+
				"90 %% on: enlarge the volume, shorten config.fileReservedTime (hours), or add broker groups (size)", pod.Name, used)
		}
	}
}

// registration is how long a broker that runs may take to get an id from the controllers; it needs seconds. One that has
// an id which they do not know is refused for ever (2010, CONTROLLER_BROKER_NEED_TO_BE_REGISTERED).
const registration = 2 * time.Minute

// checkControllerState finds groups that have been registered, and that the controllers know nothing of.
func (p *brokerPass) checkControllerState() {
	if p.controller == nil || !p.seen.known || p.seen.Leader == "" {
		return
	}
	var lost []string
	for _, group := range p.broker.Status.Groups {
		if _, known := p.seen.SyncStates[group.Name]; known {
			continue
		}
		registered := slices.ContainsFunc(group.Members, func(m v1alpha1.BrokerMemberStatus) bool { return m.BrokerID != nil })
		before := strings.Contains(p.Conditions.Message(v1alpha1.ConditionControllerStateLost), " "+group.Name+", ")
		if registered || before || p.refused(group.Name) {
			lost = append(lost, group.Name)
		}
	}
	if len(lost) == 0 {
		return
	}
	p.Conditions.Raise(v1alpha1.ConditionControllerStateLost, "the controllers have no record of %s, because their data was lost or replaced. Running masters "+
		"go on without failover; a restarted broker stays out. To register anew, one group after the other: delete brokerIdentity, "+
		"epochFileCheckpoint and epochFileCheckpoint.bak from %s of every member, then the pods: the old master's first, the others when "+
		"it is master again", strings.Join(lost, ", "), settings.DataDir)
}

// refused: a broker of the group has been running for so long that it would be known, had it not an id already.
func (p *brokerPass) refused(group string) bool {
	return slices.ContainsFunc(p.podsOf(group), func(pod corev1.Pod) bool {
		since := pods.RunningSince(&pod)
		return !since.IsZero() && p.seen.at.Sub(since.Time) > registration
	})
}

// awaitReady is the answer of the pass: every member registered in its place, every group with a master and open to clients.
func (p *brokerPass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	for _, condition := range []string{v1alpha1.ConditionControllerStateLost, v1alpha1.ConditionBrokerNameConflict, v1alpha1.ConditionNoMaster} {
		if p.Conditions.Raised(condition) {
			return kube.Wait(condition, "%s", p.Conditions.Message(condition)).LookAgain(pass.Later), nil
		}
	}
	if waiting, err := p.NotReady(ctx, p.pods, p.wanted()); waiting != nil || err != nil {
		return waiting, err
	}
	if !p.seen.known {
		var said []string
		for _, server := range slices.Sorted(maps.Keys(p.seen.Unreachable)) {
			said = append(said, p.seen.Unreachable[server])
		}
		if len(said) == 0 {
			said = append(said, "the last answers are too old to count")
		}
		return kube.Wait(v1alpha1.ReasonUnreachable, "no name server answers the operator: %s", strings.Join(said, "; ")), nil
	}
	for _, group := range p.broker.Status.Groups {
		for _, m := range group.Members {
			if m.Role == "" {
				return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s is not registered at the name servers", m.Pod).LookAgain(pass.Later), nil
			}
		}
		if group.Master == "" && len(group.Members) > 0 {
			return kube.Wait(v1alpha1.ConditionNoMaster, "%s has no master", group.Name).LookAgain(pass.Later), nil
		}
	}
	if p.Conditions.Raised(v1alpha1.ConditionMetadataCopy) {
		return kube.Wait(v1alpha1.ConditionMetadataCopy, "%s", p.Conditions.Message(v1alpha1.ConditionMetadataCopy)), nil
	}
	return p.awaitOpen(), nil
}

// awaitOpen waits until every broker of the groups that clients are to use was seen to let them.
func (p *brokerPass) awaitOpen() *kube.Waiting {
	if len(p.copied) > 0 {
		return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s has all that it needs, and is opened to clients next", p.copied[0]).LookAgain(pass.Later)
	}
	for _, s := range p.strayed() {
		if s.wanted["brokerPermission"] == scale.Open.Settings().Properties()["brokerPermission"] {
			return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s is not open to clients yet: its permission is given to it; if that fails, an event PropertiesNotUpdated of the pod says why", s.pod.Name).LookAgain(pass.Later)
		}
	}
	return nil
}

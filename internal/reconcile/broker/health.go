package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
)

// raiseTroubles names what is wrong while the brokers that work go on.
func (p *pass) raiseTroubles(ctx context.Context) (*kube.Waiting, error) {
	if err := p.LostNodes(ctx, p.pods); err != nil {
		return nil, err
	}
	p.checkStrangers()
	p.checkControllerState()
	return nil, nil
}

// checkStrangers looks for brokers of our names that are not ours.
func (p *pass) checkStrangers() {
	ours := map[string]bool{}
	for i := range p.pods {
		ours[p.address(p.pods[i].Name, p.pods[i].Status.PodIP)] = true
	}
	for _, set := range p.sets {
		for i := range *set.Spec.Replicas {
			ours[p.address(desired.Pod(set.Name, i), "")] = true
		}
	}
	strangers := map[string]string{}
	for _, groups := range p.seen.Registered {
		for group, members := range groups {
			for _, addr := range members {
				// Under hostNetwork an address that a pod left lingers at the name servers for a while.
				if !ours[addr] && !p.b.Spec.HostNetwork {
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

// checkControllerState finds groups that have been registered, and that the controllers know nothing of.
func (p *pass) checkControllerState() {
	if p.controller == nil || !p.seen.known || p.seen.Leader == "" {
		return
	}
	var lost []string
	for _, group := range p.b.Status.Groups {
		if _, known := p.seen.SyncStates[group.Name]; known {
			continue
		}
		registered := slices.ContainsFunc(group.Members, func(m v1alpha1.BrokerMemberStatus) bool { return m.BrokerID != nil })
		before := strings.Contains(p.Conditions.Message(v1alpha1.ConditionControllerStateLost), group.Name+" ")
		if registered || before {
			lost = append(lost, group.Name)
		}
	}
	if len(lost) == 0 {
		return
	}
	p.Conditions.Raise(v1alpha1.ConditionControllerStateLost, "the controllers have no record of %s : their data was lost or replaced. Running masters "+
		"go on without failover; a restarted broker stays out. To register anew, one group after the other: stop its pods, delete brokerIdentity, "+
		"epochFileCheckpoint and epochFileCheckpoint.bak in the store of every member, then start the old master first", strings.Join(lost, " , "))
}

// replaceOutdated moves the pods to the current spec, one at a time.
func (p *pass) replaceOutdated(ctx context.Context) (*kube.Waiting, error) {
	var groups []rollout.Group
	for i, set := range p.sets {
		group := rollout.Group{Name: set.Name, Expected: int(*set.Spec.Replicas)}
		status := p.b.Status.Groups[i]
		for _, pod := range p.podsOf(set.Name) {
			at := slices.IndexFunc(status.Members, func(m v1alpha1.BrokerMemberStatus) bool { return m.Pod == pod.Name })
			if at < 0 {
				continue // a stray: nobody wants it, so it is not replaced
			}
			member, m := workload.Member(&pod, p.hash), status.Members[at]
			member.Serving = m.InSync && p.seen.freshFor(workload.ReadySince(&pod)) && p.registeredEverywhere(set.Name, m.Address)
			member.Leading = m.Role == v1alpha1.RoleMaster
			if workload.HasRun(&pod) {
				member.Keep = p.keep(status, m)
			}
			group.Pods = append(group.Pods, member)
		}
		groups = append(groups, group)
	}
	if err := p.Replace(ctx, p.pods, rollout.Next(groups), p.b.Spec.Paused); err != nil {
		return nil, err
	}
	p.tellScaleIn()
	return nil, nil
}

// keep says why a member must not be replaced: its disk dies with it, and nobody can take over its messages. One that is
// not registered, because it crashes, may have been the master.
func (p *pass) keep(group v1alpha1.BrokerGroupStatus, m v1alpha1.BrokerMemberStatus) string {
	if p.b.Spec.StorageMode != v1alpha1.EmptyDir || m.Role == v1alpha1.RoleSlave {
		return ""
	}
	if p.controller == nil {
		if desired.Ordinal(m.Pod) != 0 {
			return ""
		}
		return "storageMode is EmptyDir and clusterMode STATIC, so the master's messages would be lost with its pod; " +
			"move the topics away, then delete the pod"
	}
	for _, other := range group.Members {
		if other.Pod != m.Pod && other.InSync {
			return ""
		}
	}
	return "storageMode is EmptyDir and no slave has all of its messages; add a slave (replicaPerGroup), or delete the pod to lose them"
}

// tellScaleIn says that smaller numbers do not remove anything.
func (p *pass) tellScaleIn() {
	groups, members := desired.Groups(p.b), desired.Members(p.b)
	var said []string
	if n := int32(len(p.sets)); n > groups {
		said = append(said, fmt.Sprintf("%d groups run and spec.size is %d", n, groups))
	}
	for _, set := range p.sets {
		if *set.Spec.Replicas > members {
			said = append(said, fmt.Sprintf("%s has %d members and spec.replicaPerGroup asks for %d", set.Name, *set.Spec.Replicas, members))
		}
	}
	if len(said) == 0 {
		return
	}
	p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonScaleInUnsupported,
		strings.Join(said, "; ")+": brokers are not removed yet, because their messages would be lost; set the old numbers again")
}

// awaitReady is the answer of the pass: every member registered in its place, every group with a master.
func (p *pass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	for _, condition := range []string{v1alpha1.ConditionControllerStateLost, v1alpha1.ConditionBrokerNameConflict} {
		if p.Conditions.Raised(condition) {
			return kube.Wait(condition, "%s", p.Conditions.Message(condition)), nil
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
		return kube.Wait(v1alpha1.ReasonUnreachable, "no name server answers the operator: %s", strings.Join(said, "; ")), nil
	}
	for _, group := range p.b.Status.Groups {
		for _, m := range group.Members {
			if m.Role == "" {
				return kube.Wait(v1alpha1.ReasonMembersNotReady, "%s is not registered at the name servers", m.Pod), nil
			}
		}
		if group.Master == "" {
			return kube.Wait(v1alpha1.ReasonNoMaster, "%s has no master", group.Name), nil
		}
	}
	return nil, nil
}

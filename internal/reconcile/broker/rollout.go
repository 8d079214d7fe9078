package broker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
)

// checkConfig refuses values of live properties that a broker would ignore without a word.
func (p *brokerPass) checkConfig(context.Context) (*kube.Waiting, error) {
	if _, err := desired.LiveConfig(p.broker); err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	return nil, nil
}

// replaceOutdated moves the pods to the current spec, one at a time.
func (p *brokerPass) replaceOutdated(ctx context.Context) (*kube.Waiting, error) {
	if p.older != "" {
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ConditionUnsafeDowngrade, p.older)
		return nil, nil
	}
	snapshot := rollout.Snapshot{Paused: p.broker.Spec.Paused, Interval: p.interval()}
	for i, g := range p.groups {
		group := rollout.Group{Name: g.name, Expected: int(g.Members), Needed: p.needed(g), Settled: pods.AllReadyFor(p.podsOf(g.name), time.Now())}
		status := p.broker.Status.Groups[i]
		for _, pod := range p.podsOf(g.name) {
			at := slices.IndexFunc(status.Members, func(m v1alpha1.BrokerMemberStatus) bool { return m.Pod == pod.Name })
			if at < 0 {
				continue // a stray: nobody wants it, so it is not replaced
			}
			member, m := pods.ForRollout(&pod, p.hash), status.Members[at]
			if p.seen.known && m.Role == "" { // nobody knows it, so nobody uses it
				pods.BlameOldSpec(&member, &pod, time.Now())
			}
			member.Apart, member.Leading = p.apart(g, &pod, m), m.Role == v1alpha1.RoleMaster
			if !member.Leading {
				member.Unable = p.unable(g, &pod)
			}
			if pods.HasRun(&pod) && !p.MayLose(&pod) {
				member.Keep = p.keep(status, m)
			}
			group.Pods = append(group.Pods, member)
		}
		snapshot.Groups = append(snapshot.Groups, group)
	}
	lower := "which needs no restart"
	if len(p.broker.Spec.Volumes) > 0 { // then it does: desired.LiveConfig
		lower = "and tell the running brokers: kubectl rocketmq brokers config set POD minInSyncReplicas=1"
	}
	return nil, p.Roll(ctx, p.pods, rollout.Next(snapshot), "Add a slave (replicaPerGroup); or set config.minInSyncReplicas lower, "+lower+
		"; or delete the pods yourself, slaves first: what is sent to the group meanwhile is refused, and goes to other groups if there are any")
}

// routePoll is how often clients ask for routes by default.
const routePoll = 30 * time.Second

// interval between the masters of two groups. A master that drains gives clients a part of it, or all.
func (p *brokerPass) interval() time.Duration {
	return max(0, routePoll-time.Duration(desired.DrainSeconds(p.broker))*time.Second)
}

// needed is how many members must be in the SyncStateSet for the master to take messages: what it runs with, whichever
// file that is from.
func (p *brokerPass) needed(g *group) int {
	if p.controller == nil {
		return 0
	}
	const key = "minInSyncReplicas"
	value := string(p.broker.Spec.Config[key])
	if master := p.master(g.name); master != nil {
		if live, known := p.seen.Properties[reach.Broker(master)][key]; known {
			value = live
		}
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return 1 // RocketMQ's default
	}
	return n
}

// apart says what a member lacks to serve in its place.
func (p *brokerPass) apart(g *group, pod *corev1.Pod, m v1alpha1.BrokerMemberStatus) string {
	switch {
	case !p.seen.freshFor(pods.ReadySince(pod)):
		return "has not been looked at since it is ready"
	case m.Role == "":
		return "is not registered at the name servers"
	case !p.registeredEverywhere(g.name, m.Address):
		return "is not registered at every name server"
	case m.InSync:
		return ""
	case p.controller != nil:
		return "is not in the SyncStateSet"
	default:
		return "has not caught up with its master"
	}
}

// unable says why a slave could not take over just now. In STATIC mode none ever does.
func (p *brokerPass) unable(g *group, pod *corev1.Pod) string {
	followed, ok := p.followed(g)
	if p.controller == nil || !ok {
		return ""
	}
	return behind(p.seen.Brokers, g.name, followed.Term, reach.Broker(pod))
}

// behind says what a slave was seen to lack of its master. One that is too busy to answer is not accused of anything.
func behind(seen *observe.Brokers, group, term, slave string) string {
	tables := seen.Tables[group]
	current := tables.Term == term
	switch caughtUp, answered := seen.CaughtUp[slave]; {
	case answered && !caughtUp:
		return "lacks messages of its master"
	case current && slices.Contains(tables.Lacking, slave):
		return "lacks topics or consumer groups of its master"
	case answered && current && slices.Contains(tables.Whole, slave):
		return ""
	default:
		return "has not been compared with its master"
	}
}

// keep says why a member must not be replaced: its disk dies with it, and nobody can take over its messages. One that is
// not registered, because it crashes, may have been the master.
func (p *brokerPass) keep(group v1alpha1.BrokerGroupStatus, m v1alpha1.BrokerMemberStatus) string {
	if p.broker.Spec.StorageMode != v1alpha1.EmptyDir || m.Role == v1alpha1.RoleSlave {
		return ""
	}
	if p.controller == nil {
		if desired.Ordinal(m.Pod) != 0 {
			return ""
		}
		return fmt.Sprintf("storageMode is EmptyDir and clusterMode STATIC, so the messages of %s would be lost with its pod. Move its topics away first", m.Pod)
	}
	for _, other := range group.Members {
		if other.Pod != m.Pod && other.InSync {
			return ""
		}
	}
	return "storageMode is EmptyDir and no slave has all of its messages. Add a slave (replicaPerGroup), or wait for one"
}

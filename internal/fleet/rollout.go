// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
)

// routePoll is how often clients ask for routes by default.
const routePoll = 30 * time.Second

// Rollout is what decides which pod is replaced next. MayLose says of which pod the user allows to lose the messages.
func (f *Fleet) Rollout(mayLose func(*corev1.Pod) bool) rollout.Snapshot {
	snapshot := rollout.Snapshot{
		Paused: f.Broker.Spec.Paused,
		// A master sends clients away for DrainSeconds before it stops: that time counts.
		Interval: max(0, routePoll-time.Duration(desired.DrainSeconds(f.Broker))*time.Second),
	}
	for _, g := range f.Groups {
		var all []corev1.Pod
		for _, pod := range g.Pods {
			all = append(all, *pod)
		}
		group := rollout.Group{Name: g.Name, Expected: len(g.Members), Needed: f.needed(g), Settled: pods.AllReadyFor(all, f.Now)}
		for _, m := range g.Members {
			if m.Pod != nil {
				group.Pods = append(group.Pods, f.rolloutPod(g, m, mayLose))
			}
		}
		snapshot.Groups = append(snapshot.Groups, group)
	}
	return snapshot
}

func (f *Fleet) rolloutPod(g *Group, m *Member, mayLose func(*corev1.Pod) bool) rollout.Pod {
	pod := pods.ForRollout(m.Pod, g.Revision)
	if f.Known && m.Role == "" { // it is not registered, so no client uses it
		pods.BlameOldSpec(&pod, m.Pod, f.Now)
	}
	pod.Apart, pod.Leading = f.apart(g, m), m.Role == v1alpha1.RoleMaster
	if !pod.Leading {
		pod.Unable = f.unable(g, m)
	}
	if pods.HasRun(m.Pod) && !mayLose(m.Pod) {
		pod.Keep = f.keep(g, m)
	}
	return pod
}

// needed is how many members must be in the SyncStateSet for the master to take messages: what the running master said, because the
// property may have been set without a restart, or what the spec says, because it may have been told that since.
func (f *Fleet) needed(g *Group) int {
	if !f.controlled() {
		return 0
	}
	const key = "minInSyncReplicas"
	number := func(value string) int {
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return 1 // RocketMQ's default
		}
		return n
	}
	needed := number(string(f.Broker.Spec.Config[key]))
	if master := g.Master(); master != nil {
		needed = max(needed, number(f.Properties[master.Dialable][key]))
	}
	return needed
}

// apart says what a member lacks to serve in its place.
func (f *Fleet) apart(g *Group, m *Member) string {
	switch {
	case !f.AskedSince(pods.ReadySince(m.Pod)):
		return "has not been checked since it became ready"
	case m.Role == "":
		return "is not registered at the name servers"
	case !f.registeredEverywhere(g, m):
		return "is not registered at every name server"
	case m.InSync:
		return ""
	case f.controlled():
		return "is not in the SyncStateSet"
	}
	return "has not caught up with its master"
}

// unable says why a slave could not take over just now. In STATIC mode none ever does.
func (f *Fleet) unable(g *Group, m *Member) string {
	followed, ok := f.Followed(g)
	if !f.controlled() || !ok {
		return ""
	}
	return f.behind(g.Name, followed.Term, m.Dialable)
}

// behind says what a slave lacks of its master, as far as looks have shown. A slave that did not answer has "not been compared".
func (f *Fleet) behind(group, term, slave string) string {
	tables := f.Tables[group]
	current := tables.Term == term
	switch caughtUp, answered := f.CaughtUp[slave]; {
	case answered && !caughtUp:
		return "lacks messages of its master"
	case current && slices.Contains(tables.Lacking, slave):
		return "lacks topics or consumer groups of its master"
	case answered && current && slices.Contains(tables.Whole, slave):
		return ""
	}
	return "has not been compared with its master"
}

// keep says why a member must not be replaced: its disk dies with it, and nobody can take over its messages. One that is
// not registered, because it crashes, may have been the master.
func (f *Fleet) keep(g *Group, m *Member) string {
	switch {
	case f.Broker.Spec.StorageMode != v1alpha1.EmptyDir, m.Role == v1alpha1.RoleSlave:
		return ""
	case !f.controlled() && m.Ordinal != 0:
		return ""
	case !f.controlled():
		return fmt.Sprintf("storageMode is EmptyDir and clusterMode STATIC, so the messages of %s would be lost with its pod. "+
			"Move its topics to another group or cluster first", m.Name)
	}
	if slices.ContainsFunc(g.Members, func(other *Member) bool { return other != m && other.InSync }) {
		return ""
	}
	return "storageMode is EmptyDir and no slave has all of its messages. Add a slave (replicaPerGroup), or wait for one"
}

// isStaticMaster: in STATIC mode the member is the master, and serves.
func (m *Member) isStaticMaster() bool { return m.Ordinal == 0 && m.Pod != nil && pods.Ready(m.Pod) }

// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// News is an event about a pod.
type News struct {
	Pod             *corev1.Pod
	Reason, Message string
}

// Records reports whether a status says something new that a later pass could not find out again: what was resolved, or who has been
// master of a group since when.
func Records(before, now *v1alpha1.BrokerStatus) bool {
	if !reflect.DeepEqual(before.NameServiceRef, now.NameServiceRef) || !reflect.DeepEqual(before.ControllerRef, now.ControllerRef) {
		return true
	}
	return len(before.Groups) > len(now.Groups) || slices.ContainsFunc(now.Groups, func(g v1alpha1.BrokerGroupStatus) bool {
		was := v1alpha1.BrokerGroupStatus{State: g.State} // of one that is new
		if i := slices.IndexFunc(before.Groups, func(other v1alpha1.BrokerGroupStatus) bool { return other.Name == g.Name }); i >= 0 {
			was = before.Groups[i]
		}
		return g.State != was.State || g.Master != was.Master || g.FormerMaster != was.FormerMaster || !g.MasterSince.Equal(was.MasterSince) ||
			g.ControllerRecord != was.ControllerRecord
	})
}

// Status of all groups, and the news of their masters. Before is the status that the last pass left.
func (f *Fleet) Status(before []v1alpha1.BrokerGroupStatus) (out []v1alpha1.BrokerGroupStatus, news []News) {
	for _, g := range f.Groups {
		var was v1alpha1.BrokerGroupStatus
		if i := slices.IndexFunc(before, func(s v1alpha1.BrokerGroupStatus) bool { return s.Name == g.Name }); i >= 0 {
			was = before[i]
		}

		status := v1alpha1.BrokerGroupStatus{Name: g.Name, State: string(g.State())}
		for _, m := range g.Members {
			member := v1alpha1.BrokerMemberStatus{Pod: m.Name, Role: m.Role, BrokerID: m.ID, InSync: m.InSync}
			if m.ID != nil {
				member.Address = m.Registered
			}
			status.Members = append(status.Members, member)
		}
		leader := g.Leader()
		if leader != nil {
			status.Master = leader.Name
		}
		status.ControllerRecord = f.controllerRecord(g, was.ControllerRecord)

		reason, message := succeed(&status, was, f.At, f.Known)
		if reason != "" && leader != nil {
			news = append(news, News{leader.Pod, reason, message})
		}
		out = append(out, status)
	}
	return out, news
}

// succeed fills in FormerMaster and MasterSince from the last status. It returns the event to send if the master has changed, ""
// if not. While the servers do not answer, the last known master becomes the former one and MasterSince is empty.
func succeed(group *v1alpha1.BrokerGroupStatus, was v1alpha1.BrokerGroupStatus, at time.Time, known bool) (reason, message string) {
	former := was.FormerMaster
	if was.Master != "" {
		former = was.Master
	}
	now := new(metav1.NewMicroTime(at.Truncate(time.Microsecond)))
	switch {
	case !known:
		group.FormerMaster = former
	case group.Master == "" && was.Master == "" && was.MasterSince != nil:
		group.FormerMaster, group.MasterSince = former, was.MasterSince
	case group.Master == "":
		group.FormerMaster, group.MasterSince = former, now
	case group.Master == was.Master:
		group.FormerMaster, group.MasterSince = was.FormerMaster, was.MasterSince
	case group.Master == former && was.MasterSince == nil:
		group.MasterSince = now // the servers answer again, and the master is the one from before
	default:
		group.FormerMaster, group.MasterSince = former, now
		return electionNews(group, former, gap(was, at))
	}
	return "", ""
}

// gap says for how long a group was seen without a master.
func gap(was v1alpha1.BrokerGroupStatus, at time.Time) string {
	if was.Master == "" && was.MasterSince != nil {
		return fmt.Sprintf("the group was without a master for %.1f s", max(0, at.Sub(was.MasterSince.Time).Seconds()))
	}
	return "no gap without a master was observed"
}

func electionNews(group *v1alpha1.BrokerGroupStatus, former, gap string) (reason, message string) {
	switch former {
	case "":
		return v1alpha1.EventMasterElected, fmt.Sprintf("%s is master of %s", group.Master, group.Name)
	case group.Master:
		return v1alpha1.EventMasterElected, fmt.Sprintf("%s is master of %s again; %s", group.Master, group.Name, gap)
	}
	return v1alpha1.EventMasterChanged, fmt.Sprintf("%s is master of %s after %s; %s", group.Master, group.Name, former, gap)
}

// controllerRecord says whether the controllers know the group. A group that they do not know has lost its record if they knew it
// before, if name servers know its brokers, or if a broker has been running for so long that it must have registered.
func (f *Fleet) controllerRecord(g *Group, before v1alpha1.ControllerRecord) v1alpha1.ControllerRecord {
	if !f.ledByController() || len(g.Members) == 0 {
		return before
	}
	if _, known := f.SyncStates[g.Name]; known {
		return v1alpha1.ControllerRecordPresent
	}
	registered := slices.ContainsFunc(g.Members, func(m *Member) bool { return m.ID != nil })
	if before != "" || registered || f.unregistered(g) {
		return v1alpha1.ControllerRecordLost
	}
	return ""
}

// registration is how long a broker may run without an id from the controllers; getting one takes seconds. A broker whose disk
// holds an id that they do not know is refused for ever (2010, CONTROLLER_BROKER_NEED_TO_BE_REGISTERED).
const registration = 2 * time.Minute

// unregistered: a broker of the group has been running for so long that it would be known, had it not an id already.
func (f *Fleet) unregistered(g *Group) bool {
	return slices.ContainsFunc(g.Pods, func(pod *corev1.Pod) bool {
		since := pods.RunningSince(pod)
		return !since.IsZero() && f.At.Sub(since.Time) > registration
	})
}

// Summary fills the columns that kubectl shows: "registered/wanted" members, and each group's master or "-".
func (f *Fleet) Summary() (members, masters string) {
	registered := 0
	var names []string
	for _, g := range f.Groups {
		for _, m := range g.Members {
			if m.Role != "" {
				registered++
			}
		}
		leader := g.Leader()
		switch {
		case len(g.Members) == 0: // it is being removed
		case leader == nil:
			names = append(names, "-")
		default:
			names = append(names, leader.Name)
		}
	}
	return fmt.Sprintf("%d/%d", registered, f.Wanted()), strings.Join(names, " ")
}

// Converged reports whether every wanted member is ready, registered, in sync and up to date, so there is no hurry to look again.
func (f *Fleet) Converged() bool {
	for i := range f.Pods {
		if !pods.Ready(&f.Pods[i]) {
			return false
		}
	}
	for _, g := range f.Groups {
		if slices.ContainsFunc(g.Pods, func(pod *corev1.Pod) bool { return pods.Outdated(pod, g.Revision) }) {
			return false
		}
		complete := g.State() == scale.Open && g.Record.Members == desired.MemberCount(f.Broker)
		if !complete || !f.GuardSettled(g) {
			return false
		}
		if slices.ContainsFunc(g.Members, func(m *Member) bool { return m.Role == "" || !m.InSync }) {
			return false
		}
	}
	return f.Known && len(f.Pods) == f.Wanted() && len(f.Misconfigured()) == 0
}

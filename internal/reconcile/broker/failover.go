package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

const (
	// electionTime is how long a group may be without a master before it is a trouble: elections need seconds.
	electionTime = 10 * time.Second
	// electTimeout bounds what one pass asks of the controllers for an unclean election.
	electTimeout = 5 * time.Second
)

// followMasters keeps since when each group has the master that it has, and sends an event for each new one.
func (p *brokerPass) followMasters(before []v1alpha1.BrokerGroupStatus) {
	for i := range p.broker.Status.Groups {
		group := &p.broker.Status.Groups[i]
		var was v1alpha1.BrokerGroupStatus
		if at := slices.IndexFunc(before, func(g v1alpha1.BrokerGroupStatus) bool { return g.Name == group.Name }); at >= 0 {
			was = before[at]
		}
		reason, said := succeed(group, was, p.seen.at, p.seen.known)
		if pod := p.anyPod(group.Master); pod != nil && reason != "" {
			p.Event(pod, reason, "Observe", "%s", said)
		}
	}
}

// succeed takes over what is to be remembered of the masters before, and says which event the present one is worth, ""
// for none. While nothing is known the last master is only a former one, and its time is not told.
func succeed(group *v1alpha1.BrokerGroupStatus, was v1alpha1.BrokerGroupStatus, at time.Time, known bool) (reason, said string) {
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
		group.MasterSince = now // nothing was known meanwhile
	default:
		group.FormerMaster, group.MasterSince = former, now
		gap := "no look showed the group without a master"
		if was.Master == "" && was.MasterSince != nil {
			gap = fmt.Sprintf("the group was without a master for %.1f s", max(0, at.Sub(was.MasterSince.Time).Seconds()))
		}
		switch former {
		case "":
			return "MasterElected", fmt.Sprintf("%s is master of %s", group.Master, group.Name)
		case group.Master:
			return "MasterElected", fmt.Sprintf("%s is master of %s again; %s", group.Master, group.Name, gap)
		}
		return "MasterChanged", fmt.Sprintf("%s is master of %s after %s; %s", group.Master, group.Name, former, gap)
	}
	return "", ""
}

// orphaned reports whether a group has no master and will get none by itself: nobody in its SyncStateSet is alive or on
// the way. One that has never had a master waits only for its first member.
func (p *brokerPass) orphaned(g *group, status v1alpha1.BrokerGroupStatus) (state admin.SyncState, orphaned bool) {
	state, listed := p.seen.SyncStates[g.name]
	if p.controller == nil || !p.seen.known || p.seen.Leader == "" || !listed || state.MasterEpoch == 0 || status.Master != "" || status.MasterSince == nil ||
		g.State == scale.Removing || p.seen.at.Sub(status.MasterSince.Time) < electionTime {
		return state, false
	}
	hopeful := slices.ContainsFunc(state.InSync, func(r admin.Replica) bool {
		return r.Alive || (!lost(state, r) && p.coming(p.podAt(g, r.Addr)))
	})
	return state, !hopeful
}

// lost reports whether a member came back on an empty disk: it has another id now, and its old one never returns.
func lost(state admin.SyncState, old admin.Replica) bool {
	return slices.ContainsFunc(slices.Concat(state.InSync, state.NotInSync), func(r admin.Replica) bool { return r.Addr == old.Addr && r.ID > old.ID })
}

// podAt is the name of the member with that address, "" if it is none of the wanted ones.
func (p *brokerPass) podAt(g *group, addr string) string {
	for i := range g.Members {
		if name := desired.PodName(g.name, i); p.address(name) == addr {
			return name
		}
	}
	return ""
}

// coming reports whether a pod may be about to serve: it has been stopping or starting for a short time only.
func (p *brokerPass) coming(name string) bool {
	pod := p.anyPod(name)
	if pod == nil {
		return false
	}
	since := pod.CreationTimestamp
	if running := pods.RunningSince(pod); !running.IsZero() {
		since = running
	}
	if pod.DeletionTimestamp != nil {
		since = *pod.DeletionTimestamp // the end of its time to stop
	}
	return pods.Stuck(pod) == "" && p.seen.at.Sub(since.Time) < registration
}

// electUnclean names groups without a master and without a member that may become one, and lets a member that lacks
// messages become one where the user allows it. The controllers are told to accept that only for the one request.
func (p *brokerPass) electUnclean(ctx context.Context) (*kube.Waiting, error) {
	if p.controller == nil {
		return nil, nil
	}
	allowed := strings.FieldsFunc(p.broker.Annotations[desired.AnnotationUncleanElection], func(r rune) bool { return r == ',' || r == ' ' })
	for i, g := range p.groups {
		status, mine := p.broker.Status.Groups[i], slices.Contains(allowed, g.name)
		state, orphaned := p.orphaned(g, status)
		stage := g.Unclean
		var why string
		switch {
		case g.Unclean == desired.UncleanOver && !mine:
			stage = ""
		case g.Unclean != desired.UncleanOver && orphaned && mine:
			var err error
			if why, err = p.hesitate(ctx, g, state, allowed); err != nil {
				return nil, err
			}
			switch {
			case g.Unclean == "" && why == "":
				stage = desired.UncleanAllowed
			case g.Unclean == "":
			case why != "":
				p.forbidUnclean(ctx, g) // an operator that died may have left it allowed
			case !p.electAny(ctx, g, state):
				why = "the election that was allowed has not succeeded yet, and is tried again"
			}
		case g.Unclean == desired.UncleanAllowed && p.seen.known && p.seen.Leader != "":
			switch {
			case !p.forbidUnclean(ctx, g): // it is tried again
			case !mine:
				stage = ""
			case status.Master != "":
				stage = desired.UncleanOver
			}
		}
		if orphaned {
			p.Conditions.Raise(v1alpha1.ConditionNoMaster, "%s", p.choices(g, state, mine, why))
		}
		if stage == g.Unclean {
			continue
		}
		if waiting, err := p.recordUnclean(ctx, g, stage); waiting != nil || err != nil {
			return waiting, err
		}
	}
	return nil, nil
}

func (p *brokerPass) recordUnclean(ctx context.Context, g *group, stage desired.Unclean) (*kube.Waiting, error) {
	g.set.Annotations[desired.AnnotationUncleanElection] = string(stage)
	if stage == "" {
		delete(g.set.Annotations, desired.AnnotationUncleanElection)
	}
	return p.Apply(ctx, g.set)
}

// hesitate says what keeps an unclean election that is allowed: nobody to elect, or another group that would get one too.
func (p *brokerPass) hesitate(ctx context.Context, g *group, state admin.SyncState, allowed []string) (string, error) {
	if !slices.ContainsFunc(state.NotInSync, func(r admin.Replica) bool { return r.Alive }) {
		return "an unclean election is allowed, but no other member runs", nil
	}
	var list v1alpha1.BrokerList
	if err := p.Client.List(ctx, &list); err != nil {
		return "", fmt.Errorf("list Brokers: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		ref := other.Status.ControllerRef
		if ref == nil || ref.Name != p.controller.Name || ref.Namespace != p.controller.Namespace {
			continue
		}
		theirs := strings.FieldsFunc(other.Annotations[desired.AnnotationUncleanElection], func(r rune) bool { return r == ',' || r == ' ' })
		if other.UID == p.broker.UID {
			theirs = allowed
		}
		for _, group := range other.Status.Groups {
			if group.Master == "" && len(group.Members) > 0 && group.Name != g.name && !slices.Contains(theirs, group.Name) {
				return fmt.Sprintf("an unclean election is allowed, but group %s of Broker %s/%s has no master either, and the controllers "+
					"could elect one there too: bring it back, or allow it there as well", group.Name, other.Namespace, other.Name), nil
			}
		}
	}
	return "", nil
}

// electAny lets the controllers elect the member with the most messages, whoever it is, and forbids that again at once.
func (p *brokerPass) electAny(ctx context.Context, g *group, state admin.SyncState) bool {
	asking, cancel := context.WithTimeout(ctx, electTimeout)
	defer cancel()
	leader := p.seen.Leader
	err := p.Reach.Client.UpdateControllerConfig(asking, leader, map[string]string{admin.ElectUncleanMaster: "true"})
	if err != nil {
		p.forbidUnclean(ctx, g) // it may have taken it without an answer
		p.Retry(g.set, "UncleanElectionFailed", "Elect", "no unclean election in %s: the controllers do not take the property: %s", g.name, err)
		return false
	}
	result, err := p.Reach.Client.ElectMaster(asking, leader, admin.ElectMasterRequest{ClusterName: desired.ClusterName(p.broker), BrokerName: g.name})
	p.forbidUnclean(ctx, g)
	if err != nil {
		p.Retry(g.set, "UncleanElectionFailed", "Elect", "no unclean election in %s: %s", g.name, err)
		return false
	}
	elected := result.MasterAddr
	if pod := p.podAt(g, elected); pod != "" {
		elected = pod
	}
	p.Warn(g.set, "UncleanElection", "Elect", "%s was elected master of %s, as the annotation allows: acknowledged messages that it does not have are lost; %s had all",
		elected, g.name, strings.Join(p.names(g, state.InSync), ", "))
	return true
}

// forbidUnclean gives every controller its usual property back, and reports whether all took it. One that is restarted
// has it from its settings.
func (p *brokerPass) forbidUnclean(ctx context.Context, g *group) bool {
	usual := string(p.controller.Spec.Config[admin.ElectUncleanMaster])
	if usual == "" {
		usual = "false"
	}
	targets, err := p.Reach.Controllers(ctx, p.broker.Status.ControllerRef)
	if err != nil || len(targets) == 0 {
		return false // the next pass lists them again
	}
	ctx, cancel := context.WithTimeout(ctx, electTimeout)
	defer cancel()
	errs := make([]error, len(targets))
	var wg sync.WaitGroup
	for i, target := range targets {
		wg.Go(func() {
			errs[i] = p.Reach.Client.UpdateControllerConfig(ctx, target, map[string]string{admin.ElectUncleanMaster: usual})
		})
	}
	wg.Wait()
	for i, target := range targets {
		if errs[i] != nil {
			p.Retry(g.set, "UncleanElectionStillAllowed", "Elect", "controller %s may still elect members that lack messages, until it answers or is restarted: %s",
				target, errs[i])
		}
	}
	return errors.Join(errs...) == nil
}

// names of the members' pods, or their addresses if there is no such pod.
func (p *brokerPass) names(g *group, replicas []admin.Replica) []string {
	var out []string
	for _, r := range replicas {
		name := p.podAt(g, r.Addr)
		if name == "" {
			name = r.Addr
		}
		out = append(out, name)
	}
	return out
}

// choices are the words of NoMaster: what happened, what can be done, and what it costs.
func (p *brokerPass) choices(g *group, state admin.SyncState, allowed bool, why string) string {
	var returning, gone, alive []string
	for _, r := range state.InSync {
		name := p.names(g, []admin.Replica{r})[0]
		if lost(state, r) {
			gone = append(gone, name)
			continue
		}
		returning = append(returning, name+p.doing(name))
	}
	for _, r := range state.NotInSync {
		if r.Alive {
			alive = append(alive, p.names(g, []admin.Replica{r})...)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s has no master, and no member with all acknowledged messages runs", g.name)
	if len(returning) > 0 {
		fmt.Fprintf(&out, ". Bring one of them back, and nothing is lost: %s", strings.Join(returning, ", "))
	}
	if len(gone) > 0 {
		fmt.Fprintf(&out, ". The disk of %s was lost, and what only it had cannot come back", strings.Join(gone, ", "))
	}
	switch {
	case why != "":
		fmt.Fprintf(&out, ". %s%s", strings.ToUpper(why[:1]), why[1:])
	case g.Unclean == desired.UncleanOver:
		fmt.Fprintf(&out, ". The annotation %s has been used for one election; to allow another, remove it and set it again", desired.AnnotationUncleanElection)
	case allowed:
		out.WriteString(". An unclean election is allowed and comes next")
	case len(alive) == 0:
		out.WriteString(". No other member runs that could take over")
	default:
		fmt.Fprintf(&out, ". Or let %s take over with what it has: every acknowledged message that it does not have is lost, and is cut off from "+
			"the others' disks when they come back: %s", strings.Join(alive, " or "), p.uncleanCommand(g))
	}
	return out.String()
}

// doing says in brackets why a pod is not there.
func (p *brokerPass) doing(name string) string {
	pod := p.anyPod(name)
	switch {
	case pod == nil:
		return " (its pod does not exist)"
	case pod.DeletionTimestamp != nil:
		return " (its pod does not end)"
	case pods.Stuck(pod) != "":
		return " (its pod cannot start: " + pods.Stuck(pod) + ")"
	}
	return " (its pod does not become ready)"
}

func (p *brokerPass) uncleanCommand(g *group) string {
	return fmt.Sprintf("kubectl annotate --overwrite -n %s broker %s %s=%s", p.broker.Namespace, p.broker.Name, desired.AnnotationUncleanElection, g.name)
}

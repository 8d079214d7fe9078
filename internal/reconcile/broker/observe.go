package broker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// maxAge is how old an answer may be before it is no longer shown as the truth.
const maxAge = 45 * time.Second

// view is what is known of the brokers now.
type view struct {
	*observe.Brokers
	// known: the answer is young enough, and a name server was among those that answered.
	known bool
	// at is when the servers were asked.
	at time.Time
}

// observe takes in the last answer and says what to ask next.
func (p *brokerPass) observe(ctx context.Context) (*kube.Waiting, error) {
	nameServers, err := p.Reach.NameServers(ctx, p.broker.Status.NameServiceRef, p.deps.NameServers)
	if err != nil {
		return nil, err
	}
	controllers, err := p.Reach.Controllers(ctx, p.broker.Status.ControllerRef)
	if err != nil {
		return nil, err
	}
	key := client.ObjectKeyFromObject(p.broker)
	answer, age, ok := p.observed.Latest(key)
	p.seen = view{Brokers: answer, at: time.Now().Add(-age), known: ok && age < maxAge && len(answer.Registered) > 0}
	if !ok {
		p.seen.Brokers = &observe.Brokers{}
	}
	before := p.broker.Status.Groups
	p.unseen = !ok && len(before) > 0
	if !p.unseen {
		p.broker.Status.Groups = p.groupStatus()
		p.summarize()
		p.followMasters(before)
	}

	targets := observe.BrokerTargets{
		NameServers: nameServers, Controllers: controllers, Cluster: desired.ClusterName(p.broker),
		Masters: map[string]string{}, Draining: map[string]string{}, Guarded: map[string]observe.Guarded{},
	}
	for _, g := range p.groups {
		targets.Groups = append(targets.Groups, g.name)
		if master := p.master(g.name); master != nil && g.State.Leaving() {
			targets.Draining[g.name] = reach.Broker(master)
		}
		if followed, ok := p.followed(g); ok {
			targets.Guarded[g.name] = followed
		}
	}
	for i := range p.pods {
		pod := &p.pods[i]
		if pod.Status.PodIP == "" || pod.DeletionTimestamp != nil {
			continue
		}
		targets.Brokers = append(targets.Brokers, reach.Broker(pod))
		if p.controller == nil && desired.Ordinal(pod.Name) == 0 && pods.Ready(pod) {
			targets.Masters[pod.Labels[desired.LabelGroup]] = reach.Broker(pod)
		}
	}
	var glance observe.Glance[*observe.Brokers]
	if p.controller != nil {
		glance = observe.GlanceBrokers(p.Reach.Client, targets.Groups)
	}
	p.observed.WatchClosely(key, observe.ProbeBrokers(p.Reach.Client, targets), glance, !p.converged())
	if p.unseen {
		return kube.Wait(v1alpha1.ReasonUnreachable, "the servers have not been asked yet"), nil
	}
	return nil, nil
}

// converged: every wanted member is ready, registered and up to date, so there is no hurry to look again.
func (p *brokerPass) converged() bool {
	for i := range p.pods {
		if !pods.Ready(&p.pods[i]) || outdated(&p.pods[i], p.hash) {
			return false
		}
	}
	for _, group := range p.broker.Status.Groups {
		for _, member := range group.Members {
			if member.Role == "" || !member.InSync {
				return false
			}
		}
	}
	for _, g := range p.groups {
		if g.State != scale.Open || g.Members != desired.MemberCount(p.broker) || !p.guardSettled(g) {
			return false
		}
	}
	return p.seen.known && len(p.pods) == p.wanted() && len(p.strayed()) == 0
}

// wanted is the number of brokers that the StatefulSets ask for.
func (p *brokerPass) wanted() int {
	n := 0
	for _, g := range p.groups {
		n += int(g.Members)
	}
	return n
}

// address that a broker registers with. A pod that runs an older spec goes on with the network of that.
func (p *brokerPass) address(name string) string {
	hostNetwork, ip := p.broker.Spec.HostNetwork, ""
	if pod := p.anyPod(name); pod != nil {
		hostNetwork, ip = pod.Spec.HostNetwork, pod.Status.PodIP
	}
	if hostNetwork {
		return net.JoinHostPort(ip, strconv.Itoa(settings.BrokerPort))
	}
	return p.Installation.BrokerAddress(p.broker, name)
}

// onNodes reports whether brokers use the addresses of their nodes, be it because of an older spec.
func (p *brokerPass) onNodes() bool {
	return p.broker.Spec.HostNetwork || slices.ContainsFunc(p.pods, func(pod corev1.Pod) bool { return pod.Spec.HostNetwork })
}

// groupStatus says of every wanted member what the name servers and the controllers say.
func (p *brokerPass) groupStatus() []v1alpha1.BrokerGroupStatus {
	var out []v1alpha1.BrokerGroupStatus
	for _, g := range p.groups {
		group := v1alpha1.BrokerGroupStatus{Name: g.name, State: string(g.State)}
		for i := range g.Members {
			member := v1alpha1.BrokerMemberStatus{Pod: desired.PodName(g.name, i)}
			if pod := p.anyPod(member.Pod); p.seen.known && pod != nil {
				addr := p.address(member.Pod)
				if id, registered := p.registeredID(g.name, addr); registered {
					member.BrokerID, member.Address, member.Role = &id, addr, v1alpha1.RoleSlave
					if id == admin.MasterID {
						member.Role, group.Master = v1alpha1.RoleMaster, member.Pod
					}
					member.InSync = p.inSync(g.name, addr, pod.Status.PodIP, member.Role)
				}
			}
			group.Members = append(group.Members, member)
		}
		out = append(out, group)
	}
	return out
}

// registeredID is the id that most name servers know an address by.
func (p *brokerPass) registeredID(group, addr string) (int64, bool) {
	votes := map[int64]int{}
	best, found := int64(0), false
	for _, groups := range p.seen.Registered {
		for id, registered := range groups[group] {
			if registered != addr {
				continue
			}
			votes[id]++
			if !found || votes[id] > votes[best] || (votes[id] == votes[best] && id < best) {
				best, found = id, true
			}
		}
	}
	return best, found
}

// registeredEverywhere: every name server that answers knows the broker, and every one answers.
func (p *brokerPass) registeredEverywhere(group, addr string) bool {
	for _, groups := range p.seen.Registered {
		known := false
		for _, registered := range groups[group] {
			known = known || registered == addr
		}
		if !known {
			return false
		}
	}
	return len(p.seen.Unreachable) == 0
}

func (p *brokerPass) inSync(group, addr, ip string, role v1alpha1.Role) bool {
	if p.controller != nil {
		return slices.ContainsFunc(p.seen.SyncStates[group].InSync, func(r admin.Replica) bool { return r.Addr == addr && r.Alive })
	}
	return role == v1alpha1.RoleMaster || slices.Contains(p.seen.InSyncHosts[group], ip)
}

// summarize fills the columns that kubectl shows.
func (p *brokerPass) summarize() {
	registered, masters := 0, []string{}
	for _, group := range p.broker.Status.Groups {
		for _, member := range group.Members {
			if member.Role != "" {
				registered++
			}
		}
		if len(group.Members) == 0 {
			continue // it is being removed
		}
		if group.Master == "" {
			masters = append(masters, "-")
			continue
		}
		masters = append(masters, group.Master)
	}
	p.broker.Status.Members = fmt.Sprintf("%d/%d", registered, p.wanted())
	p.broker.Status.Masters = strings.Join(masters, " ")
}

// labelRoles makes the pods' role label follow their real role.
func (p *brokerPass) labelRoles(ctx context.Context) (*kube.Waiting, error) {
	if !p.seen.known {
		return nil, nil
	}
	roles := map[string]v1alpha1.Role{}
	for _, group := range p.broker.Status.Groups {
		for _, member := range group.Members {
			roles[member.Pod] = member.Role
		}
	}
	for i := range p.pods {
		pod := &p.pods[i]
		role := string(roles[pod.Name])
		if pod.Labels[desired.LabelRole] == role {
			continue
		}
		labelled := pod.DeepCopy()
		if role == "" {
			delete(labelled.Labels, desired.LabelRole)
		} else {
			labelled.Labels[desired.LabelRole] = role
		}
		if err := p.Client.Patch(ctx, labelled, client.MergeFrom(pod), client.FieldOwner(kube.FieldOwner)); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("label pod %s: %w", pod.Name, err)
		}
		p.pods[i] = *labelled
	}
	return nil, nil
}

// freshFor reports whether the servers were asked after a pod became ready.
func (v view) freshFor(readySince metav1.Time) bool {
	return v.known && v.at.After(readySince.Add(time.Second))
}

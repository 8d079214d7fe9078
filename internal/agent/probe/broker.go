// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

const (
	master = "master"
	slave  = "slave"
)

// broker asks the broker itself and all its name servers at the same time. One name server that agrees is enough: the
// others may be starting, or be down.
func (p *Prober) broker(ctx context.Context) Report {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the first name server that agrees ends the other questions

	nameServers := p.Broker.NameServers()
	if len(nameServers) == 0 {
		return Report{Reason: "the broker has no name server to register with: a NameService must exist, or spec.nameServers be set"}
	}
	type answer struct {
		from int
		info *admin.ClusterInfo
		err  error
	}
	answers := make(chan answer, len(nameServers))
	for i, nameServer := range nameServers {
		go func() {
			info, err := p.Admin.ClusterInfo(ctx, nameServer)
			answers <- answer{i, info, err}
		}()
	}

	// A name server's entry may be out of date. What the broker says of itself is not.
	role := ""
	switch status, err := p.Admin.HAStatus(ctx, p.Server); {
	case err == nil && status.Master:
		role = master
	case err == nil:
		role = slave
	case !answered(err):
		return Report{Reason: "the broker does not answer: " + err.Error()}
	}

	reasons := make([]string, len(nameServers))
	for range nameServers {
		a := <-answers
		if a.err != nil {
			reasons[a.from] = a.err.Error()
			continue
		}
		shown, reason := p.Broker.registered(a.info.Brokers[p.Broker.Name].Addrs)
		if reason == "" && role != "" && shown != role {
			reason = fmt.Sprintf("shows the broker as %s, it is a %s by now", shown, role)
		}
		if reason == "" {
			if why := cmp.Or(p.refuses(ctx, shown), p.copies(ctx, shown)); why != "" {
				return Report{Reason: why, Role: shown}
			}
			return Report{Ready: true, Reason: "registered at name server " + nameServers[a.from], Role: shown}
		}
		reasons[a.from] = fmt.Sprintf("name server %s %s", nameServers[a.from], reason)
	}
	return Report{Reason: "not registered at any name server: " + strings.Join(reasons, "; "), Role: role}
}

// fenceLimit bounds how long the probe waits for a master that refuses messages. A master tries to start again every 5 s
// (ReplicasManager.RETRY_INTERVAL_SECOND), so one that refuses for longer has another trouble, such as a full disk.
const fenceLimit = 15 * time.Second

// refuses says why an elected master does not take messages yet; it is "" for a master that does, and for all other brokers. RocketMQ
// fences a broker's store until the broker has found a master at the controllers. A broker may ask before the controllers have heard of
// it, and be elected a moment later, because its slave asked. It is then master, but stays fenced until it tries to start again
// (ReplicasManager.startBasicService). This happens when all brokers of an existing group start at once.
func (p *Prober) refuses(ctx context.Context, role string) string {
	if role != master || p.Broker.Mode != settings.ControllerMode || p.settled {
		return ""
	}
	takes, err := p.Admin.TakesMessages(ctx, p.Server, p.Broker.Name)
	if err != nil {
		return "the master cannot be asked whether it takes messages: " + err.Error()
	}
	if p.refusesSince.IsZero() {
		p.refusesSince = time.Now()
	}
	if p.settled = takes || time.Since(p.refusesSince) >= fenceLimit; p.settled {
		return ""
	}
	return "the master takes no messages yet: one that was elected while it was starting does some seconds later; one whose disk is full does not"
}

// copies says that a slave does not have all of its master's messages yet. It is "" once the controllers have counted the slave as in
// sync, and for all other brokers. Before that the slave could not take over, so it is not ready: evictions go by readiness, and must
// not take the master. A slave that falls behind later stays ready, because that passes.
func (p *Prober) copies(ctx context.Context, role string) string {
	if p.Broker.Mode != settings.ControllerMode || p.caughtUp {
		return ""
	}
	if p.caughtUp = role == master; p.caughtUp {
		return ""
	}
	leader, err := p.Admin.FindLeader(ctx, p.Broker.Controllers())
	if err != nil {
		return "it is not known whether the slave has all of its master's messages: " + err.Error()
	}
	states, err := p.Admin.SyncStateData(ctx, leader, p.Broker.Name)
	if err != nil {
		return "the controllers do not say whether the slave has all of its master's messages: " + err.Error()
	}
	p.caughtUp = slices.ContainsFunc(states[p.Broker.Name].InSync, func(r admin.Replica) bool { return r.Addr == p.Broker.Address })
	if !p.caughtUp {
		return "the slave still copies messages of its master, and could not take over"
	}
	return ""
}

// registered returns the role that the group's members, by broker id, show for this broker, or a reason why it is not among them.
func (b Broker) registered(members map[int64]string) (role, reason string) {
	if len(members) == 0 {
		return "", "does not know broker " + b.Name
	}
	if b.Mode == settings.Static {
		switch shown, ok := members[b.Ordinal]; {
		case !ok:
			return "", fmt.Sprintf("does not know broker %s with id %d", b.Name, b.Ordinal)
		case shown != b.Address:
			return "", fmt.Sprintf("shows broker %s with id %d at %s instead of %s: another broker of that name may be running", b.Name, b.Ordinal, shown, b.Address)
		case b.Ordinal == admin.MasterID:
			return master, ""
		}
		return slave, ""
	}
	if members[admin.MasterID] == b.Address {
		return master, ""
	}
	for _, shown := range members {
		if shown == b.Address {
			return slave, ""
		}
	}
	return "", fmt.Sprintf("does not know broker %s at %s", b.Name, b.Address)
}

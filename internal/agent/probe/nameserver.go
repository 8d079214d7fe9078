package probe

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// registration is after what time every broker that can has registered: they do so every 30 s, at most every minute
// (BrokerConfig.registerNameServerPeriod).
const registration = 90 * time.Second

// nameServer is not ready while it lacks brokers that the others know. Else its clients would take half a cluster for
// the whole one, or see slaves only, and keep that until they look again 30 s later. They keep what they had when they
// are sent elsewhere.
func (p *Prober) nameServer(ctx context.Context) Report {
	info, err := p.Admin.ClusterInfo(ctx, p.Server)
	if err != nil {
		return Report{Reason: "the name server does not list its brokers: " + err.Error()}
	}
	known := addresses(info)
	if p.behindSince.IsZero() || p.filled && len(known) == 0 { // it is new, or was cut off until it forgot all
		p.behindSince, p.complete = time.Now(), false
	}
	p.filled = len(known) > 0
	if !p.complete && time.Since(p.behindSince) < registration {
		all, err := p.knownToOthers(ctx)
		if err != nil {
			return Report{Reason: "the other name servers are not known: " + err.Error()}
		}
		maps.Copy(all, known)
		if len(all) > len(known) {
			return Report{Reason: fmt.Sprintf("the name server knows %d of %d brokers", len(known), len(all))}
		}
	}
	p.complete = true
	return Report{Ready: true, Reason: "the name server answers"}
}

// knownToOthers are the brokers that one of the other name servers knows at least, of those that answer.
func (p *Prober) knownToOthers(ctx context.Context) (map[string]bool, error) {
	addrs, err := p.NameServers(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout/2) // the dead ones must not use all of the probe's time
	defer cancel()
	answers := make(chan map[string]bool)
	asked := 0
	for _, addr := range addrs {
		if addr == p.Server {
			continue
		}
		asked++
		go func() {
			info, err := p.Admin.ClusterInfo(ctx, addr)
			if err != nil {
				info = &admin.ClusterInfo{}
			}
			answers <- addresses(info)
		}()
	}
	all := map[string]bool{}
	for range asked {
		maps.Copy(all, <-answers)
	}
	return all, nil
}

// addresses of all brokers.
func addresses(info *admin.ClusterInfo) map[string]bool {
	out := map[string]bool{}
	for _, broker := range info.Brokers {
		for _, addr := range broker.Addrs {
			out[addr] = true
		}
	}
	return out
}

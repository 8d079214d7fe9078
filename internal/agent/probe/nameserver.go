// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// registration is the time after which every broker that can has registered: they do so every 30 s, and every minute at the least
// (BrokerConfig.registerNameServerPeriod).
const registration = 90 * time.Second

// nameServer is not ready while it lacks brokers that the other name servers know. Otherwise its clients would take half a cluster for
// the whole, or see only slaves, until they ask again 30 s later. Clients that are sent to another name server keep the routes that
// they have.
func (p *Prober) nameServer(ctx context.Context) Report {
	info, err := p.Admin.ClusterInfo(ctx, p.Server)
	if err != nil {
		return Report{Reason: "the name server does not list its brokers: " + err.Error()}
	}
	known := addresses(info)
	if p.behindSince.IsZero() || p.filled && len(known) == 0 { // it is new, or was cut off for so long that it has forgotten all brokers
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

// knownToOthers are the brokers that at least one of the other name servers knows, among those that answer.
func (p *Prober) knownToOthers(ctx context.Context) (map[string]bool, error) {
	addrs, err := p.NameServers(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout/2) // name servers that are down must not use up the probe's time
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

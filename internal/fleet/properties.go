// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"maps"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Misconfigured is a broker that runs with other properties than the wanted ones.
type Misconfigured struct {
	*Member
	// Wanted are the properties that differ, with the values to set.
	Wanted map[string]string
}

// Misconfigured are the brokers that said, since they started, that they run with other properties than the wanted ones, and
// masters of which name servers tell clients otherwise. One that is stopping is left to its agent: Kubernetes may stop a
// container without deleting its pod (a node that is shut down, an eviction under pressure, a failed liveness probe).
func (f *Fleet) Misconfigured() []Misconfigured {
	var out []Misconfigured
	for _, g := range f.Groups {
		for _, m := range slices.Concat(g.Members, g.Surplus) {
			live, known := f.Properties[m.Dialable]
			if !known || !m.Runs() || settings.HeldByAgent(live) {
				continue
			}
			wanted := f.liveProperties(g)
			shownOtherwise := f.shownOtherwise(g, m)
			maps.DeleteFunc(wanted, func(key, value string) bool {
				if key == settings.Permission && shownOtherwise {
					return false
				}
				now, known := live[key]
				// A release that does not know a property takes it without a word and drops it.
				return now == value || (!known && settings.IsLive(key))
			})
			if len(wanted) > 0 {
				out = append(out, Misconfigured{m, wanted})
			}
		}
	}
	return out
}

// shownOtherwise reports whether a name server tells clients of another permission than a master has. Registrations of a
// broker may overtake each other, and the next one is 30 s away: to be told its permission makes it register at once
// (AdminBrokerProcessor.updateBrokerConfig).
func (f *Fleet) shownOtherwise(g *Group, m *Member) bool {
	if g.Master() != m {
		return false
	}
	for _, shown := range f.Shown {
		if now, known := shown[g.Name]; known && now != f.Dependencies.Groups[g.Name].Permission {
			return true
		}
	}
	return false
}

// liveProperties that the brokers of a group are to run with.
func (f *Fleet) liveProperties(g *Group) map[string]string {
	properties := f.Dependencies.Groups[g.Name].Properties()
	properties["namesrvAddr"] = strings.Join(f.Dependencies.NameServers, ";")
	if f.controlled() {
		properties["controllerAddr"] = strings.Join(f.Dependencies.Controllers, ";")
	}
	if live, err := desired.LiveConfig(f.Broker); err == nil { // an error was told before
		maps.Copy(properties, live)
	}
	return properties
}

// String lists the properties to set, in order.
func (m Misconfigured) String() string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(m.Wanted)) {
		out = append(out, key+"="+m.Wanted[key])
	}
	return strings.Join(out, " ")
}

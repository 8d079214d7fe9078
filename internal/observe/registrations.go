package observe

import (
	"context"
	"reflect"
	"slices"
	"sync"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// Registrations are the addresses of the brokers that each name server knows, in order, by target. A name server that
// did not answer is missing.
type Registrations map[string][]string

// SameRegistrations reports whether two answers tell the same.
func SameRegistrations(a, b Registrations) bool { return reflect.DeepEqual(a, b) }

// ProbeRegistrations asks all name servers at once.
func ProbeRegistrations(c *admin.Client, targets []string) Probe[Registrations] {
	return func(ctx context.Context, _ Registrations) Registrations {
		var mu sync.Mutex
		var wg sync.WaitGroup
		out := Registrations{}
		for _, target := range targets {
			wg.Go(func() {
				info, err := c.ClusterInfo(ctx, target)
				if err != nil {
					return // it is asked again
				}
				addrs := []string{}
				for _, broker := range info.Brokers {
					for _, addr := range broker.Addrs {
						addrs = append(addrs, addr)
					}
				}
				slices.Sort(addrs)
				mu.Lock()
				defer mu.Unlock()
				out[target] = addrs
			})
		}
		wg.Wait()
		return out
	}
}

// Lacks counts the brokers that another name server knows and this one does not, of all that are known.
func (r Registrations) Lacks(target string) (lacks, all int) {
	known := map[string]bool{}
	for _, addrs := range r {
		for _, addr := range addrs {
			known[addr] = true
		}
	}
	for addr := range known {
		if !slices.Contains(r[target], addr) {
			lacks++
		}
	}
	return lacks, len(known)
}

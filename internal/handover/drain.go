package handover

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// drain lets producers leave for another group, and is nothing where there is no other. A target that is away for a moment,
// or restarted, does not end it; if everything is going down at once, nobody is left to take over.
func (r *run) drain(ctx context.Context) error {
	answered := time.Now()
	return r.leave(ctx, func(ctx context.Context) error {
		_, err := r.end(ctx, r.target.addr)
		if err != nil {
			_, err = r.choose(ctx)
		}
		if err == nil {
			answered = time.Now()
		}
		if time.Since(answered) < targetPatience {
			return nil
		}
		return err
	})
}

// leave withdraws write permission, if others can take the messages, and waits until clients noticed. Of two groups that
// do so at the same time, the one of the greater name waits until the other is back.
func (r *run) leave(ctx context.Context, check func(context.Context) error) error {
	if r.Drain == 0 {
		return nil
	}
	if len(r.masters(ctx)) == 0 {
		r.step("no other group can take messages meanwhile, so there is no drain")
		return nil
	}
	// One that hands over now is back soon.
	if !r.awaitWritable(ctx) {
		return ctx.Err()
	}
	deadline := time.Now().Add(r.Drain)
	for {
		r.withdrawn = true // also if the answer is lost
		if err := r.setPermission(ctx, settings.ReadOnly); err != nil {
			return err
		}
		r.step("write permission withdrawn; producers get %s to leave", time.Until(deadline).Round(time.Second))
		yield, err := r.sleep(ctx, deadline, check)
		if err != nil || !yield {
			return err
		}
		r.step("another group hands over as well: waiting for it")
		if err := r.setPermission(ctx, settings.ReadWrite); err != nil {
			return err
		}
		r.withdrawn = false
		if !r.awaitWritable(ctx) {
			return ctx.Err()
		}
		deadline = time.Now().Add(r.Drain)
	}
}

// awaitWritable waits until another group takes messages, as long as that leaves time for a drain and what comes after it.
func (r *run) awaitWritable(ctx context.Context) bool {
	deadline, _ := ctx.Deadline() // Run sets one
	limit := max(callTimeout, time.Until(deadline)-r.Drain-settings.HandoverSeconds*time.Second)
	err := r.await(ctx, limit, slowPoll, func(ctx context.Context) string {
		if len(r.writableElsewhere(ctx)) == 0 {
			return "no other group takes messages"
		}
		return ""
	})
	if err != nil {
		r.step("%s; going on without a drain", err)
	}
	return err == nil
}

// sleep until the deadline. It yields, at once, if no other group takes messages any more and one of a smaller name is
// to go first.
func (r *run) sleep(ctx context.Context, deadline time.Time, check func(context.Context) error) (yield bool, err error) {
	for first := true; ; first = false {
		if first && len(r.writableElsewhere(ctx)) == 0 && r.smallerWithdrawn(ctx) {
			return true, nil
		}
		if err := check(ctx); err != nil {
			return false, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(min(left, slowPoll)):
		}
	}
}

// masters of the other groups of the cluster, by brokerName, and what they run with. Those that do not answer are left
// out.
func (r *run) masters(ctx context.Context) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, server := range r.NameServers {
		info, err := call(ctx, func(ctx context.Context) (*admin.ClusterInfo, error) { return r.Admin.ClusterInfo(ctx, server) })
		if err != nil {
			continue
		}
		for name, group := range info.Brokers {
			addr, hasMaster := group.Addrs[admin.MasterID]
			if name == r.Group || group.Cluster != r.Cluster || !hasMaster || addr == r.Address {
				continue
			}
			config, err := call(ctx, func(ctx context.Context) (map[string]string, error) { return r.Admin.BrokerConfig(ctx, addr) })
			if err == nil {
				out[name] = config
			}
		}
		return out // one name server knows all of them
	}
	return out
}

// writableElsewhere are the other groups whose master takes messages.
func (r *run) writableElsewhere(ctx context.Context) []string {
	open := settings.GroupSettings{Permission: settings.ReadWrite}.Properties()
	masters := r.masters(ctx)
	maps.DeleteFunc(masters, func(_ string, config map[string]string) bool {
		for key, value := range open {
			if config[key] != value {
				return true
			}
		}
		return false
	})
	return slices.Sorted(maps.Keys(masters))
}

func (r *run) smallerWithdrawn(ctx context.Context) bool {
	withdrawn := settings.GroupSettings{Permission: settings.ReadOnly}.Properties()
	for name, config := range r.masters(ctx) {
		if strings.Compare(name, r.Group) < 0 && config["brokerPermission"] == withdrawn["brokerPermission"] {
			return true
		}
	}
	return false
}

func (r *run) setPermission(ctx context.Context, permission int) error {
	_, err := call(ctx, func(ctx context.Context) (any, error) {
		return nil, r.Admin.SetBrokerPermission(ctx, r.Addr, permission)
	})
	return err
}

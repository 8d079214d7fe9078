package handover

import (
	"context"
	"maps"
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
	for {
		if !r.awaitWritable(ctx) {
			return ctx.Err()
		}
		deadline := time.Now().Add(r.Drain)
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
	}
}

// awaitWritable waits until another group takes messages (one that hands over now is back soon), as long as that leaves time
// for a drain and what comes after it.
func (r *run) awaitWritable(ctx context.Context) bool {
	deadline, _ := ctx.Deadline() // Run sets one
	limit := max(callTimeout, time.Until(deadline)-r.Drain-settings.HandoverSeconds*time.Second)
	alone := false
	err := r.await(ctx, limit, slowPoll, func(ctx context.Context) string {
		shown, answered := r.brokers(ctx)
		_, known := shown[r.Group] // name servers that do not know this one have just started: there may be others
		others := r.others(shown)
		if alone = !answered || known && len(others) == 0; alone {
			return ""
		}
		for _, config := range r.masters(ctx, others) {
			if takesMessages(config) {
				return ""
			}
		}
		return "no other group takes messages"
	})
	switch {
	case err != nil:
		r.step("%s; going on without a drain", err)
	case alone:
		r.step("no other group can take messages meanwhile, so there is no drain")
	}
	return err == nil && !alone
}

// yieldLooks are how often a group that has withdrawn its permission looks for another that did so at the same moment.
const yieldLooks = 3

// sleep until the deadline, or yield soon.
func (r *run) sleep(ctx context.Context, deadline time.Time, check func(context.Context) error) (yield bool, err error) {
	for look := 0; ; look++ {
		if look < yieldLooks && r.mustYield(ctx) {
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

// brokers are what the name servers show, put together: one that has just started knows a part. answered says whether
// there is any.
func (r *run) brokers(ctx context.Context) (shown map[string]admin.BrokerData, answered bool) {
	shown = map[string]admin.BrokerData{}
	for _, server := range r.NameServers {
		info, err := call(ctx, func(ctx context.Context) (*admin.ClusterInfo, error) { return r.Admin.ClusterInfo(ctx, server) })
		if err != nil {
			continue
		}
		answered = true
		for name, group := range info.Brokers {
			addrs := map[int64]string{}
			maps.Copy(addrs, group.Addrs)
			maps.Copy(addrs, shown[name].Addrs)
			group.Addrs = addrs
			shown[name] = group
		}
	}
	return shown, answered
}

// others are the addresses of the masters of the cluster's other groups, by brokerName.
func (r *run) others(shown map[string]admin.BrokerData) map[string]string {
	out := map[string]string{}
	for name, group := range shown {
		addr, hasMaster := group.Addrs[admin.MasterID]
		if name != r.Group && group.Cluster == r.Cluster && hasMaster {
			out[name] = addr
		}
	}
	return out
}

// masters are what the masters of other groups run with, by brokerName. Those that do not answer are left out.
func (r *run) masters(ctx context.Context, others map[string]string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for name, addr := range others {
		config, err := call(ctx, func(ctx context.Context) (map[string]string, error) { return r.Admin.BrokerConfig(ctx, addr) })
		if err == nil {
			out[name] = config
		}
	}
	return out
}

// takesMessages says whether a master that runs with config does.
func takesMessages(config map[string]string) bool {
	return runsWith(config, settings.GroupSettings{Permission: settings.ReadWrite}.Properties())
}

// mustYield says whether no other group takes messages any more, and one of a smaller name is to go first.
func (r *run) mustYield(ctx context.Context) bool {
	shown, _ := r.brokers(ctx)
	withdrawn := settings.GroupSettings{Permission: settings.ReadOnly}.Properties()["brokerPermission"]
	yield := false
	for name, config := range r.masters(ctx, r.others(shown)) {
		if takesMessages(config) {
			return false
		}
		yield = yield || name < r.Group && config["brokerPermission"] == withdrawn
	}
	return yield
}

func (r *run) setPermission(ctx context.Context, permission int) error {
	_, err := call(ctx, func(ctx context.Context) (any, error) {
		return nil, r.Admin.SetBrokerPermission(ctx, r.Addr, permission)
	})
	return err
}

// SPDX-License-Identifier: Apache-2.0

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
// do so at the same time, the one of the greater name waits until the other is back. A broker that producers may not write to
// anyway has nobody to wait for.
func (r *run) leave(ctx context.Context, check func(context.Context) error) error {
	if r.Drain == 0 || !settings.Writable(r.before) {
		return nil
	}
	for {
		if !r.awaitWritable(ctx) {
			return ctx.Err()
		}
		began := time.Now()
		r.held = true // also if the answer is lost
		if err := r.tell(ctx, r.within(ownTimeout), settings.Held(r.before, false)); err != nil {
			return err
		}
		r.step("write permission withdrawn; producers get %s to leave", r.drainEnd(began).Sub(began).Round(time.Second))
		yield, err := r.sleep(ctx, began, check)
		if err != nil || !yield {
			r.drained = err == nil
			return err
		}
		r.step("another group hands over as well: waiting for it")
		if err := r.tell(ctx, r.within(ownTimeout), r.ownBefore()); err != nil {
			return err
		}
		r.held = false
	}
}

// rest is the time for all that follows a drain: what it is given in the end, or half of what there is.
func (r *run) rest() time.Duration {
	return min(settings.HandoverSeconds*time.Second, r.Until().Sub(r.began)/2)
}

// drainEnd is when a drain that began then is over.
func (r *run) drainEnd(began time.Time) time.Time {
	end, latest := began.Add(r.Drain), r.Until().Add(-r.rest())
	if end.After(latest) {
		return latest
	}
	return end
}

// awaitWritable waits until another group takes messages (one that hands over now is back soon), as long as that leaves time
// for a drain and what comes after it.
func (r *run) awaitWritable(ctx context.Context) bool {
	const nobody = "no other group takes messages"
	alone, late := false, false
	err := r.await(ctx, r.Until, slowPoll, func(ctx context.Context) string {
		shown, answered := r.brokers(ctx)
		_, known := shown[r.Group] // name servers that do not know this one have just started: there may be others
		others := r.others(shown)
		if alone = !answered || known && len(others) == 0; alone {
			return ""
		}
		for _, config := range r.masters(ctx, others) {
			if settings.Writable(config) {
				return ""
			}
		}
		if late = time.Now().After(r.waitEnd()); late {
			return ""
		}
		return nobody
	})
	switch {
	case err != nil:
		r.step("%s; going on without a drain", err)
	case late:
		r.step("after %s: %s; going on without a drain", time.Since(r.began).Round(100*time.Millisecond), nobody)
	case alone:
		r.step("no other group can take messages meanwhile, so there is no drain")
	}
	return err == nil && !alone && !late
}

// waitEnd is until when another group is waited for. Without time for a drain, as long as the operator has not said how much there
// is, that is all but what comes after a drain.
func (r *run) waitEnd() time.Time {
	latest := r.Until().Add(-r.rest())
	if end := latest.Add(-r.Drain); end.After(r.began.Add(callTimeout)) {
		return end
	}
	return latest
}

// yieldLooks are how often a group that has withdrawn its permission looks for another that did so at the same moment.
const yieldLooks = 3

// sleep until a drain that began then is over, or yield soon.
func (r *run) sleep(ctx context.Context, began time.Time, check func(context.Context) error) (yield bool, err error) {
	for look := 0; ; look++ {
		if look < yieldLooks && r.mustYield(ctx) {
			return true, nil
		}
		if err := check(ctx); err != nil {
			return false, err
		}
		left := time.Until(r.drainEnd(began))
		if left <= 0 {
			return false, nil
		}
		if err := sleep(ctx, min(left, slowPoll)); err != nil {
			return false, err
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

// mustYield says whether no other group takes messages any more, and one of a smaller name is to go first.
func (r *run) mustYield(ctx context.Context) bool {
	shown, _ := r.brokers(ctx)
	withdrawn := settings.Held(r.before, false)[settings.Permission]
	yield := false
	for name, config := range r.masters(ctx, r.others(shown)) {
		if settings.Writable(config) {
			return false
		}
		yield = yield || name < r.Group && config[settings.Permission] == withdrawn
	}
	return yield
}

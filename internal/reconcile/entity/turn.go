// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const (
	// readTimeout bounds the reading of one table.
	readTimeout = 10 * time.Second
	// refusedMost is how long refusals are waited for at most: each time twice as long.
	refusedMost = 10 * time.Minute
	// attempts to write in one turn: a broker may ignore a request of which something is the same already (admin.PutTopics).
	attempts = 3
	// retrySoon is for servers that did not answer, retryRefused for what a broker refused, retryLook for what brokers tell no
	// version of.
	retrySoon    = 3 * time.Second
	retryRefused = 30 * time.Second
	retryLook    = time.Minute
)

// memory of earlier turns. Losing it costs some questions and some patience.
type memory struct {
	// seen is the key of the view that the last turn acted on, with the versions that it read itself.
	seen string
	// due is when something is to be tried again, zero for never.
	due time.Time
	// away is since when a group is, by brokerName.
	away map[string]time.Time
	// refused, by brokerName and name.
	refused map[string]map[string]refusal
	// made are the resources whose entry was made here, at some group at least: it is not somebody else's then.
	made map[types.UID]bool
	// surplus is what is known of entries that are to become smaller, by brokerName and name.
	surplus map[[2]string]*surplus
	// emptiness of what is deleted if it is empty, by resource; lingers is since when slaves or name servers still have what is
	// deleted.
	emptiness map[types.NamespacedName]*emptiness
	lingers   map[types.NamespacedName]time.Time
}

type refusal struct {
	uid        types.UID
	generation int64
	words      string
	// again is when it is tried again, after waiting that long.
	again time.Time
	wait  time.Duration
}

// of reports whether it is this claim that was refused.
func (r refusal) of(c entity.Claim) bool { return r.uid == c.UID && r.generation == c.Generation }

func newMemory() memory {
	return memory{
		away: map[string]time.Time{}, refused: map[string]map[string]refusal{}, made: map[types.UID]bool{}, surplus: map[[2]string]*surplus{},
		emptiness: map[types.NamespacedName]*emptiness{}, lingers: map[types.NamespacedName]time.Time{},
	}
}

// turn is one look at a Broker's tables, with what follows from it.
type turn[E any] struct {
	*keeper[E]
	*view
	client *admin.Client // for the brokers, which may ask for credentials
	now    time.Time
	claims []entity.Claim
	places []entity.Place[E] // of the view's groups
	// again is how soon the next turn is due by itself, 0 for not at all.
	again time.Duration
	// said are the answers that deletions have had.
	said map[types.NamespacedName]entity.Answer
	// reserved says of names that are not for resources why not.
	reserved map[string]string
}

// turn returns how soon the next one is due by itself, 0 for not at all.
func (k *keeper[E]) turn(ctx context.Context) time.Duration {
	now := time.Now()
	v, err := k.look(ctx, now)
	if err != nil {
		ctrl.Log.WithName("entity").Error(err, "cannot look at a Broker; trying again", "broker", k.broker)
		return retrySoon
	}
	if v == nil {
		return 0 // the resources are woken by that, too
	}
	claims, fresh := k.claims()
	if !fresh && v.key() == k.seen && (k.due.IsZero() || now.Before(k.due)) {
		return k.untilDue(now)
	}
	bounded, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	t := &turn[E]{keeper: k, view: v, now: now, claims: claims, said: map[types.NamespacedName]entity.Answer{}}
	t.signIn(bounded)
	answers, changes := t.act(bounded)
	k.publish(ctx, claims, answers, changes) // even if the turn's time is over: what is not told now is told never

	k.seen, k.due = v.key(), time.Time{}
	if t.again > 0 {
		k.due = now.Add(t.again)
	}
	return k.untilDue(time.Now())
}

// signIn finds out with which credentials the brokers are asked. Without them no group can be.
func (t *turn[E]) signIn(ctx context.Context) {
	var err error
	if t.client, err = t.Reach.For(ctx, t.view.broker); err == nil && t.Members {
		t.reserved, err = t.accounts(ctx)
	}
	if err == nil {
		return
	}
	for i := range t.groups {
		t.groups[i].away = t.unasked(err.Error())
	}
}

// unasked says why a group's master, or a member, could not be asked.
func (t *turn[E]) unasked(why string) string {
	if t.Members {
		return "it could not be asked: " + why
	}
	return "its master could not be asked: " + why
}

// untilDue is how long nothing is to be tried again, and no group's absence begins to show.
func (k *keeper[E]) untilDue(now time.Time) time.Duration {
	var next time.Time
	consider := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	consider(k.due)
	for _, since := range k.away {
		if end := since.Add(passing); end.After(now) {
			consider(end)
		}
	}
	if next.IsZero() {
		return 0
	}
	return max(time.Millisecond, next.Sub(now))
}

// sooner makes the next turn due within that time.
func (t *turn[E]) sooner(within time.Duration) {
	if t.again == 0 || within < t.again {
		t.again = within
	}
}

// act reads the tables and writes what differs. It returns what to tell the resources.
func (t *turn[E]) act(ctx context.Context) (map[types.NamespacedName]entity.Answer, []entity.Change) {
	t.read(ctx, t.all()...)
	t.recallMade()
	t.recallRefusals()
	t.recallDeletions()
	decision := t.decide()
	changes := decision.Changes
	for range attempts {
		if len(decision.Puts) == 0 {
			break
		}
		t.read(ctx, t.write(ctx, decision.Puts)...)
		decision = t.decide()
		changes = append(changes, decision.Changes...)
	}
	if len(decision.Puts) > 0 {
		t.sooner(retrySoon)
	}
	changed := t.shrink(ctx)
	if len(t.surplus) > 0 {
		decision = t.decide() // with what keeps queues
	}
	for range attempts {
		if changed = t.remove(ctx, decision.Deletions) || changed; !changed {
			break
		}
		t.read(ctx, t.all()...)
		decision, changed = t.decide(), false
	}
	for object, answer := range t.said {
		decision.Answers[object] = answer
	}
	for _, c := range t.claims {
		if t.Unversioned(c) {
			t.sooner(retryLook)
			break
		}
	}
	return decision.Answers, changes
}

func (t *turn[E]) decide() entity.Decision[E] {
	return entity.Decide(t.Rules, t.claims, entity.Situation[E]{Places: t.places, Paused: t.view.broker.Spec.Paused, Moves: t.moves, Reserved: t.reserved})
}

// all groups, by index.
func (t *turn[E]) all() []int {
	var all []int
	for i := range t.groups {
		all = append(all, i)
	}
	return all
}

// read the tables of some groups at once.
func (t *turn[E]) read(ctx context.Context, which ...int) {
	if t.places == nil {
		t.places = make([]entity.Place[E], len(t.groups))
	}
	var reading sync.WaitGroup
	for _, i := range which {
		reading.Go(func() { t.readPlace(ctx, i) })
	}
	reading.Wait()
	for _, i := range which {
		g := &t.groups[i]
		if g.away == "" {
			delete(t.away, g.name)
		} else {
			g.passing = t.isPassing(g.name, t.now)
		}
		t.places[i].Away, t.places[i].Passing = g.away, g.passing
		if g.away != "" && g.master != "" {
			t.sooner(retrySoon)
		}
	}
}

func (t *turn[E]) readPlace(ctx context.Context, i int) {
	g, place := &t.groups[i], &t.places[i]
	place.Name, place.Closed, place.Has = g.name, g.closed, nil
	if g.away != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	table, version, err := t.Read(ctx, t.client, g.master, t.claims)
	if err == nil && !t.Members { // the table of one that is no longer master may be half empty, and loses what is written to it
		err = metadata.Master{Client: t.client, Broker: metadata.Broker{Addr: g.master}}.Confirm(ctx)
	}
	if err != nil {
		g.away = t.unasked(tell(err))
		return
	}
	place.Has, g.version = table, version
}

// tell an error in words that are the same the next time.
func tell(err error) string {
	var refused *remoting.ResponseError
	if errors.As(err, &refused) {
		return refused.Error()
	}
	return "it does not answer"
}

// write to all groups at once. It returns those that were written to.
func (t *turn[E]) write(ctx context.Context, puts map[string][]E) (wrote []int) {
	var writing sync.WaitGroup
	for i := range t.places {
		if wanted := puts[t.places[i].Name]; len(wanted) > 0 {
			wrote = append(wrote, i)
			t.noteMade(t.places[i], wanted)
			for _, entry := range wanted {
				delete(t.surplus, [2]string{t.places[i].Name, t.NameOf(entry)}) // clients need time to notice this, too
			}
		}
	}
	for _, i := range wrote {
		writing.Go(func() { t.put(ctx, i, puts[t.places[i].Name]) })
	}
	writing.Wait()
	return wrote
}

// noteMade remembers whose entries a group does not have yet.
func (t *turn[E]) noteMade(place entity.Place[E], wanted []E) {
	missing := map[string]bool{}
	for _, entry := range wanted {
		if _, exists := place.Has[t.NameOf(entry)]; !exists {
			missing[t.NameOf(entry)] = true
		}
	}
	for i := range t.claims {
		if c := &t.claims[i]; missing[c.Name] {
			c.Made, t.made[c.UID] = true, true
		}
	}
}

// put entries in one request, or in smaller ones if the broker refuses that, until it shows which one it refuses.
func (t *turn[E]) put(ctx context.Context, i int, wanted []E) {
	place, addr := &t.places[i], t.groups[i].master
	err := t.Put(ctx, t.client, addr, place.Has, wanted)
	switch {
	case err == nil, !refuses(err): // what was written shows when the table is read again
	case len(wanted) == 1:
		t.refuse(place, t.NameOf(wanted[0]), err)
	default:
		middle := len(wanted) / 2
		for _, half := range [][]E{wanted[:middle], wanted[middle:]} {
			if t.readPlace(ctx, i); place.Has == nil {
				return
			}
			t.put(ctx, i, half)
		}
	}
}

// refuses reports whether a broker has an objection to what was asked for.
func refuses(err error) bool {
	var refused *remoting.ResponseError
	return errors.Is(err, admin.ErrCreateOnly) || (errors.As(err, &refused) && !remoting.IsCode(err, remoting.SystemBusy))
}

// refuse remembers what a broker does not take. It is tried again later.
func (t *turn[E]) refuse(place *entity.Place[E], name string, err error) {
	words := err.Error()
	var refused *remoting.ResponseError
	if errors.As(err, &refused) {
		words = refused.Error()
	}
	wait := retryRefused
	if remoting.IsCode(err, remoting.TopicNotExist) { // a consumer group's, which is about to come
		wait = retrySoon
	}
	t.keeper.mu.Lock()
	defer t.keeper.mu.Unlock()
	if t.refused[place.Name] == nil {
		t.refused[place.Name] = map[string]refusal{}
	}
	for _, c := range t.claims {
		if c.Name == name {
			if known := t.refused[place.Name][name]; known.of(c) {
				wait = max(wait, min(2*known.wait, refusedMost))
			}
			t.refused[place.Name][name] = refusal{c.UID, c.Generation, words, t.now.Add(wait), wait}
		}
	}
	if place.Refused == nil {
		place.Refused = map[string]string{}
	}
	place.Refused[name] = words
	t.sooner(wait)
}

// recallMade tells the claims what is known of their entries, and forgets those of resources that are gone.
func (t *turn[E]) recallMade() {
	known := t.made
	t.made = map[types.UID]bool{}
	for i := range t.claims {
		if c := &t.claims[i]; known[c.UID] && !c.Owned() {
			c.Made, t.made[c.UID] = true, true
		}
	}
}

// recallRefusals that are not to be tried again yet.
func (t *turn[E]) recallRefusals() {
	if len(t.refused) == 0 {
		return
	}
	for i := range t.places {
		place := &t.places[i]
		known := t.refused[place.Name]
		place.Refused = map[string]string{}
		for _, c := range t.claims {
			switch r := known[c.Name]; {
			case !r.of(c):
				delete(known, c.Name)
			case t.now.Before(r.again):
				place.Refused[c.Name] = r.words
				t.sooner(r.again.Sub(t.now))
			}
		}
	}
}

// recallDeletions forgets what was known of deletions that are over.
func (t *turn[E]) recallDeletions() {
	deleted := map[types.NamespacedName]bool{}
	for _, c := range t.claims {
		deleted[c.Object] = c.Deletion != ""
	}
	maps.DeleteFunc(t.emptiness, func(object types.NamespacedName, _ *emptiness) bool { return !deleted[object] })
	maps.DeleteFunc(t.lingers, func(object types.NamespacedName, _ time.Time) bool { return !deleted[object] })
}

// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

const (
	// gatherQuiet is for how long nothing must come before what came is acted on, so that a thousand resources that are applied
	// at once cost a few requests. gatherMost is for how long the first of them waits for that.
	gatherQuiet = 200 * time.Millisecond
	gatherMost  = 2 * time.Second
	// turnTimeout bounds one turn: ten thousand topics take some seconds.
	turnTimeout = time.Minute
)

// keepers of the entries of one kind, by Broker. Each works by itself, so that dead servers delay no other Broker.
type keepers[E any] struct {
	*pass.Env
	Kind[E]
	// ctx ends them all.
	ctx      context.Context
	observed *observe.Poller[*observe.Brokers]
	// events tell which resource's answer changed.
	events chan event.GenericEvent

	mu  sync.Mutex
	all map[types.NamespacedName]*keeper[E]
}

// keeper of one Broker.
type keeper[E any] struct {
	*keepers[E]
	broker types.NamespacedName
	cancel context.CancelFunc
	wake   chan struct{}

	mu      sync.Mutex
	records map[types.NamespacedName]*record // by resource
	fresh   bool                             // a claim came that no turn has seen

	memory // of earlier turns
}

// record of a resource.
type record struct {
	claim    entity.Claim
	answer   entity.Answer
	answered bool
	changes  []entity.Change
}

// claim takes in what a resource wants of a Broker. It returns what came out of it and what was changed since it was asked
// last, false if nothing came out yet.
func (k *keepers[E]) claim(broker types.NamespacedName, c entity.Claim) (entity.Answer, []entity.Change, bool) {
	k.mu.Lock()
	of := k.all[broker]
	if of == nil {
		ctx, cancel := context.WithCancel(k.ctx)
		of = &keeper[E]{
			keepers: k, broker: broker, cancel: cancel, wake: make(chan struct{}, 1),
			records: map[types.NamespacedName]*record{}, memory: newMemory(),
		}
		k.all[broker] = of
		go of.run(ctx)
	}
	defer k.mu.Unlock()

	of.mu.Lock()
	defer of.mu.Unlock()
	r := of.records[c.Object]
	if r == nil || !r.claim.Same(c) {
		r = &record{}
		of.records[c.Object] = r
		of.fresh = true
	}
	r.claim = c
	of.nudge()
	changes := r.changes
	r.changes = nil
	return r.answer, changes, r.answered
}

// drop what a resource wants, of all Brokers but some.
func (k *keepers[E]) drop(object types.NamespacedName, but map[types.NamespacedName]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for broker, of := range k.all {
		if but[broker] {
			continue
		}
		of.mu.Lock()
		delete(of.records, object)
		idle := len(of.records) == 0
		of.mu.Unlock()
		if idle {
			of.cancel()
			delete(k.all, broker)
		}
	}
}

// nudge the keeper of a Broker: something may have changed there.
func (k *keepers[E]) nudge(broker types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if of := k.all[broker]; of != nil {
		of.nudge()
	}
}

func (k *keeper[E]) nudge() {
	select {
	case k.wake <- struct{}{}:
	default: // it is awake already
	}
}

// run takes a turn whenever something happens, or is to be tried again.
func (k *keeper[E]) run(ctx context.Context) {
	timer := time.NewTimer(gatherMost)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-k.wake:
			if !k.gather(ctx) {
				return
			}
		}
		if again := k.turn(ctx); again > 0 {
			timer.Reset(again)
		} else {
			timer.Stop()
		}
	}
}

// gather what comes within a moment. It is false when the keeper ends.
func (k *keeper[E]) gather(ctx context.Context) bool {
	quiet := time.NewTimer(gatherQuiet)
	defer quiet.Stop()
	for end := time.Now().Add(gatherMost); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return false
		case <-quiet.C:
			return true
		case <-k.wake:
			quiet.Reset(gatherQuiet)
		}
	}
	return true
}

// claims that there are now, and whether no turn has seen one of them.
func (k *keeper[E]) claims() (claims []entity.Claim, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh, k.fresh = k.fresh, false
	claims = make([]entity.Claim, 0, len(k.records))
	for _, r := range k.records {
		claims = append(claims, r.claim)
	}
	return claims, fresh
}

// publish what came out, and wake those that it is news for.
func (k *keeper[E]) publish(ctx context.Context, claims []entity.Claim, answers map[types.NamespacedName]entity.Answer, changes []entity.Change) {
	var news []types.NamespacedName
	told := map[types.NamespacedName][]entity.Change{}
	for _, change := range changes {
		if answers[change.Object].Reason == "" { // else it did not work
			told[change.Object] = append(told[change.Object], change)
		}
	}
	k.mu.Lock()
	for _, c := range claims {
		r := k.records[c.Object]
		if r == nil || !r.claim.Same(c) {
			continue // it wants something else by now
		}
		if answer := answers[c.Object]; !r.answered || r.answer != answer || len(told[c.Object]) > 0 {
			r.answer, r.answered = answer, true
			r.changes = append(r.changes, told[c.Object]...)
			news = append(news, c.Object)
		}
	}
	k.mu.Unlock()

	for _, object := range news {
		named := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name}}
		select {
		case k.events <- event.GenericEvent{Object: named}:
		case <-ctx.Done():
			return
		}
	}
}

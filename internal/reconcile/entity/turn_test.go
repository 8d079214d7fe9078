// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// turnOf claims at a Broker of one group, b-0, whose topics these are.
func turnOf(client *admin.Client, kind Kind[admin.TopicConfig], claims ...entity.Claim) *turn[admin.TopicConfig] {
	all := &keepers[admin.TopicConfig]{
		Env: &pass.Env{Reach: &reach.Reach{Client: client}}, Kind: kind, events: make(chan event.GenericEvent, 100),
	}
	k := &keeper[admin.TopicConfig]{keepers: all, records: map[types.NamespacedName]*record{}, memory: newMemory()}
	for i := range claims {
		c := &claims[i]
		c.Object, c.UID = types.NamespacedName{Namespace: "ns", Name: c.Name}, types.UID(c.Name)
		k.records[c.Object] = &record{claim: *c}
	}
	return &turn[admin.TopicConfig]{
		keeper: k, client: client, now: time.Now(), claims: claims, said: map[types.NamespacedName]entity.Answer{},
		view: &view{broker: &v1alpha1.Broker{}, groups: []group{{name: "b-0", master: masterAt}}},
	}
}

// long ago these topics of b-0 began to have too many queues.
func (m *memory) long(names ...string) {
	for _, name := range names {
		m.surplus[[2]string{"b-0", name}] = &surplus{since: time.Now().Add(-time.Hour)}
	}
}

// TestShrinkOnlyOurs: read queues do not become fewer while the topic is not as specified otherwise: it may be somebody else's,
// or producers may still write to them.
func TestShrinkOnlyOurs(t *testing.T) {
	two := &v1alpha1.TopicSpec{Queues: new(int32(2))}
	for name, test := range map[string]struct {
		claim entity.Claim
		has   admin.TopicConfig
	}{
		"the type of somebody else's": {entity.Claim{Name: "orders", Spec: two},
			admin.TopicConfig{Name: "orders", ReadQueues: 8, WriteQueues: 8, Perm: 6, Attributes: map[string]string{"message.type": "FIFO"}}},
		"queues that are written to": {entity.Claim{Name: "orders", Spec: two, Applied: 1, Generation: 2},
			admin.TopicConfig{Name: "orders", ReadQueues: 8, WriteQueues: 8, Perm: 6, Attributes: map[string]string{"message.type": "NORMAL"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c, client := brokerWith(t, nil, nil)
			turn := turnOf(client, Topics(), test.claim)
			turn.long("orders")
			turn.places = []entity.Place[admin.TopicConfig]{{Name: "b-0", Has: map[string]admin.TopicConfig{"orders": test.has}}}
			turn.shrink(t.Context())
			if got := c.Tables("b-0").Topics["orders"]; got.ReadQueues != 8 {
				t.Errorf("%d queues for reading are left of 8, with %d for writing", got.ReadQueues, test.has.WriteQueues)
			}
		})
	}
}

// TestShrinkAfterTransfer: a TopicTransfer that is completed hinders nothing.
func TestShrinkAfterTransfer(t *testing.T) {
	c, client := brokerWith(t, nil, nil)
	claim := entity.Claim{Name: "orders", Spec: &v1alpha1.TopicSpec{Queues: new(int32(2))}, Applied: 1, Generation: 1}
	turn := turnOf(client, Topics(), claim)
	turn.moves = map[string]entity.Move{"orders": {Transfer: "ns/move", Other: "ns/a", Finished: metav1.Now()}}
	turn.long("orders")
	has := c.Tables("b-0").Topics["orders"]
	has.Attributes = map[string]string{"message.type": "NORMAL"}
	turn.places = []entity.Place[admin.TopicConfig]{{Name: "b-0", Has: map[string]admin.TopicConfig{"orders": has}}}
	turn.shrink(t.Context())
	if got := c.Tables("b-0").Topics["orders"].ReadQueues; got != 2 {
		t.Errorf("%d queues for reading, want 2", got)
	}
}

// surplusKind shrinks what has a surplus, except of what is held.
func surplusKind(tables map[string]admin.TopicConfig, held string) Kind[admin.TopicConfig] {
	kind := Topics()
	kind.Shrink = func(_ context.Context, _ *admin.Client, _ string, c entity.Claim, has admin.TopicConfig) (string, error) {
		if held != "" {
			return held, nil
		}
		has.ReadQueues = entity.ReadQueues(c, has)
		tables[c.Name] = has
		return "", nil
	}
	return kind
}

// TestShrinkMany: what one turn has no time for is the next one's, which is due by itself.
func TestShrinkMany(t *testing.T) {
	place := entity.Place[admin.TopicConfig]{Name: "b-0", Has: map[string]admin.TopicConfig{}}
	var claims []entity.Claim
	var names []string
	for i := range shrinkAtOnce + 1 {
		name := fmt.Sprintf("topic-%d", i)
		names = append(names, name)
		claims = append(claims, entity.Claim{Name: name, Spec: &v1alpha1.TopicSpec{Queues: new(int32(2))}, Applied: 1, Generation: 1})
		place.Has[name] = admin.TopicConfig{Name: name, ReadQueues: 8, WriteQueues: 2, Perm: 6, Attributes: map[string]string{"message.type": "NORMAL"}}
	}
	turn := turnOf(nil, surplusKind(place.Has, ""), claims...)
	turn.long(names...)
	turn.places = []entity.Place[admin.TopicConfig]{place}
	turn.shrink(t.Context())
	left := 0
	for _, name := range names {
		if place.Has[name].ReadQueues > 2 {
			left++
		}
	}
	if left != 1 || turn.again == 0 || turn.again > shrinkInterval {
		t.Errorf("%d topics are left, and the next turn is due after %s", left, turn.again)
	}
}

// TestHeldIsTold: what keeps queues is told at every look, not only at the first one.
func TestHeldIsTold(t *testing.T) {
	tables := map[string]admin.TopicConfig{
		"orders": {Name: "orders", ReadQueues: 8, WriteQueues: 2, Perm: 6, Attributes: map[string]string{"message.type": "NORMAL"}},
	}
	kind := surplusKind(tables, "consumer group b has not consumed queue 5")
	kind.Read = func(context.Context, *admin.Client, string, []entity.Claim) (map[string]admin.TopicConfig, string, error) {
		return tables, "1", nil
	}
	_, client := brokerWith(t, nil, nil)
	first := turnOf(client, kind, entity.Claim{Name: "orders", Spec: &v1alpha1.TopicSpec{Queues: new(int32(2))}, Applied: 1, Generation: 1})
	first.long("orders")
	for look := range 3 {
		next := *first
		next.view = &view{broker: &v1alpha1.Broker{}, groups: []group{{name: "b-0", master: masterAt}}}
		next.places, next.now = nil, first.now.Add(time.Duration(look)*shrinkInterval)
		answers, changes := next.act(t.Context())
		next.publish(t.Context(), next.claims, answers, changes)
		if got := first.records[first.claims[0].Object].answer.Draining; !strings.Contains(got, "consumer group b") {
			t.Errorf("look %d: %q", look, got)
		}
	}
}

// TestShrinkWaitsAnew: whenever there are fewer queues for writing, clients are given time to notice that.
func TestShrinkWaitsAnew(t *testing.T) {
	_, client := brokerWith(t, nil, nil)
	claim := entity.Claim{Name: "orders", Spec: &v1alpha1.TopicSpec{Queues: new(int32(1))}, Applied: 1, Generation: 2}
	turn := turnOf(client, Topics(), claim)
	turn.long("orders") // since another generation wanted two
	turn.act(t.Context())
	if s := turn.surplus[[2]string{"b-0", "orders"}]; s == nil || !s.since.Equal(turn.now) || !s.looked.IsZero() {
		t.Errorf("surplus %+v", s)
	}
}

// TestLateNews: what came out of a turn that took all its time is told all the same.
func TestLateNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := Topics()
		kind.Unversioned = func(entity.Claim) bool {
			time.Sleep(2 * turnTimeout)
			return true
		}
		var claims []entity.Claim
		for i := range 20 {
			claims = append(claims, entity.Claim{Name: fmt.Sprintf("topic-%d", i), Spec: &v1alpha1.TopicSpec{}})
		}
		k := turnOf(nil, kind, claims...).keeper
		scheme := runtime.NewScheme()
		if err := v1alpha1.AddToScheme(scheme); err != nil {
			t.Fatal(err)
		}
		k.broker = types.NamespacedName{Namespace: "ns", Name: "b"}
		k.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(&v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "b"}}).Build()
		k.observed, k.fresh = &observe.Poller[*observe.Brokers]{}, true
		k.turn(t.Context())
		if got := len(k.events); got != len(claims) {
			t.Errorf("%d of %d resources are told", got, len(claims))
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// TestDeleteManyIfEmpty: however many topics are to go if they are empty, each turn deletes some, and what is not empty is not
// looked at all the time.
func TestDeleteManyIfEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 1300
		looks := 0
		kind := Topics()
		kind.Holds = func(ctx context.Context, _ *admin.Client, _ Server, c entity.Claim, _ admin.TopicConfig) (string, error) {
			time.Sleep(50 * time.Millisecond)
			looks++
			if c.Name == "full" {
				return "1 messages", ctx.Err()
			}
			return "", ctx.Err()
		}
		kind.Fence = nil
		place := entity.Place[admin.TopicConfig]{Name: "b-0", Has: map[string]admin.TopicConfig{}}
		var claims []entity.Claim
		for i := range many {
			name := fmt.Sprintf("topic-%d", i)
			if i == 0 {
				name = "full"
			}
			claims = append(claims, entity.Claim{Name: name, Spec: &v1alpha1.TopicSpec{}, Deletion: v1alpha1.DeleteIfEmpty})
			place.Has[name] = admin.TopicConfig{Name: name}
		}
		var mu sync.Mutex
		kind.Delete = func(ctx context.Context, _ *admin.Client, _, name string) error {
			mu.Lock()
			defer mu.Unlock()
			delete(place.Has, name)
			return ctx.Err()
		}
		kind.Traces = func(string) (topics, groups []string) { return nil, nil }
		turn := turnOf(nil, kind, claims...)
		turn.Client = fake.NewClientBuilder().Build()
		turn.view.broker.Spec.ReplicaPerGroup = new(int32(0))
		turn.places = []entity.Place[admin.TopicConfig]{place}
		for turns := 1; len(place.Has) > 1; turns++ {
			before := len(place.Has)
			turn.now, turn.said = time.Now(), map[types.NamespacedName]entity.Answer{}
			deletions := entity.Decide(kind.Rules, turn.claims, entity.Situation[admin.TopicConfig]{Places: turn.places}).Deletions
			ctx, cancel := context.WithTimeout(t.Context(), turnTimeout)
			turn.remove(ctx, slices.DeleteFunc(deletions, func(d entity.Deletion) bool { return len(d.Places) == 0 }))
			cancel()
			if len(place.Has) == before || turn.again == 0 || turn.again > emptyInterval {
				t.Fatalf("turn %d deleted %d of %d topics, and the next is due after %s", turns, before-len(place.Has), before, turn.again)
			}
		}
		if most := many + 20; looks > most {
			t.Errorf("%d looks at %d topics", looks, many)
		}
	})
}

// TestGroupHolds: what a consumer group has got and not acknowledged counts, wherever it is.
func TestGroupHolds(t *testing.T) {
	consumed := map[string]map[string]int64{"billing": {"0": 7}}
	for name, test := range map[string]struct {
		consumed map[string]map[string]int64
		timers   map[string]int
		want     string
	}{
		"nothing":                 {consumed, nil, ""},
		"given back":              {consumed, map[string]int{"%RETRY%billing": 3}, "3 messages that it gave back, to be consumed again later"},
		"given back by POP":       {consumed, map[string]int{"%RETRY%billing+orders": 1234}, "1200 messages that it gave back, to be consumed again later"},
		"another group's":         {consumed, map[string]int{"%RETRY%billing2": 3}, ""},
		"at some POP consumer":    {consumed, map[string]int{"rmq_sys_REVIVE_LOG_shop": 3}, "perhaps some of the messages that POP consumers of this broker hold"},
		"never consumed anything": {nil, map[string]int{"rmq_sys_REVIVE_LOG_shop": 3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, client := brokerWith(t, nil, test.consumed)
			c.Inject(func(_ fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
				counts := map[string]any{}
				for topic, n := range test.timers {
					counts[topic] = map[string]int{"count": n}
				}
				body, _ := json.Marshal(map[string]any{"timingCount": counts})
				return fakemq.Answer{Body: string(body)}, request.Code == remoting.GetTimerMetrics
			})
			got, err := groupHolds(t.Context(), client, Server{masterAt, "shop"}, entity.Claim{Name: "billing"}, entity.Group{})
			if err != nil || got != test.want {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// TestRefusedTwice: what a broker goes on to refuse is tried less and less often, and a changed spec at once.
func TestRefusedTwice(t *testing.T) {
	turn := turnOf(nil, Topics(), entity.Claim{Name: "orders", Spec: &v1alpha1.TopicSpec{}, Generation: 1})
	turn.places = []entity.Place[admin.TopicConfig]{{Name: "b-0"}}
	refused := &remoting.ResponseError{Code: remoting.SystemError}
	for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		turn.again = 0
		turn.refuse(&turn.places[0], "orders", refused)
		if turn.again != want {
			t.Errorf("tried again after %s, want %s", turn.again, want)
		}
		if turn.recallRefusals(); turn.places[0].Refused["orders"] == "" {
			t.Error("it is tried again at once")
		}
		turn.now = turn.now.Add(want)
		if turn.recallRefusals(); turn.places[0].Refused["orders"] != "" {
			t.Error("it is not tried again in time")
		}
	}
	turn.refuse(&turn.places[0], "orders", refused)
	turn.claims[0].Generation++
	if turn.recallRefusals(); turn.places[0].Refused["orders"] != "" {
		t.Error("a changed spec is not tried")
	}
}

// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// mortal servers answer so many requests that change something, and then nothing: as an operator sees it that dies then. A
// negative number is no limit.
type mortal struct {
	mu   sync.Mutex
	left int
	seen int
	dead bool
}

func (m *mortal) fault(_ fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return fakemq.Answer{Code: remoting.SystemError}, true
	}
	if slices.Contains([]remoting.RequestCode{
		remoting.UpdateAndCreateTopicList, remoting.UpdateAndCreateSubscriptionGroupList, remoting.UpdateAndCreateTopic,
		remoting.DeleteTopicInBroker, remoting.DeleteTopicInNameServer, remoting.DeleteSubscriptionGroup,
		remoting.AuthCreateUser, remoting.AuthUpdateUser, remoting.AuthDeleteUser, remoting.AuthUpdateACL, remoting.AuthDeleteACL,
	}, request.Code) {
		m.seen++
		m.dead = m.seen == m.left
	}
	return fakemq.Answer{}, false // this last one is done
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// entities of two broker groups, in the end.
type entities struct {
	Topics map[string]admin.TopicConfig
	Groups map[string]admin.SubscriptionGroup
	Routes map[string]int
	// Users with what they may do, those that are changed.
	Users   map[string]admin.User
	Entries map[string]map[string]admin.PolicyEntry
}

func entitiesOf(w *world.World) map[string]entities {
	out := map[string]entities{}
	for _, group := range []string{"b-0", "b-1"} {
		t := w.MQ.Tables(group)
		e := entities{t.Topics, t.Groups, w.MQ.Route("dropped"), map[string]admin.User{}, map[string]map[string]admin.PolicyEntry{}}
		for _, name := range []string{"made", "changed", "dropped"} {
			e.Users[name], e.Entries[name] = w.MQ.User(group+"-0", name)
		}
		out[group] = e
	}
	return out
}

// change is what happens under an operator that dies: objects are made, changed and deleted.
func change(w *world.World) {
	w.CreateYAML(object("Topic", "made", "deletionPolicy: Delete") + object("ConsumerGroup", "made", ""))
	world.Edit(w, "changed", func(t *v1alpha1.Topic) { t.Spec.Queues = new(int32(9)) })
	for _, name := range []string{"dropped", "empty"} {
		w.Remove(world.Get[v1alpha1.Topic](w, name))
	}
	w.Remove(world.Get[v1alpha1.ConsumerGroup](w, "dropped"))
	w.CreateYAML(object("User", "made", "passwordSecret: {name: given}, deletionPolicy: Delete, "+ordersPermissions))
	world.Edit(w, "changed", func(u *v1alpha1.User) { u.Spec.Type, u.Spec.Permissions = v1alpha1.UserSuper, nil })
	w.Remove(world.Get[v1alpha1.User](w, "dropped"))
}

// changed says what is still to be done.
func changed(w *world.World) func() string {
	return all(w.AllReady, objectGone[v1alpha1.Topic](w, "dropped"), objectGone[v1alpha1.Topic](w, "empty"), objectGone[v1alpha1.ConsumerGroup](w, "dropped"),
		objectGone[v1alpha1.User](w, "dropped"), func() string {
			user, entries := w.MQ.User("b-1-0", "changed")
			if user.Type != admin.SuperUser || len(entries) > 0 {
				return "user changed is not changed"
			}
			return ""
		},
		has(w, "b-1", topic("changed", 9)))
}

// run makes the changes under an operator that dies after so many writes to the API server, or to RocketMQ, never if that is
// negative; another one finishes. It returns what is there in the end, and how many writes of both sorts there were.
func run(t *testing.T, writes, requests int) (end map[string]entities, wrote, requested int) {
	t.Helper()
	w := world.New(t)
	w.CreateYAML(twoGroups + object("Topic", "changed", "queues: 4") + object("Topic", "dropped", "deletionPolicy: Delete") +
		object("Topic", "empty", "deletionPolicy: DeleteIfEmpty") + object("ConsumerGroup", "dropped", "deletionPolicy: Delete") +
		secretOf("given", "sesame") + object("User", "changed", "passwordSecret: {name: given}, "+ordersPermissions) +
		object("User", "dropped", "passwordSecret: {name: given}, deletionPolicy: Delete"))
	first := w.Start()
	first.Until(w.AllReady)
	first.Shutdown()

	servers := &mortal{left: requests}
	over := w.MQ.Inject(servers.fault)
	change(w)
	o := w.StartMortal(writes)
	done := changed(w)
	switch {
	case writes >= 0:
		o.DieAfter(writes, done)
	case requests >= 0:
		o.Until(func() string {
			if servers.isDead() {
				return ""
			}
			return done()
		})
		o.Shutdown()
	}
	if writes >= 0 || requests >= 0 {
		over()
		o = w.Start()
	}
	o.Until(done)
	wrote, requested = len(o.Writes()), servers.seen
	o.CheckSilenceFor(400 * time.Millisecond)
	return entitiesOf(w), wrote, requested
}

// TestCrashPoints: an operator dies after its k-th write to the API server, or its k-th request that changes something in
// RocketMQ, for every k; the next one brings about what one would have that was never disturbed.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	undisturbed, writes, requests := run(t, -1, -1)
	if writes < 5 || requests < 8 {
		t.Fatalf("only %d writes and %d requests", writes, requests)
	}
	for _, name := range []string{"made", "changed"} {
		if _, there := undisturbed["b-1"].Topics[name]; !there {
			t.Errorf("no topic %s at b-1", name)
		}
		if undisturbed["b-1"].Users[name].Password != "sesame" {
			t.Errorf("no user %s at b-1", name)
		}
	}
	try := func(what string, k, writes, requests int) {
		t.Run(fmt.Sprintf("%s %d", what, k), func(t *testing.T) {
			t.Parallel()
			got, _, _ := run(t, writes, requests)
			if diff := cmp.Diff(undisturbed, got); diff != "" {
				t.Errorf("(-undisturbed +got):\n%s", diff)
			}
		})
	}
	for k := 1; k < writes; k++ {
		try("write", k, k, -1)
	}
	for k := 1; k <= requests; k++ {
		try("request", k, -1, k)
	}
}

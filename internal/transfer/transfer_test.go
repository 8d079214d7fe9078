// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// snapshot of what a roll back has to give back.
func (m *model) snapshot() map[string]any {
	out := map[string]any{}
	for _, s := range m.source {
		out[s.name] = []any{s.topic, maps.Clone(s.groups)}
		if s.topic != nil {
			out[s.name] = []any{*s.topic, maps.Clone(s.groups)}
		}
	}
	for _, s := range m.target {
		groups := maps.Clone(s.groups)
		out[s.name] = groups
		if s.topic != nil {
			out[s.name+" topic"] = *s.topic
		}
	}
	return out
}

// run until the end, with trouble for a while. How it is disturbed depends on the seed.
func (m *model) run(disturb func(n int)) {
	const most = 20000
	for n := range most {
		if n == 100 {
			m.trouble = false
			m.producing = m.producing && m.chance(0.5)
		}
		if n == 150 {
			m.spec.HoldBeforeClean = false
		}
		disturb(n)
		d := m.step()
		m.pass()
		if Finished(m.status.Phase) || (m.deleting && d.Release) {
			return
		}
	}
	m.complain("no end after %d passes: %s: %+v", most, m.status.Phase, m.status)
}

func (m *model) report(t *testing.T, seed uint64) {
	t.Helper()
	if len(m.wrong) > 0 {
		t.Errorf("seed %d: %s\n%s", seed, strings.Join(m.wrong, "\n"), strings.Join(m.log, "\n"))
	}
}

// seeds is how many runs are played: a hundred show a mistake in a rule, thousands a rare race.
var seeds = flag.Int("seeds", 100, "how many random runs to play")

// TestEveryRunEnds: whatever fails and whenever the operator dies, a transfer ends with the topic at one of the two
// clusters, complete, and no message that was acknowledged is lost.
func TestEveryRunEnds(t *testing.T) {
	runs := *seeds
	ends := map[v1alpha1.TransferPhase]int{}
	for seed := range uint64(runs) {
		m := newModel(seed)
		before := m.snapshot()
		disturbAt := m.rand.IntN(120)
		how := m.rand.IntN(6)
		m.run(func(n int) {
			if n != disturbAt {
				return
			}
			switch how {
			case 0:
				m.spec.Abort = true
			case 1:
				m.deleting = true
			case 2: // the target is away for long
				for _, s := range m.target {
					s.down = m.now.Add(10 * time.Minute)
				}
			case 3:
				m.source[0].down = m.now.Add(30 * time.Minute)
			}
		})
		m.check(before)
		ends[m.status.Phase]++
		m.report(t, seed)
		if t.Failed() && len(m.wrong) > 0 {
			return
		}
	}
	t.Logf("ends: %v", ends)
	if ends[v1alpha1.TransferCompleted] < runs/5 || ends[v1alpha1.TransferRolledBack] < runs/5 {
		t.Errorf("only one end is tested: %v", ends)
	}
}

// check the end.
func (m *model) check(before map[string]any) {
	switch m.status.Phase {
	case v1alpha1.TransferCompleted:
		m.checkCompleted()
	case v1alpha1.TransferRolledBack:
		m.checkRolledBack(before)
	}
}

// mustComplete takes no other end.
func (m *model) mustComplete() {
	if m.status.Phase != v1alpha1.TransferCompleted {
		m.complain("ended %s: %s", m.status.Phase, m.status.RollBackReason)
		return
	}
	m.checkCompleted()
}

func (m *model) checkCompleted() {
	for _, s := range m.source {
		if s.topic != nil {
			m.complain("completed, and %s has the topic", s.name)
		}
		if _, shown := m.routes[s.name]; shown {
			m.complain("completed, and %s is in the route", s.name)
		}
	}
	m.checkSlaves()
	for i, s := range m.target {
		recorded := m.status.Target.Brokers[i]
		if s.topic == nil {
			m.complain("completed, and %s has no topic", s.name)
			continue
		}
		wanted := admin.TopicConfig{
			Name: topic, ReadQueues: int(recorded.Wanted.ReadQueues), WriteQueues: int(recorded.Wanted.WriteQueues), Perm: int(recorded.Wanted.Perm),
			Order: recorded.Wanted.Order, Attributes: recorded.Wanted.Attributes,
		}
		if recorded.Topic == nil && !s.topic.Equal(wanted) {
			m.complain("completed, and %s has %+v, not %+v", s.name, s.topic, wanted)
		}
		for _, g := range m.status.Groups {
			if _, has := s.groups[g.Name]; !has {
				m.complain("completed, and %s lacks %s", s.name, g.Name)
			}
			for queue := range s.topic.ReadQueues {
				if _, has := s.offsets[g.Name][queue]; !has && (recorded.Topic == nil || !m.online[g.Name]) {
					m.complain("completed, and %s has no offset of %s in queue %d", s.name, g.Name, queue)
				}
			}
		}
	}
}

// checkSlaves: none would bring back what was changed if it were elected now, except one that is told of.
func (m *model) checkSlaves() {
	for _, s := range m.source {
		told := slices.ContainsFunc(m.status.Left, func(left string) bool { return strings.Contains(left, s.name+"-slave") })
		if m.stale(s) && !m.gone && !told {
			m.complain("%s, and the slave of %s lags behind", m.status.Phase, s.name)
		}
	}
}

func (m *model) checkRolledBack(before map[string]any) {
	after := m.snapshot()
	m.checkSlaves()
	for _, s := range m.source {
		if diff := cmp.Diff(before[s.name], after[s.name], cmp.Comparer(admin.TopicConfig.Equal), cmp.Comparer(admin.SubscriptionGroup.Equal)); diff != "" {
			m.complain("rolled back, and %s differs (-before +after):\n%s", s.name, diff)
		}
	}
	for _, s := range m.target {
		_, hadTopic := before[s.name+" topic"]
		if hadTopic && s.topic == nil {
			m.complain("rolled back, and %s has lost its topic", s.name)
		}
		used := slices.ContainsFunc(slices.Collect(maps.Values(s.ends)), func(end int64) bool { return end > 0 })
		told := len(m.status.Left) > 0
		if !hadTopic && s.topic != nil && (!used || s.topic.Perm != admin.PermRead) && !told {
			m.complain("rolled back, and %s has %+v, messages: %t", s.name, s.topic, used)
		}
		for g := range before[s.name].(map[string]admin.SubscriptionGroup) {
			if _, has := s.groups[g]; !has {
				m.complain("rolled back, and %s has lost %s", s.name, g)
			}
		}
	}
}

// TestCleanSourceStalls: a failure that lasts once the source is being cleaned is told, and it is completed when that ends.
func TestCleanSourceStalls(t *testing.T) {
	for seed := range uint64(*seeds) {
		m := newModel(seed)
		m.trouble, m.producing, m.spec.HoldBeforeClean = false, false, false
		for g := range m.online {
			m.online[g] = true
		}
		stalled := false
		m.run(func(int) {
			if m.status.Phase == v1alpha1.TransferCleanSource && !stalled {
				m.source[0].down = m.now.Add(time.Hour)
				for range 1000 {
					if d := m.step(); d.Stalled != "" {
						if !strings.Contains(d.Stalled, "a-0") {
							m.complain("stalled is told as: %s", d.Stalled)
						}
						stalled = true
						break
					}
					m.now = m.now.Add(time.Second)
				}
				m.source[0].down = m.now
			}
		})
		if !stalled || m.status.Phase != v1alpha1.TransferCompleted {
			m.complain("stalled %t, ended %s", stalled, m.status.Phase)
		}
		m.report(t, seed)
	}
}

// TestSourceGone: a cluster that does not exist any more keeps nobody waiting.
func TestSourceGone(t *testing.T) {
	for seed := range uint64(*seeds) {
		m := newModel(seed)
		m.trouble = false
		at := m.rand.IntN(40)
		m.run(func(n int) {
			m.gone = n >= at
			m.deleting = n >= at
		})
		m.report(t, seed)
	}
}

// TestEveryStepFails: one kind of action never succeeds. Before the source is cleaned that takes everything back.
func TestEveryStepFails(t *testing.T) {
	for _, kind := range []ActionKind{PutGroup, PutTopic, PutOffsets} {
		for seed := range uint64(*seeds) {
			m := newModel(seed)
			m.trouble = false
			before := m.snapshot()
			for n := 0; !Finished(m.status.Phase) && n < 20000; n++ {
				d := Next(&m.spec, &m.status, m.see())
				m.status = d.Status
				for _, a := range d.Actions {
					if a.Kind != kind || m.status.Phase == v1alpha1.TransferRollBack {
						m.act(a)
						Done(&m.status, a)
					}
				}
				m.pass()
			}
			if m.status.Phase == v1alpha1.TransferRolledBack {
				m.checkRolledBack(before)
			} else if kind == PutTopic {
				m.complain("ended %s", m.status.Phase)
			}
			m.report(t, seed)
		}
	}
}

// TestRefused: what cannot be moved is refused before anything is changed, for a reason.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		reason string
		change func(m *model, seen *Seen)
	}{
		{v1alpha1.ReasonSystemTopic, func(m *model, _ *Seen) { m.spec.Topic = "SCHEDULE_TOPIC_XXXX" }},
		{v1alpha1.ReasonSystemTopic, func(m *model, _ *Seen) { m.spec.Topic = "%RETRY%g0" }},
		{v1alpha1.ReasonSystemTopic, func(m *model, _ *Seen) { m.spec.Topic = "a-0" }},
		{v1alpha1.ReasonMissingCluster, func(_ *model, seen *Seen) {
			seen.Target = Cluster{Obstacle: obstacle(v1alpha1.ReasonMissingCluster, "no such cluster")}
		}},
		{v1alpha1.ReasonSameCluster, func(_ *model, seen *Seen) { seen.Target = seen.Source }},
		{v1alpha1.ReasonSameCluster, func(_ *model, seen *Seen) { seen.Target.Cluster = seen.Source.Cluster }},
		{v1alpha1.ReasonAnotherTransfer, func(_ *model, seen *Seen) { seen.Obstacle = obstacle(v1alpha1.ReasonAnotherTransfer, "wait") }},
		{v1alpha1.ReasonUnreachable, func(_ *model, seen *Seen) { seen.Source.Brokers[0].Err = "no answer" }},
		{v1alpha1.ReasonUnreachable, func(_ *model, seen *Seen) { seen.Target.NameServers[0].Err = "no answer" }},
		{v1alpha1.ReasonUnreachable, func(_ *model, seen *Seen) { seen.Target.NameServers = nil }},
		{v1alpha1.ReasonTopicMissing, func(_ *model, seen *Seen) {
			for i := range seen.Source.Brokers {
				seen.Source.Brokers[i].Topic = nil
			}
		}},
		{v1alpha1.ReasonNoWritePermission, func(_ *model, seen *Seen) {
			for i := range seen.Source.Brokers {
				if seen.Source.Brokers[i].Topic != nil {
					seen.Source.Brokers[i].Topic.Perm = 4
				}
			}
		}},
		{v1alpha1.ReasonNoWritePermission, func(_ *model, seen *Seen) {
			for i := range seen.Target.Brokers {
				seen.Target.Brokers[i].Perm = 4
			}
		}},
		{v1alpha1.ReasonGroupMissing, func(m *model, _ *Seen) { m.spec.Groups = []string{"nobody"} }},
		{v1alpha1.ReasonUnconsumed, func(_ *model, seen *Seen) {
			for i := range seen.Source.Brokers {
				seen.Source.Brokers[i].Consumers = nil
				seen.Source.Brokers[i].Queues = map[int]admin.QueueStats{0: {MaxOffset: 5}}
			}
		}},
		{v1alpha1.ReasonTargetConflict, func(_ *model, seen *Seen) {
			seen.Target.Brokers[0].Topic = &admin.TopicConfig{Name: topic, ReadQueues: 8, WriteQueues: 8, Perm: 6}
		}},
		{v1alpha1.ReasonTargetConflict, func(_ *model, seen *Seen) {
			seen.Target.Brokers[0].Topic = &admin.TopicConfig{Name: topic, ReadQueues: 8, WriteQueues: 1, Perm: 6, Attributes: map[string]string{"message.type": "FIFO"}}
		}},
		{v1alpha1.ReasonTargetConflict, func(_ *model, seen *Seen) {
			seen.Target.Brokers[0].Topic = &admin.TopicConfig{Name: topic, ReadQueues: 8, WriteQueues: 8, Perm: 4, Attributes: map[string]string{"message.type": "FIFO"}}
		}},
	} {
		m := newModel(7)
		m.trouble = false
		m.status.Phase = v1alpha1.TransferPending
		m.status.PhaseSince = &metav1.Time{Time: m.now}
		seen := m.see()
		test.change(m, &seen)
		d := Next(&m.spec, &m.status, seen)
		if d.Status.Phase != v1alpha1.TransferPending || len(d.Actions) > 0 || d.Waiting.Reason != test.reason {
			t.Errorf("%s: got %s, %v, %+v", test.reason, d.Status.Phase, d.Actions, d.Waiting)
		}
		seen.Now = seen.Now.Add(time.Hour)
		if d = Next(&m.spec, &m.status, seen); d.Status.Phase != v1alpha1.TransferRolledBack || d.Waiting.Reason != test.reason || d.Recorded {
			t.Errorf("%s for too long: got %s, %+v", test.reason, d.Status.Phase, d.Waiting)
		}
	}
}

// TestDrainTells what it waits for.
func TestDrainTells(t *testing.T) {
	m := newModel(3)
	m.prompt = true
	for _, s := range m.source {
		s.half = nil
	}
	m.trouble, m.producing, m.spec.StrictOrder = false, false, false
	for g := range m.online {
		m.online[g] = false
	}
	m.spec.HoldBeforeClean = true
	for n := 0; m.status.Phase != v1alpha1.TransferDrain; n++ {
		if m.step(); n > 100 {
			t.Fatalf("%+v", m.status)
		}
		m.now = m.now.Add(time.Second)
	}
	m.now = m.now.Add(time.Minute)
	expect := func(reason string, parts ...string) {
		t.Helper()
		d := m.step()
		for _, part := range parts {
			if d.Waiting.Reason != reason || !strings.Contains(d.Waiting.Message, part) || len(d.Actions) > 0 {
				t.Errorf("want %s %q, got %+v", reason, part, d.Waiting)
			}
		}
		if again := Next(&m.spec, &m.status, m.see()); cmp.Diff(m.status, again.Status) != "" {
			t.Errorf("not silent:\n%s", cmp.Diff(m.status, again.Status))
		}
	}
	expect("Drain", "consumer group g0 lags", "is offline: start it")
	for g := range m.source[0].groups {
		m.online[g] = true
	}
	for range 100 {
		m.consume()
	}
	seen := m.see()
	for i := range seen.Source.Brokers {
		seen.Source.Brokers[i].Delayed, seen.Source.Brokers[i].Half, seen.Source.Brokers[i].Inflight = 123, 4, 5
	}
	if d := Next(&m.spec, &m.status, seen); !strings.Contains(d.Waiting.Message, "a-0 has 120 delayed messages; a-0 has 4 unfinished transactions; a-0 has 5 records") {
		t.Errorf("got %+v", d.Waiting)
	}
	expect("Holding", "Repoint the clients")
	m.now = m.now.Add(10 * time.Hour)
	expect("Holding", "Repoint the clients")
	delayed := func(after time.Duration) (v1alpha1.TransferPhase, string) {
		seen := m.see()
		seen.Now = seen.Now.Add(after)
		seen.Source.Brokers[0].Delayed = 1
		d := Next(&m.spec, &m.status, seen)
		return d.Status.Phase, d.Waiting.Reason
	}
	if phase, reason := delayed(0); phase != v1alpha1.TransferDrain || reason != "Drain" {
		t.Errorf("a late message while it holds leads to %s, %s", phase, reason)
	}
	m.spec.HoldBeforeClean = false
	m.step()
	for after, want := range map[time.Duration]v1alpha1.TransferPhase{ // 1 min of 20 has passed before it held
		18*time.Minute + 30*time.Second: v1alpha1.TransferDrain,
		19*time.Minute + 30*time.Second: v1alpha1.TransferRollBack,
	} {
		if phase, _ := delayed(after); phase != want {
			t.Errorf("a message is delayed for %s after it held: %s", after, phase)
		}
	}
	for n := 0; !Finished(m.status.Phase) && n < 100; n++ {
		m.step()
		m.now = m.now.Add(time.Second)
	}
	var phases []string
	for _, s := range m.status.Steps {
		phases = append(phases, string(s.Phase))
	}
	if got := fmt.Sprint(phases); got != "[Pending CreateTarget ForbidWrites Drain CleanSource Completed]" {
		t.Errorf("phases %s", got)
	}
}

// TestChangesMeanwhile: what joins or is lost while the source is drained is taken care of before it is cleaned.
func TestChangesMeanwhile(t *testing.T) {
	for name, change := range map[string]func(m *model){
		"a consumer group joins": func(m *model) {
			for _, s := range m.source {
				s.groups["late"] = admin.NewSubscriptionGroup("late")
			}
			m.source[0].offsets["late"] = map[int]int64{0: 0}
			m.online["late"] = true
		},
		"a broker joins": func(m *model) {
			s := newServer("a-9", false)
			config := closed(*m.source[0].topic)
			s.topic, s.groups = &config, maps.Clone(m.source[0].groups)
			m.source = append(m.source, s)
			m.register(s)
		},
		"a new master of the source is open": func(m *model) {
			m.source[0].topic.Perm = 6
			m.register(m.source[0])
		},
		"a new master of the target has lost everything": func(m *model) {
			s := m.target[0]
			s.topic = nil
			clear(s.groups)
			clear(s.offsets)
			clear(s.ends)
			clear(s.taken)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(*seeds) {
				m := newModel(seed)
				m.trouble, m.producing = false, strings.Contains(name, "open")
				for g := range m.online {
					m.online[g] = true
				}
				if m.target[0].topic != nil && strings.Contains(name, "lost") {
					continue // what was there before is not the transfer's to bring back
				}
				clear(m.target[0].groups) // the same for groups
				changed := false
				m.run(func(int) {
					if m.status.Phase == v1alpha1.TransferDrain && !changed {
						change(m)
						changed = true
					}
				})
				m.mustComplete()
				m.report(t, seed)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// TestSourceTopicLost: a new master of the source that does not know the topic yet has messages all the same, and no lag.
func TestSourceTopicLost(t *testing.T) {
	for seed := range uint64(*seeds) {
		m := newModel(seed)
		m.trouble, m.producing, m.spec.HoldBeforeClean = false, false, false
		for g := range m.online {
			m.online[g] = true
		}
		s := m.source[0]
		var lost *admin.TopicConfig
		since := time.Time{}
		m.run(func(int) {
			switch {
			case m.status.Phase == v1alpha1.TransferDrain && since.IsZero():
				lost, s.topic, since = s.topic, nil, m.now
			case lost == nil:
			case m.status.Phase != v1alpha1.TransferDrain:
				m.complain("%s while %s has lost the topic", m.status.Phase, s.name)
				lost = nil
			case m.now.Sub(since) > 2*time.Minute:
				if d := Next(&m.spec, &m.status, m.see()); !strings.Contains(d.Waiting.Message, "a-0 has no topic orders now") {
					m.complain("told: %+v", d.Waiting)
				}
				lost.Perm = 6
				s.topic, lost = lost, nil
				m.register(s)
			}
		})
		m.mustComplete()
		m.report(t, seed)
		if t.Failed() {
			return
		}
	}
}

// TestSiblings: other Brokers of the same RocketMQ clusters keep the topic and register it again, and the transfer ends.
func TestSiblings(t *testing.T) {
	for seed := range uint64(*seeds) {
		m := newModel(seed)
		m.trouble, m.spec.HoldBeforeClean = false, false
		for g := range m.online {
			m.online[g] = true
		}
		for _, s := range []*server{newServer("a-sibling", false), newServer("b-sibling", true)} {
			s.topic = new(*m.source[0].topic)
			m.siblings = append(m.siblings, s)
			m.register(s)
		}
		before := m.snapshot()
		m.run(func(int) {
			m.spec.Abort = seed%2 == 0 && m.status.Phase == v1alpha1.TransferDrain
		})
		if rolledBack := m.status.Phase == v1alpha1.TransferRolledBack; rolledBack != (seed%2 == 0) {
			m.complain("ended %s: %s", m.status.Phase, m.status.RollBackReason)
		}
		m.check(before)
		for _, s := range m.siblings {
			if _, shown := m.routes[s.name]; !shown {
				m.complain("%s is not in the route", s.name)
			}
		}
		m.report(t, seed)
		if t.Failed() {
			return
		}
	}
}

// TestBroadcast: consumers that keep their own offsets do not hold a drain that they are done with.
func TestBroadcast(t *testing.T) {
	b := Broker{Queues: map[int]admin.QueueStats{0: {MaxOffset: 5}}}
	if n := lag(&b, "g"); n != 5 {
		t.Errorf("lag %d", n)
	}
	b.Broadcast = map[string]bool{"g": true}
	if n := lag(&b, "g"); n != 0 {
		t.Errorf("lag %d in broadcasting mode", n)
	}
}

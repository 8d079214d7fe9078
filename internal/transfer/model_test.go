// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

const topic = "orders"

// model is two clusters, their clients and the operator, all in one goroutine.
type model struct {
	rand *rand.Rand
	now  time.Time
	spec v1alpha1.TopicTransferSpec
	// status is what the API server has.
	status v1alpha1.TopicTransferStatus

	source, target []*server
	siblings       []*server      // of other Brokers with the same RocketMQ cluster names: only routes show them
	routes         map[string]int // the name servers', by broker
	deleting       bool
	gone           bool // the source's Broker
	producing      bool
	online         map[string]bool // consumer groups
	broadcast      map[string]bool // those each of whose consumers gets every message
	// prompt: consumers answer for every message at once, and there are no transactions.
	prompt bool
	// trouble: servers fail, and the operator dies.
	trouble bool
	routed  time.Time // when a route last led to the source
	seen    Seen      // by the operator
	log     []string
	wrong   []string
}

// server is one broker with its topic.
type server struct {
	name   string
	target bool
	topic  *admin.TopicConfig
	ends   map[int]int64
	last   map[int]time.Time
	// taken are when the latest messages were.
	taken  map[int][]time.Time
	groups map[string]admin.SubscriptionGroup
	// offsets by group.
	offsets map[string]map[int]int64
	// retries are messages that consumers gave back and have not consumed yet, by group.
	retries map[string]int64
	// delayed messages become retries, half ones messages of the topic, and inflight ones are done or become retries, at their times.
	delayed, inflight []given
	half              []time.Time
	others            map[string][]string
	down              time.Time // until then
	changed           time.Time // its slave takes that over slaveLag later
	known             bool      // producers have its route
	learnt            time.Time
	perm              int
}

// slaveLag is how long slaves have other tables than their master.
const slaveLag = 10 * time.Second

func (m *model) stale(s *server) bool { return !s.target && m.now.Sub(s.changed) < slaveLag }

// given is a message that a consumer gave back or that it has not answered for.
type given struct {
	group string
	due   time.Time
}

func newModel(seed uint64) *model {
	m := &model{
		rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_000_000, 0), routes: map[string]int{}, online: map[string]bool{}, broadcast: map[string]bool{},
	}
	m.spec = v1alpha1.TopicTransferSpec{
		Topic: topic, DrainTimeout: &metav1.Duration{Duration: 20 * time.Minute}, StepTimeout: &metav1.Duration{Duration: 3 * time.Minute},
		StrictOrder: m.chance(0.3), HoldBeforeClean: m.chance(0.1),
	}
	consumers := []string{"g0", "g1", "g2"}[:1+m.rand.IntN(3)]
	for i := range 1 + m.rand.IntN(3) {
		s := newServer(fmt.Sprintf("a-%d", i), false)
		config := admin.TopicConfig{Name: topic, ReadQueues: 4, WriteQueues: 2 + m.rand.IntN(3), Perm: 6, FilterType: "SINGLE_TAG", Order: i == 1,
			Attributes: map[string]string{"message.type": "FIFO"}}
		if i == 0 || m.chance(0.8) {
			s.topic = &config
		}
		for _, g := range consumers {
			group := admin.NewSubscriptionGroup(g)
			group.RetryMaxTimes = m.rand.IntN(9)
			s.groups[g] = group
			m.online[g] = m.chance(0.7)
			m.broadcast[g] = m.online[g] && m.chance(0.1)
			if s.topic != nil && (i == 0 || m.chance(0.7)) {
				s.offsets[g] = map[int]int64{0: 0}
			}
		}
		if m.chance(0.2) {
			s.others["g0"] = []string{"payments"}
		}
		if m.chance(0.3) {
			s.half = append(s.half, m.now.Add(time.Duration(m.rand.IntN(300))*time.Second))
		}
		m.source = append(m.source, s)
	}
	for i := range 1 + m.rand.IntN(3) {
		s := newServer(fmt.Sprintf("b-%d", i), true)
		if m.chance(0.2) {
			s.topic = &admin.TopicConfig{Name: topic, ReadQueues: 8, WriteQueues: 8, Perm: 6, Attributes: map[string]string{"message.type": "FIFO"}}
			s.ends[3] = 7
		}
		if m.chance(0.3) {
			s.groups["g0"] = admin.NewSubscriptionGroup("g0")
		}
		m.target = append(m.target, s)
	}
	m.producing = m.chance(0.6)
	for range 30 {
		m.produce()
	}
	for _, s := range m.all() {
		m.register(s)
	}
	m.trouble = true
	return m
}

func newServer(name string, target bool) *server {
	return &server{name: name, target: target, ends: map[int]int64{}, last: map[int]time.Time{}, taken: map[int][]time.Time{}, groups: map[string]admin.SubscriptionGroup{},
		offsets: map[string]map[int]int64{}, retries: map[string]int64{}, others: map[string][]string{}, perm: 6, known: !target}
}

func (m *model) chance(p float64) bool { return m.rand.Float64() < p }

func (m *model) all() []*server { return slices.Concat(m.source, m.target) }

func (m *model) register(s *server) {
	if s.topic != nil {
		m.routes[s.name] = s.topic.Perm
	}
}

// produce one message to a broker that producers believe to take it, or that one with an old route does.
func (m *model) produce() {
	servers := m.all()
	s := servers[m.rand.IntN(len(servers))]
	if (!s.known && !m.chance(0.02)) || s.topic == nil || m.now.Before(s.down) {
		return
	}
	queues := max(s.topic.ReadQueues, s.topic.WriteQueues) // all that a broker checks
	if queues == 0 {
		return
	}
	if !m.prompt && m.chance(0.05) {
		s.half = append(s.half, m.now.Add(time.Duration(m.rand.IntN(90))*time.Second))
		return
	}
	m.store(s, m.rand.IntN(queues))
}

func (m *model) store(s *server, queue int) {
	s.ends[queue]++
	s.last[queue] = m.now
	s.taken[queue] = append(s.taken[queue], m.now)
}

// ripen moves on what was delayed, handed to POP consumers, or in a transaction, when its time has come.
func (m *model) ripen(s *server) {
	s.half = slices.DeleteFunc(s.half, func(due time.Time) bool {
		if due.After(m.now) {
			return false
		}
		if s.topic != nil && m.chance(0.7) { // committed; a fence does not keep that
			m.store(s, 0)
		}
		return true
	})
	for _, waiting := range []*[]given{&s.delayed, &s.inflight} {
		*waiting = slices.DeleteFunc(*waiting, func(g given) bool {
			if g.due.After(m.now) {
				return false
			}
			if waiting == &s.delayed || m.chance(0.3) {
				s.retries[g.group]++
			}
			return true
		})
	}
}

// dispatchTime is how long a message that was taken is not in its queue yet.
const dispatchTime = 1500 * time.Millisecond

// end of a queue as far as anybody can see.
func (m *model) end(s *server, queue int) int64 {
	n := s.ends[queue]
	for _, at := range slices.Backward(s.taken[queue]) {
		if m.now.Sub(at) >= dispatchTime {
			break
		}
		n--
	}
	return n
}

// consume some messages.
func (m *model) consume() {
	for _, s := range m.all() {
		if s.topic == nil || m.now.Before(s.down) {
			continue
		}
		for _, g := range slices.Sorted(maps.Keys(s.groups)) {
			if !m.online[g] {
				continue
			}
			if s.offsets[g] == nil {
				s.offsets[g] = map[int]int64{}
			}
			if m.chance(0.1) { // retries take their time
				s.retries[g] = max(0, s.retries[g]-1)
			}
			for _, queue := range slices.Sorted(maps.Keys(s.ends)) {
				before := s.offsets[g][queue]
				s.offsets[g][queue] = min(m.end(s, queue), before+int64(m.rand.IntN(20)))
				if s.offsets[g][queue] > before {
					m.giveBack(s, g)
				}
			}
		}
	}
}

// giveBack one of the messages that a group has just consumed, now and then.
func (m *model) giveBack(s *server, group string) {
	if s.target || m.broadcast[group] || m.prompt {
		return
	}
	if back := (given{group, m.now.Add(time.Duration(m.rand.IntN(40)) * time.Second)}); m.chance(0.05) {
		s.delayed = append(s.delayed, back)
	} else if m.chance(0.05) {
		s.inflight = append(s.inflight, back)
	}
}

// pass lets time and everybody but the operator go on.
func (m *model) pass() {
	m.now = m.now.Add(time.Duration(m.rand.IntN([]int{200, 3000}[m.rand.IntN(2)])) * time.Millisecond)
	for _, s := range m.all() {
		if !m.now.Before(s.down) {
			m.ripen(s)
		}
		writable := m.routes[s.name]&admin.PermWrite != 0
		if s.known == writable {
			s.learnt = m.now
		} else if m.now.Sub(s.learnt) > 30*time.Second {
			s.known = writable
		}
		if m.trouble && m.chance(0.01) {
			s.down = m.now.Add(time.Duration(m.rand.IntN(60)) * time.Second)
		}
	}
	for _, s := range m.source {
		if _, shown := m.routes[s.name]; shown || s.topic != nil {
			m.routed = m.now
		}
	}
	for range m.rand.IntN(4) {
		if m.producing {
			m.produce()
		}
	}
	m.consume()
	if m.chance(0.005) {
		m.online[[]string{"g0", "g1", "g2"}[m.rand.IntN(3)]] = true
	}
}

func (m *model) see() Seen {
	look := func(servers []*server, name string, gone bool) Cluster {
		c := Cluster{Name: name, Namespace: "mq", Cluster: name, Gone: gone, NameServers: []NameServer{{Addr: "ns:9876", Perms: map[string]int{}}}}
		if gone {
			return Cluster{Gone: true, Obstacle: obstacle("MissingCluster", "it is gone"), Name: name, Namespace: "mq", Cluster: name}
		}
		if m.trouble && m.chance(0.01) {
			c.NameServers[0].Err = "no answer"
		}
		for _, s := range servers {
			b := Broker{Name: s.name}
			if m.now.Before(s.down) || (m.trouble && m.chance(0.01)) {
				b.Err = "no answer"
				c.Brokers = append(c.Brokers, b)
				continue
			}
			b.Perm, b.Groups, b.Others, b.Online, b.Broadcast = s.perm, maps.Clone(s.groups), s.others, maps.Clone(m.online), maps.Clone(m.broadcast)
			b.Retries, b.Delayed, b.Half, b.Inflight = maps.Clone(s.retries), int64(len(s.delayed)), int64(len(s.half)), int64(len(s.inflight))
			b.Offsets, b.Queues = map[string]map[int]int64{}, map[int]admin.QueueStats{}
			for _, g := range slices.Sorted(maps.Keys(s.offsets)) {
				b.Offsets[g] = maps.Clone(s.offsets[g])
				b.Consumers = append(b.Consumers, g)
			}
			if s.topic != nil {
				b.Topic = new(*s.topic)
				for queue := range 8 {
					b.Queues[queue] = admin.QueueStats{MaxOffset: m.end(s, queue), LastUpdateMillis: s.last[queue].UnixMilli()}
				}
			}
			if perm, shown := m.routes[s.name]; shown {
				c.NameServers[0].Perms[s.name] = perm
			}
			if m.stale(s) {
				b.Stale = []string{s.name + "-slave"}
			}
			m.forgetUnasked(&b, s)
			c.Brokers = append(c.Brokers, b)
		}
		for _, s := range m.siblings {
			if perm, shown := m.routes[s.name]; shown && s.target == servers[0].target {
				c.NameServers[0].Perms[s.name] = perm
			}
		}
		m.rand.Shuffle(len(c.Brokers), func(i, j int) { c.Brokers[i], c.Brokers[j] = c.Brokers[j], c.Brokers[i] })
		return c
	}
	return Seen{Now: m.now, Deleting: m.deleting, Source: look(m.source, "a", m.gone), Target: look(m.target, "b", false)}
}

// forgetUnasked takes out of an answer what the operator does not ask in this phase (see Needs).
func (m *model) forgetUnasked(b *Broker, s *server) {
	side, recorded := Source, m.status.Source
	if s.target {
		side, recorded = Target, m.status.Target
	}
	q := Needs(m.status.Phase, side, m.status.FencedSince != nil)
	known := func(group string) bool {
		return slices.ContainsFunc(m.status.Groups, func(g v1alpha1.TransferGroup) bool { return g.Name == group })
	}
	lags := map[string]bool{}
	for _, g := range m.status.Groups {
		lags[g.Name] = lag(&Broker{Queues: b.Queues, Offsets: b.Offsets, Retries: b.Retries}, g.Name) > 0
	}
	hasTopic := recorded != nil && slices.ContainsFunc(recorded.Brokers, func(r v1alpha1.TransferBroker) bool { return r.Name == s.name && r.Topic != nil })
	groups := b.Groups
	asked := func(group string) bool {
		switch q.Connections {
		case Lagging:
			return known(group) && lags[group]
		case Existing:
			_, exists := groups[group]
			return known(group) && exists
		case All:
			return known(group) && hasTopic
		}
		return false
	}
	if !q.Perm {
		b.Perm = 0
	}
	if q.Groups == None || (q.Groups == IfUnknown && !slices.ContainsFunc(b.Consumers, func(g string) bool { return !known(g) })) {
		b.Groups = nil
	}
	if !q.Consumers || b.Topic == nil {
		b.Consumers = nil
	}
	if !q.Pending || b.Topic == nil || slices.Contains(slices.Collect(maps.Values(lags)), true) {
		b.Delayed, b.Half, b.Inflight = 0, 0, 0
	}
	if !q.Retries || b.Topic == nil {
		b.Retries = nil
	}
	if !q.Progress || b.Topic == nil {
		b.Offsets, b.Queues = nil, nil
	}
	for _, flags := range []map[string]bool{b.Online, b.Broadcast} {
		maps.DeleteFunc(flags, func(group string, _ bool) bool { return !asked(group) })
	}
	if !q.Others {
		b.Others = nil
	}
	if !q.Slaves {
		b.Stale = nil
	}
}

func (m *model) complain(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

// act does one action, as a server would, and checks that it harms nobody.
func (m *model) act(a Action) bool {
	servers := m.source
	if a.Target {
		servers = m.target
	}
	at := slices.IndexFunc(servers, func(s *server) bool { return s.name == a.Broker })
	if a.Kind == DeleteRoute {
		for _, s := range slices.Concat(servers, m.siblings) {
			if s.target == a.Target {
				delete(m.routes, s.name)
				m.register(s)
			}
		}
		return true
	}
	s := servers[at]
	if m.now.Before(s.down) {
		return false
	}
	s.changed = m.now
	switch a.Kind {
	case PutGroup:
		if !a.Target {
			m.complain("changes group %s of the source", a.Group)
		}
		s.groups[a.Group] = a.WantedGroup
	case PutTopic:
		s.topic = new(a.WantedTopic)
		m.register(s)
	case PutOffsets:
		for _, o := range a.Offsets {
			if s.offsets[o.Group] == nil {
				s.offsets[o.Group] = map[int]int64{}
			}
			// A consumer that came after the look may have committed meanwhile: then some messages come twice, which is allowed.
			if o.Offset < s.offsets[o.Group][o.Queue] && m.showed(s, o) {
				m.complain("offset of %s in queue %d goes back at %s", o.Group, o.Queue, s.name)
			}
			s.offsets[o.Group][o.Queue] = o.Offset
		}
	case DeleteTopic:
		for queue, end := range s.ends {
			for g := range s.offsets {
				if !a.Target && !m.broadcast[g] && s.offsets[g][queue] < end {
					m.complain("deletes %d messages that %s has not consumed at %s", end-s.offsets[g][queue], g, s.name)
				}
			}
			if a.Target && end > 0 {
				m.complain("deletes messages of the target at %s", s.name)
			}
		}
		if !a.Target && m.status.Phase != v1alpha1.TransferCleanSource {
			m.complain("deletes the source's topic in %s", m.status.Phase)
		}
		if unfinished := len(s.delayed) + len(s.inflight) + len(s.half); unfinished > 0 {
			m.complain("deletes the topic at %s, where %d messages are on their way", s.name, unfinished)
		}
		for g, n := range s.retries {
			if !a.Target && n > 0 {
				m.complain("deletes the topic at %s, where %s has %d messages to retry", s.name, g, n)
			}
		}
		s.topic = nil
		clear(s.ends)
		clear(s.taken)
		clear(s.offsets)
	case RemoveGroup:
		if len(s.others[a.Group]) > 0 {
			m.complain("removes %s at %s, which consumes more", a.Group, s.name)
		}
		if !a.Target {
			m.checkNoticed("removes groups", a.Group)
		}
		delete(s.groups, a.Group)
		delete(s.offsets, a.Group)
	}
	return true
}

// showed reports whether the operator's look showed an offset of that group and queue, or its consumers.
func (m *model) showed(s *server, o admin.ConsumerOffset) bool {
	b := m.seen.Target.broker(s.name)
	_, has := b.Offsets[o.Group][o.Queue]
	return has || b.Online[o.Group]
}

// checkNoticed: nobody who was connected can hold the source's queues any more.
func (m *model) checkNoticed(what string, groups ...string) {
	for _, b := range m.seen.Source.Brokers {
		for _, group := range groups {
			if _, exists := b.Groups[group]; exists && b.Online[group] && m.now.Sub(m.routed) < 50*time.Second {
				m.complain("%s %s after the last route to the source, whose queues consumers of %s hold", what, m.now.Sub(m.routed), group)
			}
		}
	}
}

// step is one pass of the operator. It dies anywhere.
func (m *model) step() Decision {
	seen := m.see()
	decision := Next(&m.spec, &m.status, seen)
	if m.trouble && m.chance(0.05) {
		return decision // dead before it did anything
	}
	if decision.Status.Phase != m.status.Phase {
		m.log = append(m.log, fmt.Sprintf("%s %s: %s", m.now.Format("15:04:05"), decision.Status.Phase, decision.Waiting.Message))
	}
	m.seen = seen
	if decision.Status.Phase == v1alpha1.TransferCompleted {
		m.checkNoticed("completes", "g0", "g1", "g2")
	}
	m.status = decision.Status
	if !decision.Recorded {
		if len(decision.Actions) > 0 {
			m.complain("acts before it has recorded")
		}
		return decision
	}
	m.rand.Shuffle(len(decision.Actions), func(i, j int) {
		decision.Actions[i], decision.Actions[j] = decision.Actions[j], decision.Actions[i]
	})
	for _, a := range decision.Actions {
		switch {
		case m.trouble && m.chance(0.05): // refused
		case m.act(a) && m.trouble && m.chance(0.05): // done, and the answer is lost
		default:
			Done(&m.status, a)
		}
		if m.trouble && m.chance(0.03) {
			return decision // dead in between
		}
		m.pass()
	}
	return decision
}

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
	others  map[string][]string
	down    time.Time // until then
	known   bool      // producers have its route
	learnt  time.Time
	perm    int
}

func newModel(seed uint64) *model {
	m := &model{
		rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_000_000, 0), routes: map[string]int{}, online: map[string]bool{},
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
			if s.topic != nil && (i == 0 || m.chance(0.7)) {
				s.offsets[g] = map[int]int64{0: 0}
			}
		}
		if m.chance(0.2) {
			s.others["g0"] = []string{"payments"}
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
		offsets: map[string]map[int]int64{}, others: map[string][]string{}, perm: 6, known: !target}
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
	queue := m.rand.IntN(queues)
	s.ends[queue]++
	s.last[queue] = m.now
	s.taken[queue] = append(s.taken[queue], m.now)
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
		for g := range s.groups {
			if !m.online[g] {
				continue
			}
			if s.offsets[g] == nil {
				s.offsets[g] = map[int]int64{}
			}
			for queue := range s.ends {
				s.offsets[g][queue] = min(m.end(s, queue), s.offsets[g][queue]+int64(m.rand.IntN(20)))
			}
		}
	}
}

// pass lets time and everybody but the operator go on.
func (m *model) pass() {
	m.now = m.now.Add(time.Duration(m.rand.IntN([]int{200, 3000}[m.rand.IntN(2)])) * time.Millisecond)
	for _, s := range m.all() {
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
			b.Perm, b.Groups, b.Others, b.Online = s.perm, maps.Clone(s.groups), s.others, maps.Clone(m.online)
			if s.target && s.topic == nil {
				b.Online = nil // clients connect to brokers of their topics
			}
			b.Offsets, b.Queues = map[string]map[int]int64{}, map[int]admin.QueueStats{}
			for g, offsets := range s.offsets {
				b.Offsets[g] = maps.Clone(offsets)
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
			if o.Offset < s.offsets[o.Group][o.Queue] {
				m.complain("offset of %s in queue %d goes back at %s", o.Group, o.Queue, s.name)
			}
			s.offsets[o.Group][o.Queue] = o.Offset
		}
	case DeleteTopic:
		for queue, end := range s.ends {
			for g := range s.offsets {
				if !a.Target && s.offsets[g][queue] < end {
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

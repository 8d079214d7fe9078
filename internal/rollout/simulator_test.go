// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// server is a pod of the simulated world. Times are in seconds.
type server struct {
	name, group string
	uid         int
	spec        spec // that it was made from
	exists      bool
	stopping    bool
	ready       bool
	crashing    bool // it cannot get ready with its spec
	readyAt     int  // when it will be, or became ready
	goneAt      int  // when it will have stopped, or be made anew
	placedAt    int  // when it is in its place: registered and in sync
	crashedAt   int  // when it is known that it crashes
	keep        bool
	// down: it was stopped on purpose, and is not in its place since.
	down bool
}

func (s *server) placed(now int) bool {
	return s.exists && s.ready && !s.stopping && now >= s.placedAt
}

// party is a group of servers.
type party struct {
	name    string
	servers []*server
	leader  string // "" while there is none
	electAt int    // when there will be a new one
	needed  int
	// Tables of followers are whole in the first seconds of each period.
	period, whole int
}

// spec that the user wants.
type spec struct {
	from  int
	works bool
	hash  int // the same for one that is taken back
}

// scene is what was seen at one time.
type scene struct {
	at      int
	wanted  spec
	servers [][]server
	leaders []string
	able    [][]bool
}

// world plays Kubernetes, RocketMQ and the user. Everything random comes from one seed.
type world struct {
	*rand.Rand
	now      int
	parties  []*party
	specs    []spec
	trouble  []int // when something happens that nobody wanted
	interval int
	uids     int
	past     []scene
	pods     int // the scene that the pods were last seen in; knowledge never grows older
	talk     int // the same for what RocketMQ said
	upset    int // until when what was seen may be overtaken by trouble
	last     Decision
	story    func(format string, args ...any)
	failures []string
	// replaced counts the pods that were stopped on purpose, by name and spec wanted then.
	replaced map[string]int
}

// lag is how old what is seen may be.
const lag = 3

func (w *world) fail(format string, args ...any) {
	w.failures = append(w.failures, fmt.Sprintf("at %d s: ", w.now)+fmt.Sprintf(format, args...))
}

// between is a random number of seconds; without randomness it is the least.
func (w *world) between(least, most int) int {
	if w.Rand == nil || most <= least {
		return least
	}
	return least + w.IntN(most-least+1)
}

func (w *world) add(name string, members, needed int) *party {
	p := &party{name: name, needed: needed, leader: name + "-0", period: 1, whole: 1}
	for i := range members {
		w.uids++
		p.servers = append(p.servers, &server{name: fmt.Sprintf("%s-%d", name, i), group: name, uid: w.uids, spec: spec{-1, true, 0}, exists: true, ready: true, readyAt: -1000, placedAt: -1000})
	}
	w.parties = append(w.parties, p)
	return p
}

func (w *world) wanted() spec {
	at := len(w.specs) - 1
	for w.specs[at].from > w.now {
		at--
	}
	return w.specs[at]
}

// random world of up to three groups, whose user changes the spec up to three times.
func random(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 1)), specs: []spec{{-1, true, 0}}, story: func(string, ...any) {}, replaced: map[string]int{}}
	for g := range w.between(1, 3) {
		members := w.between(1, 3)
		p := w.add(fmt.Sprintf("b-%d", g), members, w.between(0, max(1, members-1)))
		if w.IntN(10) == 0 {
			p.needed = members
		}
		if members > 1 && w.IntN(3) == 0 {
			p.period = w.between(5, 20)
			p.whole = w.between(2, p.period)
		}
		p.leader = p.servers[w.IntN(members)].name
	}
	if w.IntN(3) == 0 {
		w.interval = 30
	}
	for n := w.between(1, 3); len(w.specs) <= n; {
		last := len(w.specs) == n // the last one works, or nothing could end well
		next := spec{w.specs[len(w.specs)-1].from + w.between(1, 150), last || w.IntN(3) > 0, len(w.specs)}
		if len(w.specs) > 1 && w.IntN(3) == 0 {
			next.works, next.hash = true, 0 // as it was in the beginning
		}
		w.specs = append(w.specs, next)
	}
	for range w.between(0, 3) {
		w.trouble = append(w.trouble, w.between(1, 400))
	}
	if w.IntN(10) == 0 {
		p := w.parties[w.IntN(len(w.parties))]
		s := p.servers[w.IntN(len(p.servers))]
		s.keep = true
		if w.specs[len(w.specs)-1].hash != 0 && w.IntN(2) == 0 {
			s.crashing, s.ready = true, false
		}
	}
	return w
}

// second lets everything go on that is under way.
func (w *world) second() {
	w.now++
	if wanted := w.wanted(); wanted.from == w.now {
		w.upset = max(w.upset, w.now+lag)
		w.story("the user changes the spec")
	}
	for _, p := range w.parties {
		for _, s := range p.servers {
			w.goOn(p, s)
		}
		w.elect(p)
	}
	if slices.Contains(w.trouble, w.now) {
		w.strike()
	}
	w.look()
}

func (w *world) goOn(p *party, s *server) {
	switch {
	case s.stopping && w.now >= s.goneAt:
		s.exists, s.stopping, s.goneAt = false, false, w.now+w.between(1, 3)
		w.story("%s is gone", s.name)
	case !s.exists && w.now >= s.goneAt:
		w.uids++
		s.uid, s.exists, s.spec, s.ready, s.keep = w.uids, true, w.wanted(), false, false
		w.start(s)
	case s.exists && !s.stopping && !s.ready && !s.crashing && w.now >= s.readyAt:
		s.ready, s.placedAt = true, w.now+w.between(2, 8)
		w.story("%s is ready", s.name)
	case s.exists && s.down && s.placed(w.now):
		s.down = false
		w.story("%s is in its place", s.name)
	}
	if s.name == p.leader && (!s.exists || !s.ready) {
		p.leader, p.electAt = "", w.now+w.between(1, 4)
	}
}

func (w *world) start(s *server) {
	s.crashing = !s.spec.works
	s.readyAt, s.crashedAt = w.now+w.between(4, 20), w.now+w.between(3, 10)
}

// elect a leader of those in their places: when a leader hands over, or some seconds after it is gone. A group whose
// members are all in trouble waits for the first that comes back.
func (w *world) elect(p *party) {
	leads := slices.IndexFunc(p.servers, func(s *server) bool { return s.name == p.leader })
	if leads >= 0 && !p.servers[leads].stopping || w.now < p.electAt {
		return
	}
	for _, s := range p.servers {
		if s.placed(w.now) {
			p.leader = s.name
			w.story("%s leads %s", s.name, p.name)
			return
		}
	}
}

// strike: a pod crashes, or somebody deletes it.
func (w *world) strike() {
	p := w.parties[w.IntN(len(w.parties))]
	s := p.servers[w.IntN(len(p.servers))]
	if !s.exists || s.stopping || s.keep {
		return
	}
	w.upset = w.now + 30
	if w.IntN(2) == 0 {
		w.story("%s crashes", s.name)
		s.ready = false
		w.start(s)
		return
	}
	w.story("somebody deletes %s", s.name)
	w.stop(p, s)
}

func (w *world) stop(p *party, s *server) {
	s.stopping, s.ready, s.goneAt = true, false, w.now+w.between(2, 12)
	if p.leader == s.name {
		p.electAt = w.now + w.between(1, 2)
	}
}

// look keeps what could be seen now.
func (w *world) look() {
	seen := scene{at: w.now, wanted: w.wanted()}
	for _, p := range w.parties {
		var servers []server
		var able []bool
		for _, s := range p.servers {
			servers = append(servers, *s)
			able = append(able, w.able(p, s))
		}
		seen.servers, seen.able, seen.leaders = append(seen.servers, servers), append(seen.able, able), append(seen.leaders, p.leader)
	}
	w.past = append(w.past, seen)
}

func (w *world) able(p *party, s *server) bool {
	return s.name == p.leader || w.now%p.period < p.whole
}

// snapshot is what the reconciler makes of what it saw: pods and RocketMQ's answers at times of their own.
func (w *world) snapshot() (Snapshot, scene) {
	w.pods = max(w.pods, len(w.past)-1-w.between(0, lag))
	w.talk = max(w.talk, len(w.past)-1-w.between(0, lag))
	pods, talk := w.past[w.pods], w.past[w.talk]
	out := Snapshot{Interval: time.Duration(w.interval) * time.Second}
	for g, servers := range pods.servers {
		group := Group{Name: w.parties[g].name, Expected: len(servers), Needed: w.parties[g].needed, Settled: time.Hour}
		for i := range servers {
			s := &servers[i]
			if !s.exists {
				group.Settled = 0
				continue
			}
			p := Pod{Name: s.name, Outdated: s.spec.hash != pods.wanted.hash, Ready: s.ready, Terminating: s.stopping, Leading: talk.leaders[g] == s.name}
			if s.crashing && pods.at >= s.crashedAt {
				p.Stuck = "it crashes"
			}
			if said := &talk.servers[g][i]; !said.placed(talk.at) || talk.at <= s.readyAt {
				p.Apart = "is not in its place"
			}
			if !talk.able[g][i] {
				p.Unable = "lacks topics of its leader"
			}
			if s.keep {
				p.Keep = "its data is nowhere else"
			}
			if since := time.Duration(w.now-s.readyAt) * time.Second; !s.ready {
				group.Settled = 0
			} else if since < group.Settled {
				group.Settled = since
			}
			group.Pods = append(group.Pods, p)
		}
		out.Groups = append(out.Groups, group)
	}
	return out, pods
}

// reconcile decides once and does it, as package workload would.
func (w *world) reconcile() Decision {
	s, seen := w.snapshot()
	d := Next(s)
	if again := Next(s); again != d {
		w.fail("decided %+v, then %+v about the same", d, again)
	}
	if d.Reason == "" && d.Action != Nothing {
		w.fail("no reason in %+v", d)
	}
	if d.Action != w.last.Action || d.Reason != w.last.Reason {
		w.story("%s %s: %s", d.Action, d.Pod, d.Reason)
	}
	w.last = d
	if d.Action == Replace && w.unchanged(seen) {
		w.check(s, d)
		for _, p := range w.parties {
			for _, s := range p.servers {
				if s.name == d.Pod {
					s.down = true
					w.replaced[fmt.Sprintf("%s for %d", s.name, w.wanted().from)]++
					w.stop(p, s)
				}
			}
		}
	}
	return d
}

// unchanged is what the API server is asked before a pod is stopped.
func (w *world) unchanged(seen scene) bool {
	for g, p := range w.parties {
		for i, s := range p.servers {
			if before := seen.servers[g][i]; before.uid != s.uid || before.exists != s.exists || s.stopping {
				return false
			}
		}
	}
	return true
}

// check holds the rules of the package against the real world, not what was seen of it. Where that may be overtaken by
// trouble of the last seconds, which nobody can know of, only against what was seen.
func (w *world) check(seen Snapshot, d Decision) {
	calm := w.now > w.upset
	var own *party
	var goes *server
	for _, p := range w.parties {
		for _, s := range p.servers {
			if s.name == d.Pod {
				own, goes = p, s
			}
		}
	}
	switch {
	case goes.stopping || !goes.exists:
		w.fail("%s is stopped twice", d.Pod)
	case goes.keep:
		w.fail("%s has data that is nowhere else", d.Pod)
	case calm && goes.spec.hash == w.wanted().hash:
		w.fail("%s is up to date", d.Pod)
	}
	if goes.crashing {
		return // it serves nobody
	}
	inSync, heirs, able := 0, 0, 0
	for _, p := range w.parties {
		for _, s := range p.servers {
			if s.stopping || !s.exists {
				w.fail("%s is stopped while %s is coming or going", d.Pod, s.name)
			}
			if s.down && s.name != d.Pod && !(s.crashing && s.spec.hash != w.wanted().hash) {
				w.fail("%s is stopped while %s is down on purpose", d.Pod, s.name)
			}
			if s.name == d.Pod {
				continue
			}
			if calm && !s.placed(w.now) {
				w.fail("%s is stopped while %s is not in its place", d.Pod, s.name)
			}
			if p != own {
				if calm && goes.name == own.leader && s.placed(w.now) && w.now-s.readyAt < w.interval {
					w.fail("%s leads and is stopped %d s after %s came back", d.Pod, w.now-s.readyAt, s.name)
				}
				continue
			}
			if s.placed(w.now) {
				inSync++
				heirs++
				if w.ableLately(p, s) {
					able++
				}
			}
			if calm && goes.name == own.leader && s.spec.hash != w.wanted().hash {
				w.fail("%s leads and is stopped before %s", d.Pod, s.name)
			}
		}
	}
	if calm && len(own.servers) > 1 && own.needed <= len(own.servers) && inSync < own.needed {
		w.fail("%s is stopped and leaves %d in sync, %d are needed", d.Pod, inSync, own.needed)
	}
	if calm && goes.name == own.leader && len(own.servers) > 1 && (heirs == 0 || able == 0) {
		w.fail("%s leads and is stopped with %d heirs, %d of them able", d.Pod, heirs, able)
	}
	for _, g := range seen.Groups {
		for _, p := range g.Pods {
			if p.Outdated && g.Name < own.name {
				w.fail("%s is stopped before %s of an earlier group", d.Pod, p.Name)
			}
		}
	}
}

// ableLately: it could take over at one of the last looks.
func (w *world) ableLately(p *party, s *server) bool {
	for at := w.now - lag; at <= w.now; at++ {
		if at%p.period < p.whole || s.name == p.leader {
			return true
		}
	}
	return false
}

// finished: every pod runs the wanted spec and is in its place, and nothing more will happen.
func (w *world) finished() bool {
	for _, p := range w.parties {
		for _, s := range p.servers {
			if s.spec.hash != w.wanted().hash || !s.placed(w.now) {
				return false
			}
		}
	}
	return w.now > w.calmFrom()
}

// calmFrom is when the last change and the last trouble are over.
func (w *world) calmFrom() int {
	at := w.specs[len(w.specs)-1].from
	for _, t := range w.trouble {
		at = max(at, t+30)
	}
	return at
}

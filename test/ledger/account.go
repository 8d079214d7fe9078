// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"slices"
	"sync"
	"time"
)

// account keeps the books of one run: which messages a broker acknowledged, which came back, and when. It is safe for
// concurrent use. Messages are known by their number.
type account struct {
	mu      sync.Mutex
	started time.Time
	entries []entry // by number
	groups  map[string]*gaps
	all     gaps

	sendErrors    int
	busy, refused int // of sendErrors
	lastSendError string
	received      int // messages that came at least once
	duplicates    int
	latest        map[string]int // number received, by sharding key
	cameFrom      map[place]int  // number received
	disordered    int
	open          int // acknowledged and not received
	early         int
	longestLate   time.Duration // of messages that have a time
	rolledBack    int
	unwanted      int
	firstReceived time.Time
	lastCame      time.Time       // of any run
	stopped       time.Time       // when sending ended
	took          []time.Duration // by acknowledged sends
}

type entry struct {
	acked, received bool
	at              place     // where it is, if acked
	ackedAt         time.Time // if acked
	due             time.Time // before then it must not come; zero for no matter when
	never           bool      // its transaction is rolled back
}

// place is where a message is: no two that exist have the same.
type place struct {
	Group  string `json:"group"` // brokerName
	Queue  int    `json:"queue"`
	Offset int64  `json:"offset"` // in the queue
}

// gaps measures the longest time without an acknowledgement.
type gaps struct {
	acked       int
	first, last time.Time
	longest     time.Duration
}

func (g *gaps) ack(at time.Time) {
	if g.acked == 0 {
		g.first = at
	} else {
		g.longest = max(g.longest, at.Sub(g.last))
	}
	g.acked++
	g.last = at
}

// until is the longest gap when the one that is open at the end counts too.
func (g *gaps) until(end time.Time) time.Duration {
	if g.acked == 0 || end.IsZero() {
		return g.longest
	}
	return max(g.longest, end.Sub(g.last))
}

func newAccount(started time.Time) *account {
	return &account{started: started, groups: map[string]*gaps{}, latest: map[string]int{}, cameFrom: map[place]int{}}
}

// entry returns the record of a number; the caller holds mu.
func (a *account) entry(number int) *entry {
	for number >= len(a.entries) {
		a.entries = append(a.entries, entry{})
	}
	return &a.entries[number]
}

// expect records, before a message is sent, when it may come at the soonest (zero: at once), or that it never may.
func (a *account) expect(number int, due time.Time, never bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entry(number)
	e.due, e.never = due, never
}

// rollBack records that a broker has acknowledged a message whose transaction was rolled back.
func (a *account) rollBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rolledBack++
}

// tick is by how much brokers may deliver before the time: their timers know whole seconds (MessageStoreConfig.timerPrecisionMs),
// and round down.
const tick = time.Second

// ack records that a broker has acknowledged message number and stored it at a place.
func (a *account) ack(number int, where place, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entry(number)
	e.acked, e.at, e.ackedAt = true, where, at
	if !e.received {
		a.open++
	}
	if a.groups[where.Group] == nil {
		a.groups[where.Group] = &gaps{}
	}
	a.groups[where.Group].ack(at)
	a.all.ack(at)
}

// sent records how long a send took that was acknowledged.
func (a *account) sent(took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took = append(a.took, took)
}

// came records that a message came, of whichever run.
func (a *account) came(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastCame = at
}

// quiet is for how long no message has come.
func (a *account) quiet(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return now.Sub(a.lastCame)
}

// overload is in the answer of a broker that had a message in its queue for too long, or is held up by its disk
// (BrokerFastFailure).
var overload = regexp.MustCompile(`\[(TIMEOUT|PCBUSY)_CLEAN_QUEUE\]`)

// refusal is the answer of a server to somebody who may not do that (ResponseCode.NO_PERMISSION), or whom it does not know.
var refusal = regexp.MustCompile(`CODE: 16\b`)

// fail records a send that was not acknowledged. The message may be stored all the same, and may come back.
func (a *account) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sendErrors++
	busy := overload.MatchString(err.Error())
	if busy {
		a.busy++
	}
	if refusal.MatchString(err.Error()) {
		a.refused++
	}
	if !busy || a.busy == a.sendErrors { // one that a slow machine does not explain is worth more
		a.lastSendError = err.Error()
	}
}

// receive records a delivery. Messages of one sharding key are sent in the order of their numbers.
func (a *account) receive(key string, number int, from place, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cameFrom[from] = number
	e := a.entry(number)
	switch {
	case e.never:
		a.unwanted++
		return
	case e.received:
		a.duplicates++
		return
	case !e.due.IsZero():
		late := at.Sub(e.due)
		a.longestLate = max(a.longestLate, late)
		if late < -tick {
			a.early++
		}
	}
	e.received = true
	if e.acked {
		a.open--
	}
	if key != "" {
		if number < a.latest[key] {
			a.disordered++
		}
		a.latest[key] = max(a.latest[key], number)
	}
	if a.received == 0 {
		a.firstReceived = at
	}
	a.received++
}

// stop records the end of sending: a gap that is open then ends there.
func (a *account) stop(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = at
}

// counts returns the numbers of progress lines. open is how many acknowledged messages have not come back.
func (a *account) counts() (acked, received, open, sendErrors int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all.acked, a.received, a.open, a.sendErrors
}

// verdict is the result of a run, printed as one line of JSON. Times are milliseconds since startedAt; -1 if the thing
// did not happen.
type verdict struct {
	Run       string    `json:"run"`
	Topic     string    `json:"topic"`
	StartedAt time.Time `json:"startedAt"`
	// Acked counts the messages acknowledged with SEND_OK. A run that only consumes takes it from its flags.
	Acked int `json:"acked"`
	// Received counts the messages that came at least once, Duplicates their further deliveries.
	Received   int `json:"received"`
	Duplicates int `json:"duplicates"`
	// Disordered counts the messages that came for the first time after a later one of their sharding key.
	Disordered int `json:"disordered"`
	// Lost counts the acknowledged messages that never came; LostMessages are the first of them.
	Lost         int           `json:"lost"`
	LostMessages []lostMessage `json:"lostMessages"`
	// Early counts the messages that came before their time, for those that have one; LongestLateMillis is how long after its
	// time one came.
	Early             int   `json:"early"`
	LongestLateMillis int64 `json:"longestLateMillis"`
	// RolledBack counts the messages whose transaction was rolled back, Unwanted how often such a one came.
	RolledBack int `json:"rolledBack"`
	Unwanted   int `json:"unwanted"`
	// SendErrors counts sends that failed after the client's own retries, Busy those of them that a broker refused because
	// its machine is too slow, and Refused those that it refused because of who sent them. LastSendError is the text of the last
	// one, of the other ones than busy if there are any.
	SendErrors    int    `json:"sendErrors"`
	Busy          int    `json:"busy"`
	Refused       int    `json:"refused"`
	LastSendError string `json:"lastSendError,omitempty"`
	// LongestGapMillis is the longest time without any acknowledgement between the first one and the end of sending.
	LongestGapMillis int64 `json:"longestGapMillis"`
	// SendP50Micros and SendP99Micros are how long a send took that was acknowledged: half of them, and 99 of 100, no longer.
	SendP50Micros       int64                   `json:"sendP50Micros"`
	SendP99Micros       int64                   `json:"sendP99Micros"`
	FirstAckedMillis    int64                   `json:"firstAckedMillis"`
	FirstReceivedMillis int64                   `json:"firstReceivedMillis"`
	ElapsedMillis       int64                   `json:"elapsedMillis"`
	Groups              map[string]groupVerdict `json:"groups"`
}

// groupVerdict is what one broker group (brokerName) acknowledged.
type groupVerdict struct {
	Acked            int   `json:"acked"`
	LongestGapMillis int64 `json:"longestGapMillis"`
}

// lostMessage is a message that never came.
type lostMessage struct {
	Number int `json:"number"`
	place
	AckedMillis int64 `json:"ackedMillis"`
	// Instead is the message that came from its place: then two have been given the same one. -1: none came from there.
	Instead int `json:"instead"`
}

// maxLostMessages is how many lost messages a verdict names.
const maxLostMessages = 20

// verdict sums up at the end of the run.
func (a *account) verdict(now time.Time) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := verdict{
		StartedAt: a.started, Acked: a.all.acked, Received: a.received, Duplicates: a.duplicates, Disordered: a.disordered, Lost: a.open,
		LostMessages: []lostMessage{}, SendErrors: a.sendErrors, Busy: a.busy, Refused: a.refused, LastSendError: a.lastSendError,
		Early: a.early, LongestLateMillis: a.longestLate.Milliseconds(), RolledBack: a.rolledBack, Unwanted: a.unwanted,
		LongestGapMillis:    a.all.until(a.stopped).Milliseconds(),
		SendP50Micros:       percentile(a.took, 50).Microseconds(),
		SendP99Micros:       percentile(a.took, 99).Microseconds(),
		FirstAckedMillis:    a.since(a.all.first),
		FirstReceivedMillis: a.since(a.firstReceived),
		ElapsedMillis:       a.since(now),
		Groups:              map[string]groupVerdict{},
	}
	for number, e := range a.entries {
		if e.acked && !e.received && len(v.LostMessages) < maxLostMessages {
			instead, came := a.cameFrom[e.at]
			if !came {
				instead = -1
			}
			v.LostMessages = append(v.LostMessages, lostMessage{number, e.at, a.since(e.ackedAt), instead})
		}
	}
	for name, g := range a.groups {
		v.Groups[name] = groupVerdict{Acked: g.acked, LongestGapMillis: g.until(a.stopped).Milliseconds()}
	}
	return v
}

// percentile is the time that so many of 100 took at most; 0 if there are none.
func percentile(times []time.Duration, of100 int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(times))[(len(times)*of100+99)/100-1]
}

func (a *account) since(at time.Time) int64 {
	if at.IsZero() {
		return -1
	}
	return at.Sub(a.started).Milliseconds()
}

// producedOnly is the verdict of a run that leaves consuming to another one: nothing can be said about losses.
func (v verdict) producedOnly() verdict {
	v.Lost, v.LostMessages = 0, []lostMessage{}
	return v
}

// consumedOnly is the verdict of a run that was told how many messages another one got acknowledged.
func (v verdict) consumedOnly(acked int) verdict {
	v.Acked, v.Lost, v.LostMessages = acked, max(0, acked-v.Received), []lostMessage{}
	return v
}

// good says whether the run proves that messages pass, that none is lost, and none comes that must not come, or not yet.
func (v verdict) good() bool { return v.Acked > 0 && v.Lost == 0 && v.Early == 0 && v.Unwanted == 0 }

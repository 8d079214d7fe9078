// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"
)

// What stands in a master's log, as a broker stores it: who wrote it shows in topic, properties and flags.
type kind struct {
	topic, properties string
	flags             uint32
	// sent: a client sends it and is told that it is stored.
	sent bool
}

var (
	message    = kind{topic: "t", sent: true}
	half       = kind{topic: "RMQ_SYS_TRANS_HALF_TOPIC", properties: "REAL_TOPIC\x01t", sent: true}
	popRecord  = kind{topic: "rmq_sys_REVIVE_LOG_c"}
	popTimer   = kind{topic: "rmq_sys_wheel_timer", properties: "REAL_TOPIC\x01rmq_sys_REVIVE_LOG_c\x02TIMER_OUT_MS\x015"}
	dueLevel   = kind{topic: "t", properties: "REAL_TOPIC\x01t\x02REAL_QID\x010"}
	dueTimer   = kind{topic: "t", properties: "TIMER_OUT_MS\x015"}
	committed  = kind{topic: "t", flags: 2 << 2}
	halfEnded  = kind{topic: "RMQ_SYS_TRANS_OP_HALF_TOPIC"}
	popRetried = kind{topic: "%RETRY%g_t"}
)

// writer writes so many records a second, evenly or at random moments.
type writer struct {
	kind  kind
	rate  float64
	dice  *rand.Rand
	takes time.Duration // from letting a message through to storing it
	next  time.Time
}

func (w *writer) pause() time.Duration {
	pause := float64(time.Second) / w.rate
	if w.dice != nil {
		pause *= w.dice.ExpFloat64()
	}
	return time.Duration(pause)
}

// record in the log.
type record struct {
	kind   kind
	stored time.Time
	// offset of its first byte.
	offset int64
}

// writes lets the master write.
func (c *cluster) writes(w writer) {
	w.next = time.Now().Add(w.pause())
	c.writers = append(c.writers, &w)
}

// advance the log to now.
func (c *cluster) advance(now time.Time) {
	for {
		var first *writer
		for _, w := range c.writers {
			if first == nil || w.next.Before(first.next) {
				first = w
			}
		}
		if first == nil || first.next.After(now) {
			return
		}
		at := first.next
		first.next = at.Add(first.pause())
		silent := c.master != oldMaster || c.configs[oldMaster][role] == roleSlave && !c.deaf
		if silent || first.kind.sent && c.fenced() {
			continue
		}
		c.append(record{kind: first.kind, stored: at.Add(first.takes)})
	}
}

// append keeps the log in the order of storing.
func (c *cluster) append(r record) {
	i := len(c.log)
	for i > 0 && c.log[i-1].stored.After(r.stored) {
		i--
	}
	c.log = slices.Insert(c.log, i, r)
	end := int64(0)
	if i > 0 {
		end = c.log[i-1].end()
	}
	for ; i < len(c.log); i++ {
		c.log[i].offset = end
		end = c.log[i].end()
	}
}

// end of what was stored until then.
func (c *cluster) end(until time.Time) int64 {
	for i := len(c.log) - 1; i >= 0; i-- {
		if !c.log[i].stored.After(until) {
			return c.log[i].end()
		}
	}
	return 0
}

// whole is where the record begins that a slave has a part of.
func (c *cluster) whole(end int64) int64 {
	for _, r := range slices.Backward(c.log) {
		if r.end() <= end {
			return r.end()
		}
	}
	return 0
}

// lostMessages are those that a client was told of and the new master has not.
func (c *cluster) lostMessages() (n int) {
	for _, r := range c.log {
		if r.kind.sent && r.offset >= c.start {
			n++
		}
	}
	return n
}

// end is the offset of the record after it.
func (r record) end() int64 {
	const others = 91 // bytes
	return r.offset + others + int64(len(r.kind.topic)+len(r.kind.properties))
}

// bytes of a stored message (MessageDecoder.decode).
func (r record) bytes() []byte {
	var out []byte
	out = binary.BigEndian.AppendUint32(out, 0xDAA320A7)
	out = append(out, make([]byte, 4+4+4+8+8)...)
	out = binary.BigEndian.AppendUint32(out, r.kind.flags)
	out = append(out, make([]byte, 8+8+8+8+4+8+4)...) // times, hosts, retries, transaction, no body
	out = append(append(out, byte(len(r.kind.topic))), r.kind.topic...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(r.kind.properties)))
	out = append(out, r.kind.properties...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(4+len(out))), out...)
}

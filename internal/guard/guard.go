// Package guard keeps what the master of a broker group knows - its topics and consumer groups - where it outlives that
// broker, and decides when a new master is given back what it lacks. Slaves copy these tables late, and several releases
// of RocketMQ take them apart while they do (SlaveSynchronize), so a failover can lose topics.
package guard

import "github.com/rocketmq-operator/rocketmq-operator/internal/metadata"

// Seen is what a look at a group showed.
type Seen struct {
	metadata.Mark
	// Quiet: the master's tables have not shrunk for a while, so nothing of an interrupted synchronization goes on.
	Quiet bool
}

// Step is what is to be done next for a group.
type Step int

// The steps.
const (
	// Nothing: what is saved is what the master knows.
	Nothing Step = iota
	// Save what the master knows.
	Save
	// Wait until the new master's tables stop shrinking.
	Wait
	// Compare what the new master knows with what is saved, write back what it lacks, and save only when it lacks nothing.
	Compare
)

// Next decides. saved is nil while nothing is. The tables of one master are never taken over from another one unseen.
func Next(saved *metadata.Mark, seen Seen) Step {
	switch {
	case saved == nil:
		return Save
	case saved.Term != seen.Term && !seen.Quiet:
		return Wait
	case saved.Term != seen.Term:
		return Compare
	case saved.Version != seen.Version:
		return Save
	}
	return Nothing
}

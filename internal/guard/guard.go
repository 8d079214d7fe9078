// SPDX-License-Identifier: Apache-2.0

// Package guard decides when the tables of a group's master (its topics and consumer groups) are saved, and when a new master gets
// back what it lacks. It is pure. Slaves copy these tables late, and several releases of RocketMQ delete a slave's tables entry by
// entry before they do (SlaveSynchronize), so a failover can lose topics.
package guard

import "github.com/rocketmq-operator/rocketmq-operator/internal/metadata"

// Seen is what the last look at a group found.
type Seen struct {
	metadata.Mark
	// Quiet: the master's tables have not shrunk for a while. So it is no longer deleting entries from the time when it was a slave.
	Quiet bool
	// Soon: the tables were saved a moment ago, and saving them is not for nothing.
	Soon bool
}

// Step is what is to be done next for a group.
type Step int

// The steps.
const (
	// Nothing: the master's tables are saved.
	Nothing Step = iota
	// Save the master's tables.
	Save
	// Later they are saved: it is too soon after the last time.
	Later
	// Wait until the new master's tables stop shrinking.
	Wait
	// Compare the new master's tables with those that are saved, restore what it lacks, and save only when it lacks nothing.
	Compare
)

// Next decides. saved is nil while nothing is saved. The tables of a new master are never saved before they were compared with those of
// the former one.
func Next(saved *metadata.Mark, seen Seen) Step {
	switch {
	case saved == nil:
		return Save
	case saved.Term != seen.Term && !seen.Quiet:
		return Wait
	case saved.Term != seen.Term:
		return Compare
	case saved.Version != seen.Version && seen.Soon:
		return Later
	case saved.Version != seen.Version:
		return Save
	}
	return Nothing
}

// SPDX-License-Identifier: Apache-2.0

// Package fleet is what is known of a Broker's groups and their members, and what follows from it: who is master, who may take
// over, what differs from the spec, what is wrong. It is pure: objects and answers in, decisions out.
package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// Targets are the servers to ask about a Broker resource, as host:port that the operator can dial.
type Targets struct {
	NameServers []string
	Controllers []string
	// Groups are the brokerNames.
	Groups []string
	// Masters are the STATIC masters to ask for their slaves, by brokerName.
	Masters map[string]string
	// Brokers are those to ask for their properties.
	Brokers []string
	// Followed are the groups whose tables are followed, by brokerName.
	Followed map[string]Mastership
	// Cluster is the brokerClusterName.
	Cluster string
}

// Answer is what the servers said about a Broker resource.
type Answer struct {
	// Registered: for each name server that answered, the members of each group: address by broker id.
	Registered map[string]map[string]map[int64]string
	// Shown: for each name server that answered, the permission that it tells clients of, by brokerName (see
	// admin.RouteQueue). A group that it does not know is missing.
	Shown map[string]map[string]int
	// Unreachable are the name servers that did not answer, with the error.
	Unreachable map[string]string
	// Refused are the brokers that refuse the operator's credentials, by target, with their words.
	Refused map[string]string
	// Leader is the controller that leads, "" if none was found.
	Leader string
	// SyncStates are the leader's records of the groups. A group that it does not know is missing.
	SyncStates map[string]admin.SyncState
	// InSyncHosts are the hosts of the slaves that a STATIC master says are in sync, by brokerName.
	InSyncHosts map[string][]string
	// CaughtUp: whether a slave of a followed group lacks next to nothing of its master's messages, by target. One is
	// missing if it, or its master, did not answer.
	CaughtUp map[string]bool
	// Properties are those that the operator may set at run time, of the brokers that answered, by target. One that a
	// broker does not know is missing.
	Properties map[string]map[string]string
	// Disks says how full the disks are that near RocketMQ's limits, in steps of 5 %, by target.
	Disks map[string]int
	// Tables of the followed groups whose master answered, by brokerName.
	Tables map[string]Tables
}

// Mastership is the time in which a broker is master of a group whose tables of topics and consumer groups are followed.
type Mastership struct {
	// Term is another one after every change of master, also if the same broker is elected once more.
	Term string
	// Master and Slaves are targets.
	Master string
	Slaves []string
}

// Tables is what is known of a group's tables of topics and consumer groups without reading them.
type Tables struct {
	// Term and Master are those of the Mastership, Version is that of the master's tables (metadata.Version).
	Term, Master, Version string
	// Quiet: the master's tables have not become smaller for some seconds of this term. Shrunk: they have before.
	Quiet, Shrunk bool
	// Behind are the slaves that have had fewer entries than the master at every look for a minute.
	Behind []string
	// Whole are the slaves that had as many entries as the master at this look, Lacking those that had fewer.
	Whole, Lacking []string
}

// Backlog is what a broker still has to hand out.
type Backlog struct {
	// At is when the counting began. Fenced: the broker already refused new messages then.
	At     time.Time
	Fenced bool
	// Uncountable says what cannot be counted and why, "" if everything can.
	Uncountable string
	// Lags are the messages that consumer groups have not confirmed, by group, rounded; groups without are left out.
	Lags map[string]int64
	// Delayed messages wait for their time, Half ones for the end of their transaction, and Inflight ones were handed
	// to a POP consumer.
	Delayed, Half, Inflight int64
}

// Empty reports whether nothing is left.
func (b Backlog) Empty() bool {
	return b.Uncountable == "" && len(b.Lags) == 0 && b.Delayed+b.Half+b.Inflight == 0
}

// String names what is left, the largest lags first.
func (b Backlog) String() string {
	groups := slices.SortedFunc(maps.Keys(b.Lags), func(x, y string) int {
		if b.Lags[x] != b.Lags[y] {
			return int(min(1, max(-1, b.Lags[y]-b.Lags[x])))
		}
		return strings.Compare(x, y)
	})

	const named = 5
	var said []string
	for i, group := range groups {
		if i == named {
			said = append(said, fmt.Sprintf("%d further consumer groups", len(groups)-named))
			break
		}
		said = append(said, fmt.Sprintf("consumer group %s lags %d", group, b.Lags[group]))
	}

	for _, kind := range []struct {
		n    int64
		what string
	}{{b.Delayed, "delayed messages"}, {b.Half, "unfinished transactions"}, {b.Inflight, "messages at POP consumers"}} {
		if kind.n > 0 {
			said = append(said, fmt.Sprintf("%d %s", kind.n, kind.what))
		}
	}
	if b.Uncountable != "" {
		said = append(said, "what cannot be counted: "+b.Uncountable)
	}
	return strings.Join(said, ", ")
}

// Rounded to two significant digits, so that a status does not change with every message.
func Rounded(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}

// SPDX-License-Identifier: Apache-2.0

package transfer

import "github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"

// Side of a transfer.
type Side string

// The sides.
const (
	Source Side = "source"
	Target Side = "target"
)

// Questions are what a look asks a broker besides its topic. The field of Broker for a question that was not asked is empty, and must
// not be read: no lag and a lag that was not asked for look the same.
type Questions struct {
	// Perm, Consumers and Retries are the fields of these names. Progress is Offsets and Queues.
	Perm, Consumers, Progress, Retries bool
	// Pending are Delayed, Half and Inflight. They cost a broker much, so they are asked only where no group lags.
	Pending bool
	// Groups says of which consumer groups the settings are read.
	Groups Extent
	// Connections are Online and Broadcast, of these groups.
	Connections Extent
	// Others is asked of the same groups as Connections.
	Others bool
	// Slaves are asked for Stale.
	Slaves bool
}

// Extent of a question.
type Extent string

// The extents.
const (
	None Extent = ""
	All  Extent = "all"
	// IfUnknown: of all groups, but only if a consumer's group is not recorded.
	IfUnknown Extent = "if unknown"
	// Lagging: of groups that have not consumed everything. Existing: of groups that the broker has.
	Lagging  Extent = "lagging"
	Existing Extent = "existing"
)

// Needs says what a phase asks of the brokers of a side. Closing: the source's topic is fenced and is about to be deleted.
func Needs(phase v1alpha1.TransferPhase, side Side, closing bool) Questions {
	if side == Source {
		return sourceNeeds(phase)
	}
	return targetNeeds(phase, closing)
}

func sourceNeeds(phase v1alpha1.TransferPhase) Questions {
	switch phase {
	case v1alpha1.TransferPending:
		return Questions{Perm: true, Consumers: true, Progress: true, Groups: All}
	case v1alpha1.TransferCreateTarget:
		return Questions{Consumers: true, Progress: true, Groups: All}
	case v1alpha1.TransferForbidWrites:
		return Questions{Consumers: true, Groups: IfUnknown}
	case v1alpha1.TransferDrain:
		return Questions{Consumers: true, Progress: true, Retries: true, Pending: true, Groups: IfUnknown, Connections: Lagging}
	case v1alpha1.TransferCleanSource:
		return Questions{Progress: true, Retries: true, Groups: All, Connections: Existing, Others: true, Slaves: true}
	case v1alpha1.TransferRollBack:
		return Questions{Slaves: true}
	}
	return Questions{}
}

func targetNeeds(phase v1alpha1.TransferPhase, closing bool) Questions {
	switch phase {
	case v1alpha1.TransferPending:
		return Questions{Perm: true, Progress: true, Groups: All}
	case v1alpha1.TransferCreateTarget:
		return Questions{Progress: true, Groups: All, Connections: All}
	case v1alpha1.TransferDrain:
		return Questions{Progress: closing, Groups: All, Connections: All}
	case v1alpha1.TransferRollBack:
		return Questions{Progress: true, Pending: true, Groups: All, Connections: Existing, Others: true}
	}
	return Questions{Groups: All}
}

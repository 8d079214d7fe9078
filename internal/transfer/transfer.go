// SPDX-License-Identifier: Apache-2.0

// Package transfer decides how a topic and its consumer groups move from one cluster to another. It is a state machine without I/O: it
// takes what is recorded and what a look at both clusters has shown, and returns what to record or to do next.
//
// Every change is recorded before it is made, every action may be repeated, and a look shows what is done. So a new operator can go on
// from any point at which another one died. Until the source is drained, everything can be taken back. A topic is deleted only where
// its brokers have refused every message to it for a while (it is fenced: it has no queues) and nothing has come since: so no
// acknowledged message is deleted with it.
package transfer

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

const (
	// routePoll is a little longer than the 30 s after which clients ask for routes again. If a topic has received no message for so
	// long, no producer that looks at routes sends to it any more.
	routePoll = 35 * time.Second
	// fenceTime is how long a topic must be fenced before its end counts: by then every message that was taken before is in its queue.
	fenceTime = 2 * time.Second
	// noticeTime is the time in which consumers give up queues that no route leads to: they ask for routes every 30 s, and share out
	// the queues again every 20 s.
	noticeTime = time.Minute

	defaultDrainTimeout = time.Hour
	defaultStepTimeout  = 10 * time.Minute
)

// Obstacle is the reason why something cannot be done now.
type Obstacle struct{ Reason, Message string }

func obstacle(reason, format string, args ...any) *Obstacle {
	return &Obstacle{reason, fmt.Sprintf(format, args...)}
}

// Seen is what a look at both clusters has shown.
type Seen struct {
	Now time.Time
	// Deleting: a user has deleted the TopicTransfer itself.
	Deleting bool
	// Obstacle that is in neither cluster, and keeps a transfer from beginning.
	Obstacle       *Obstacle
	Source, Target Cluster
}

// Cluster is one of the two.
type Cluster struct {
	// Obstacle: the cluster cannot be seen now, and all other fields are empty.
	Obstacle *Obstacle
	// Gone: its Broker no longer exists, so there is nothing to change.
	Gone bool
	// Name and Namespace of the Broker, and the RocketMQ cluster name.
	Name, Namespace, Cluster string
	NameServers              []NameServer
	Brokers                  []Broker
}

// NameServer of a cluster.
type NameServer struct {
	Addr string
	// Err: it did not answer.
	Err string
	// Perms are the topic's permissions as clients see them, by brokerName. Brokers of the same RocketMQ cluster that belong to other
	// resources are among them.
	Perms map[string]int
}

// Broker is a broker group, as its master shows it.
type Broker struct {
	Name string
	// Err: it did not answer, and nothing else is known.
	Err string
	// Perm is the broker's own permission, for all topics.
	Perm int
	// Topic is nil if the broker does not have it.
	Topic *admin.TopicConfig
	// Queues of the topic, including those that a fence hides.
	Queues map[int]admin.QueueStats
	// Consumers are the groups that consume the topic: connected or with an offset.
	Consumers []string
	// Groups are the settings of those that exist.
	Groups map[string]admin.SubscriptionGroup
	// Offsets of the topic, by group and queue.
	Offsets map[string]map[int]int64
	// Retries are the messages in the groups' retry topics that are not consumed.
	Retries map[string]int64
	// Online are the groups of which a consumer is connected.
	Online map[string]bool
	// Broadcast are the groups each of whose connected consumers gets every message, and keeps its own offsets.
	Broadcast map[string]bool
	// Others are the groups' topics besides this one and those for retries.
	Others map[string][]string
	// Delayed and Half messages may belong to the topic; Inflight ones were given to POP consumers.
	Delayed, Half, Inflight int64
	// Behind: some messages that were taken are not in their queues yet.
	Behind bool
	// Stale are the slaves that have the topic in another way than their master, or a consumer group that was removed there. One that
	// is elected brings that back. Slaves copy their master's tables every ten seconds (SlaveSynchronize).
	Stale []string
}

// fenced reports whether the topic refuses every message.
func (b *Broker) fenced() bool {
	return b.Topic != nil && b.Topic.ReadQueues == 0 && b.Topic.WriteQueues == 0
}

// messages were ever written to the topic, or at least are there.
func (b *Broker) messages() bool {
	for _, q := range b.Queues {
		if q.MaxOffset > 0 {
			return true
		}
	}
	return false
}

// ActionKind is what an Action does.
type ActionKind string

// The kinds. Each may be repeated.
const (
	// PutGroup creates or changes a consumer group.
	PutGroup ActionKind = "PutGroup"
	// PutTopic creates or changes the topic.
	PutTopic ActionKind = "PutTopic"
	// PutOffsets stores consumer offsets.
	PutOffsets ActionKind = "PutOffsets"
	// DeleteTopic deletes the topic at a broker.
	DeleteTopic ActionKind = "DeleteTopic"
	// DeleteRoute deletes the cluster's brokers from the topic's route at a name server.
	DeleteRoute ActionKind = "DeleteRoute"
	// RemoveGroup deletes a consumer group at a broker, with its retry topic and an empty topic of dead letters.
	RemoveGroup ActionKind = "RemoveGroup"
)

// Action changes one thing at one server.
type Action struct {
	Kind ActionKind
	// Target: the server is of the target cluster, otherwise of the source.
	Target bool
	// Broker is the brokerName; NameServer the address for DeleteRoute.
	Broker, NameServer string
	Group              string
	// The wanted settings, and the current ones; nil if there are none.
	WantedGroup  admin.SubscriptionGroup
	CurrentGroup *admin.SubscriptionGroup
	WantedTopic  admin.TopicConfig
	CurrentTopic *admin.TopicConfig
	Offsets      []admin.ConsumerOffset
}

// String is for messages.
func (a Action) String() string {
	switch a.Kind {
	case PutGroup, RemoveGroup:
		return fmt.Sprintf("%s %s at %s", a.Kind, a.Group, a.Broker)
	case DeleteRoute:
		return fmt.Sprintf("%s at name server %s", a.Kind, a.NameServer)
	}
	return fmt.Sprintf("%s at %s", a.Kind, a.Broker)
}

// Decision is what comes next.
type Decision struct {
	// Status to record. If it differs in more than lags there are no actions: it is recorded first.
	Status v1alpha1.TopicTransferStatus
	// Recorded: there is nothing to record before acting.
	Recorded bool
	// Actions, in any order.
	Actions []Action
	// Waiting is what the transfer waits for, or is doing.
	Waiting Obstacle
	// Stalled is what has remained to be done for too long.
	Stalled string
	// Events for the user.
	Events []Event
	// Release: there is nothing left to do, so the TopicTransfer may be deleted.
	Release bool
}

// Event is news for the user.
type Event struct {
	Warning         bool
	Reason, Message string
}

// Next decides.
func Next(spec *v1alpha1.TopicTransferSpec, status *v1alpha1.TopicTransferStatus, seen Seen) Decision {
	seen.Source.Brokers, seen.Target.Brokers = sorted(seen.Source.Brokers), sorted(seen.Target.Brokers)
	d := &decider{spec: spec, seen: &seen, Decision: Decision{Status: *status.DeepCopy(), Recorded: true}}
	switch status.Phase {
	case "":
		d.enter(v1alpha1.TransferPending, "looks at both clusters; nothing is changed yet")
		d.Events = nil // nothing new has happened
	case v1alpha1.TransferPending:
		d.pending()
	case v1alpha1.TransferCreateTarget:
		d.unlessEnded(d.stepTimeout(), d.Status.PhaseSince, d.createTarget)
	case v1alpha1.TransferForbidWrites:
		d.unlessEnded(d.stepTimeout(), d.Status.PhaseSince, d.forbidWrites)
	case v1alpha1.TransferDrain:
		d.unlessEnded(d.drainTimeout(), d.drainSince(), d.drain)
	case v1alpha1.TransferCleanSource:
		d.cleanSource()
	case v1alpha1.TransferRollBack:
		d.rollBack()
	}
	d.Release = d.Recorded && (Finished(d.Status.Phase) || d.Status.Phase == v1alpha1.TransferPending)
	return d.Decision
}

// Finished reports whether a phase is an end.
func Finished(phase v1alpha1.TransferPhase) bool {
	return phase == v1alpha1.TransferCompleted || phase == v1alpha1.TransferRolledBack
}

// Done records an action whose effect a look would not show.
func Done(status *v1alpha1.TopicTransferStatus, a Action) {
	if a.Kind != RemoveGroup || a.Target || status.Source == nil {
		return
	}
	for i := range status.Source.Brokers {
		b := &status.Source.Brokers[i]
		if b.Name == a.Broker && !slices.Contains(b.CleanedGroups, a.Group) {
			b.CleanedGroups = append(b.CleanedGroups, a.Group)
		}
	}
}

type decider struct {
	spec *v1alpha1.TopicTransferSpec
	seen *Seen
	Decision
}

func (d *decider) drainTimeout() time.Duration {
	return timeout(d.spec.DrainTimeout, defaultDrainTimeout)
}
func (d *decider) stepTimeout() time.Duration { return timeout(d.spec.StepTimeout, defaultStepTimeout) }

func timeout(given *metav1.Duration, fallback time.Duration) time.Duration {
	if given == nil || given.Duration <= 0 {
		return fallback
	}
	return given.Duration
}

// drainSince is when the time of the drain began to count. It is nil while the drain is held, because the user may take any time then.
func (d *decider) drainSince() *metav1.Time {
	if d.spec.HoldBeforeClean && d.Status.HeldSince != nil {
		return nil
	}
	for i := range d.Status.Steps {
		if d.Status.Steps[i].Phase == v1alpha1.TransferDrain {
			return &d.Status.Steps[i].Since
		}
	}
	return d.Status.PhaseSince
}

func (d *decider) longerThan(limit time.Duration, since *metav1.Time) bool {
	return since != nil && d.seen.Now.Sub(since.Time) > limit
}

// enter records a phase. The phase's actions follow in the next pass.
func (d *decider) enter(phase v1alpha1.TransferPhase, format string, args ...any) {
	now := metav1.NewTime(d.seen.Now)
	d.Status.Phase, d.Status.PhaseSince = phase, &now
	if !slices.ContainsFunc(d.Status.Steps, func(s v1alpha1.TransferStep) bool { return s.Phase == phase }) {
		d.Status.Steps = append(d.Status.Steps, v1alpha1.TransferStep{Phase: phase, Since: now})
	}
	message := fmt.Sprintf(format, args...)
	d.record(string(phase), "%s", message)
	d.Events = append(d.Events, Event{Warning: phase == v1alpha1.TransferRollBack || phase == v1alpha1.TransferRolledBack, Reason: string(phase), Message: message})
}

// record the changed status before anything else is done.
func (d *decider) record(reason, format string, args ...any) {
	d.Recorded, d.Actions = false, nil
	d.wait(reason, format, args...)
}

func (d *decider) wait(reason, format string, args ...any) {
	d.Waiting = *obstacle(reason, format, args...)
}

// do takes actions, and says what they are for.
func (d *decider) do(actions []Action, format string, args ...any) {
	d.Actions = actions
	d.wait(string(d.Status.Phase), format, args...)
}

// unlessEnded does a step that can be taken back. If the user has deleted or aborted the transfer, or its time is over, it takes all back.
func (d *decider) unlessEnded(limit time.Duration, since *metav1.Time, step func()) {
	switch {
	case d.seen.Deleting:
		d.takeBack("the TopicTransfer was deleted")
		return
	case d.spec.Abort:
		d.takeBack("spec.abort is set")
		return
	}
	step()
	if d.Recorded && d.longerThan(limit, since) {
		d.takeBack("%s did not end within %s: %s", d.Status.Phase, limit, d.Waiting.Message)
	}
}

func (d *decider) takeBack(format string, args ...any) {
	d.Status.RollBackReason = fmt.Sprintf(format, args...)
	d.Status.FencedSince, d.Status.HeldSince, d.Status.Left = nil, nil, nil
	d.enter(v1alpha1.TransferRollBack, "everything is taken back: %s", d.Status.RollBackReason)
}

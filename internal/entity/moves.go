// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Move is what a TopicTransfer does to a topic or consumer group of a Broker.
type Move struct {
	// Transfer is its namespace/name, "" for none.
	Transfer string
	// Source: it leaves the Broker, else it comes to it. Other is the other Broker's namespace/name.
	Source bool
	Other  string
	// Finished is when the transfer was completed, zero while it goes on.
	Finished metav1.Time
}

// Holds the hands of a resource that was created then: while it goes on, and after it took away what the resource stood for. A
// resource that was created after that means another one.
func (m Move) Holds(created metav1.Time) bool {
	return m.Transfer != "" && (m.Finished.IsZero() || (m.Left() && !m.Finished.Before(&created)))
}

// Left reports whether it has left the Broker for good.
func (m Move) Left() bool { return m.Source && !m.Finished.IsZero() }

func (m Move) reason() string {
	if m.Left() {
		return v1alpha1.ConditionTransferred
	}
	return v1alpha1.ReasonTransferring
}

func (m Move) message(name string) string {
	switch {
	case m.Left():
		return fmt.Sprintf("TopicTransfer %s has moved %s to Broker %s", m.Transfer, name, m.Other)
	case m.Source:
		return fmt.Sprintf("TopicTransfer %s moves %s to Broker %s, and nothing else changes it meanwhile", m.Transfer, name, m.Other)
	}
	return fmt.Sprintf("TopicTransfer %s brings %s from Broker %s, and nothing else changes it meanwhile", m.Transfer, name, m.Other)
}

// Moves of topics, or of consumer groups, that TopicTransfers do at a Broker, by name. One that goes on counts, else the last
// one that was completed.
func Moves(transfers []v1alpha1.TopicTransfer, broker types.NamespacedName, topics bool) map[string]Move {
	moves := map[string]Move{}
	for i := range transfers {
		t := &transfers[i]
		move, ok := moveOf(t, broker)
		if !ok {
			continue
		}
		for _, name := range moved(t, move, topics) {
			if known := moves[name]; known.Transfer == "" || known.before(move) {
				moves[name] = move
			}
		}
	}
	return moves
}

// before: the other move says more about how things are now.
func (m Move) before(other Move) bool {
	if m.Finished.IsZero() || other.Finished.IsZero() {
		return !m.Finished.IsZero()
	}
	return m.Finished.Before(&other.Finished)
}

func moveOf(t *v1alpha1.TopicTransfer, broker types.NamespacedName) (Move, bool) {
	move := Move{Transfer: t.Namespace + "/" + t.Name}
	switch t.Status.Phase {
	case "", v1alpha1.TransferPending, v1alpha1.TransferRolledBack:
		return Move{}, false // nothing is changed
	case v1alpha1.TransferCompleted:
		move.Finished = t.CreationTimestamp
		if t.Status.PhaseSince != nil {
			move.Finished = *t.Status.PhaseSince
		}
	}
	is := func(c *v1alpha1.TransferCluster) bool {
		return c != nil && c.Namespace == broker.Namespace && c.Name == broker.Name
	}
	switch {
	case is(t.Status.Source):
		move.Source, move.Other = true, nameOf(t.Status.Target)
	case is(t.Status.Target):
		move.Other = nameOf(t.Status.Source)
	default:
		return Move{}, false
	}
	return move, true
}

func nameOf(c *v1alpha1.TransferCluster) string {
	if c == nil {
		return ""
	}
	return c.Namespace + "/" + c.Name
}

// moved are the names of what a transfer moves. A consumer group that stayed at the source was not moved in the end.
func moved(t *v1alpha1.TopicTransfer, move Move, topics bool) []string {
	if topics {
		return []string{t.Spec.Topic}
	}
	var names []string
	for _, group := range t.Status.Groups {
		left := slices.ContainsFunc(t.Status.Source.Brokers, func(b v1alpha1.TransferBroker) bool { return slices.Contains(b.CleanedGroups, group.Name) })
		if !group.Stays && (left || !move.Left()) {
			names = append(names, group.Name)
		}
	}
	return names
}

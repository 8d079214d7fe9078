// SPDX-License-Identifier: Apache-2.0

// Package entity decides what is to be done about the topics, consumer groups and users that have resources: it compares what all
// resources of a Broker want with what its broker groups have, or each of its members. It is pure: tables in, changes and answers
// out.
package entity

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Claim is what one resource wants of the groups of one Broker.
type Claim struct {
	// Object is the resource, Created when it was made; Name is what it stands for in RocketMQ.
	Object  types.NamespacedName
	UID     types.UID
	Created metav1.Time
	Name    string
	// Generation of the spec, which is a *v1alpha1.TopicSpec, *v1alpha1.ConsumerGroupSpec or *v1alpha1.UserSpec.
	Generation int64
	Spec       any
	// Applied is the newest generation that was on every broker group, 0 for none.
	Applied int64
	// Made: this resource's entry was made at some group, although no generation was on every group yet.
	Made bool
	// Deletion says how it is to be deleted, "" while it is to be there. With Retain what was begun is undone.
	Deletion v1alpha1.DeletionPolicy
	// Frozen: a TopicTransfer took it away, as far as is known. It is only looked at.
	Frozen bool
	// ReadQueues and WriteQueues are how many a topic had when it last was as specified, 0 if it never was.
	ReadQueues, WriteQueues int
	// Password of a user, and the version of it that was on every member last, "" for none.
	Password        Password
	AppliedPassword string
	// Abroad: the resource is in another namespace than the cluster.
	Abroad bool
}

// Same reports whether both claims want the same. What is known of the past may differ.
func (c Claim) Same(other Claim) bool {
	return c.UID == other.UID && c.Generation == other.Generation && c.Deletion == other.Deletion && c.Frozen == other.Frozen &&
		c.Password.Version == other.Password.Version
}

// Settled reports whether this generation, and this password, have been on every broker group.
func (c Claim) Settled() bool {
	return c.Applied == c.Generation && c.AppliedPassword == c.Password.Version
}

// Owned reports whether some generation has been on every broker group.
func (c Claim) Owned() bool { return c.Applied > 0 }

// Place is a broker group, or one of its members, as it was looked at.
type Place[E any] struct {
	// Name is the brokerName, or that of the member's pod.
	Name string
	// Has are the entries of its table, by name.
	Has map[string]E
	// Away says why it could not be looked at, "" if it was. Passing: that has been so for a moment only.
	Away    string
	Passing bool
	// Closed to clients: it is on its way in or out, so that nothing is made there.
	Closed bool
	// Refused are the words with which its master refused an entry, by name.
	Refused map[string]string
	// Held says what keeps a topic's read queues from becoming fewer, by name.
	Held map[string]string
}

// Rules are those of one kind.
type Rules[E any] struct {
	// Wanted is what a claim makes of the entry that a group has, nil for none. A conflict says why it must stay as it is.
	Wanted func(c Claim, has *E) (wanted E, conflict string)
	// Differences are told to users: "perm 4 to 6". There are none if both are the same.
	Differences func(has, wanted E) []string
	// Describe adds to the answer what users want to know of an entry.
	Describe func(c Claim, place Place[E], has E, into *Answer)
	// Recall completes a claim of which nothing is known yet with what the groups have; nil where that says nothing.
	Recall func(c *Claim, places []Place[E])
	// Conflict is the condition that a conflict raises, TypeConflict if empty.
	Conflict string
	// Fenced reports whether an entry takes nothing any more because it was about to be deleted; nil where that cannot be.
	Fenced func(E) bool
}

// Situation is all that is known of a Broker.
type Situation[E any] struct {
	Places []Place[E]
	// Paused: the user wants nothing to be changed.
	Paused bool
	// Moves are what TopicTransfers do, by name.
	Moves map[string]Move
	// Reserved says of names that are not for resources why not.
	Reserved map[string]string
}

// Answer is what came out for one resource at one Broker.
type Answer struct {
	// Of is the number of broker groups that are open, Done of those on which it is as specified, Present of those that
	// have it in any form.
	Of, Done, Present int
	// Reason and Message say why it is not as specified, "" if it is.
	Reason, Message string
	// Draining says what becomes fewer later.
	Draining string
	// Unseen: a group could not be looked at, so that not all is known.
	Unseen bool
	// ReadQueues and WriteQueues of a topic, the most that a group has.
	ReadQueues, WriteQueues int
	// Free: the claim says that a TopicTransfer took it, and none moves it any more. What is Present then is there to stay.
	Free bool
	// Gone: it is deleted, as its claim wants. Kept: what is there is not what the resource made, and stays.
	Gone, Kept bool
}

func (a *Answer) fail(reason, message string) {
	if a.Reason == "" {
		a.Reason, a.Message = reason, message
	}
}

// free of TopicTransfers, although the claim says that one took it.
func (a *Answer) free() {
	a.only(v1alpha1.ReasonTransferring, "the TopicTransfer that moved it is gone")
	a.Free = true
}

// only this reason counts.
func (a *Answer) only(reason, message string) {
	a.Reason, a.Message, a.Draining = reason, message, ""
}

// Sum of the answers of several Brokers.
func Sum(answers []Answer) Answer {
	var sum Answer
	for i, a := range answers {
		if i == 0 {
			sum = a
			continue
		}
		sum.Of, sum.Done, sum.Present = sum.Of+a.Of, sum.Done+a.Done, sum.Present+a.Present
		sum.fail(a.Reason, a.Message)
		if sum.Draining == "" {
			sum.Draining = a.Draining
		}
		sum.ReadQueues, sum.WriteQueues = max(sum.ReadQueues, a.ReadQueues), max(sum.WriteQueues, a.WriteQueues)
		sum.Gone, sum.Kept, sum.Unseen = sum.Gone && a.Gone, sum.Kept || a.Kept, sum.Unseen || a.Unseen
		sum.Free = sum.Free && a.Free
	}
	return sum
}

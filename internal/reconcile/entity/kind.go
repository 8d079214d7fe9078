// SPDX-License-Identifier: Apache-2.0

// Package entity reconciles what lives inside of RocketMQ and has a resource: topics and consumer groups.
//
// A reconcile asks no server. It finds the Brokers that a resource means and hands them what the resource wants: a claim. One
// keeper for each Broker looks at its masters' tables for all claims at once, writes the differences, and wakes those resources
// whose answer is another one.
package entity

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// everyGroup is where topics and consumer groups are.
const everyGroup = "every broker group that is open to clients"

// Kind is one kind of resource, whose entries E are in a table of each broker.
type Kind[E any] struct {
	// Name of the kind, and the Field of the spec that may have the name in RocketMQ.
	Name, Field string
	New         func() v1alpha1.Entity
	NewList     func() client.ObjectList
	// Spec of a resource, for its claim.
	Spec func(v1alpha1.Entity) any
	// Show writes what users want to know into the status.
	Show func(v1alpha1.Entity, entity.Answer)
	// System reports whether a name is RocketMQ's own, at a group of a RocketMQ cluster.
	System func(name, cluster, brokerName string) bool
	// Prepare finds what a claim needs beside the spec; nil for kinds that need nothing. Secrets are those that it may read.
	Prepare func(ctx context.Context, p *pass.Base, e v1alpha1.Entity, of Target) (entity.Password, *kube.Waiting, error)
	Secrets func(v1alpha1.Entity) []string

	Rules entity.Rules[E]
	// Members: each member of a group has a table of its own, slaves too, and those of groups that clients do not see yet. Else its
	// master's is that of the group. Everywhere names them all.
	Members    bool
	Everywhere string
	// Topics: the table is that of topics, else that of consumer groups.
	Topics bool
	// NameOf an entry.
	NameOf func(E) string
	// Read a master's table as far as the claims need it, and its version (metadata.VersionText).
	Read func(ctx context.Context, c *admin.Client, addr string, claims []entity.Claim) (map[string]E, string, error)
	// Put entries into the table of a master, which has these.
	Put func(ctx context.Context, c *admin.Client, addr string, has map[string]E, wanted []E) error
	// Unversioned reports whether a claim is about something of which brokers tell no version.
	Unversioned func(entity.Claim) bool

	// Delete an entry at a master. Traces are the topics and groups that name servers and the metadata guard know of it; nil where
	// they know nothing.
	Delete func(ctx context.Context, c *admin.Client, addr, name string) error
	Traces func(name string) (topics, groups []string)
	// Holds says what is in an entry, "" if it is empty.
	Holds func(ctx context.Context, c *admin.Client, at Server, claim entity.Claim, has E) (string, error)
	// Fence makes an entry take nothing any more before it is deleted (Rules.Fenced); nil where nothing can come.
	Fence func(E) E
	// Surplus reports whether an entry has more than its claim wants, because something is in it; nil where that cannot be.
	// Shrink takes away what is empty, and says what is left.
	Surplus func(claim entity.Claim, has E) bool
	Shrink  func(ctx context.Context, c *admin.Client, addr string, claim entity.Claim, has E) (left string, err error)
}

// Target is the RocketMQCluster or Broker that a resource means, and its Brokers.
type Target struct {
	client.Object
	Brokers []v1alpha1.Broker
}

// Server is a master, and the brokerClusterName that it has.
type Server struct{ Addr, Cluster string }

// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// passing is for how long a group may be away before that shows at a thousand resources: longer than a failover takes.
const passing = time.Minute

// view is what is known of a Broker without asking a server.
type view struct {
	broker *v1alpha1.Broker
	moves  map[string]entity.Move
	groups []group
}

// group of a Broker, or a member of one by itself (Kind.Members).
type group struct {
	name string
	// closed to clients: it is on its way in or out, and nothing is made there.
	closed bool
	// away says why nothing can be done there, "" if something can; passing: that began just now.
	away    string
	passing bool
	// master is where its master answers, in its term; version is that of the table.
	master, term, version string
	// slaves are where those of its slaves answer that did at the last look.
	slaves []string
}

// look at what the last look at the servers told. It is nil if the Broker is gone.
func (k *keeper[E]) look(ctx context.Context, now time.Time) (*view, error) {
	v := &view{broker: &v1alpha1.Broker{}}
	err := k.Client.Get(ctx, k.broker, v.broker)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read Broker %s: %w", k.broker, err)
	}
	if err != nil || v.broker.DeletionTimestamp != nil {
		return nil, nil
	}
	if k.Members {
		v.groups, err = k.membersOf(ctx, v.broker, now)
		return v, err
	}
	var transfers v1alpha1.TopicTransferList
	if err := k.Client.List(ctx, &transfers, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list TopicTransfers: %w", err)
	}
	v.moves = entity.Moves(transfers.Items, k.broker, k.Topics)

	answer, age, asked := k.observed.Latest(k.broker)
	if !asked || age > observe.MaxAge {
		answer = &observe.Brokers{}
	}
	for _, status := range v.broker.Status.Groups {
		state := scale.State(status.State)
		g := group{name: status.Name, away: "it is not open to clients yet"} // and gets what the others have before it is
		switch state {
		case scale.Removing:
			continue
		case scale.Hidden:
		default:
			if g, err = k.groupOf(ctx, v.broker, status.Name, answer.Tables); err != nil {
				return nil, err
			}
		}
		g.closed = state != scale.Open
		g.passing = g.away != "" && k.isPassing(g.name, now)
		v.groups = append(v.groups, g)
	}
	return v, nil
}

func (k *keeper[E]) groupOf(ctx context.Context, b *v1alpha1.Broker, name string, followed map[string]fleet.Tables) (group, error) {
	tables, known := followed[name]
	if !known {
		return group{name: name, away: "it has no master that answers"}, nil
	}
	topics, groups, _ := strings.Cut(tables.Version, "/")
	g := group{name: name, master: tables.Master, term: tables.Term, version: groups}
	g.slaves = slices.Sorted(slices.Values(slices.Concat(tables.Whole, tables.Lacking)))
	if k.Topics {
		g.version = topics
	}
	if !desired.MetadataGuarded(b) {
		return g, nil
	}
	// The metadata guard restores what a new master lacks, with settings that may be newer than ours.
	var saved corev1.ConfigMap
	err := k.Client.Get(ctx, types.NamespacedName{Namespace: b.Namespace, Name: desired.MetadataConfigMap(name)}, &saved)
	if client.IgnoreNotFound(err) != nil {
		return group{}, fmt.Errorf("read what is saved of %s: %w", name, err)
	}
	if err == nil && metadata.MarkOf(saved.Data).Term != tables.Term {
		g.away = "missing topics and consumer groups of its new master are being restored"
	}
	return g, nil
}

// key of what a turn depends on.
func (v *view) key() string {
	var text strings.Builder
	fmt.Fprint(&text, v.broker.UID, v.broker.Spec.Paused, v.moves)
	for _, g := range v.groups {
		fmt.Fprintf(&text, "\n%+v", g)
	}
	return text.String()
}

// isPassing reports whether a group, which is away, has been so for a moment only.
func (m *memory) isPassing(brokerName string, now time.Time) bool {
	if _, known := m.away[brokerName]; !known {
		m.away[brokerName] = now
	}
	return now.Sub(m.away[brokerName]) < passing
}

// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"context"
	"errors"
	"fmt"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// Master of a group, as it was seen. Its tables count only while it is that: a slave's are deleted and copied anew.
type Master struct {
	Client *admin.Client
	Broker Broker
	// Controlled: controllers elect masters. Leader leads them, Seen is what they said of the group.
	Controlled bool
	Leader     string
	Seen       admin.SyncState
}

// Read its topics and consumer groups. It fails if the broker is no longer master afterwards.
func (m Master) Read(ctx context.Context) (*Tables, Version, error) {
	tables, version, err := ReadNames(ctx, m.Client, m.Broker)
	if err == nil {
		err = m.Confirm(ctx)
	}
	return tables, version, err
}

// Confirm that it is still the master that was seen.
func (m Master) Confirm(ctx context.Context) error {
	status, err := m.Client.HAStatus(ctx, m.Broker.Addr)
	if err != nil {
		return err
	}
	if !status.Master {
		return errors.New("it is no longer the master")
	}
	if !m.Controlled {
		return nil
	}
	states, err := m.Client.SyncStateData(ctx, m.Leader, m.Broker.Group)
	if err != nil {
		return err
	}
	if now := states[m.Broker.Group]; now.MasterEpoch != m.Seen.MasterEpoch || now.MasterAddr != m.Seen.MasterAddr {
		return errors.New("another master was elected")
	}
	return nil
}

// Restored is what came of giving a new master what it lacked.
type Restored struct {
	// Tables and Version before anything was restored.
	Tables  *Tables
	Version Version
	// Lost is what it lacked, of so many Topics and Groups that were saved. Unreadable says why what was saved counts as nothing.
	Lost           Plan
	Topics, Groups int
	Unreadable     error
	// Err says why not all of it is restored.
	Err error
}

// Restore what a new master lacks of what Encode made of the former one's tables; nil for nothing.
func (m Master) Restore(ctx context.Context, saved map[string][]byte) (out Restored) {
	if out.Tables, out.Version, out.Err = m.Read(ctx); out.Err != nil {
		return out
	}
	former := &Tables{}
	if saved != nil {
		if former, out.Unreadable = Decode(saved); out.Unreadable != nil {
			former = &Tables{}
		}
	}
	out.Lost, out.Topics, out.Groups = ForRestored(former, out.Tables), len(former.Topics), len(former.Groups)
	if out.Lost.Empty() {
		return out
	}
	if err := out.Lost.Apply(ctx, m.Client, m.Broker.Addr, out.Tables, Limits{}); err != nil {
		out.Err = fmt.Errorf("writing %d topics and %d consumer groups failed: %w", len(out.Lost.Topics), len(out.Lost.Groups), err)
	}
	return out
}

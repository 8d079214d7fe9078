// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/guard"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/saved"
)

// guardTimeout bounds the reading of what one group's master knows, and of giving it back what it lacks.
const guardTimeout = 5 * time.Second

// readSaved finds what is saved of each group.
func (p *brokerPass) readSaved(ctx context.Context) (*kube.Waiting, error) {
	for _, g := range p.groups {
		found, err := saved.Read(ctx, p.Client, p.broker, g.Name)
		if err != nil {
			return nil, err
		}
		if found != nil {
			p.saved[g.Name], g.Saved = found, metadata.MarkOf(found.Data)
		}
	}
	return nil, nil
}

// guardMetadata saves what each group's master knows, and gives a new master back what it lacks of it (see package guard).
func (p *brokerPass) guardMetadata(ctx context.Context) (*kube.Waiting, error) {
	var risks []fleet.Risk
	for _, g := range p.fleet.Groups {
		if !desired.MetadataGuarded(p.broker) {
			if err := p.forgetSaved(ctx, g); err != nil {
				return nil, err
			}
			continue
		}
		guarded, ok := p.fleet.Guarded(g)
		tables, looked := p.fleet.Tables[g.Name]
		if !ok || !looked || tables.Term != guarded.Term {
			continue
		}
		found, waiting, err := p.guardGroup(ctx, g, guarded, tables)
		if waiting != nil || err != nil {
			return waiting, err
		}
		risks = append(risks, found...)
		risks = append(risks, p.fleet.BehindRisks(g)...)
	}
	p.raiseRisks(risks)
	return nil, nil
}

// forgetSaved deletes what would be wrong when the guard is switched on again.
func (p *brokerPass) forgetSaved(ctx context.Context, g *fleet.Group) error {
	found := p.saved[g.Name]
	if found == nil {
		return nil
	}
	if err := saved.Tidy(ctx, p.Client, p.broker, g.Name, nil); err != nil {
		return err
	}
	if err := p.Client.Delete(ctx, found); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", found.Name, err)
	}
	return nil
}

// raiseRisks in one condition, whose reason is the first one that the operator works on.
func (p *brokerPass) raiseRisks(risks []fleet.Risk) {
	if len(risks) == 0 {
		if p.unsure { // until it is known better
			p.Conditions.Keep(v1alpha1.ConditionMetadataAtRisk)
		}
		return
	}
	reason, message := fleet.Together(risks)
	p.Conditions.Set(v1alpha1.ConditionMetadataAtRisk, metav1.ConditionTrue, reason, message)
	if !p.unsure && (reason == v1alpha1.ReasonRestoring || reason == v1alpha1.ReasonNotSaved) {
		p.LookAgain(pass.Soon) // the operator itself can end these
	}
}

func (p *brokerPass) guardGroup(ctx context.Context, g *fleet.Group, guarded fleet.Mastership, tables fleet.Tables) ([]fleet.Risk, *kube.Waiting, error) {
	seen := guard.Seen{Mark: metadata.Mark{Term: tables.Term, Version: tables.Version}, Quiet: tables.Quiet}
	if found := p.saved[g.Name]; found != nil {
		seen.Soon = time.Now().Before(metadata.NextSave(found.Data, found.BinaryData))
	}
	switch guard.Next(g.Saved, seen) {
	case guard.Later:
		p.LookAgain(time.Until(metadata.NextSave(p.saved[g.Name].Data, p.saved[g.Name].BinaryData)) + time.Second)
	case guard.Save:
		return p.saveTables(ctx, g, guarded)
	case guard.Wait:
		if !tables.Shrunk {
			return nil, nil, nil
		}
		return []fleet.Risk{{Reason: v1alpha1.ReasonRestoring, Message: fmt.Sprintf("%s became master of %s while it was copying topics from the former one, and is still "+
			"deleting topics (a RocketMQ defect); missing ones are restored when it stops", g.Master().Name, g.Name)}}, nil, nil
	case guard.Compare:
		return p.restore(ctx, g, guarded)
	case guard.Nothing:
		if metadata.Outgrown(p.saved[g.Name].Data) {
			return []fleet.Risk{fleet.TooLargeRisk(g)}, nil, nil
		}
	}
	return nil, nil, nil
}

// reading is a master's tables.
type reading struct {
	tables  *metadata.Tables
	version metadata.Version
	err     error
}

func (p *brokerPass) masterOf(g *fleet.Group, guarded fleet.Mastership) metadata.Master {
	m := metadata.Master{Client: p.client, Broker: p.metadataOf(g.Master(), g)}
	m.Broker.Addr = guarded.Master
	if p.controller != nil {
		m.Controlled, m.Leader, m.Seen = true, p.fleet.Leader, p.fleet.SyncStates[g.Name]
	}
	return m
}

// saveTables of a master.
func (p *brokerPass) saveTables(ctx context.Context, g *fleet.Group, guarded fleet.Mastership) ([]fleet.Risk, *kube.Waiting, error) {
	key, name := client.ObjectKeyFromObject(p.broker), "save "+g.Name
	master := p.masterOf(g, guarded)
	found := pass.Do(p.jobs, key, name, guarded.Term+" "+guarded.Master, guardTimeout, func(ctx context.Context) (out reading) {
		out.tables, out.version, out.err = master.Read(ctx)
		return out
	})
	p.unsure = p.unsure || !found.Fresh
	switch {
	case found.Known && found.Result.err != nil:
		return []fleet.Risk{{Reason: v1alpha1.ReasonNotSaved, Message: fmt.Sprintf("the topics and consumer groups of %s could not be saved, "+
			"which is tried again: %s", g.Master().Name, found.Result.err)}}, nil, nil
	case !found.Fresh:
		return nil, nil, nil
	}
	p.jobs.Drop(key, name)
	waiting, err := p.save(ctx, g, metadata.Mark{Term: guarded.Term, Version: found.Result.version.String()}, found.Result.tables)
	return nil, waiting, err
}

func (p *brokerPass) save(ctx context.Context, g *fleet.Group, mark metadata.Mark, tables *metadata.Tables) (*kube.Waiting, error) {
	data, binary, err := metadata.Encode(mark, tables)
	if err != nil {
		return nil, err
	}
	before := p.saved[g.Name]
	if before == nil {
		before = &corev1.ConfigMap{}
	}
	binary = metadata.Keep(data, binary, before.Data, before.BinaryData, time.Now())
	if metadata.Fewer(before.Data, data, 0.5) && binary[metadata.KeyPrevious] != nil {
		p.Warn(before, v1alpha1.EventMetadataShrank, "%s has %s topics and %s consumer groups, and had %s and %s when they were saved last. "+
			"If nobody meant that: those of before are kept as %s in ConfigMap %s", g.Name, data["topics"], data["consumerGroups"],
			before.Data["topics"], before.Data["consumerGroups"], metadata.KeyPrevious, before.Name)
	}
	objects := saved.Objects(p.broker, g.Name, data, binary)
	for _, object := range objects {
		if waiting, err := p.Apply(ctx, object); waiting != nil || err != nil {
			return waiting, err
		}
	}
	return nil, saved.Tidy(ctx, p.Client, p.broker, g.Name, objects[len(objects)-1])
}

// restore gives a new master what it lacks, and saves its tables once it lacks nothing.
func (p *brokerPass) restore(ctx context.Context, g *fleet.Group, guarded fleet.Mastership) ([]fleet.Risk, *kube.Waiting, error) {
	key, name, config, master := client.ObjectKeyFromObject(p.broker), "restore "+g.Name, p.saved[g.Name], g.Master()
	job, before := p.masterOf(g, guarded), config.BinaryData
	found := pass.Do(p.jobs, key, name, guarded.Term+" "+guarded.Master+" "+config.ResourceVersion, guardTimeout,
		func(ctx context.Context) metadata.Restored { return job.Restore(ctx, before) })
	p.unsure = p.unsure || !found.Fresh
	if !found.Known {
		return nil, nil, nil
	}
	done := found.Result
	if found.Fresh && done.Unreadable != nil {
		p.Warn(config, v1alpha1.EventMetadataUnreadable, "the saved topics and consumer groups cannot be read, so none is restored at %s, "+
			"the new master of %s: %s", master.Name, g.Name, done.Unreadable)
	}
	text := fmt.Sprintf("%s, the new master of %s, lacked %d of %d topics and %d of %d consumer groups", master.Name, g.Name,
		len(done.Lost.Topics), done.Topics, len(done.Lost.Groups), done.Groups)
	switch {
	case done.Err != nil:
		if found.Fresh && !done.Lost.Empty() { // some may be written, so that the next look does not show what was missing
			p.Event(master.Pod, v1alpha1.EventMetadataRestored, "%s: not all of them are restored yet: %s", text, done.Err)
		}
		return []fleet.Risk{{Reason: v1alpha1.ReasonRestoring, Message: fmt.Sprintf("%s is the new master of %s, and missing topics and consumer groups could not be restored: %s",
			master.Name, g.Name, done.Err)}}, nil, nil
	case !done.Lost.Empty():
		if found.Fresh {
			p.Event(master.Pod, v1alpha1.EventMetadataRestored, "%s: they are restored", text)
		}
		return []fleet.Risk{{Reason: v1alpha1.ReasonRestoring, Message: text + ", which are restored; they are checked once more"}}, nil, nil
	case !found.Fresh:
		return nil, nil, nil
	}
	if len(done.Lost.Differ) > 0 {
		p.Warn(master.Pod, v1alpha1.EventMetadataDiffers, "%s, the new master of %s, has topics or consumer groups with other settings than the former "+
			"master had, and keeps its own: %s",
			master.Name, g.Name, some(done.Lost.Differ))
	}
	p.jobs.Drop(key, name)
	waiting, err := p.save(ctx, g, metadata.Mark{Term: guarded.Term, Version: done.Version.String()}, done.Tables)
	return nil, waiting, err
}

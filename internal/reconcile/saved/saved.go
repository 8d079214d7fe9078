// SPDX-License-Identifier: Apache-2.0

// Package saved changes what the metadata guard has saved of a broker group.
package saved

import (
	"context"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Forget takes topics and consumer groups that are about to be deleted out of what is saved of a broker group, so that a
// failover does not bring them back. It reports whether any were in it.
func Forget(ctx context.Context, env *pass.Env, broker *v1alpha1.Broker, brokerName string, topics, groups []string) (bool, error) {
	saved, err := Read(ctx, env.Client, broker, brokerName)
	if err != nil || saved == nil || saved.BinaryData == nil {
		return false, err
	}
	tables, err := metadata.Decode(saved.BinaryData)
	if err != nil {
		return false, nil //nolint:nilerror // nothing can be restored from it: the guard itself says so
	}
	if !takeOut(tables, topics, groups) {
		return false, nil
	}
	data, binary, err := metadata.Encode(*metadata.MarkOf(saved.Data), tables)
	if err != nil {
		return false, err
	}
	binary = metadata.Keep(data, binary, saved.Data, saved.BinaryData, time.Now())
	applier := kube.Applier{Client: env.Client, Reader: env.Reader}
	objects := Objects(broker, brokerName, data, binary)
	for _, object := range objects {
		if _, err := applier.Apply(ctx, broker, object); err != nil {
			return true, err
		}
	}
	return true, Tidy(ctx, env.Client, broker, brokerName, objects[len(objects)-1])
}

// takeOut reports whether there was anything to take out.
func takeOut(tables *metadata.Tables, topics, groups []string) (found bool) {
	for _, topic := range topics {
		_, has := tables.Topics[topic]
		found = found || has
		delete(tables.Topics, topic)
	}
	for _, group := range groups {
		_, has := tables.Groups[group]
		found = found || has
		delete(tables.Groups, group)
	}
	return found
}

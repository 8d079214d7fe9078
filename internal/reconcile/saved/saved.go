// Package saved changes what the metadata guard has saved of a broker group.
package saved

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Forget takes topics and consumer groups that are about to be deleted out of what is saved of a broker group, so that a
// failover does not bring them back. It reports whether any were in it.
func Forget(ctx context.Context, env *pass.Env, broker *v1alpha1.Broker, brokerName string, topics, groups []string) (bool, error) {
	var saved corev1.ConfigMap
	err := env.Client.Get(ctx, client.ObjectKey{Namespace: broker.Namespace, Name: desired.MetadataConfigMap(brokerName)}, &saved)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read what is saved of %s: %w", brokerName, err)
	}
	if err != nil || saved.BinaryData == nil {
		return false, nil
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
	applier := kube.Applier{Client: env.Client, Reader: env.Reader}
	_, err = applier.Apply(ctx, broker, desired.Metadata(broker, brokerName, data, binary))
	return true, err
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

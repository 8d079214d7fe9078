// SPDX-License-Identifier: Apache-2.0

package saved

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
)

// What is larger than a ConfigMap may be is in several: the group's own one says in data[<key>+partsSuffix] which, as the hash of the
// whole and the number of parts. Parts are named after that hash, so that the copy before stays whole until the new one is.
const partsSuffix = ".parts"

// Read what is saved of a broker group, nil if nothing is. Parts are put together in its BinaryData. If some are missing, what they
// hold is left out.
func Read(ctx context.Context, c client.Client, broker *v1alpha1.Broker, group string) (*corev1.ConfigMap, error) {
	var saved corev1.ConfigMap
	err := c.Get(ctx, client.ObjectKey{Namespace: broker.Namespace, Name: desired.MetadataConfigMap(group)}, &saved)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read what is saved of %s: %w", group, err)
	}
	if err != nil || !metav1.IsControlledBy(&saved, broker) {
		return nil, nil
	}
	for _, key := range []string{metadata.KeyTables, metadata.KeyPrevious} {
		parts := partsOf(&saved, key)
		if len(parts) == 0 {
			continue
		}
		whole, err := join(ctx, c, broker, parts)
		if err != nil {
			return nil, fmt.Errorf("read what is saved of %s: %w", group, err)
		}
		if saved.BinaryData == nil {
			saved.BinaryData = map[string][]byte{}
		}
		if strings.HasPrefix(saved.Data[key+partsSuffix], sum(whole)) {
			saved.BinaryData[key] = whole
		}
	}
	return &saved, nil
}

// join the parts, as many as there are.
func join(ctx context.Context, c client.Client, broker *v1alpha1.Broker, parts []string) (whole []byte, err error) {
	for _, name := range parts {
		var part corev1.ConfigMap
		err := c.Get(ctx, client.ObjectKey{Namespace: broker.Namespace, Name: name}, &part)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil && metav1.IsControlledBy(&part, broker) {
			whole = append(whole, part.BinaryData[metadata.KeyTables]...)
		}
	}
	return whole, nil
}

// partsOf a key: the names of their ConfigMaps.
func partsOf(saved *corev1.ConfigMap, key string) []string {
	hash, count, _ := strings.Cut(saved.Data[key+partsSuffix], " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil
	}
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s-%s-%d", saved.Name, hash, i))
	}
	return out
}

func sum(whole []byte) string {
	hash := sha256.Sum256(whole)
	return hex.EncodeToString(hash[:5])
}

// Objects are the ConfigMaps of what is to be saved of a broker group, in the order in which they are written: its own one comes last.
func Objects(broker *v1alpha1.Broker, group string, data map[string]string, binary map[string][]byte) []*corev1.ConfigMap {
	index := desired.Metadata(broker, group, maps.Clone(data), map[string][]byte{})
	var out []*corev1.ConfigMap
	size := 0
	for _, key := range []string{metadata.KeyTables, metadata.KeyPrevious} {
		whole := binary[key]
		switch {
		case whole == nil:
		case size+len(whole) <= metadata.MaxPart:
			index.BinaryData[key] = whole
			size += len(whole)
		default:
			pieces := slices.Collect(slices.Chunk(whole, metadata.MaxPart))
			index.Data[key+partsSuffix] = fmt.Sprintf("%s %d", sum(whole), len(pieces))
			for i, name := range partsOf(index, key) {
				part := desired.Metadata(broker, group, nil, map[string][]byte{metadata.KeyTables: pieces[i]})
				part.Name = name
				out = append(out, part)
			}
		}
	}
	return append(out, index)
}

// Tidy deletes the parts that a group's own ConfigMap does not name any more; all of them if index is nil.
func Tidy(ctx context.Context, c client.Client, broker *v1alpha1.Broker, group string, index *corev1.ConfigMap) error {
	var all corev1.ConfigMapList
	err := c.List(ctx, &all, client.InNamespace(broker.Namespace), client.MatchingLabels(desired.Selector(broker.Name, desired.Broker, group)))
	if err != nil {
		return fmt.Errorf("list what is saved of %s: %w", group, err)
	}
	var named []string
	if index != nil {
		named = append(partsOf(index, metadata.KeyTables), partsOf(index, metadata.KeyPrevious)...)
	}
	for i := range all.Items {
		part := &all.Items[i]
		if !strings.HasPrefix(part.Name, desired.MetadataConfigMap(group)+"-") || slices.Contains(named, part.Name) || !metav1.IsControlledBy(part, broker) {
			continue
		}
		if err := c.Delete(ctx, part); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete %s: %w", part.Name, err)
		}
	}
	return nil
}

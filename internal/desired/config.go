// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/properties"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// LiveConfig are the properties that running brokers are given when theirs differ. It is nil if every change of a property needs a
// restart: that is so where a volume may have a base file. The operator cannot read that file, so it would not know which value a
// property goes back to when it is taken out of spec.config.
func LiveConfig(b *v1alpha1.Broker) (map[string]string, error) {
	if len(b.Spec.Volumes) > 0 {
		return nil, nil
	}
	return settings.LiveProperties(Properties(b.Spec.Config))
}

// BaseFile returns the properties of a Broker's file broker-common.conf, and where it is, as the agent finds it: in the first of
// spec.volumes that has one. Nothing is returned if that may be a volume whose contents the operator does not read, such as a Secret.
func BaseFile(b *v1alpha1.Broker, contents References) (where string, base map[string]string, err error) {
	for i, volume := range b.Spec.Volumes {
		for _, source := range configMapsOf(volume) {
			if source == nil {
				return "", nil, nil
			}
			text, found := contents[source.Name][keyOf(source.Items)]
			if !found {
				continue
			}
			where = fmt.Sprintf("%s of ConfigMap %s (spec.volumes[%d])", settings.BaseFile, source.Name, i)
			base, err = properties.Parse([]byte(text))
			return where, settings.Trimmed(base), err
		}
	}
	return "", nil, nil
}

// configMapsOf a volume, nil for what is not a ConfigMap but may have files too.
func configMapsOf(volume corev1.Volume) []*corev1.ConfigMapProjection {
	switch {
	case volume.ConfigMap != nil:
		return []*corev1.ConfigMapProjection{{LocalObjectReference: volume.ConfigMap.LocalObjectReference, Items: volume.ConfigMap.Items}}
	case volume.Projected == nil:
		return []*corev1.ConfigMapProjection{nil}
	}
	var out []*corev1.ConfigMapProjection
	for _, source := range volume.Projected.Sources {
		out = append(out, source.ConfigMap)
	}
	return out
}

// keyOf the base file in a ConfigMap, "" if the items leave it out.
func keyOf(items []corev1.KeyToPath) string {
	if len(items) == 0 {
		return settings.BaseFile
	}
	for _, item := range items {
		if item.Path == settings.BaseFile {
			return item.Key
		}
	}
	return ""
}

// restartConfig are the properties whose change needs a restart.
func restartConfig(b *v1alpha1.Broker) map[string]v1alpha1.ConfigValue {
	if len(b.Spec.Volumes) > 0 {
		return b.Spec.Config
	}
	out := maps.Clone(b.Spec.Config)
	maps.DeleteFunc(out, func(key string, _ v1alpha1.ConfigValue) bool { return settings.IsLive(key) })
	return out
}

package desired

import (
	"maps"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
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

// restartConfig are the properties whose change needs a restart.
func restartConfig(b *v1alpha1.Broker) map[string]v1alpha1.ConfigValue {
	if len(b.Spec.Volumes) > 0 {
		return b.Spec.Config
	}
	out := maps.Clone(b.Spec.Config)
	maps.DeleteFunc(out, func(key string, _ v1alpha1.ConfigValue) bool { return settings.IsLive(key) })
	return out
}

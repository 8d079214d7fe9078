// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestDowngrade: an older image is kept away from disks of a newer one, if both releases are known.
func TestDowngrade(t *testing.T) {
	const configs = "configManagerVersion"
	for _, test := range []struct {
		name, wanted string
		running      []string
		config       map[string]v1alpha1.ConfigValue
		refused      bool
	}{
		{"the same", "apache/rocketmq:5.4.0", []string{"apache/rocketmq:5.4.0"}, map[string]v1alpha1.ConfigValue{configs: "v2"}, false},
		{"newer", "apache/rocketmq:5.5.0", []string{"apache/rocketmq:5.4.0"}, map[string]v1alpha1.ConfigValue{configs: "v2"}, false},
		{"older, its files unknown to it", "apache/rocketmq:5.2.0", []string{"apache/rocketmq:5.4.0"}, map[string]v1alpha1.ConfigValue{configs: "v2"}, true},
		{"one of several is newer", "apache/rocketmq:5.2.0", []string{"apache/rocketmq:5.2.0", "apache/rocketmq:5.4.0"}, map[string]v1alpha1.ConfigValue{configs: "v2"}, true},
		{"an image whose release is not known", "apache/rocketmq:5.2.0", []string{"mine:latest"}, map[string]v1alpha1.ConfigValue{configs: "v2"}, false},
	} {
		b := &v1alpha1.Broker{Spec: v1alpha1.BrokerSpec{BrokerImage: test.wanted, Config: test.config}}
		if why := Downgrade(b, test.running); (why != "") != test.refused {
			t.Errorf("%s: %q", test.name, why)
		}
	}
}

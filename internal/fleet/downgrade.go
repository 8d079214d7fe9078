// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// Downgrade says why the image of a Broker's spec could not read the disks of brokers that run these, "" if it could or if a release is
// not known.
func Downgrade(b *v1alpha1.Broker, running []string) string {
	config := desired.Properties(b.Spec.Config)
	disk := version.Disk{
		ControllerMode: desired.Mode(b) == settings.ControllerMode,
		StoreType:      config["storeType"], ConfigManagerVersion: config["configManagerVersion"],
	}
	wanted, known := desired.Release(b)
	for _, image := range running {
		runs, alsoKnown := version.Of(image)
		if !known || !alsoKnown || image == desired.Image(b) {
			continue
		}
		if why := version.Downgrade(runs, wanted, disk); why != "" {
			return why
		}
	}
	return ""
}

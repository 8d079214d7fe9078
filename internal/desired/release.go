// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// Release of RocketMQ that a resource's servers run, false if it is not known: what its annotation says, or else its image's tag.
func Release(r v1alpha1.Resource) (version.Version, bool) {
	if said, ok := version.Parse(r.GetAnnotations()[v1alpha1.AnnotationRelease]); ok {
		return said, true
	}
	return version.Of(Image(r))
}

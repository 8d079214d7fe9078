// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TLSMode is what servers are brought to now, on their way to what is wanted. have are the modes of those that run, and of those that
// are to be made.
//
// Servers of one mode understand those of the mode before and of the one after it, so that all make one step at a time.
func TLSMode(wanted v1alpha1.TLSMode, have []v1alpha1.TLSMode) v1alpha1.TLSMode {
	modes := v1alpha1.TLSModes()
	to := slices.Index(modes, wanted)
	lowest, highest := to, to
	for i, mode := range have {
		at := slices.Index(modes, mode)
		if i == 0 {
			lowest, highest = at, at
		}
		lowest, highest = min(lowest, at), max(highest, at)
	}
	switch {
	case len(have) > 0 && to > lowest:
		to = lowest + 1
	case len(have) > 0 && to < highest:
		to = highest - 1
	}
	return modes[to]
}

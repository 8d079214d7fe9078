// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestAuthModes: from any mix of brokers that can serve together to any wanted mode, in whichever order they are replaced, none is ever
// beside one that it cannot serve with, and all get there.
func TestAuthModes(t *testing.T) {
	const off, open, closed = v1alpha1.AuthDisabled, v1alpha1.AuthPermissive, v1alpha1.AuthEnforcing
	modes := []v1alpha1.AuthMode{off, open, closed}
	apart := func(have []v1alpha1.AuthMode) bool {
		return slices.Contains(have, off) && slices.Contains(have, closed)
	}
	for _, a := range modes {
		for _, b := range modes {
			for _, c := range modes {
				for _, wanted := range modes {
					have := []v1alpha1.AuthMode{a, b, c}
					if apart(have) {
						continue
					}
					for steps := 0; slices.ContainsFunc(have, func(m v1alpha1.AuthMode) bool { return m != wanted }); steps++ {
						now := AuthMode(wanted, have)
						i := slices.IndexFunc(have, func(m v1alpha1.AuthMode) bool { return m != now })
						if i < 0 || steps > 2*len(have) {
							t.Fatalf("from %s, %s, %s to %s: it ends at %v, with %s", a, b, c, wanted, have, now)
						}
						if have[i] = now; apart(have) {
							t.Fatalf("from %s, %s, %s to %s: %v", a, b, c, wanted, have)
						}
					}
				}
			}
		}
	}
	if got := AuthMode(closed, nil); got != closed {
		t.Errorf("the first brokers are %s", got)
	}
}

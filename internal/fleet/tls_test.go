// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestTLSMode: servers that are replaced one by one, while what is wanted may change at any time, always understand each other, and
// come to what is wanted.
func TestTLSMode(t *testing.T) {
	modes := v1alpha1.TLSModes()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		wanted := modes[random.IntN(len(modes))]
		servers := slices.Repeat([]v1alpha1.TLSMode{modes[random.IntN(len(modes))]}, 1+random.IntN(4))
		template := servers[0]
		for step := range 60 {
			if step < 40 && random.IntN(8) == 0 {
				wanted = modes[random.IntN(len(modes))]
			}
			template = TLSMode(wanted, append(slices.Clone(servers), template))
			servers[random.IntN(len(servers))] = template
			at := make([]int, len(servers))
			for i, mode := range servers {
				at[i] = slices.Index(modes, mode)
			}
			if slices.Max(at)-slices.Min(at) > 1 {
				t.Fatalf("seed %d, step %d, on the way to %s: %v", seed, step, wanted, servers)
			}
		}
		for range 60 {
			template = TLSMode(wanted, append(slices.Clone(servers), template))
			servers[random.IntN(len(servers))] = template
		}
		if others := slices.DeleteFunc(slices.Clone(servers), func(mode v1alpha1.TLSMode) bool { return mode == wanted }); len(others) > 0 {
			t.Errorf("seed %d: %v in the end, want %s", seed, servers, wanted)
		}
	}
	if got := TLSMode(v1alpha1.TLSEnforcing, nil); got != v1alpha1.TLSEnforcing {
		t.Errorf("the first servers are %s", got)
	}
}

// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFirstOfEach: no two offsets of the same topic and group are sent at once before the broker has one of them.
func TestFirstOfEach(t *testing.T) {
	offset := func(topic, group string, queue int) ConsumerOffset {
		return ConsumerOffset{Topic: topic, Group: group, Queue: queue, Offset: 1}
	}
	first, others := firstOfEach([]ConsumerOffset{
		offset("a", "g", 1), offset("a", "g", 0), offset("a", "h", 0), offset("b", "g", 2), offset("a", "g", 2), offset("b", "g", 3),
	})
	if diff := cmp.Diff([]ConsumerOffset{offset("a", "g", 1), offset("a", "h", 0), offset("b", "g", 2)}, first); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ConsumerOffset{offset("a", "g", 0), offset("a", "g", 2), offset("b", "g", 3)}, others); diff != "" {
		t.Errorf("others (-want +got):\n%s", diff)
	}
}

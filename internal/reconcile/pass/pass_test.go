// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestNote: what is too long for an event is cut between two characters.
func TestNote(t *testing.T) {
	if got := note("%s is gone", "b-0-0"); got != "b-0-0 is gone" {
		t.Errorf("a short one is %q", got)
	}
	for blanks := range 3 {
		got := note("%*s%s", blanks, "", strings.Repeat("…", 500))
		if len(got) > 1024 || len(got) < 1020 || !utf8.ValidString(got) {
			t.Errorf("a long one has %d bytes, valid: %t", len(got), utf8.ValidString(got))
		}
	}
}

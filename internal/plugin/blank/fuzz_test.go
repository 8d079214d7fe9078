// SPDX-License-Identifier: Apache-2.0

package blank

import (
	"strings"
	"testing"
)

// FuzzText: whatever a text is, a password in a line of its own is blanked.
func FuzzText(f *testing.F) {
	for _, fragment := range fragments {
		f.Add(fragment.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "hunter") {
			text = strings.ReplaceAll(text, "hunter", "x")
		}
		if got := Text(text + "\npassword: hunter\n" + text); strings.Contains(got, "hunter") {
			t.Errorf("%q leaks:\n%s", text, got)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"os"
	"strings"
	"testing"
)

// TestLiveKeysAreDocumented: what needs no restart is named where users look.
func TestLiveKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/concepts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, listed, found := strings.Cut(string(text), "change without a restart, because")
	listed, _, ended := strings.Cut(listed, "go back to RocketMQ's default")
	if !found || !ended {
		t.Fatal("docs/concepts.md does not list them")
	}
	for _, k := range LiveKeys() {
		if !strings.Contains(listed, "`"+k.Key+"`") {
			t.Errorf("docs/concepts.md does not name %s", k.Key)
		}
	}
	if n := strings.Count(listed, "`") / 2; n != len(LiveKeys())+1 { // and `config`
		t.Errorf("docs/concepts.md names %d keys, and there are %d", n-1, len(LiveKeys()))
	}
}

// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestActionsArePinned: a tag can be moved to other code, a commit cannot. The version beside it is for people.
func TestActionsArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	files, err := filepath.Glob("../../.github/workflows/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	commits := map[string]string{} // of each action, as it was found first
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			_, action, uses := strings.Cut(line, "uses: ")
			if !uses || strings.HasPrefix(action, "./") {
				continue
			}
			found++
			action = strings.TrimSpace(action)
			if !pinned.MatchString(action) {
				t.Errorf("%s uses %s: name the commit, with the version as a comment: owner/action@<40 hex digits> # v1.2.3", filepath.Base(file), action)
			}
			name, _, _ := strings.Cut(action, "@")
			if first, has := commits[name]; has && first != action {
				t.Errorf("%s uses %s, another workflow %s", filepath.Base(file), action, first)
			}
			commits[name] = action
		}
	}
	if found == 0 {
		t.Error("no workflow uses an action")
	}
}

// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks: every relative link of a document leads to a file, and to a heading that the file has.
func TestLinks(t *testing.T) {
	links := 0
	for _, document := range markdown(t) {
		text := fences.ReplaceAllString(read(t, document), "")
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], ":") { // to another site
				continue
			}
			links++
			path, anchor, _ := strings.Cut(link[1], "#")
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", document, link[1])
			} else if anchor != "" && !headings(t, target)[anchor] {
				t.Errorf("%s links to %s, and %s has no such heading", document, link[1], target)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
}

var (
	fences  = regexp.MustCompile("(?s)```.*?```")
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	dropped = regexp.MustCompile(`[^\w\- ]`)
)

// markdown documents of the repository.
func markdown(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "*/*.md", "*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// headings of a document, as links name them: in lower case, with hyphens for spaces and nothing for other signs.
func headings(t *testing.T, document string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(fences.ReplaceAllString(read(t, document), ""), -1) {
		names[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-")] = true
	}
	return names
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// TestSupported: docs/supported.md says of each release what the tests do with it.
func TestSupported(t *testing.T) {
	page := read(t, filepath.Join(root, "docs/supported.md"))
	has := func(row, why string) {
		t.Helper()
		if !strings.Contains(page, "\n"+row) {
			t.Errorf("docs/supported.md has no row that begins with %q, although %s", row, why)
		}
	}

	has("| "+strings.TrimPrefix(v1alpha1.DefaultImage, "apache/rocketmq:")+", the default | `make test` |", "it is the default")
	releases := listIn(t, "test/e2e/long_test.go", `range \[\]string\{(.*)\} \{`, `"([0-9.]+)"`)
	tested := regexp.MustCompile("(?m)^\\| ([0-9.]+)[^|]*\\| `").FindAllStringSubmatch(page, -1)
	for _, release := range releases {
		if !slices.ContainsFunc(tested, func(row []string) bool { return row[1] == release }) {
			t.Errorf("docs/supported.md does not say that %s is tested, although TestLong does", release)
		}
	}

	kubernetes := listIn(t, "test/localkube/go.mod", `k8s\.io/kubernetes v(.*)`, `^(1\.[0-9]+)`)[0]
	has("| "+kubernetes+" | `make test`", "localkube is that")
	oldest := listIn(t, "charts/rocketmq-operator/Chart.yaml", `kubeVersion: (.*)`, `(1\.[0-9]+)`)[0]
	has("| "+oldest+" to ", "the chart takes it")

	for _, d := range version.Defects() {
		row := d.First.String()
		if d.First != d.Last {
			row = fmt.Sprintf("%s to %s", d.First, d.Last)
		}
		has("| "+row+" | ", "it has a known defect: "+d.Text)
	}
	_, table, _ := strings.Cut(page, "### Known defects")
	table, _, _ = strings.Cut(table, "\n## ")
	if got, want := len(regexp.MustCompile(`(?m)^\| 5`).FindAllString(table, -1)), len(version.Defects()); got != want {
		t.Errorf("docs/supported.md tells of %d known defects, the operator of %d", got, want)
	}
}

// listIn a file: the entries of what the line's expression finds.
func listIn(t *testing.T, file, line, entry string) (list []string) {
	t.Helper()
	found := regexp.MustCompile(line).FindStringSubmatch(read(t, filepath.Join(root, file)))
	if found == nil {
		t.Fatalf("%s has no %s: correct this test", file, line)
	}
	for _, match := range regexp.MustCompile(entry).FindAllStringSubmatch(found[1], -1) {
		list = append(list, match[1])
	}
	if len(list) == 0 {
		t.Fatalf("%s: %s has no %s: correct this test", file, found[1], entry)
	}
	return list
}

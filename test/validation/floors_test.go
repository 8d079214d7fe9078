// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	architecture = "docs/architecture.md"
	module       = "github.com/rocketmq-operator/rocketmq-operator/"
)

// TestFloors: no package imports one of a higher floor of docs/architecture.md, and each has its row there.
func TestFloors(t *testing.T) {
	floors := floorsOf(t, filepath.Join(root, architecture))
	packages := map[string]bool{}
	for _, directory := range []string{"admin", "api", "cmd", "internal", "remoting"} {
		eachNode(t, filepath.Join(root, directory), func(node ast.Node, at token.Position) {
			file, is := node.(*ast.File)
			if !is {
				return
			}
			path, err := filepath.Rel(root, filepath.Dir(at.Filename))
			if err != nil {
				t.Fatal(err)
			}
			floor := floors[path]
			if floor == 0 && !packages[path] {
				t.Errorf("%s has no row for %s: say on which floor it is, and what it is", architecture, path)
			}
			packages[path] = true
			for _, spec := range file.Imports {
				imported, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
				if ours && floor < floors[imported] {
					t.Errorf("%s: floor %d of %s imports floor %d, %s", at, floor, path, floors[imported], imported)
				}
			}
		})
	}

	if len(packages) < 20 {
		t.Errorf("only %d packages were found", len(packages))
	}
	for path := range floors {
		if !packages[path] {
			t.Errorf("%s describes %s, which does not exist", architecture, path)
		}
	}
}

// floorsOf packages, from the rows of a table: | 2 | `internal/fleet` | …
func floorsOf(t *testing.T, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	floors := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([0-9]) \\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		if floors[row[2]] != 0 {
			t.Errorf("%s describes %s twice", path, row[2])
		}
		floors[row[2]], err = strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
	}
	return floors
}

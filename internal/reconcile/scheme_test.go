// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestScheme: the operator's scheme holds the kinds of every API that its packages work with. The plugin has one of its own.
func TestScheme(t *testing.T) {
	scheme, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]string{"core": "", "apps": "apps", "policy": "policy", "events": "events.k8s.io", "networking": "networking.k8s.io"}
	seen := map[string]bool{}
	err = filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && path == filepath.Join("..", "plugin") {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			api, ours := strings.CutPrefix(name, "k8s.io/api/")
			if err != nil || !ours || seen[api] {
				continue
			}
			seen[api] = true
			group, version, _ := strings.Cut(api, "/")
			if full, known := groups[group]; !known || !scheme.IsVersionRegistered(schema.GroupVersion{Group: full, Version: version}) {
				t.Errorf("%s uses k8s.io/api/%s, and the scheme does not hold it", path, api)
			}
		}
		return nil
	})
	if err != nil || len(seen) < 4 {
		t.Errorf("only %d APIs found: %v", len(seen), err)
	}
}

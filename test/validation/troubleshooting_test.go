// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const troubleshooting = "docs/troubleshooting.md"

// TestTroubleshooting: the document has one row for each condition, reason, event and annotation of the API, and none for
// anything else.
func TestTroubleshooting(t *testing.T) {
	words := constants(t, filepath.Join(root, "api/v1alpha1"))
	tables := tables(t, filepath.Join(root, troubleshooting))
	for _, test := range []struct {
		section string
		prefix  *regexp.Regexp // of the constants' names
	}{
		{"Conditions", regexp.MustCompile("^Condition")},
		{"Reasons", regexp.MustCompile("^Reason|^Transfer")}, // the phases of a TopicTransfer are reasons too
		{"Events", regexp.MustCompile("^Event")},
		{"Annotations", regexp.MustCompile("^Annotation")},
	} {
		t.Run(test.section, func(t *testing.T) {
			rows, wanted := tables[test.section], map[string]bool{}
			for name, word := range words {
				if !test.prefix.MatchString(name) {
					continue
				}
				wanted[word] = true
				if !slices.Contains(rows, word) {
					t.Errorf("%s has no row for %s (%s): say what it means and what to do", troubleshooting, word, name)
				}
			}
			if len(wanted) < 10 {
				t.Errorf("only %d constants were found", len(wanted))
			}

			for i, row := range rows {
				if !wanted[row] {
					t.Errorf("%s explains %s, which api/v1alpha1 does not have", troubleshooting, row)
				}
				if slices.Contains(rows[:i], row) {
					t.Errorf("%s explains %s twice", troubleshooting, row)
				}
			}
		})
	}
}

// tables of a Markdown document: the words in `quotes` that rows begin with, by the heading of the second level above.
func tables(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	out, section := map[string][]string{}, ""
	first := regexp.MustCompile("^\\| `([^`]+)`[^|]*\\|")
	for line := range strings.Lines(string(text)) {
		if heading, is := strings.CutPrefix(line, "## "); is {
			section = strings.TrimSpace(heading)
		}
		if row := first.FindStringSubmatch(line); row != nil {
			out[section] = append(out[section], row[1])
		}
	}
	return out
}

// constants of a package that are strings, by name.
func constants(t *testing.T, directory string) map[string]string {
	t.Helper()
	values := map[string]ast.Expr{}
	eachNode(t, directory, func(node ast.Node, _ token.Position) {
		declared, ok := node.(*ast.GenDecl)
		if !ok || declared.Tok != token.CONST {
			return
		}
		for _, spec := range declared.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, value := range spec.Values {
				values[spec.Names[i].Name] = value
			}
		}
	})

	out := map[string]string{}
	for name, value := range values {
		if other, is := value.(*ast.Ident); is { // one constant is another one's value
			value = values[other.Name]
		}
		if literal, is := value.(*ast.BasicLit); is && literal.Kind == token.STRING {
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = text
		}
	}
	return out
}

// eachNode of the Go files below a directory, tests aside.
func eachNode(t *testing.T, directory string, see func(ast.Node, token.Position)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if node != nil {
				see(node, files.Position(node.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestReasonsAreConstants: users filter by reasons, so each is a constant of the API that TestTroubleshooting sees.
func TestReasonsAreConstants(t *testing.T) {
	looked, speaks := 0, false
	eachNode(t, filepath.Join(root, "internal"), func(node ast.Node, at token.Position) {
		if file, is := node.(*ast.File); is { // one that does not know the API has reasons of other sorts
			speaks = slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return strings.HasSuffix(i.Path.Value, `/api/v1alpha1"`) })
		}
		if !speaks {
			return
		}
		for _, reason := range reasons(node) {
			looked++
			if literal, is := reason.(*ast.BasicLit); is {
				t.Errorf("%s: %s is written out: make it a constant in api/v1alpha1 (events.go or conditions.go), and a row of %s", at, literal.Value, troubleshooting)
			}
		}
	})
	if looked < 100 {
		t.Errorf("only %d reasons were found", looked)
	}
}

// reasons that a call or a composite literal names: conditions, their reasons, and those of events.
func reasons(node ast.Node) []ast.Expr {
	switch node := node.(type) {
	case *ast.CallExpr:
		at := map[string][]int{
			"Event": {1}, "Warn": {1}, "Retry": {1}, // of pass.Base
			"Set": {0, 2}, "Raise": {0}, "Raised": {0}, "Message": {0}, "Reason": {0}, // of kube.Conditions
			"Trouble": {0}, "Wait": {0}, "obstacle": {0}, "record": {0}, "tell": {0, 1}, "stop": {0},
		}
		return arguments(node.Args, at[nameOf(node.Fun)])
	case *ast.CompositeLit:
		at := map[string][]int{"Trouble": {0}, "Risk": {0}, "Obstacle": {0}, "News": {1}, "Waiting": {0}}
		return arguments(node.Elts, at[nameOf(node.Type)])
	case *ast.KeyValueExpr:
		if key := nameOf(node.Key); key == "Reason" || key == "Condition" {
			return []ast.Expr{node.Value}
		}
	}
	return nil
}

func arguments(all []ast.Expr, at []int) (out []ast.Expr) {
	for _, i := range at {
		if i < len(all) {
			out = append(out, all[i])
		}
	}
	return out
}

// nameOf a function, method, type or field, without what it belongs to.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

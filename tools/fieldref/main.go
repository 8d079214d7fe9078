// SPDX-License-Identifier: Apache-2.0

// Command fieldref writes a page of documentation for each kind, with every field of its spec and status, from the CRDs.
//
// Usage: go run -C tools ./fieldref [ROOT]
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/manifests"
)

func main() {
	root := ".."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := write(root); err != nil {
		fmt.Fprintln(os.Stderr, "fieldref:", err)
		os.Exit(1)
	}
}

// write replaces docs/reference.
func write(root string) error {
	kinds, err := manifests.Kinds(root)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "docs", "reference")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	index := bytes.NewBufferString(generated + "# Field reference\n\n" +
		"Every field of every kind. `kubectl explain` tells the same in a terminal.\n\n| kind | short | what it is |\n|---|---|---|\n")
	for _, kind := range kinds {
		names := kind.Spec.Names
		file := strings.ToLower(names.Kind) + ".md"
		if err := os.WriteFile(filepath.Join(dir, file), page(kind), 0o644); err != nil {
			return err
		}
		description := kind.Spec.Versions[0].Schema.OpenAPIV3Schema.Description
		fmt.Fprintf(index, "| [%s](%s) | `%s` | %s |\n", names.Kind, file, strings.Join(names.ShortNames, "`, `"), cell(description))
	}
	return os.WriteFile(filepath.Join(dir, "index.md"), index.Bytes(), 0o644)
}

// generated is the first line of each page.
const generated = "<!-- Generated from the CRDs by make generate: change the comments in api/. -->\n\n"

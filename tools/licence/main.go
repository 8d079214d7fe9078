// SPDX-License-Identifier: Apache-2.0

// Command licence checks that every Go file and every shell script names its licence in SPDX's way, or adds the line.
//
// Usage: go run -C tools ./licence check|add [ROOT]
//
// It looks at the files that git knows or would add, and leaves generated ones alone.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const usage = "usage: licence check|add [ROOT]"

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "licence:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || len(args) > 2 || args[0] != "check" && args[0] != "add" {
		return errors.New(usage)
	}
	root := ".."
	if len(args) == 2 {
		root = args[1]
	}
	files, err := files(ctx, root)
	if err != nil {
		return err
	}
	var without []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		named, changed := withLicence(file, content)
		if !changed {
			continue
		}
		without = append(without, file)
		if args[0] == "add" {
			if err := rewrite(file, named); err != nil {
				return err
			}
		}
	}
	switch {
	case args[0] == "add":
		fmt.Printf("%d of %d files got the licence line\n", len(without), len(files))
	case len(without) > 0:
		return fmt.Errorf("files without the line %q (make licence adds it):\n%s", line, strings.Join(without, "\n"))
	}
	return nil
}

// files are those that git knows or would add.
func files(ctx context.Context, root string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var files []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		path := filepath.Join(root, name)
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
	}
	return files, nil
}

// rewrite keeps the file's permissions.
func rewrite(file string, content []byte) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, info.Mode().Perm())
}

// line is what a file says.
const line = "SPDX-License-Identifier: Apache-2.0"

var (
	// generated is how Go's tools know a file that a program wrote (go help generate).
	generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	shell     = regexp.MustCompile(`^#!.*\b(ba|da)?sh\b.*\n`)
)

// withLicence is the content with the line, and whether that is another content.
func withLicence(file string, content []byte) ([]byte, bool) {
	head := content[:min(len(content), 1024)]
	if bytes.Contains(head, []byte(line)) {
		return content, false
	}
	if strings.HasSuffix(file, ".go") {
		if generated.Match(head) {
			return content, false
		}
		return append([]byte("// "+line+"\n\n"), content...), true
	}
	if first := shell.Find(head); first != nil {
		return bytes.Join([][]byte{first, []byte("# " + line + "\n"), content[len(first):]}, nil), true
	}
	return content, false
}

// SPDX-License-Identifier: Apache-2.0

// Package measured writes what the benchmarks print into docs/measured.md, each between marks of its own.
package measured

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// page in the repository.
const page = "docs/measured.md"

// Measurement is what a command printed.
type Measurement struct {
	// Command is how to measure it again: "make bench-idle".
	Command string
	Printed string
	// Err is why the command failed, such as a bar that is missed.
	Err  error
	When time.Time
}

// Write it into the page of the repository at root, in the place of what the same command printed before, else at the end.
func Write(root string, m Measurement) error {
	if strings.TrimSpace(m.Printed) == "" {
		return errors.Join(fmt.Errorf("%s printed nothing that could be written to %s", m.Command, page), m.Err)
	}
	path := filepath.Join(root, page)
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := replace(string(content), m.Command, m.section())
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// section is a sentence and what was printed, indented.
func (m Measurement) section() string {
	var out strings.Builder
	day := m.When.UTC().Format(time.DateOnly)
	fmt.Fprintf(&out, "`%s`, %s, %d cores, %s/%s:\n\n", m.Command, day, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	printed := strings.Trim(m.Printed, "\n")
	if m.Err != nil {
		printed += "\nfailed: " + m.Err.Error()
	}
	for line := range strings.Lines(printed + "\n") {
		if line != "\n" {
			line = "    " + line
		}
		out.WriteString(line)
	}
	return out.String()
}

// replace what stands between the marks of a command.
func replace(text, command, section string) (string, error) {
	begin, end := "<!-- "+command+" -->\n", "<!-- end of "+command+" -->\n"
	before, rest, found := strings.Cut(text, begin)
	if !found {
		return text + "\n" + begin + section + end, nil
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("%s lacks the mark %q: put it where the part of %s ends", page, strings.TrimSpace(end), command)
	}
	return before + begin + section + end + after, nil
}

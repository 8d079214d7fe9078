// SPDX-License-Identifier: Apache-2.0

// Package terminal shows texts that change in place, where a person looks on.
package terminal

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/term"
)

// What is sent to a terminal (ECMA-48): the cursor goes up, or home in its line, and all behind it is wiped.
const (
	up   = "\x1b[%dA"
	home = "\r"
	wipe = "\x1b[J"
)

// Screen is the lower end of a terminal: a text that changes, below lines that stay. It is safe for concurrent use.
type Screen struct {
	size func() (width, height int, err error)

	mu    sync.Mutex
	w     io.Writer
	text  string
	lines int // that the text takes now
}

// Of returns the screen behind w, nil if nobody looks on: w is no terminal, or one that cannot do it.
func Of(w io.Writer) *Screen {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	if runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" { // the old console does not know the sequences
		return nil
	}
	return New(w, func() (width, height int, err error) { return term.GetSize(int(file.Fd())) })
}

// New is a screen of a size, in characters and lines.
func New(w io.Writer, size func() (width, height int, err error)) *Screen {
	return &Screen{w: w, size: size}
}

// Show a text instead of the one before. What does not fit is cut off.
func (s *Screen) Show(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
	return s.draw("")
}

// Print a text that stays, above the one that changes.
func (s *Screen) Print(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return s.draw(text)
}

// draw what stays and then the text that changes, over what was drawn last. It is one write, so that nothing flickers.
func (s *Screen) draw(stays string) error {
	var out strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&out, up, s.lines)
		out.WriteString(home + wipe)
	}
	out.WriteString(stays)
	shown := s.fit(s.text)
	s.lines = len(shown)
	for _, line := range shown {
		out.WriteString(line)
		out.WriteByte('\n')
	}
	_, err := io.WriteString(s.w, out.String())
	return err
}

// fit a text into the terminal's size: a line that the terminal wraps would be two. Rows of tables are cut, sentences go on in the next
// line.
func (s *Screen) fit(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	width, height, err := s.size()
	if err != nil || width < 2 || height < 2 {
		return lines
	}
	var fitting []string
	for _, line := range lines {
		if isRow(line) {
			fitting = append(fitting, cut(line, width))
		} else {
			fitting = append(fitting, wrap(line, width)...)
		}
	}
	if room := height - 1; len(fitting) > room { // the last line is the cursor's
		more := fmt.Sprintf("… %d more lines: make the window taller", len(fitting)-room+1)
		fitting = append(fitting[:room-1], cut(more, width))
	}
	return fitting
}

// isRow reports whether a line has columns, which are three spaces apart.
func isRow(line string) bool { return strings.Contains(strings.TrimLeft(line, " "), "   ") }

// wrap a sentence between words, below its own beginning.
func wrap(line string, width int) []string {
	if len([]rune(line)) <= width {
		return []string{line}
	}
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " -")))
	if len(indent) > width/2 {
		indent = ""
	}
	var lines []string
	words := strings.Split(line[len(indent):], " ")
	now := line[:len(indent)] + words[0]
	for _, word := range words[1:] {
		if len([]rune(now+" "+word)) > width {
			lines = append(lines, cut(now, width))
			now = indent + word
			continue
		}
		now += " " + word
	}
	return append(lines, cut(now, width))
}

// cut a line to so many characters. All that is shown has characters of one column.
func cut(line string, width int) string {
	characters := []rune(line)
	if len(characters) <= width {
		return line
	}
	return string(characters[:width-1]) + "…"
}

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

// fit cuts a text to the terminal's size: a line that wraps would be two.
func (s *Screen) fit(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	width, height, err := s.size()
	if err != nil || width < 2 || height < 2 {
		return lines
	}
	if room := height - 1; len(lines) > room { // the last line is the cursor's
		more := fmt.Sprintf("… %d more lines: make the window taller", len(lines)-room+1)
		lines = append(lines[:room-1], more)
	}
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	return lines
}

// cut a line to so many characters. All that is shown has characters of one column.
func cut(line string, width int) string {
	characters := []rune(line)
	if len(characters) <= width {
		return line
	}
	return string(characters[:width-1]) + "…"
}

// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/terminal"
)

// Log tells a story: each line begins with the time since the story began. It is safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	w      io.Writer
	screen *terminal.Screen // nil if nobody looks on
	start  time.Time
	// What changes in place below the lines.
	passing, footer string
}

// NewLog begins a story on w.
func NewLog(w io.Writer) *Log { return &Log{w: w, screen: terminal.Of(w), start: time.Now()} }

// Printf writes one line with the elapsed time.
func (l *Log) Printf(format string, args ...any) {
	l.write(fmt.Sprintf("[%6.1fs] %s\n", time.Since(l.start).Seconds(), fmt.Sprintf(format, args...)))
}

// Block writes what a command printed, indented under the line before.
func (l *Log) Block(text string) {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(&out, "          %s\n", strings.TrimRight(line, "\n"))
	}
	l.write(out.String())
}

func (l *Log) write(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.screen == nil {
		_, _ = io.WriteString(l.w, text)
		return
	}
	_ = l.screen.Print(text)
}

// Watched reports whether somebody looks on, so that texts can change in place.
func (l *Log) Watched() bool { return l.screen != nil }

// Show a text that changes in place, below the lines; it is only for those who look on.
func (l *Log) Show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passing = text
	l.draw()
}

// Footer is a last line that stays below all others until it is "".
func (l *Log) Footer(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.footer = text
	l.draw()
}

func (l *Log) draw() {
	if l.screen == nil {
		return
	}
	_ = l.screen.Show(strings.Trim(strings.TrimRight(l.passing, "\n")+"\n"+l.footer, "\n"))
}

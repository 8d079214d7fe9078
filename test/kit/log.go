package kit

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Log tells a story: each line begins with the time since the story began. It is safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
}

// NewLog begins a story on w.
func NewLog(w io.Writer) *Log { return &Log{w: w, start: time.Now()} }

// Printf writes one line with the elapsed time.
func (l *Log) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "[%6.1fs] %s\n", time.Since(l.start).Seconds(), fmt.Sprintf(format, args...))
}

// Block writes what a command printed, indented under the line before.
func (l *Log) Block(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(l.w, "          %s\n", strings.TrimRight(line, "\n"))
	}
}

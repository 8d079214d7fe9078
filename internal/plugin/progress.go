// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"

	"github.com/rocketmq-operator/rocketmq-operator/internal/terminal"
)

// progress tells a waiting user what is being done: in one line that changes on a terminal, else in a line for each step.
type progress struct {
	w      io.Writer
	screen *terminal.Screen // nil without a terminal
	last   string
}

func (o *options) progress(w io.Writer) *progress {
	return &progress{w: w, screen: o.screen(w)}
}

// step is worth a line of its own.
func (p *progress) step(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text == p.last {
		return
	}
	p.last = text
	if p.screen == nil {
		fmt.Fprintln(p.w, text)
		return
	}
	_ = p.screen.Show(text) // a terminal that is gone sees no error either
}

// detail is only for a terminal: there are many.
func (p *progress) detail(format string, args ...any) {
	if p.screen != nil {
		_ = p.screen.Show(fmt.Sprintf(format, args...))
	}
}

// end leaves the terminal to the result.
func (p *progress) end() { p.detail("") }

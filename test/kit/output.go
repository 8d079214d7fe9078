// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
)

// output passes on what a program says while somebody waits for it: whole lines go to the Log. The hundreds of lines in which go
// says what it downloads become one, which changes in place where somebody looks on.
type output struct {
	log  *Log
	name string // of the program

	mu         sync.Mutex
	rest       []byte
	started    time.Time
	downloaded int
	module     string // that was downloaded last
}

// downloading is how go begins a line about a module (cmd/go/internal/modfetch).
const downloading = "go: downloading "

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, ok := bytes.Cut(o.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		o.rest = rest
		if module, is := strings.CutPrefix(string(line), downloading); is {
			o.downloaded++
			o.module = module
			o.show()
			continue
		}
		o.log.Block(string(line))
	}
}

// show how long the program has run, and what it has downloaded.
func (o *output) show() {
	text := fmt.Sprintf("  %s: %.0f s", o.name, time.Since(o.started).Seconds())
	if o.downloaded > 0 {
		text += fmt.Sprintf(", %d modules downloaded, at last %s", o.downloaded, o.module)
	}
	o.log.Show(text)
}

// watch goes on showing until it is stopped; then it says in one line what was downloaded.
func (o *output) watch() (stop func()) {
	if !o.log.Watched() {
		return o.end
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				o.mu.Lock()
				o.show()
				o.mu.Unlock()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		o.log.Show("")
		o.end()
	}
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.downloaded > 0 {
		o.log.Block(fmt.Sprintf("%d modules were downloaded", o.downloaded))
	}
}

// withoutDownloads is what else a program said.
func withoutDownloads(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, downloading) {
			out.WriteString(line)
		}
	}
	return out.String()
}

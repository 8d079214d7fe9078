// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// slow tests are shown as they end.
const slow = 10 * time.Second

// Each failure is repeated at the end with its first causes, for readers who only see the end.
const (
	causes      = 3
	causeLines  = 12
	causeLength = 400 // of a line
)

// cause is how the testing package prints what a test reports: further lines are indented.
var cause = regexp.MustCompile(`(?m)^ *\w+_test\.go:\d+: .*(\n {8}.*)*`)

// mostNamed is how many skipped tests are named.
const mostNamed = 10

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// key of a test: package and name. A package's own is that of the empty name.
type key struct{ pkg, test string }

// report counts and prints, for parts that may run beside each other.
type report struct {
	mu    sync.Mutex
	out   io.Writer
	now   func() time.Time
	start time.Time
	spoke time.Time // when something was printed last

	passed, failed int
	failures       []string
	skipped        []string
}

// part is what is known of a part that runs.
type part struct {
	of             *report
	name           string
	start          time.Time
	passed, failed int
	skipped        int
	// tested: it spoke of packages with tests, so it is not a command of another sort.
	tested  bool
	output  map[key][]string
	running map[key]time.Time
	// parents have subtests, which are counted in their place; brokenParents are those of failed ones.
	parents, brokenParents map[key]bool
	tests                  map[string]int // of each package
}

func newReport(out io.Writer, now func() time.Time) *report {
	return &report{out: out, now: now, start: now()}
}

func (r *report) begin(name string) *part {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printf("=== %s", name)
	return &part{
		of: r, name: name, start: r.now(), output: map[key][]string{}, running: map[key]time.Time{},
		parents: map[key]bool{}, brokenParents: map[key]bool{}, tests: map[string]int{},
	}
}

// line takes one line of a part's output.
func (p *part) line(line string) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		p.of.printf("%s", strings.TrimRight(line, "\n"))
		return
	}
	p.event(e)
}

func (p *part) event(e event) {
	r, k := p.of, key{e.Package, e.Test}
	p.tested = p.tested || e.Package != ""
	switch e.Action {
	case "build-output":
		r.printf("%s", strings.TrimRight(e.Output, "\n"))
	case "run":
		p.running[k] = r.now()
		if parent, ok := k.parent(); ok {
			p.parents[parent] = true
		}
	case "output":
		p.output[k] = append(p.output[k], e.Output)
	case "pass":
		p.close(k)
		switch {
		case k.test == "":
			if p.tests[k.pkg] > 0 {
				r.printf("ok    %s  %d tests, %s", k.pkg, p.tests[k.pkg], seconds(e.Elapsed))
			}
		case !p.parents[k]:
			p.passed++
		}
	case "fail":
		p.fail(k, e.Elapsed)
	case "skip":
		p.close(k)
		if k.test != "" {
			p.skipped++
			r.skipped = append(r.skipped, k.String())
			r.printf("skip  %s", k)
		}
	}
}

// close forgets what need not be shown any more.
func (p *part) close(k key) {
	if started, ran := p.running[k]; ran {
		p.tests[k.pkg]++
		if took := p.of.now().Sub(started); took > slow {
			p.of.printf("      %s took %s", k, took.Round(time.Second))
		}
	}
	delete(p.running, k)
	delete(p.output, k)
}

// fail counts a failure once: a parent only fails by itself if no subtest did, a package only if no test did.
func (p *part) fail(k key, elapsed float64) {
	r := p.of
	parent, ok := k.parent()
	if ok || k.test != "" {
		p.brokenParents[parent] = true
	}
	counts := !p.brokenParents[k]
	text := strings.Join(p.output[k], "")
	p.close(k)
	if counts || strings.TrimSpace(text) != "" {
		r.printf("FAIL  %s  %s\n%s", k, seconds(elapsed), strings.TrimRight(text, "\n"))
	}
	if counts {
		p.failed++
		r.failures = append(r.failures, fmt.Sprintf("%s: %s", p.name, k))
		for _, reported := range cause.FindAllString(text, causes) {
			lines := strings.Split("    "+strings.TrimSpace(reported), "\n")
			for _, line := range lines[:min(len(lines), causeLines)] {
				r.failures = append(r.failures, line[:min(len(line), causeLength)])
			}
		}
	}
}

// heartbeat says what runs if nothing was said for a while.
func (p *part) heartbeat(silence time.Duration) {
	r := p.of
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(r.spoke) < silence {
		return
	}
	var names []string
	for k := range p.running {
		if !p.parents[k] {
			names = append(names, k.String())
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		names = []string{p.name}
	}
	r.printf("      still running: %s", strings.Join(names, ", "))
}

// end closes a part; err is how its command ended.
func (p *part) end(err error) {
	r := p.of
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && p.failed == 0:
		p.failed++
		r.failures = append(r.failures, fmt.Sprintf("%s: %v", p.name, err))
		r.printf("FAIL  %s: %v", p.name, err)
	case err == nil && p.tested && p.passed+p.failed == 0:
		p.failed++
		r.failures = append(r.failures, p.name+": no test ran")
		r.printf("FAIL  %s: no test ran", p.name)
	case err == nil && p.passed+p.failed == 0: // a command without tests
		p.passed++
	}
	r.passed += p.passed
	r.failed += p.failed
	r.printf("=== %s: %d passed, %d failed, %d skipped in %s", p.name, p.passed, p.failed, p.skipped, r.now().Sub(p.start).Round(time.Second))
}

// finish prints the failures by name with their causes, and the closing line. It reports whether all is well.
func (r *report) finish() bool {
	if len(r.failures) > 0 {
		r.printf("failed:")
		for _, line := range r.failures {
			r.printf("  %s", line)
		}
	}
	if len(r.skipped) > 0 {
		named, more := r.skipped, ""
		if len(named) > mostNamed { // as with -short, which means it
			named, more = named[:mostNamed], " and others"
		}
		r.printf("%d skipped: %s%s", len(r.skipped), strings.Join(named, ", "), more)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed\n", r.passed, r.failed)
	return r.failed == 0
}

// printf prints with the minutes and seconds since the start.
func (r *report) printf(format string, args ...any) {
	r.spoke = r.now()
	since := r.spoke.Sub(r.start)
	fmt.Fprintf(r.out, "%02d:%02d  %s\n", int(since.Minutes()), int(since.Seconds())%60, fmt.Sprintf(format, args...))
}

func seconds(s float64) string { return fmt.Sprintf("%.1fs", s) }

func (k key) String() string {
	if k.test == "" {
		return k.pkg
	}
	return k.pkg + " " + k.test
}

// parent is the test that a subtest belongs to, else the package.
func (k key) parent() (key, bool) {
	i := strings.LastIndexByte(k.test, '/')
	if i < 0 {
		return key{k.pkg, ""}, false
	}
	return key{k.pkg, k.test[:i]}, true
}

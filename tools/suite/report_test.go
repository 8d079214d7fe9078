// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// replay puts the output of one part into a report.
func replay(output string, err error) (string, bool) {
	var out strings.Builder
	now := time.Unix(0, 0)
	r := newReport(&out, func() time.Time { return now })
	p := r.begin("part")
	for line := range strings.Lines(output) {
		p.line(line)
	}
	p.end(err)
	ok := r.finish()
	return out.String(), ok
}

func TestReport(t *testing.T) {
	exit := errors.New("exit status 1")
	for _, c := range []struct {
		name, output string
		err          error
		closing      string
		shown        string // somewhere in the output
	}{
		{"a command without tests that succeeds", "checked\n", nil, "1 passed, 0 failed", "00:00  checked\n"},
		{"a command without tests that fails", "bad\n", exit, "0 passed, 1 failed", "part: exit status 1"},
		{"subtests are counted in place of their parents", `
{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/one"}
{"Action":"run","Package":"p","Test":"A/two"}
{"Action":"pass","Package":"p","Test":"A/one"}
{"Action":"pass","Package":"p","Test":"A/two"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"pass","Package":"p"}
`, nil, "3 passed, 0 failed", "ok    p"},
		{"a run of tests in which none ran", `
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"testing: warning: no tests to run\n"}
{"Action":"pass","Package":"p"}
`, nil, "0 passed, 1 failed", "part: no test ran"},
		{"a run of tests that were all skipped", `
{"Action":"run","Package":"p","Test":"A"}
{"Action":"skip","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}
`, nil, "0 passed, 1 failed", "1 skipped: p A"},
		{"a skipped test is told beside others", `
{"Action":"run","Package":"p","Test":"A"}
{"Action":"skip","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"pass","Package":"p"}
`, nil, "1 passed, 0 failed", "part: 1 passed, 0 failed, 1 skipped"},
		{"a failed subtest is counted once and shown", `
{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/one"}
{"Action":"output","Package":"p","Test":"A/one","Output":"    a_test.go:1: wrong\n"}
{"Action":"output","Package":"p","Test":"A/one","Output":"          -1\n"}
{"Action":"output","Package":"p","Test":"A/one","Output":"          +2\n"}
{"Action":"output","Package":"p","Test":"A/one","Output":"    [  0.1s] later\n"}
{"Action":"fail","Package":"p","Test":"A/one"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}
`, exit, "0 passed, 1 failed", "failed:\n00:00    part: p A/one\n00:00        a_test.go:1: wrong\n00:00              -1\n00:00              +2\n0 passed"},
		{"a parent that fails by itself is counted", `
{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/one"}
{"Action":"pass","Package":"p","Test":"A/one"}
{"Action":"output","Package":"p","Test":"A","Output":"    a_test.go:2: afterwards\n"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}
`, exit, "1 passed, 1 failed", "a_test.go:2: afterwards"},
		{"a package that does not build is counted", `
{"ImportPath":"p","Action":"build-output","Output":"p/a.go:1:1: syntax error\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
`, exit, "0 passed, 1 failed", "syntax error"},
		{"a panic after the tests is counted", `
{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Output":"panic: late\n"}
{"Action":"fail","Package":"p"}
`, exit, "1 passed, 1 failed", "panic: late"},
		{"all tests pass but the command fails", `
{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}
`, exit, "1 passed, 1 failed", "part: exit status 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, ok := replay(c.output, c.err)
			if !strings.HasSuffix(out, "\n"+c.closing+"\n") {
				t.Errorf("want the closing line %q, got:\n%s", c.closing, out)
			}
			if !strings.Contains(out, c.shown) {
				t.Errorf("want %q shown, got:\n%s", c.shown, out)
			}
			if want := strings.HasSuffix(c.closing, " 0 failed"); ok != want {
				t.Errorf("well = %v, want %v", ok, want)
			}
		})
	}
}

// The real thing: exit code, order of parts, no standard input.
func TestSuiteProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "suite")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(program, "one", "cat; echo first", "two", "echo second >&2; exit 3", "three", "true").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("error %v, want exit status 1", err)
	}
	text := string(out)
	if !strings.HasSuffix(text, "\n2 passed, 1 failed\n") {
		t.Errorf("closing line:\n%s", text)
	}
	if first, second := strings.Index(text, "first"), strings.Index(text, "second"); first < 0 || second < first {
		t.Errorf("order:\n%s", text)
	}
}

// A part runs beside the one before it: both meet, and the next one waits for both.
func TestPartsBesideEachOther(t *testing.T) {
	program, dir := filepath.Join(t.TempDir(), "suite"), t.TempDir()
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	meet := func(mine, other string) string {
		return "touch " + mine + "; for i in $(seq 300); do if [ -e " + other + " ]; then exit 0; fi; sleep 0.1; done; exit 1"
	}
	cmd := exec.Command(program, "one", meet("a", "b"), "+two", meet("b", "a"), "three", "rm a b")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "=== two: 1 passed") {
		t.Errorf("%v\n%s", err, out)
	}
}

// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain lets the test binary play the agent: supervisor and orphans need a process of their own.
func TestMain(m *testing.M) {
	if script, ok := os.LookupEnv("SUPERVISE_TEST_SCRIPT"); ok {
		supervisor(script)
		return
	}
	os.Exit(m.Run())
}

func supervisor(script string) {
	const prSetChildSubreaper = 36 // orphans come to us as they do to PID 1
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		panic(errno)
	}
	child := &Child{Path: "/bin/sh", Args: []string{"-c", script}, Env: os.Environ()}
	if takes, err := time.ParseDuration(os.Getenv("SUPERVISE_TEST_HOOK")); err == nil {
		child.BeforeStop = func(ctx context.Context) {
			fmt.Println("hook: begins, stopping", child.Stopping())
			select {
			case <-ctx.Done():
				fmt.Println("hook: cut short")
			case <-time.After(takes):
				fmt.Println("hook: done")
			}
		}
	}
	signals := Signals()
	defer signal.Stop(signals)
	result, err := child.Run(context.Background(), signals)
	if err != nil {
		panic(err)
	}
	fmt.Println("running", child.Running(), "signal", int(result.Signal))
	os.Exit(result.ExitCode)
}

// ready is what a script prints when it can be signalled.
const ready = "ready"

func TestRun(t *testing.T) {
	tests := []struct {
		name, script string
		hook         string      // how long it takes
		signals      []os.Signal // sent once the script is ready
		want         []string
		wantCode     int
	}{
		{name: "clean exit", script: "exit 0", want: []string{"running false signal 0"}},
		{name: "exit code", script: "exit 7", want: []string{"running false signal 0"}, wantCode: 7},
		{name: "143 without a SIGTERM of ours is its own", script: "exit 143", want: []string{"running false signal 0"}, wantCode: 143},
		{name: "killed", script: "kill -9 $$", want: []string{"running false signal 9"}, wantCode: 137},
		{
			name:    "SIGTERM is passed on and 143 is a clean stop",
			script:  "trap 'echo stopping; exit 143' TERM; echo ready; while :; do sleep 0.05; done",
			signals: []os.Signal{syscall.SIGTERM},
			want:    []string{"ready", "stopping", "running false signal 0"},
		},
		{
			name:    "SIGINT becomes SIGTERM",
			script:  "echo ready; while :; do sleep 0.05; done",
			signals: []os.Signal{syscall.SIGINT},
			want:    []string{"ready", "running false signal 0"},
		},
		{
			name:     "another exit code after SIGTERM is kept",
			script:   "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done",
			signals:  []os.Signal{syscall.SIGTERM},
			want:     []string{"ready", "running false signal 0"},
			wantCode: 3,
		},
		{
			name:    "the hook runs before the child is told",
			script:  "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
			hook:    "300ms",
			signals: []os.Signal{syscall.SIGTERM},
			want:    []string{"ready", "hook: begins, stopping true", "hook: done", "stopping", "running false signal 0"},
		},
		{
			name:    "a second signal cuts the hook short",
			script:  "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
			hook:    "10m",
			signals: []os.Signal{syscall.SIGTERM, syscall.SIGINT},
			want:    []string{"ready", "hook: begins, stopping true", "hook: cut short", "stopping", "running false signal 0"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, tt.script, tt.hook)
			var got []string
			for _, s := range tt.signals {
				got = append(got, p.line(t)) // ready, then the hook's beginning
				if err := p.cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			lines, code := p.finish(t)
			if diff := cmp.Diff(tt.want, append(got, lines...)); diff != "" {
				t.Errorf("output (-want +got)\n%s", diff)
			}
			if code != tt.wantCode {
				t.Errorf("exit code %d, want %d", code, tt.wantCode)
			}
		})
	}
}

func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	// The inner shell prints its background child's pid and leaves it behind; that child ends soon after.
	p := start(t, "sh -c 'sleep 0.2 >/dev/null 2>&1 & echo $!'; echo ready; while :; do sleep 0.05; done", "")
	orphan := p.line(t)
	if got := p.line(t); got != ready {
		t.Fatalf("got %q", got)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + orphan); err != nil {
			break // a zombie would still be there
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s was not reaped", orphan)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, code := p.finish(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestRunNamesWhatDoesNotStart(t *testing.T) {
	child := &Child{Path: "/no/such/java"}
	if _, err := child.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "start /no/such/java") {
		t.Errorf("got %v", err)
	}
}

type process struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func start(t *testing.T, script, hook string) process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "SUPERVISE_TEST_SCRIPT="+script, "SUPERVISE_TEST_HOOK="+hook)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return process{cmd: cmd, out: bufio.NewReader(out)}
}

func (p process) line(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("after %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (p process) finish(t *testing.T) (lines []string, code int) {
	t.Helper()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.TrimSuffix(string(rest), "\n"); text != "" {
		lines = strings.Split(text, "\n")
	}
	_ = p.cmd.Wait()
	return lines, p.cmd.ProcessState.ExitCode()
}

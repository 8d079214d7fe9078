// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain lets the test binary be the agent: it handles signals and reaps children, which takes a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("AGENT_TEST") != "" {
		os.Exit(Main(context.Background(), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// sandbox is a container's file system for one agent.
type sandbox struct {
	dir string
	env []string
}

func newSandbox(t *testing.T, settings string) sandbox {
	t.Helper()
	s := sandbox{dir: t.TempDir()}
	s.write(t, "settings/settings.json", settings, 0o644)
	s.write(t, "termination-log", "", 0o644)
	s.env = []string{"POD_NAME=x-0", "POD_IP=127.0.0.1", "HOST_IP=127.0.0.1"}
	return s
}

// fakeJava gives the sandbox an installation whose java is a shell script.
func (s *sandbox) fakeJava(t *testing.T, script string) {
	t.Helper()
	s.write(t, "rocketmq/lib/rocketmq-controller-5.4.0.jar", "", 0o644)
	s.write(t, "java/release", "JAVA_VERSION=\"1.8.0_402\"\n", 0o644)
	s.write(t, "java/bin/java", "#!/bin/sh\n"+script+"\n", 0o755)
	s.env = append(s.env, "ROCKETMQ_HOME="+s.path("rocketmq"), "JAVA_HOME="+s.path("java"))
}

func (s *sandbox) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sandbox) write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func (s *sandbox) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// agentProcess is a running agent.
type agentProcess struct {
	cmd    *exec.Cmd
	output *lockedBuffer
	url    string
	done   chan struct{}
}

// run starts the agent in the sandbox; the test's end kills what is left of it.
func (s *sandbox) run(t *testing.T, role string, flags ...string) *agentProcess {
	t.Helper()
	address := freeAddress(t)
	args := append([]string{"run", role, "--settings-dir", s.path("settings"), "--base-dir", s.path("base"), "--run-dir", s.path("run"),
		"--data-dir", s.path("store"), "--termination-log", s.path("termination-log"), "--http", address}, flags...)
	a := &agentProcess{cmd: exec.Command(os.Args[0], args...), output: new(lockedBuffer), url: "http://" + address, done: make(chan struct{})}
	a.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "AGENT_TEST=1"}, s.env...)
	a.cmd.Stdout, a.cmd.Stderr = a.output, a.output
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(a.done)
		_ = a.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = a.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-a.done:
		case <-time.After(30 * time.Second):
			_ = a.cmd.Process.Kill()
		}
		if t.Failed() {
			t.Logf("the agent of the %s printed:\n%s", role, a.output)
		}
	})
	return a
}

func (a *agentProcess) stop(t *testing.T) int {
	t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return a.exitCode(t)
}

// killJava, of which the agent makes its end.
func (a *agentProcess) killJava() {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", a.cmd.Process.Pid)) // the pattern is well-formed
	for _, thread := range threads {
		children, _ := os.ReadFile(thread)
		for pid := range strings.FieldsSeq(string(children)) {
			if pid, err := strconv.Atoi(pid); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

func (a *agentProcess) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(2 * time.Minute):
		t.Fatal("the agent does not end")
	}
	return a.cmd.ProcessState.ExitCode()
}

// await polls a probe until its status is the wanted one and returns its body.
func (a *agentProcess) await(t *testing.T, path string, status int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	last := ""
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if last = string(body); resp.StatusCode == status {
				return last
			}
		}
		select {
		case <-a.done:
			t.Fatalf("the agent ended before %s was %d", path, status)
		case <-ctx.Done():
			t.Fatalf("%s is not %d in time: %s", path, status, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// freeAddress is one that nobody listens on, below the ports that the kernel gives away: it takes a moment until the agent
// listens there.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 32000+rand.IntN(700))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no free port between 32000 and 32700")
	return ""
}

// lockedBuffer may be read while a process writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const (
	nameServerSettings = `{"serviceDomain": "h.ns.svc"}`
	brokerSettings     = `{"serviceDomain": "h.ns.svc", "broker": {"clusterName": "c", "mode": "STATIC", "nameServers": ["127.0.0.1:1"]}}`
)

func TestRunStartsJavaAndStopsItCleanly(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, brokerSettings)
	s.fakeJava(t, `trap 'exit 143' TERM; for arg; do echo "arg $arg"; done; while :; do sleep 0.05; done`)
	s.write(t, "base/broker-common.conf", "brokerId=9\nfileReservedTime=48\n", 0o644)
	s.env = append(s.env, "BROKER_MEM=-Xmn10m", `JAVA_OPT_EXT=-Da="b c"`)
	a := s.run(t, "broker", "--default-heap", "64m", "--default-direct-memory=32m", "--direct-memory", "48m", "--java-option=-Dlast=1")
	a.await(t, "/livez", http.StatusOK)
	if body := a.await(t, "/readyz", http.StatusServiceUnavailable); !strings.Contains(body, `"ready":false`) {
		t.Errorf("/readyz: %s", body)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, a.url+"/grace?seconds=90", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := http.DefaultClient.Do(request); err != nil || answer.StatusCode != http.StatusNoContent {
		t.Errorf("the agent is told of its grace period: %v, %v", answer, err)
	} else {
		answer.Body.Close()
	}
	last := s.path("run/broker.conf")
	for deadline := time.Now().Add(time.Minute); !strings.Contains(a.output.String(), "arg "+last+"\n"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("java has not told its last argument, %s:\n%s", last, a.output)
		}
	}
	if code := a.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}

	var args []string
	for line := range strings.Lines(a.output.String()) {
		if arg, ok := strings.CutPrefix(line, "arg "); ok {
			args = append(args, strings.TrimSpace(arg))
		}
	}
	home := s.path("rocketmq")
	want := []string{
		"-Duser.home=" + s.path("run"),
		"-Djava.io.tmpdir=" + s.path("run/tmp"),
		"-Drmq.logback.configurationFile=" + s.path("run/logback.xml"),
		"-Djava.security.properties=" + s.path("run/java.security"),
		"-Dtls.server.mode=disabled",
		"-Xms64m", "-Xmx64m",
		"-Xmn10m", "-Da=b c", "-XX:MaxDirectMemorySize=48m", "-Dlast=1",
		"-cp", home + "/lib/rocketmq-controller-5.4.0.jar:" + home + "/conf",
		"org.apache.rocketmq.broker.BrokerStartup", "-c", last,
	}
	if diff := cmp.Diff(want, args); diff != "" {
		t.Errorf("java's arguments (-want +got)\n%s", diff)
	}
	conf := s.read(t, "run/broker.conf")
	for _, line := range []string{"brokerId=0\n", "fileReservedTime=48\n", "brokerIP1=x-0.h.ns.svc\n", "storePathRootDir=" + s.path("store") + "\n"} {
		if !strings.Contains(conf, line) {
			t.Errorf("no %q in\n%s", line, conf)
		}
	}
	for _, line := range []string{
		`property of the user overridden: brokerId = "9" is "0": it follows the pod's ordinal`,
		"java has stopped",
	} {
		if n := strings.Count(a.output.String(), line); n != 1 {
			t.Errorf("%d times in the log: %s", n, line)
		}
	}
	if got := s.read(t, "termination-log"); got != "" {
		t.Errorf("termination log: %s", got)
	}
}

func TestRunSaysWhyItEnds(t *testing.T) {
	tests := []struct {
		name, role, java string
		set              func(*testing.T, *sandbox)
		flags            []string
		code             int
		want             string // in the termination log; empty: nothing there
	}{
		{
			name: "not a RocketMQ image", role: "nameserver", code: 1,
			set:  func(_ *testing.T, s *sandbox) { s.env = append(s.env, "ROCKETMQ_HOME=") },
			want: "ROCKETMQ_HOME is not set, so this is not a RocketMQ image; set the image to an official one",
		},
		{
			name: "predecessor's image", role: "nameserver", code: 1,
			set:  func(_ *testing.T, s *sandbox) { s.env = append(s.env, "ROCKETMQ_HOME=/root/rocketmq/nameserver") },
			want: "ROCKETMQ_HOME holds no RocketMQ",
		},
		{
			name: "no settings", role: "nameserver", code: 1,
			set:  func(_ *testing.T, s *sandbox) { s.dir = filepath.Join(s.dir, "nothing-here") },
			want: "", // no termination log either
		},
		{
			name: "settings of another server", role: "controller", code: 1,
			want: "the settings say nothing about a controller",
		},
		{
			name: "base file", role: "broker", code: 1,
			set: func(t *testing.T, s *sandbox) {
				s.write(t, "settings/settings.json", brokerSettings, 0o644)
				s.write(t, "base/broker-common.conf", "a=1\nb=\\uzz\n", 0o644)
			},
			want: "broker-common.conf of spec.volumes[0]: line 2: malformed escape",
		},
		{
			name: "data directory", role: "nameserver", code: 1,
			set:  func(t *testing.T, s *sandbox) { s.write(t, "store", "a file", 0o644) },
			want: "is not writable: give the pod the fsGroup",
		},
		{
			name: "data directory on the host", role: "nameserver", code: 1, flags: []string{"--host-path", "/data/ns/x-0"},
			set:  func(t *testing.T, s *sandbox) { s.write(t, "store", "a file", 0o644) },
			want: fmt.Sprintf("run `chown -R %d:%d /data/ns/x-0` on node 127.0.0.1", os.Getuid(), os.Getgid()),
		},
		{
			name: "no java", role: "nameserver", code: 1,
			set:  func(_ *testing.T, s *sandbox) { s.env = append(s.env, "JAVA_HOME=/no/java") },
			want: "no java in JAVA_HOME /no/java",
		},
		{name: "java ends by itself", role: "nameserver", java: "exit 253", code: 253, want: ""},
		{name: "java is killed", role: "nameserver", java: "kill -9 $$", code: 137, want: "the container ran out of memory"},
		{name: "java crashes", role: "nameserver", java: "kill -6 $$", code: 134, want: `java was ended by the signal "aborted"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, nameServerSettings)
			s.fakeJava(t, tt.java)
			terminationLog := s.path("termination-log")
			if tt.set != nil {
				tt.set(t, &s)
			}
			a := s.run(t, tt.role, tt.flags...)
			if code := a.exitCode(t); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			got, err := os.ReadFile(terminationLog)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" && len(got) > 0 || !strings.Contains(string(got), tt.want) {
				t.Errorf("termination log %q, want %q in it", got, tt.want)
			}
			if !strings.Contains(a.output.String(), " ERROR agent - "+string(got)) {
				t.Errorf("the log does not have it: %s", a.output)
			}
		})
	}
}

// TestKilledWithItsAgent: a container that runs out of memory is killed as a whole, and the next one says it.
func TestKilledWithItsAgent(t *testing.T) {
	t.Parallel()
	const line = "the container before this one was killed together with its agent"
	s := newSandbox(t, nameServerSettings)
	s.fakeJava(t, `trap 'exit 143' TERM; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done`)
	s.write(t, "run/tmp/librocksdbjni.so", "unpacked by the one before", 0o644)
	for i, killed := range []bool{true, false, false} {
		a := s.run(t, "nameserver")
		a.await(t, "/livez", http.StatusOK)
		if got, want := strings.Contains(a.output.String(), line), i == 1; got != want {
			t.Errorf("container %d: says %t that the one before was killed, want %t", i, got, want)
		}
		if _, err := os.Stat(s.path("run/tmp/librocksdbjni.so")); !os.IsNotExist(err) {
			t.Errorf("what a killed server unpacked is still there (%v)", err)
		}
		if !killed {
			a.stop(t)
			continue
		}
		if err := a.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		a.exitCode(t)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		nil, {"install"}, {"run"}, {"run", "exporter"}, {"run", "broker", "--no-such-flag"}, {"run", "broker", "extra"}, {"stop"},
	} {
		if code := Main(t.Context(), args); code != exitUsage {
			t.Errorf("%q: exit code %d, want %d", args, code, exitUsage)
		}
	}
}

func TestInstall(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "rocketmq-agent")
	for range 2 { // a restarted init container finds its own copy
		if code := Main(t.Context(), []string{"install", dest}); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		info, err := os.Stat(dest)
		if err != nil {
			t.Fatal(err)
		}
		self, err := os.Stat(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o555 || info.Size() != self.Size() {
			t.Errorf("%s, %d bytes; want -r-xr-xr-x, %d bytes", info.Mode(), info.Size(), self.Size())
		}
	}
	if files, err := os.ReadDir(filepath.Dir(dest)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if code := Main(t.Context(), []string{"install", "/no/such/dir/agent"}); code != exitFailure {
		t.Errorf("into no directory: exit code %d", code)
	}
}

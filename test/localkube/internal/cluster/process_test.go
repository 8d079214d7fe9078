// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOwner(t *testing.T) {
	for name, test := range map[string]struct {
		environ   []string
		run, part string
	}{
		"a part":                   {[]string{"PATH=/bin", "LOCALKUBE_RUN=/c/run", "LOCALKUBE_PART=etcd"}, "/c/run", "etcd"},
		"a stranger":               {[]string{"PATH=/bin", "HOME=/c/run"}, "", ""},
		"a shell with our env":     {[]string{"KUBECONFIG=/c/run/admin.conf", "LOCALKUBE_AUDIT_LOG=/c/run/audit.log"}, "", ""},
		"half of it":               {[]string{"LOCALKUBE_RUN=/c/run"}, "", ""},
		"a name that ends alike":   {[]string{"MY_LOCALKUBE_RUN=/c/run", "LOCALKUBE_PART=etcd"}, "", ""},
		"a value that looks alike": {[]string{"X=LOCALKUBE_RUN=/c/run", "LOCALKUBE_PART=etcd"}, "", ""},
		"a zombie":                 {nil, "", ""},
	} {
		run, part := owner([]byte(strings.Join(test.environ, "\x00") + "\x00"))
		if run != test.run || part != test.part {
			t.Errorf("%s: got %q, %q", name, run, part)
		}
	}
}

// TestProcessesAreRecognised runs real processes: one that is a part, a child of a part, a stranger, and a part of
// another cluster.
func TestProcessesAreRecognised(t *testing.T) {
	c := newCluster(t)
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	kube := filepath.Join(t.TempDir(), "kube") // a part is known by the name of its executable
	if err := os.WriteFile(kube, b, 0o755); err != nil {
		t.Fatal(err)
	}
	start := func(exe string, env ...string) *exec.Cmd {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), exe, "60") // killed below
		cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd
	}
	etcd := start(kube, envRun+"="+c.run, envPart+"=etcd")
	helper := start(sleep, envRun+"="+c.run, envPart+"=kubelet-node1")
	stranger := start(kube, "HOME="+c.run)

	// What a process is, is known only once it has executed.
	err = poll(t.Context(), 5*time.Second, 10*time.Millisecond, func() error {
		found, _, err := c.processes()
		if err == nil && len(found) != 2 {
			err = os.ErrNotExist
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := c.running()
	if err != nil || len(parts) != 1 || parts["etcd"].Process == nil || parts["etcd"].Pid != etcd.Process.Pid {
		t.Fatalf("parts: %v, %v", parts, err)
	}
	if err := c.alone(); err != nil && strings.Contains(err.Error(), c.run) { // a real cluster may run on this machine
		t.Errorf("our own processes pass for another cluster's: %v", err)
	}
	other := start(kube, envRun+"=/elsewhere/run", envPart+"=etcd")
	err = poll(t.Context(), 5*time.Second, 10*time.Millisecond, func() error {
		if err := c.alone(); err == nil || !strings.Contains(err.Error(), "/elsewhere/run") {
			return os.ErrNotExist
		}
		return nil
	})
	if err != nil {
		t.Error("another cluster is not noticed")
	}

	waited := make(chan error, 2)
	for _, cmd := range []*exec.Cmd{etcd, helper} {
		go func() { waited <- cmd.Wait() }()
	}
	if err := c.signal(t.Context(), func(process) bool { return true }, syscall.SIGKILL, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-waited; err == nil || err.Error() != "signal: killed" {
			t.Errorf("a process of ours: %v", err)
		}
	}
	for _, cmd := range []*exec.Cmd{stranger, other} {
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("a stranger was ended: %v", err)
		}
	}
}

func TestStartPartReportsADeath(t *testing.T) {
	c := newCluster(t)
	if err := os.MkdirAll(filepath.Dir(c.logFile("x")), 0o755); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\necho \"$LOCALKUBE_PART of $LOCALKUBE_RUN: $1 $HTTPS_PROXY\"\nexit 3\n"
	if err := os.WriteFile(filepath.Join(bin, "etcd"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HTTPS_PROXY", "http://proxy") // must not get in
	died := make(chan error, 1)
	if err := c.startPart(t.Context(), part{name: "etcd", node: 1, args: []string{"etcd", "--flag"}}, bin, died); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-died:
		if want := "etcd of " + c.run + ": --flag"; !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("got %v, want %q", err, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("its death was not reported")
	}
}

// Its children wake as late as it may.
func TestTimerSlackIsInherited(t *testing.T) {
	slack := func() string {
		t.Helper()
		own, err := exec.CommandContext(t.Context(), "sh", "-c", "cat /proc/self/timerslack_ns").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(own))
	}
	before := slack()
	for asked, want := range map[time.Duration]string{0: before, 3 * time.Millisecond: "3000000"} {
		within := ""
		if err := withTimerSlack(asked, func() error { within = slack(); return nil }); err != nil {
			t.Fatal(err)
		}
		if within != want {
			t.Errorf("with %s a child's slack is %s ns, want %s", asked, within, want)
		}
	}
	if after := slack(); after != before {
		t.Errorf("other children's slack is %s ns now, was %s", after, before)
	}
}

// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Every process that localkube starts carries these two variables, and so do its children. They identify a process
// for certain, where a recorded pid may have gone to a stranger and a process started just before a crash may never
// have been recorded. Containers do not inherit them.
const (
	envRun  = "LOCALKUBE_RUN"  // the state directory of the cluster it belongs to
	envPart = "LOCALKUBE_PART" // which part of the cluster it is, or is a child of
)

// process is a living process of the cluster.
type process struct {
	part string
	exe  string // path of its executable
	*os.Process
}

// isPart tells a part itself from its children (shims, plugins, mount helpers).
func (p process) isPart() bool {
	switch filepath.Base(p.exe) {
	case "kube", "containerd", "coredns":
		return true
	}
	return false
}

// owner returns the state directory of the cluster that a process with this environment belongs to, and the part;
// both are empty if it belongs to none.
func owner(environ []byte) (run, part string) {
	for v := range bytes.SplitSeq(environ, []byte{0}) {
		name, value, _ := bytes.Cut(v, []byte{'='})
		switch string(name) {
		case envRun:
			run = string(value)
		case envPart:
			part = string(value)
		}
	}
	if run == "" || part == "" {
		return "", ""
	}
	return run, part
}

// processes returns all living processes of this cluster, and the state directories of others that run too.
func (c *Cluster) processes() (found []process, others []string, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		// A process may end at any moment: errors mean that it did, and a zombie's environment is empty.
		b, err := os.ReadFile(dir + "/environ")
		run, part := owner(b)
		if err != nil || run == "" {
			continue
		}
		if run != c.run {
			if !slices.Contains(others, run) {
				others = append(others, run)
			}
			continue
		}
		p, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		// Read again now that p holds on to the process itself: the pid cannot have changed hands unnoticed.
		b, err = os.ReadFile(dir + "/environ")
		if run2, part2 := owner(b); err != nil || run2 != run || part2 != part {
			continue
		}
		exe, err := os.Readlink(dir + "/exe")
		if err != nil {
			continue
		}
		found = append(found, process{part: part, exe: strings.TrimSuffix(exe, " (deleted)"), Process: p})
	}
	return found, others, nil
}

// alone fails if a cluster of another cache directory runs: they would share the bridge, the addresses and more.
func (c *Cluster) alone() error {
	_, others, err := c.processes()
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("another local cluster runs, with its state in %s; end it first with down, with the XDG_CACHE_HOME or HOME that it was started with",
			strings.Join(others, ", "))
	}
	return err
}

// running returns the living parts by name.
func (c *Cluster) running() (map[string]process, error) {
	all, _, err := c.processes()
	parts := map[string]process{}
	for _, p := range all {
		if p.isPart() {
			parts[p.part] = p
		}
	}
	return parts, err
}

// part is a long-running process of the cluster.
type part struct {
	name string
	node node     // whose network namespace it runs in
	args []string // args[0] is the name of an executable of the build
	// slack is how much later than asked for the kernel may wake it and its children, so that it wakes several at once; 0 for
	// the kernel's default (50 µs).
	slack time.Duration
}

// environment is what the parts and our own helpers run with. It is bare so that proxies and the like of the
// caller's do not get in.
func (c *Cluster) environment(bin string, more ...string) []string {
	return append([]string{"PATH=" + bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + c.run, "KUBECONFIG=" + c.Kubeconfig()}, more...)
}

func (c *Cluster) logFile(part string) string { return filepath.Join(c.run, "logs", part+".log") }

// startPart starts a part that outlives this command. If it ends before this command does, died is told.
func (c *Cluster) startPart(ctx context.Context, p part, bin string, died chan<- error) error {
	log := c.logFile(p.name)
	if err := os.Rename(log, log+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	args := append([]string{filepath.Join(bin, p.args[0])}, p.args[1:]...)
	if ns := p.node.netns(); ns != "" {
		// Not "ip netns exec": that remounts /sys and hides the cgroups.
		args = append([]string{"/usr/bin/nsenter", "--net=/run/netns/" + ns}, args...)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...)
	cmd.Dir = c.run
	cmd.Env = c.environment(bin, envRun+"="+c.run, envPart+"="+p.name)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := withTimerSlack(p.slack, cmd.Start); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		err := cmd.Wait()
		died <- fmt.Errorf("%s ended (%w); the end of %s:\n%s", p.name, err, log, tail(log, 12))
	}()
	return nil
}

// withTimerSlack has start make its processes on a thread of this timer slack, which they inherit; 0 is the default.
func withTimerSlack(slack time.Duration, start func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		own := filepath.Join("/proc", strconv.Itoa(syscall.Gettid()), "timerslack_ns")
		err := os.WriteFile(own, []byte(strconv.FormatInt(slack.Nanoseconds(), 10)), 0)
		if err == nil {
			err = start()
		}
		done <- err
	}()
	return <-done
}

// tail returns the last lines of a file, as far as it can be read.
func tail(name string, lines int) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// endAll ends every process of the cluster: all are asked, and killed when they are not gone after a moment. etcd is
// the only one with state to save and is asked last, so that nobody misses it.
func (c *Cluster) endAll(ctx context.Context) error {
	isEtcd := func(p process) bool { return p.part == "etcd" }
	notEtcd := func(p process) bool { return !isEtcd(p) }
	for _, step := range []struct {
		which func(process) bool
		sig   os.Signal
		wait  time.Duration
	}{
		// Nobody may restart a container that is killed, so no kubelet or containerd may live; shims must, to reap.
		{func(p process) bool { return p.isPart() && notEtcd(p) }, syscall.SIGTERM, time.Second},
		{func(p process) bool { return p.isPart() && notEtcd(p) }, syscall.SIGKILL, 10 * time.Second},
		{isEtcd, syscall.SIGTERM, 5 * time.Second},
		{isEtcd, syscall.SIGKILL, 10 * time.Second},
	} {
		if err := c.signal(ctx, step.which, step.sig, step.wait); err != nil && step.sig == syscall.SIGKILL {
			return err
		}
	}
	if err := killCgroups(ctx); err != nil {
		return err
	}
	return c.signal(ctx, func(process) bool { return true }, syscall.SIGKILL, 10*time.Second)
}

// signal sends sig to the processes chosen by which and waits until they are gone.
func (c *Cluster) signal(ctx context.Context, which func(process) bool, sig os.Signal, wait time.Duration) error {
	sent := map[int]bool{}
	var left []string
	err := poll(ctx, wait, 50*time.Millisecond, func() error {
		all, _, err := c.processes()
		if err != nil {
			return err
		}
		left = nil
		for _, p := range all {
			if !which(p) {
				continue
			}
			left = append(left, fmt.Sprintf("%s (pid %d)", p.part, p.Pid))
			if sent[p.Pid] {
				continue
			}
			sent[p.Pid] = true
			if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return err
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("still there: %s", strings.Join(left, ", "))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("end processes: %w", err)
	}
	return nil
}

// poll calls try until it succeeds, at most for the time given, and returns its last error.
func poll(ctx context.Context, limit, interval time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(interval):
		}
	}
}

// command runs a tool of the system, bounded to a minute, and returns its standard output.
func command(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

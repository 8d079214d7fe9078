// SPDX-License-Identifier: Apache-2.0

//go:build localkube

package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRealCluster starts and torments a real cluster, with a state directory of its own. It needs the machine's
// only bridge, so no other cluster may run.
func TestRealCluster(t *testing.T) {
	ctx := t.Context()
	c, err := New(os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	c.run = filepath.Join(c.base, "selftest")
	unlock, err := c.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := c.alone(); err != nil {
		t.Fatal(err)
	}
	if err := c.stop(ctx, true); err != nil { // of an earlier run that was killed
		t.Fatal(err)
	}
	before := machine(t, c)
	defer func() {
		if err := c.stop(context.WithoutCancel(ctx), true); err != nil {
			t.Error(err)
		}
	}()

	up := func(t *testing.T) time.Duration {
		t.Helper()
		c.start = time.Now()
		if err := c.Up(ctx, 3, false); err != nil {
			t.Fatal(err)
		}
		return time.Since(c.start)
	}
	if _, err := c.Build(ctx); err != nil {
		t.Fatal(err)
	}
	if took := up(t); took > 30*time.Second {
		t.Errorf("three nodes are up only after %v", took)
	}
	s, err := c.started()
	if err != nil {
		t.Fatal(err)
	}
	k := kubectl{c, s.Bin}

	t.Run("images are imported once", func(t *testing.T) {
		image := nettoolImage(t)
		for _, want := range []int{3, 0} {
			nodes, err := c.loadImage(ctx, s, image)
			if err != nil || len(nodes) != want {
				t.Fatalf("imported on %v (%v), want %d nodes", nodes, err, want)
			}
		}
	})
	k.run(t, "apply", "-f", "testdata/selftest.yaml")
	pods := func(t *testing.T) {
		t.Helper()
		k.run(t, "rollout", "status", "-n", "selftest", "statefulset/web", "--timeout=90s")
		k.run(t, "wait", "pod/hostport", "--for=condition=Ready", "--timeout=60s")
	}
	pods(t)
	execIn := func(pod string, args ...string) []string {
		return append([]string{"exec", "-n", "selftest", pod, "--"}, args...)
	}

	t.Run("a volume is writable for uid 3000", func(t *testing.T) {
		k.run(t, execIn("web-0", "/bin/busybox", "sh", "-c", "echo precious >/data/file")...)
		if got := k.run(t, execIn("web-0", "/bin/busybox", "stat", "-c", "%u:%g", "/data/file")...); got != "3000:3000" {
			t.Errorf("the file belongs to %s", got)
		}
	})
	t.Run("names and services work on every node", func(t *testing.T) {
		for _, pod := range []string{"web-0", "web-1", "web-2"} {
			if got := k.run(t, execIn(pod, "/nettool", "dns", "kubernetes.default")...); got != "["+apiIP+"]" {
				t.Errorf("%s resolves kubernetes.default to %s", pod, got)
			}
			for _, peer := range []string{"web-0", "web-1", "web-2"} {
				if got := k.run(t, execIn(pod, "/nettool", "get", "http://"+peer+".peers:8080")...); got != peer {
					t.Errorf("%s reached %q as %s", pod, got, peer)
				}
			}
			for range 5 { // its own endpoint among them
				if got := k.run(t, execIn(pod, "/nettool", "get", "http://web")...); !strings.HasPrefix(got, "web-") {
					t.Errorf("%s reached %q through the Service", pod, got)
				}
			}
			if out, err := k.try(t.Context(), execIn(pod, "/nettool", "dns", "example.com")...); err == nil || !strings.Contains(out, "no such host") {
				t.Errorf("a name outside of the cluster: %s", out)
			}
		}
	})
	t.Run("node ports and host ports answer", func(t *testing.T) {
		for _, url := range []string{"http://10.89.0.1:30080", "http://10.89.0.3:30080", "http://10.89.0.1:18081"} {
			k.run(t, execIn("web-1", "/nettool", "get", url)...)
		}
	})
	t.Run("the restricted pod security standard is enforced", func(t *testing.T) {
		out, err := k.try(t.Context(), "run", "root", "-n", "selftest", "--image=selftest/nettool:1")
		if err == nil || !strings.Contains(out, "violates PodSecurity") {
			t.Errorf("a pod without a security context: %s", out)
		}
	})
	t.Run("network policies are enforced", func(t *testing.T) { testNetworkPolicies(t, k) })
	t.Run("the audit log tells who wrote what", func(t *testing.T) {
		verbs := auditVerbs(t, c.AuditLog(), "kubectl/")
		if verbs["patch"]+verbs["create"] == 0 || verbs["get"] != 0 {
			t.Errorf("kubectl's requests by verb: %v", verbs)
		}
	})
	t.Run("a second up changes nothing", func(t *testing.T) {
		pids := func() map[string]int {
			parts, err := c.running()
			if err != nil {
				t.Fatal(err)
			}
			pids := map[string]int{}
			for name, p := range parts {
				pids[name] = p.Pid
			}
			return pids
		}
		was := pids()
		took := up(t)
		if diff := cmp.Diff(was, pids()); diff != "" || took > 5*time.Second {
			t.Errorf("it took %v and changed processes: %s", took, diff)
		}
	})
	t.Run("cut and heal", func(t *testing.T) {
		if err := c.Cut(ctx, "node1"); err == nil {
			t.Error("node1 was cut")
		}
		if err := c.Cut(ctx, "node2"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		k.run(t, "wait", "node/node2", "--for=condition=Ready=Unknown", "--timeout=40s")
		t.Logf("not Ready %.1fs after the cut", time.Since(start).Seconds())
		if problems := c.Problems(ctx, s); len(problems) == 0 {
			t.Error("a cluster with a cut node passes for healthy")
		}
		if err := c.Heal(ctx, "node2"); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		k.run(t, "wait", "node/node2", "--for=condition=Ready", "--timeout=40s")
		t.Logf("Ready %.1fs after healing", time.Since(start).Seconds())
	})
	for _, crash := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"the control plane", func(t *testing.T) { killParts(t, c, "etcd", "kube-", "coredns", "provisioner") }},
		{"a containerd", func(t *testing.T) { killParts(t, c, "containerd-node2") }},
		{"all but shims and pods", func(t *testing.T) { killParts(t, c, "") }},
		{"everything, as by a power cut", func(t *testing.T) { powerCut(t, c) }},
	} {
		t.Run("up after a kill of "+crash.name, func(t *testing.T) {
			crash.do(t)
			if problems := c.Problems(ctx, s); len(problems) == 0 {
				t.Error("it passes for healthy")
			}
			t.Logf("up after %.1fs", up(t).Seconds())
			pods(t)
			// What the status says may be from before the kill: the pod is about to be restarted then.
			if err := poll(t.Context(), time.Minute, time.Second, func() error {
				out, err := k.try(t.Context(), execIn("web-0", "/bin/busybox", "cat", "/data/file")...)
				if err == nil && out != "precious" {
					err = errors.New("another file")
				}
				if err != nil {
					err = fmt.Errorf("%w: %s", err, out)
				}
				return err
			}); err != nil {
				t.Errorf("the volume: %v", err)
			}
		})
	}
	t.Run("fewer nodes", func(t *testing.T) {
		if err := c.Up(ctx, 2, false); err != nil {
			t.Fatal(err)
		}
		if got := k.run(t, "get", "nodes", "-o", "name"); got != "node/node1\nnode/node2" {
			t.Errorf("nodes: %s", got)
		}
	})
	t.Run("down leaves nothing behind", func(t *testing.T) {
		start := time.Now()
		if err := c.Down(ctx, true); err != nil {
			t.Fatal(err)
		}
		t.Logf("down after %.1fs", time.Since(start).Seconds())
		if diff := cmp.Diff(before, machine(t, c)); diff != "" {
			t.Errorf("the machine before and after: %s", diff)
		}
	})
}

// kubectl runs kubectl as the administrator.
type kubectl struct {
	c   *Cluster
	bin string
}

func (k kubectl) try(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(k.bin, "kubectl"), args...)
	cmd.Env = k.c.environment(k.bin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// apply an object that is written as YAML.
func (k kubectl) apply(t *testing.T, object string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "object.yaml")
	if err := os.WriteFile(file, []byte(object), 0o644); err != nil {
		t.Fatal(err)
	}
	k.run(t, "apply", "-f", file)
}

func (k kubectl) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := k.try(t.Context(), args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func nettoolImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	src, err := sourceDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := goBuild(t.Context(), src, []string{"-o", dir + "/", "./nettool"}); err != nil {
		t.Fatal(err)
	}
	var files []imageFile
	for name, path := range map[string]string{"nettool": filepath.Join(dir, "nettool"), "bin/busybox": "/bin/busybox"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := imageFile{name, 0o755, b}
		if name == "nettool" {
			files = append([]imageFile{f}, files...)
		} else {
			files = append(files, f)
		}
	}
	archive := filepath.Join(dir, "nettool.tar")
	if err := writeImage(archive, "selftest/nettool:1", files...); err != nil {
		t.Fatal(err)
	}
	return archive
}

// auditVerbs counts the requests of user agents with the given prefix by verb.
func auditVerbs(t *testing.T, log, agent string) map[string]int {
	t.Helper()
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	verbs := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ Verb, UserAgent string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(event.UserAgent, agent) {
			verbs[event.Verb]++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return verbs
}

// killParts kills the parts whose names start with one of the prefixes.
func killParts(t *testing.T, c *Cluster, prefixes ...string) {
	t.Helper()
	which := func(p process) bool {
		return p.isPart() && slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(p.part, prefix) })
	}
	if err := c.signal(t.Context(), which, syscall.SIGKILL, 10*time.Second); err != nil {
		t.Fatal(err)
	}
}

// powerCut kills every process of the cluster and its pods at once and drops what the kernel holds for it, but leaves
// all files as they are, so that /run looks as if it were no tmpfs.
func powerCut(t *testing.T, c *Cluster) {
	t.Helper()
	killParts(t, c, "")
	if err := killCgroups(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.signal(t.Context(), func(process) bool { return true }, syscall.SIGKILL, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := unmount(c.run, ephemeral, "/run/netns/lk-node2", "/run/netns/lk-node3"); err != nil {
		t.Fatal(err)
	}
	if _, err := command(t.Context(), "ip", "link", "del", bridge); err != nil {
		t.Fatal(err)
	}
}

// machine describes all that a cluster adds to a machine.
func machine(t *testing.T, c *Cluster) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, cmd := range []string{
		"ip -o -br link", "ip route", "ip netns", "nft list tables", "iptables-save", "ip6tables-save",
	} {
		out, err := command(t.Context(), strings.Fields(cmd)...)
		if err != nil {
			t.Fatal(err)
		}
		state[cmd] = withoutComments(out)
	}
	all, err := mounts()
	if err != nil {
		t.Fatal(err)
	}
	state["mounts"] = fmt.Sprint(all)
	v1, v2, err := cgroupHierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(v1, v2, "/run", "/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/run/netns") {
		state[dir] = strings.Join(names(dir), " ")
	}
	processes, _, err := c.processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		state["process "+p.part] = p.exe
	}
	return state
}

// withoutComments drops the comments of iptables-save, which hold the time, and counters.
func withoutComments(s string) string {
	var kept []string
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "#") {
			line, _, _ = strings.Cut(line, " [")
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	return strings.Join(kept, "\n")
}

// names lists the directories in dir, and no files: those of cgroups are many and not ours.
func names(dir string) []string {
	entries, _ := os.ReadDir(dir) // a missing one is as good as an empty one
	var found []string
	for _, e := range entries {
		if e.IsDir() {
			found = append(found, e.Name())
		}
	}
	return found
}

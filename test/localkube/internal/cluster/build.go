// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const module = "github.com/rocketmq-operator/rocketmq-operator/test/localkube"

// buildStep is one "go build" below the module's directory; its results go into the directory of executables.
type buildStep struct {
	dir  string
	args []string
}

const (
	// kubernetesVersion must be what go.mod requires: the executables are told at link time, or say v0.0.0-master.
	kubernetesVersion = "v1.37.2"
	versionFlags      = "-X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
		" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"
	containerd = "github.com/containerd/containerd/v2/cmd/"
)

func buildSteps() []buildStep {
	return []buildStep{
		{".", []string{"-ldflags=-s -w " + versionFlags, "./kube"}},
		{".", []string{"-ldflags=-s -w", "./coredns", "./pause"}},
		// The tags leave out snapshotters that are not used.
		{"containerd", []string{"-ldflags=-s -w", "-tags=no_btrfs no_devmapper no_zfs",
			containerd + "containerd", containerd + "ctr", containerd + "containerd-shim-runc-v2"}},
	}
}

// kubeNames are the names that the multi-call executable is called by.
func kubeNames() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "provisioner", "network-policy"}
}

// sourceDir finds this module's directory: the working directory (as with "go -C test/localkube run") or one above it.
func sourceDir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		for _, d := range []string{dir, filepath.Join(dir, "test", "localkube")} {
			if b, err := os.ReadFile(filepath.Join(d, "go.mod")); err == nil && strings.HasPrefix(string(b), "module "+module+"\n") {
				return d, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no sources of localkube at or above %s; call it as: go -C test/localkube run ./cmd/localkube", wd)
		}
	}
}

// buildKey is a hash of all that goes into the executables: versions, sources and flags.
func buildKey(src string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOARCH, buildSteps(), kubeNames())
	var files []string
	for _, name := range []string{"go.mod", "go.sum", "kube", "coredns", "pause", "containerd", "internal/policy"} {
		err := filepath.WalkDir(filepath.Join(src, name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, "_test.go") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	slices.Sort(files)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		rel, err := filepath.Rel(src, f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %x\n", filepath.ToSlash(rel), sha256.Sum256(b))
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// Build builds what is missing and returns the directory with the executables, which serves as KUBEBUILDER_ASSETS too.
// The caller holds the lock.
func (c *Cluster) Build(ctx context.Context) (string, error) {
	src, err := sourceDir()
	if err != nil {
		return "", err
	}
	key, err := buildKey(src)
	if err != nil {
		return "", fmt.Errorf("read the sources: %w", err)
	}
	bin := filepath.Join(c.base, "bin-"+key)
	if _, err := os.Stat(bin); err == nil {
		now := time.Now()
		_ = os.Chtimes(bin, now, now) // only spares it from prune for longer
		return bin, nil
	}
	c.say("building Kubernetes %s, containerd and CoreDNS (6 minutes of two cores if the Go build cache is empty)", kubernetesVersion)
	tmp := bin + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return "", err
	}
	var cpu time.Duration
	for _, s := range buildSteps() {
		used, err := goBuild(ctx, filepath.Join(src, s.dir), append([]string{"-o", tmp + "/"}, s.args...))
		if err != nil {
			return "", err
		}
		cpu += used
		var names []string
		for _, a := range s.args {
			if !strings.HasPrefix(a, "-") {
				names = append(names, filepath.Base(a))
			}
		}
		c.say("built %s (%.0f s of CPU)", strings.Join(names, ", "), used.Seconds())
	}
	for _, name := range kubeNames() {
		if err := os.Symlink("kube", filepath.Join(tmp, name)); err != nil {
			return "", err
		}
	}
	pause, err := os.ReadFile(filepath.Join(tmp, "pause"))
	if err != nil {
		return "", err
	}
	if err := writeImage(filepath.Join(tmp, "pause.tar"), pauseImage, imageFile{"pause", 0o755, pause}); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, bin); err != nil {
		return "", err
	}
	c.say("built everything (%.1f minutes of CPU)", cpu.Minutes())
	return bin, c.prune(bin)
}

// goBuild runs one "go build" and returns the CPU time that it and its children took.
func goBuild(ctx context.Context, dir string, args []string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-buildvcs=false"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("go build in %s: %w", dir, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// prune removes the executables of other versions (300 MB each) that no process runs and nobody asked for in a day.
func (c *Cluster) prune(keep string) error {
	used := map[string]bool{keep: true}
	exes, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return err
	}
	for _, e := range exes {
		if exe, err := os.Readlink(e); err == nil {
			used[filepath.Dir(exe)] = true
		}
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	used[s.Bin] = true
	dirs, err := filepath.Glob(filepath.Join(c.base, "bin-*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) || used[dir] {
			continue
		}
		if err != nil {
			return err
		}
		// Somebody may still be about to start an executable from a directory that was printed lately.
		if !strings.HasSuffix(dir, ".tmp") && time.Since(info.ModTime()) < 24*time.Hour {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

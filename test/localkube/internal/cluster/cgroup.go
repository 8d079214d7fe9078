// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// mount is a line of /proc/self/mounts.
type mount struct{ path, fstype string }

// parseMounts reads the format of /proc/self/mounts (proc(5), fstab(5)), where blanks in paths are octal escapes.
func parseMounts(text string) []mount {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var mounts []mount
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) >= 3 {
			mounts = append(mounts, mount{path: unescape.Replace(f[1]), fstype: f[2]})
		}
	}
	return mounts
}

func mounts() ([]mount, error) {
	b, err := os.ReadFile("/proc/self/mounts")
	return parseMounts(string(b)), err
}

// cgroupHierarchies returns the mount points of the cgroup hierarchies: one per controller with version 1, and one
// with version 2.
func cgroupHierarchies() (v1 []string, v2 string, err error) {
	all, err := mounts()
	for _, m := range all {
		switch m.fstype {
		case "cgroup":
			v1 = append(v1, m.path)
		case "cgroup2":
			v2 = m.path
		}
	}
	if err == nil && len(v1) == 0 && v2 == "" {
		err = errors.New("no cgroups are mounted; mount them below /sys/fs/cgroup")
	}
	return v1, v2, err
}

// setUpCgroups makes the cgroup that each kubelet has as its root, in every hierarchy.
func setUpCgroups(nodes []node) error {
	v1, v2, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	hierarchies := v1
	if len(v1) == 0 {
		// The children of the root get only the controllers that it passes on.
		b, err := os.ReadFile(filepath.Join(v2, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for controller := range strings.FieldsSeq(string(b)) {
			// One that cannot be passed on is reported by the kubelet if it needs it.
			_ = os.WriteFile(filepath.Join(v2, "cgroup.subtree_control"), []byte("+"+controller), 0)
		}
		hierarchies = []string{v2}
	}
	for _, h := range hierarchies {
		for _, n := range nodes {
			dir := filepath.Join(h, n.cgroup())
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if len(v1) == 0 {
				continue
			}
			// Version 1 starts a new cpuset empty, and an empty one takes no process.
			for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
				b, err := os.ReadFile(filepath.Join(h, name))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, name), b, 0)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// nodeCgroups returns the nodes' cgroup directories that exist, children before parents.
func nodeCgroups() ([]string, error) {
	v1, v2, err := cgroupHierarchies()
	if err != nil {
		return nil, err
	}
	if v2 != "" {
		v1 = append(v1, v2)
	}
	var dirs []string
	for _, h := range v1 {
		for n := node(1); n <= maxNodes; n++ {
			err := filepath.WalkDir(filepath.Join(h, n.cgroup()), func(path string, d fs.DirEntry, err error) error {
				if errors.Is(err, fs.ErrNotExist) {
					return nil // not made, or its last process just ended
				}
				if err == nil && d.IsDir() {
					dirs = append(dirs, path)
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	// WalkDir visits parents first.
	for i, j := 0, len(dirs)-1; i < j; i, j = i+1, j-1 {
		dirs[i], dirs[j] = dirs[j], dirs[i]
	}
	return dirs, nil
}

// killCgroups kills the processes of all pods: whatever is in a node's cgroup was put there by its kubelet.
func killCgroups(ctx context.Context) error {
	return poll(ctx, 20*time.Second, 50*time.Millisecond, func() error {
		dirs, err := nodeCgroups()
		if err != nil {
			return err
		}
		alive := 0
		for _, dir := range dirs {
			b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err != nil {
				continue // gone meanwhile
			}
			for f := range strings.FieldsSeq(string(b)) {
				// Pid 0 is a process of a namespace that we do not see, and would mean our own group.
				if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
					alive++
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}
		if alive > 0 {
			return fmt.Errorf("%d processes of pods do not end", alive)
		}
		return nil
	})
}

// tearDownCgroups removes the nodes' empty cgroups.
func tearDownCgroups(ctx context.Context) error {
	return poll(ctx, 10*time.Second, 100*time.Millisecond, func() error {
		dirs, err := nodeCgroups()
		if err != nil {
			return err
		}
		var left error
		for _, dir := range dirs {
			if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				left = fmt.Errorf("remove cgroup %s: %w", dir, err)
			}
		}
		return left
	})
}

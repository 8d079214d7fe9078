// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Down ends the cluster, as a power cut would end its pods; wipe also removes its state. The caller holds the lock.
func (c *Cluster) Down(ctx context.Context, wipe bool) error {
	if os.Geteuid() != 0 {
		return errors.New("need root")
	}
	if err := c.alone(); err != nil {
		return err
	}
	if err := c.stop(ctx, wipe); err != nil {
		return err
	}
	c.say("the cluster is down")
	return nil
}

// stop ends the cluster's processes and removes all that has no use without them. It does not rely on any of it
// being there, and leaves alone whatever is not the cluster's.
func (c *Cluster) stop(ctx context.Context, wipe bool) error {
	if err := c.endAll(ctx); err != nil {
		return err
	}
	if err := unmount(c.run, ephemeral); err != nil {
		return err
	}
	if err := tearDownNetwork(ctx); err != nil {
		return err
	}
	if err := removeHostPorts(ctx); err != nil {
		return err
	}
	if err := tearDownCgroups(ctx); err != nil {
		return err
	}
	if err := c.removeShared(ctx); err != nil {
		return err
	}
	if err := removeTree(ephemeral); err != nil {
		return err
	}
	if wipe {
		return removeTree(c.run)
	}
	return nil
}

// below tells if path is dir or in it.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// unmount unmounts everything below the directories, innermost first.
func unmount(dirs ...string) error {
	all, err := mounts()
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(all) {
		if !slices.ContainsFunc(dirs, func(d string) bool { return below(m.path, d) }) {
			continue
		}
		// EINVAL: it went together with another one.
		if err := syscall.Unmount(m.path, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("unmount %s: %w", m.path, err)
		}
	}
	return nil
}

// removeTree removes a directory, but not if anything is mounted in it: that may be the contents of a hostPath volume.
func removeTree(dir string) error {
	all, err := mounts()
	if err != nil {
		return err
	}
	for _, m := range all {
		if below(m.path, dir) {
			return fmt.Errorf("%s is still mounted; unmount it, then try again", m.path)
		}
	}
	return os.RemoveAll(dir)
}

// cniResults are the files in which CNI plugins remember pods that they were not asked to take down, or were about to set up.
func cniResults() ([]string, error) {
	all, err := filepath.Glob("/var/lib/cni/results/*")
	if err != nil {
		return nil, err
	}
	var ours []string
	for _, name := range all {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var result struct{ Netns string }
		// A damaged file was being written when its plugin was killed.
		known := json.Unmarshal(b, &result) == nil && below(result.Netns, ephemeral)
		if known || strings.HasPrefix(filepath.Base(name), "lk-node") {
			ours = append(ours, name)
		}
	}
	return ours, nil
}

// removeShared removes what containerd, the kubelets and the CNI plugins keep outside of our directories.
func (c *Cluster) removeShared(ctx context.Context) error {
	var files []string
	// Every shim's socket, which a killed shim leaves.
	bootstraps, err := filepath.Glob(filepath.Join(ephemeral, "node[0-9]", "state", "io.containerd.runtime.v2.task", "k8s.io", "*", "bootstrap.json"))
	if err != nil {
		return err
	}
	for _, name := range bootstraps {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var bootstrap struct{ Address string }
		// A damaged file is one that was being written when its shim was killed.
		if err := json.Unmarshal(b, &bootstrap); err != nil {
			continue
		}
		if socket, ok := strings.CutPrefix(bootstrap.Address, "unix://"); ok {
			files = append(files, socket)
		}
	}
	results, err := cniResults()
	if err != nil {
		return err
	}
	files = append(files, results...)
	logs, err := filepath.Glob("/var/log/containers/*")
	if err != nil {
		return err
	}
	for _, l := range logs {
		if target, err := os.Readlink(l); err == nil && below(target, c.run) {
			files = append(files, l)
		}
	}
	// All kubelets of a machine share this one; somebody else's would listen on it.
	const devices = "/var/lib/kubelet/device-plugins/kubelet.sock"
	if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", devices); err == nil {
		_ = conn.Close()
	} else {
		files = append(files, devices)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, dir := range []string{"/run/containerd/s", "/run/containerd", "/var/lib/cni/results", "/var/lib/cni",
		"/var/log/containers", "/var/lib/kubelet/device-plugins", "/var/lib/kubelet"} {
		_ = syscall.Rmdir(dir) // only if nobody else has anything there
	}
	return nil
}

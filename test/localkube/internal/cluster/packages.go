// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// missingPackages returns which of the Debian packages that the cluster needs are not installed: those of which a
// certain file is neither below root nor below root/usr.
func missingPackages(root string) []string {
	var missing []string
	for _, p := range []struct{ name, file string }{
		{"runc", "sbin/runc"},
		{"containernetworking-plugins", "lib/cni/ptp"},
		{"nftables", "sbin/nft"},
		{"iptables", "sbin/iptables"},
		{"conntrack", "sbin/conntrack"},
		{"iproute2", "bin/ip"},
		{"busybox-static", "bin/busybox"}, // not for the cluster itself, but for images of tests
		{"socat", "bin/socat"},
		{"ethtool", "sbin/ethtool"},
	} {
		_, err := os.Stat(filepath.Join(root, "usr", p.file))
		if err != nil {
			_, err = os.Stat(filepath.Join(root, p.file))
		}
		if err != nil {
			missing = append(missing, p.name)
		}
	}
	return missing
}

// installPackages installs the Debian packages that are missing.
func (c *Cluster) installPackages(ctx context.Context) error {
	missing := missingPackages("/")
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("need %s, and there is no apt-get to install them: localkube runs on Debian", strings.Join(missing, ", "))
	}
	c.say("installing Debian packages: %s", strings.Join(missing, " "))
	aptGet := func(args ...string) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		args = append([]string{"-qq", "-o", "DPkg::Lock::Timeout=300"}, args...)
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	install := append([]string{"install", "--yes", "--no-install-recommends"}, missing...)
	err := aptGet(install...)
	if err != nil { // most likely the package lists are missing or out of date
		if err := aptGet("update"); err != nil {
			return err
		}
		err = aptGet(install...)
	}
	if err != nil {
		return err
	}
	if missing := missingPackages("/"); len(missing) > 0 {
		return errors.New("installed, but their files are not where Debian 12 has them: " + strings.Join(missing, ", "))
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// command runs a program to its end and returns what it printed; the error carries the last lines of that. The
// program's children end with it.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, lastLines(out.String(), 15))
	}
	return out.String(), nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// debianPackage is a package this program needs and a file that shows that it is there.
type debianPackage struct{ name, file string }

const (
	javaHome  = "/usr/lib/jvm/java-17-openjdk-amd64"
	libDir    = "/lib/x86_64-linux-gnu"
	elfLoader = "/lib64/ld-linux-x86-64.so.2"
)

var (
	debianJava    = debianPackage{"openjdk-17-jdk-headless", javaHome + "/jmods/java.base.jmod"}
	debianMaven   = debianPackage{"maven", "/usr/bin/mvn"}
	debianBusybox = debianPackage{"busybox-static", "/usr/share/doc/busybox-static/copyright"}
	debianLibcpp  = debianPackage{"libstdc++6", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"}
	debianZlib    = debianPackage{"zlib1g", libDir + "/libz.so.1"}
	debianCrypt   = debianPackage{"libcrypt1", libDir + "/libcrypt.so.1"}
)

// need installs those of the packages that are missing.
func (b *builder) need(ctx context.Context, packages ...debianPackage) error {
	var missing []string
	for _, p := range packages {
		if !exists(p.file) {
			missing = append(missing, p.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	remedy := "apt-get install " + strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		return fmt.Errorf("Debian packages are missing; as root, run: %s", remedy)
	}
	b.progress("%s", remedy)
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	args := append([]string{"-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"}, missing...)
	if _, err := command(ctx, "", env, "apt-get", args...); err == nil {
		return nil
	}
	// The usual reason is a package list that is missing or old.
	if _, err := command(ctx, "", env, "apt-get", "-o", "DPkg::Lock::Timeout=300", "update"); err != nil {
		return err
	}
	_, err := command(ctx, "", env, "apt-get", args...)
	return err
}

// SPDX-License-Identifier: Apache-2.0

//go:build long

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// TestTheImageRunsOnARM64: both programs of a release's image for arm64 start there, and know their release. Elsewhere qemu plays the
// processor.
func TestTheImageRunsOnARM64(t *testing.T) {
	r := smallRelease(t)
	small := r.build
	b := binaries{dir: t.TempDir()}
	for _, p := range []program{operator, agent} {
		for _, target := range p.targets {
			build := small
			if target.arch == "arm64" {
				build = goBuild
			}
			if err := build(t.Context(), r, p, target, b.path(p, target)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.writeImage(b); err != nil {
		t.Fatal(err)
	}

	image := imageFor(t, r.file(operator.name, "_image.tar"), "arm64")
	root := t.TempDir()
	content := mutate.Extract(image)
	defer content.Close()
	untarInto(t, root, content)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	entrypoint := config.Config.Entrypoint
	if len(entrypoint) != 1 {
		t.Fatalf("the image's entrypoint is %q, want one program", entrypoint)
	}
	for _, program := range []string{entrypoint[0], "/" + agent.name} {
		command := append(emulator(t), filepath.Join(root, program), "--version")
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		want := fmt.Sprintf("v1.2.3 (commit 0123456789ab, %s, linux/arm64)", runtime.Version())
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s --version: %v, it said %q, want %q", program, err, out, want)
		}
	}
}

// imageFor takes the image for a processor out of an archive.
func imageFor(t *testing.T, archive, arch string) v1.Image {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	untarInto(t, dir, file)
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	names, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := top.ImageIndex(names.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		if m.Platform.Architecture != arch {
			continue
		}
		image, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	t.Fatalf("the image has none for %s", arch)
	return nil
}

// untarInto unpacks an archive into a directory.
func untarInto(t *testing.T, dir string, archive io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tar", "--extract", "--directory", dir)
	cmd.Stdin = archive
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
}

// emulator is what a program for arm64 is started with: nothing on such a machine, else qemu, from PATH or out of Debian's package,
// which needs not be installed.
func emulator(t *testing.T) []string {
	t.Helper()
	if runtime.GOARCH == "arm64" {
		return nil
	}
	const name = "qemu-aarch64-static"
	if path, err := exec.LookPath(name); err == nil {
		return []string{path}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "rocketmq-operator")
	path := filepath.Join(cache, "qemu", "usr/bin", name)
	if _, err := os.Stat(path); err == nil {
		return []string{path}
	}

	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp(cache, "qemu-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	for _, command := range []string{"apt-get download qemu-user-static", "dpkg -x qemu-user-static_*.deb qemu", "mv qemu .."} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir = tmp
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s\nInstall qemu-user-static", command, err, out)
		}
	}
	return []string{path}
}

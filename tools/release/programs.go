// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/oci"
	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/pack"
)

// target is an operating system and a processor, as Go names them.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "_" + t.arch }

// program is one command, and where it runs.
type program struct {
	name    string // of the directory in cmd/
	targets []target
}

var (
	servers = []target{{"linux", "amd64"}, {"linux", "arm64"}}
	desks   = append(servers, target{"darwin", "amd64"}, target{"darwin", "arm64"}, target{"windows", "amd64"}, target{"windows", "arm64"})

	operator = program{"rocketmq-operator", servers}
	agent    = program{"rocketmq-agent", servers}
	plugin   = program{"kubectl-rocketmq", desks}
)

// programs are all that are built.
func programs() []program { return []program{operator, agent, plugin} }

// binaries are the built programs in a temporary directory.
type binaries struct{ dir string }

func (b binaries) path(p program, t target) string {
	return filepath.Join(b.dir, p.name+"_"+t.String())
}

func (b binaries) read(p program, t target) ([]byte, error) { return os.ReadFile(b.path(p, t)) }

func (r release) buildPrograms(ctx context.Context) (b binaries, err error) {
	if b.dir, err = os.MkdirTemp("", "release"); err != nil {
		return b, err
	}
	for _, p := range programs() {
		for _, t := range p.targets {
			start := time.Now()
			if err := r.build(ctx, r, p, t, b.path(p, t)); err != nil {
				return b, errors.Join(fmt.Errorf("%s for %s: %w", p.name, t, err), os.RemoveAll(b.dir))
			}
			fmt.Printf("  %-18s %-14s %s\n", p.name, t, time.Since(start).Round(time.Second/10))
		}
	}
	return b, nil
}

// buildPackage is where the linker puts the version.
const buildPackage = "github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"

// goBuild builds as the images of the tests are built, so that one build cache serves all: without inlining, which would
// make the operator 4 MB larger in memory.
func goBuild(ctx context.Context, r release, p program, t target, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	ldflags := "-s -w"
	for _, set := range [][2]string{{"version", r.version}, {"commit", r.commit[:min(12, len(r.commit))]}, {"image", r.image + ":" + r.version}} {
		ldflags += fmt.Sprintf(" -X %s.%s=%s", buildPackage, set[0], set[1])
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-gcflags=all=-l", "-ldflags="+ldflags, "-o", path, "./cmd/"+p.name)
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	// Whatever else the environment says to the compiler would show in the result.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath", "GOEXPERIMENT=",
		"GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0")
	return cmd.Run()
}

// writeImage writes the operator's image, of which RocketMQ pods use the agent.
func (r release) writeImage(b binaries) (digest string, err error) {
	var images []oci.Image
	for _, t := range servers {
		i := oci.Image{Platform: v1.Platform{OS: t.os, Architecture: t.arch}, Config: r.imageConfig()}
		for _, p := range []program{operator, agent} {
			content, err := b.read(p, t)
			if err != nil {
				return "", err
			}
			i.Files = append(i.Files, pack.File{Path: p.name, Mode: 0o755, Content: content})
		}
		images = append(images, i)
	}
	return oci.Archive(r.file(operator.name, "_image.tar"), r.image, r.version, r.when, images)
}

func (r release) imageConfig() v1.Config {
	return v1.Config{
		User:       "65532:65532",
		Env:        []string{"PATH=/"},
		Entrypoint: []string{"/" + operator.name},
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":    operator.name,
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.commit,
			"org.opencontainers.image.created":  r.when.Format(time.RFC3339),
			"org.opencontainers.image.source":   r.repository,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
}

// writeArchives writes the programs with their licence, one archive for each target.
func (r release) writeArchives(b binaries) error {
	licence, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return err
	}
	for name, contents := range map[string][]program{operator.name: {operator, agent}, plugin.name: {plugin}} {
		for _, t := range contents[0].targets {
			files := []pack.File{{Path: "LICENSE", Mode: 0o644, Content: licence}}
			for _, p := range contents {
				content, err := b.read(p, t)
				if err != nil {
					return err
				}
				files = append(files, pack.File{Path: p.name + t.executable(), Mode: 0o755, Content: content})
			}
			write := pack.TarGz
			if t.os == "windows" {
				write = pack.Zip
			}
			if err := r.write(r.archive(name, t), files, write); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t target) executable() string {
	if t.os == "windows" {
		return ".exe"
	}
	return ""
}

func (r release) archive(name string, t target) string {
	if t.os == "windows" {
		return r.file(name, "_"+t.String()+".zip")
	}
	return r.file(name, "_"+t.String()+".tar.gz")
}

// write writes an archive to a file.
func (r release) write(path string, files []pack.File, write func(io.Writer, time.Time, []pack.File) error) error {
	var out bytes.Buffer
	if err := write(&out, r.when, files); err != nil {
		return fmt.Errorf("%s: %w", strings.TrimPrefix(path, r.out), err)
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

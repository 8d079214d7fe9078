// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// program is an image that holds nothing but static binaries of ours.
type program struct {
	name string
	// module is the directory of the Go module, relative to the root, that packages are built in.
	module string
	// binaries are the programs, by package directory relative to module; each is named as in the image, and the
	// first one is the entry point.
	binaries []binary
	// flags of go build.
	flags []string
	// args follow the entry point before those of the container.
	args []string
	// title is what an image that is not what its name may suggest says of itself.
	title string
}

type binary struct{ name, pkg string }

var (
	operator = program{name: "rocketmq-operator", module: ".", binaries: []binary{
		{"rocketmq-operator", "./cmd/rocketmq-operator"},
		{"rocketmq-agent", "./cmd/rocketmq-agent"},
	}, flags: []string{notInlined}}
	ledger = program{name: "ledger", module: "test/ledger", binaries: []binary{{"ledger", "."}}}
)

// standIns play the tools whose own images cannot be had without a registry: one program, three images.
func standIns() []program {
	var out []program
	for _, tool := range []string{"dashboard", "exporter", "schema-registry"} {
		out = append(out, program{name: tool + "-stand-in", module: ".", binaries: []binary{{"standin", "./test/standin"}},
			args: []string{tool}, title: "stand-in of the tests for the RocketMQ " + tool})
	}
	return out
}

// notInlined: inlining makes the operator 4 MB larger in memory, and no faster as far as anybody sees.
const notInlined = "-gcflags=all=-l"

// programImage builds the program's binaries and, if they are new, the image of them.
func (b *builder) programImage(ctx context.Context, p program, tag string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	name := "docker.io/rocketmq-operator/" + p.name + ":" + tag
	img := image{name: name, config: imageConfig{
		User:       "65532:65532",
		Env:        []string{"PATH=/"},
		Entrypoint: append([]string{"/" + p.binaries[0].name}, p.args...),
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":   p.name,
			"org.opencontainers.image.version": tag,
		},
	}}
	if p.title != "" {
		img.config.Labels["org.opencontainers.image.title"] = p.title
		img.entries = append(img.entries, directory("tmp", 0o777|fs.ModeSticky, 0))
	}
	sources, err := sources()
	if err != nil {
		return "", err
	}
	parts := []string{sources, name}
	for _, bin := range p.binaries {
		b.progress("go build %s", bin.pkg)
		// The same place each time, so that the go command sees what is up to date and does not link again.
		out := filepath.Join(root, "bin", "images", bin.name)
		_, err := command(ctx, filepath.Join(root, p.module), []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=-buildvcs=false -trimpath"},
			"go", slices.Concat([]string{"build", "-ldflags=-s -w"}, p.flags, []string{"-o", out, bin.pkg})...)
		if err != nil {
			return "", err
		}
		digest, err := fileDigest(out)
		if err != nil {
			return "", err
		}
		parts = append(parts, bin.name, digest)
		img.entries = append(img.entries, executable(bin.name, out))
	}
	return b.cache.get(ctx, p.name, key(parts...), ".tar", func(tmp string) error {
		b.progress("image %s", name)
		return writeArchive(tmp, img)
	})
}

// moduleRoot is the directory of the root module, which holds this program.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := command(ctx, "", nil, "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	root := filepath.Dir(strings.TrimSpace(out))
	if !exists(filepath.Join(root, "test", "images")) {
		return "", fmt.Errorf("run this inside the repository's root module, not in %s", root)
	}
	return root, nil
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

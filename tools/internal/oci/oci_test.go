// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/pack"
)

func TestAnArchiveHoldsAValidImageForEachPlatform(t *testing.T) {
	images := []Image{
		{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Config: v1.Config{Entrypoint: []string{"/program"}},
			Files: []pack.File{{Path: "program", Mode: 0o755, Content: []byte("for amd64")}}},
		{Platform: v1.Platform{OS: "linux", Architecture: "arm64"}, Config: v1.Config{Entrypoint: []string{"/program"}},
			Files: []pack.File{{Path: "program", Mode: 0o755, Content: []byte("for arm64")}}},
	}
	first, again := filepath.Join(t.TempDir(), "image.tar"), filepath.Join(t.TempDir(), "image.tar")
	digest, err := Archive(first, "example.com/program", "v1", time.Unix(1700000000, 0), images)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Archive(again, "example.com/program", "v1", time.Unix(1700000000, 0), images); err != nil {
		t.Fatal(err)
	}
	if a, b := read(t, first), read(t, again); !bytes.Equal(a, b) {
		t.Error("the same image, built twice, has other bytes")
	}

	index, err := layout.ImageIndexFromPath(unpack(t, first))
	if err != nil {
		t.Fatal(err)
	}
	top, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(top.Manifests) != 1 || top.Manifests[0].Digest.String() != digest {
		t.Fatalf("the layout names %v, want only %s", top.Manifests, digest)
	}
	inner, err := index.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(inner); err != nil {
		t.Error(err)
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for n, m := range manifest.Manifests {
		image, err := inner.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if want := images[n].Platform.Architecture; config.Architecture != want || m.Platform.Architecture != want {
			t.Errorf("image %d is for %s, its descriptor says %s, want %s", n, config.Architecture, m.Platform, want)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func unpack(t *testing.T, path string) string {
	t.Helper()
	dir, archive := t.TempDir(), tar.NewReader(bytes.NewReader(read(t, path)))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(dir, filepath.FromSlash(header.Name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

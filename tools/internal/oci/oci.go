// SPDX-License-Identifier: Apache-2.0

// Package oci writes container images of static files for several platforms, without Docker or a registry.
package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/pack"
)

// Image is what an image holds on one platform.
type Image struct {
	Platform v1.Platform
	Config   v1.Config
	Files    []pack.File
}

// Archive writes a tar of an OCI image layout (opencontainers/image-spec, image-layout.md) to a file: what `skopeo copy
// oci-archive:`, `crane push` of its content and `ctr images import` take. It holds one index of the images. Everything in it
// was made at when. The result is the index's digest, which is the image's once it is pushed.
func Archive(path, repository, tag string, when time.Time, images []Image) (digest string, err error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range images {
		image, err := build(i, when)
		if err != nil {
			return "", fmt.Errorf("image for %s: %w", i.Platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &i.Platform}})
	}
	hash, err := index.Digest()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "oci")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	place, err := layout.Write(dir, empty.Index)
	if err != nil {
		return "", err
	}
	names := map[string]string{
		"org.opencontainers.image.ref.name": tag,
		"io.containerd.image.name":          repository + ":" + tag, // the name under which ctr imports it
	}
	if err := place.AppendIndex(index, layout.WithAnnotations(names)); err != nil {
		return "", err
	}
	files, err := pack.Tree(dir, "")
	if err != nil {
		return "", err
	}
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	return hash.String(), errors.Join(pack.Tar(out, when, files), out.Close())
}

// build makes an image of one layer.
func build(i Image, when time.Time) (v1.Image, error) {
	var files bytes.Buffer
	if err := pack.Tar(&files, when, i.Files); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS: i.Platform.OS, Architecture: i.Platform.Architecture, Variant: i.Platform.Variant,
		Created: v1.Time{Time: when.UTC()}, Config: i.Config, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: when.UTC()}, CreatedBy: "make release"}})
}

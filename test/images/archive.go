// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// image is what one docker-archive holds.
type image struct {
	name    string // with registry and tag
	config  imageConfig
	entries []entry
}

// imageConfig is the runtime part of an OCI image configuration.
type imageConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
}

// configFile is an OCI image configuration (opencontainers/image-spec, config.md).
type configFile struct {
	Created      time.Time   `json:"created"`
	Architecture string      `json:"architecture"`
	OS           string      `json:"os"`
	Config       imageConfig `json:"config"`
	RootFS       rootFS      `json:"rootfs"`
	History      []history   `json:"history"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// manifest is an element of a docker-archive's manifest.json, the format of "docker save".
type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// writeArchive writes the image as a docker-archive of one layer to a file. Equal images give equal bytes.
func writeArchive(path string, img image) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(encodeArchive(w, img), w.Flush(), f.Close())
}

func encodeArchive(w io.Writer, img image) error {
	entries, err := layout(img.entries)
	if err != nil {
		return err
	}
	// The layer's size and digest come before its bytes, so it is made twice: cheaper than keeping it somewhere.
	digest, size := sha256.New(), counter(0)
	if err := writeLayer(io.MultiWriter(digest, &size), entries); err != nil {
		return err
	}
	layer := hex.EncodeToString(digest.Sum(nil))
	config, err := json.Marshal(configFile{
		Created: time.Unix(0, 0).UTC(), Architecture: "amd64", OS: "linux", Config: img.config,
		RootFS:  rootFS{Type: "layers", DiffIDs: []string{"sha256:" + layer}},
		History: []history{{Created: time.Unix(0, 0).UTC(), CreatedBy: "test/images"}},
	})
	if err != nil {
		return err
	}
	configDigest := sha256.Sum256(config)
	configName, layerName := hex.EncodeToString(configDigest[:])+".json", layer+"/layer.tar"
	manifests, err := json.Marshal([]manifest{{Config: configName, RepoTags: []string{img.name}, Layers: []string{layerName}}})
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	write := func(name string, size int64, content func(io.Writer) error) error {
		if err := tw.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
		return content(tw)
	}
	raw := func(b []byte) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.Copy(w, bytes.NewReader(b)); return err }
	}
	if err := write("manifest.json", int64(len(manifests)), raw(manifests)); err != nil {
		return err
	}
	if err := write(configName, int64(len(config)), raw(config)); err != nil {
		return err
	}
	if err := write(layerName, int64(size), func(w io.Writer) error { return writeLayer(w, entries) }); err != nil {
		return err
	}
	return tw.Close()
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

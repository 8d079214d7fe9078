// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// imageFile is a file of an image or archive.
type imageFile struct {
	name string // without a leading slash
	mode int64
	body []byte
}

// writeImage writes a docker-archive (the format of docker save) with one layer that holds the files; the first is
// the entrypoint.
func writeImage(archive, tag string, files ...imageFile) error {
	pack := func(files ...imageFile) ([]byte, error) {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for _, f := range files {
			if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.body))}); err != nil {
				return nil, err
			}
			if _, err := w.Write(f.body); err != nil {
				return nil, err
			}
		}
		err := w.Close()
		return buf.Bytes(), err
	}
	layer, err := pack(files...)
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/" + files[0].name}, "User": "65535"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		return err
	}
	configName := fmt.Sprintf("%x.json", sha256.Sum256(config))
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{tag}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	image, err := pack(imageFile{configName, 0o644, config}, imageFile{"layer.tar", 0o644, layer}, imageFile{"manifest.json", 0o644, manifest})
	if err != nil {
		return err
	}
	return writeFile(archive, image, 0o644)
}

// LoadImages imports docker-archive tars into every node, except where the node has that very file's images already.
// The caller holds the lock.
func (c *Cluster) LoadImages(ctx context.Context, tars []string) error {
	s, err := c.started()
	if err != nil {
		return err
	}
	parts, err := c.running()
	if err != nil {
		return err
	}
	for _, n := range s.nodes() {
		if _, ok := parts["containerd-"+n.name()]; !ok {
			return fmt.Errorf("%s does not run; start the cluster with up", n.name())
		}
	}
	for _, t := range tars {
		nodes, err := c.loadImage(ctx, s, t)
		if err != nil {
			return err
		}
		if len(nodes) == 0 {
			c.say("%s: already on all nodes", filepath.Base(t))
		} else {
			c.say("%s: imported on %s", filepath.Base(t), strings.Join(nodes, ", "))
		}
	}
	return nil
}

// loadImage imports one tar and returns the names of the nodes that lacked it.
func (c *Cluster) loadImage(ctx context.Context, s settings, archive string) ([]string, error) {
	sum, err := checksum(archive)
	if err != nil {
		return nil, err
	}
	nodes := s.nodes()
	imported, errs := make([]bool, len(nodes)), make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			if imported[i], errs[i] = c.loadImageOn(ctx, s, n, archive, sum); errs[i] != nil {
				errs[i] = fmt.Errorf("import %s on %s: %w", archive, n.name(), errs[i])
			}
		})
	}
	wg.Wait()
	var names []string
	for i, n := range nodes {
		if imported[i] {
			names = append(names, n.name())
		}
	}
	return names, errors.Join(errs...)
}

// loadImageOn imports a tar into one node unless it has its images. What a tar brought is remembered by its checksum;
// whether the node still has it, under the same names, is asked.
func (c *Cluster) loadImageOn(ctx context.Context, s settings, n node, archive, sum string) (bool, error) {
	marker := filepath.Join(c.dir(n), "images", sum)
	have, err := images(ctx, s, n)
	if err != nil {
		return false, err
	}
	b, err := os.ReadFile(marker)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if refs := strings.Fields(string(b)); len(refs) > 0 && hasAll(have, refs) {
		return false, nil
	}
	tags, err := repoTags(archive)
	if err != nil {
		return false, err
	}
	if _, err := ctr(ctx, s, n, "images", "import", archive); err != nil {
		return false, err
	}
	if have, err = images(ctx, s, n); err != nil {
		return false, err
	}
	var refs []string
	for _, tag := range tags {
		digest, ok := have[normalRef(tag)]
		if !ok {
			return false, fmt.Errorf("its image %s is not there after the import", normalRef(tag))
		}
		refs = append(refs, normalRef(tag)+"="+digest)
	}
	if err := os.MkdirAll(filepath.Dir(marker), 0o755); err != nil {
		return false, err
	}
	return true, writeFile(marker, []byte(strings.Join(refs, "\n")+"\n"), 0o644)
}

// hasAll tells if images (digest by name) has every "name=digest" of refs.
func hasAll(images map[string]string, refs []string) bool {
	for _, ref := range refs {
		name, digest, _ := strings.Cut(ref, "=")
		if images[name] != digest {
			return false
		}
	}
	return true
}

// normalRef is the full name that containerd gives an image of this tag: "a" means docker.io/library/a:latest.
func normalRef(tag string) string {
	if last := tag[strings.LastIndex(tag, "/")+1:]; !strings.Contains(last, ":") {
		tag += ":latest"
	}
	first, _, slash := strings.Cut(tag, "/")
	switch {
	case !slash:
		return "docker.io/library/" + tag
	case first != "localhost" && !strings.ContainsAny(first, ".:"):
		return "docker.io/" + tag
	}
	return tag
}

// images returns the digests of the node's images by name.
func images(ctx context.Context, s settings, n node) (map[string]string, error) {
	out, err := ctr(ctx, s, n, "images", "ls")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasPrefix(f[2], "sha256:") { // REF TYPE DIGEST SIZE ...
			found[f[0]] = f[2]
		}
	}
	return found, nil
}

func ctr(ctx context.Context, s settings, n node, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return command(ctx, append([]string{filepath.Join(s.Bin, "ctr"), "-a", n.socket(), "-n", "k8s.io"}, args...)...)
}

// repoTags returns the tags that a docker-archive's manifest.json names.
func repoTags(archive string) ([]string, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("no docker-archive (tar with a manifest.json): %w", err)
		}
		if h.Name != "manifest.json" {
			continue
		}
		var manifest []struct{ RepoTags []string }
		if err := json.NewDecoder(io.LimitReader(r, 1<<20)).Decode(&manifest); err != nil {
			return nil, fmt.Errorf("read manifest.json: %w", err)
		}
		var tags []string
		for _, m := range manifest {
			tags = append(tags, m.RepoTags...)
		}
		if len(tags) == 0 {
			return nil, errors.New("manifest.json names no tag")
		}
		return tags, nil
	}
}

func checksum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

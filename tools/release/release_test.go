// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// smallRelease is one of this repository in which a small program takes the place of each that takes a minute to build.
func smallRelease(t *testing.T) release {
	t.Helper()
	small := filepath.Join(t.TempDir(), "small")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", small, "../crdtrim").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return release{
		version: "v1.2.3", commit: "0123456789abcdef", when: time.Unix(1700000000, 0).UTC(),
		image: "example.com/mq/operator", repository: "https://example.com/mq", root: "../..", out: filepath.Join(t.TempDir(), "v1.2.3"),
		build: func(_ context.Context, _ release, _ program, _ target, path string) error {
			return os.Link(small, path)
		},
	}
}

func TestTwoRunsMakeTheSameRelease(t *testing.T) {
	first, again := smallRelease(t), smallRelease(t)
	if err := errors.Join(first.make(t.Context()), again.make(t.Context())); err != nil {
		t.Fatal(err)
	}
	sums := read(t, first.out, "SHA256SUMS")
	if diff := cmp.Diff(sums, read(t, again.out, "SHA256SUMS")); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	var files []string
	for line := range strings.Lines(sums) {
		files = append(files, strings.Fields(line)[1])
	}
	want := []string{
		"install.yaml",
		"krew.yaml",
		"kubectl-rocketmq_v1.2.3_darwin_amd64.tar.gz",
		"kubectl-rocketmq_v1.2.3_darwin_arm64.tar.gz",
		"kubectl-rocketmq_v1.2.3_linux_amd64.tar.gz",
		"kubectl-rocketmq_v1.2.3_linux_arm64.tar.gz",
		"kubectl-rocketmq_v1.2.3_windows_amd64.zip",
		"kubectl-rocketmq_v1.2.3_windows_arm64.zip",
		"rocketmq-cluster-1.2.3.tgz",
		"rocketmq-operator-1.2.3.tgz",
		"rocketmq-operator_v1.2.3.spdx.json",
		"rocketmq-operator_v1.2.3_bundle-image.tar",
		"rocketmq-operator_v1.2.3_image.tar",
		"rocketmq-operator_v1.2.3_linux_amd64.tar.gz",
		"rocketmq-operator_v1.2.3_linux_arm64.tar.gz",
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files of a release (-want +got):\n%s", diff)
	}
	checkImageEverywhere(t, first)
	checkKrew(t, first)
	checkSBOM(t, first)
}

// checkImageEverywhere: whoever installs a release, by whatever way, gets its image.
func checkImageEverywhere(t *testing.T, r release) {
	t.Helper()
	const image = "example.com/mq/operator:v1.2.3"
	if install := read(t, r.out, "install.yaml"); !strings.Contains(install, "image: "+image) || strings.Contains(install, ":dev") {
		t.Errorf("install.yaml does not name %s", image)
	}
	chart := untar(t, filepath.Join(r.out, "rocketmq-operator-1.2.3.tgz"))
	var meta struct{ Version, AppVersion string }
	var values struct {
		Image struct{ Repository, Tag string }
	}
	if err := errors.Join(
		yaml.Unmarshal(chart["rocketmq-operator/Chart.yaml"], &meta),
		yaml.Unmarshal(chart["rocketmq-operator/values.yaml"], &values),
	); err != nil {
		t.Fatal(err)
	}
	if meta.Version != "1.2.3" || meta.AppVersion != "v1.2.3" || values.Image.Repository != "example.com/mq/operator" || values.Image.Tag != "" {
		t.Errorf("the chart is %+v with %+v", meta, values)
	}
}

func checkKrew(t *testing.T, r release) {
	t.Helper()
	var manifest struct {
		Spec struct {
			Version   string
			Platforms []struct{ URI, SHA256, Bin string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, r.out, "krew.yaml")), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Spec.Version != "v1.2.3" || len(manifest.Spec.Platforms) != len(plugin.targets) {
		t.Errorf("krew manifest %+v", manifest)
	}
	for _, p := range manifest.Spec.Platforms {
		file := strings.TrimPrefix(p.URI, "https://example.com/mq/releases/download/v1.2.3/")
		if sum, err := sha256File(filepath.Join(r.out, file)); err != nil || sum != p.SHA256 {
			t.Errorf("%s has the checksum %s (%v), the krew manifest says %s", file, sum, err, p.SHA256)
		}
		if windows := strings.Contains(file, "windows"); windows != strings.HasSuffix(p.Bin, ".exe") {
			t.Errorf("%s holds %s", file, p.Bin)
		}
	}
}

// TestTheDocumentsNameTheArchives that users are to download.
func TestTheDocumentsNameTheArchives(t *testing.T) {
	guide := read(t, "../../docs", "kubectl-plugin.md")
	r := release{version: "v1.2.3", out: "dist"}
	for _, target := range []target{{"linux", "amd64"}, {"windows", "amd64"}} {
		name := filepath.Base(r.archive(plugin.name, target))
		if short := strings.TrimPrefix(name, plugin.name+"_"+r.version); !strings.Contains(guide, name) && !strings.Contains(guide, "…"+short) {
			t.Errorf("docs/kubectl-plugin.md does not name %s", name)
		}
	}
	for _, name := range regexp.MustCompile(plugin.name+`_v[\w.]+`).FindAllString(guide, -1) {
		if name != filepath.Base(r.archive(plugin.name, target{"linux", "amd64"})) {
			t.Errorf("docs/kubectl-plugin.md names %s, which no release has", name)
		}
	}
	for _, words := range []string{"SHA256SUMS", "/krew.yaml", "/cmd/" + plugin.name + "@" + r.version} {
		if !strings.Contains(guide, words) {
			t.Errorf("docs/kubectl-plugin.md does not name %s", words)
		}
	}
}

func checkSBOM(t *testing.T, r release) {
	t.Helper()
	var doc struct {
		SPDXVersion  string
		CreationInfo struct{ Created string }
		Packages     []struct{ Name, SPDXID, VersionInfo string }
	}
	if err := json.Unmarshal([]byte(read(t, r.out, "rocketmq-operator_v1.2.3.spdx.json")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.SPDXVersion != "SPDX-2.3" || doc.CreationInfo.Created != "2023-11-14T22:13:20Z" {
		t.Errorf("document %s of %s", doc.SPDXVersion, doc.CreationInfo.Created)
	}
	names, ids := map[string]bool{}, map[string]bool{}
	for _, p := range doc.Packages {
		if ids[p.SPDXID] {
			t.Errorf("two packages are %s", p.SPDXID)
		}
		names[p.Name], ids[p.SPDXID] = true, true
	}
	for _, want := range []string{"example.com/mq/operator", "rocketmq-agent linux/arm64", "stdlib", "sigs.k8s.io/yaml"} {
		if !names[want] {
			t.Errorf("the bill of materials lacks %s", want)
		}
	}
}

func TestVersionsThatSomeToolWouldRefuse(t *testing.T) {
	for _, version := range []string{"", "1.2.3", "v1.2", "v01.2.3", "v1.2.3+build"} {
		if err := run(t.Context(), []string{"--version", version}); err == nil || !strings.Contains(err.Error(), "VERSION=v1.2.3") {
			t.Errorf("version %q: error %v, want one that shows how to give it", version, err)
		}
	}
}

// What a release is the upgrade of, for the Operator Lifecycle Manager.
func TestTheReleaseBefore(t *testing.T) {
	const changelog = `# Changelog

## [Unreleased]

## [1.10.0] - 2026-11-30
### Fixed
- What 1.99.0 will not need.
## [1.10.0-rc.1] - 2026-11-01
## [1.9.2] - 2026-10-01
## [v1.9.1] - 2026-09-01
`
	for version, want := range map[string]string{
		"v1.10.0":      "1.10.0-rc.1",
		"v1.11.0":      "1.10.0",
		"v1.10.0-rc.1": "1.9.2",
		"v1.9.3":       "1.9.2",
		"v1.9.2":       "",
		"v0.0.0-ci":    "",
	} {
		if got := releaseBefore(changelog, version); got != want {
			t.Errorf("%s is the upgrade of %q, want %q", version, got, want)
		}
	}
}

// TestAReleaseIsInTheChangelog: without a section of its own, its notes would be empty.
func TestAReleaseIsInTheChangelog(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "CHANGELOG.md"), []byte("## [Unreleased]\n\n## [1.2.3] - today\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for version, fine := range map[string]bool{"v1.2.3": true, "v1.2.4": false, "v1.2.4-rc.1": true} {
		err := run(t.Context(), []string{"--root", root, "--version", version})
		if refused := err != nil && strings.Contains(err.Error(), "CHANGELOG.md has no section"); refused == fine {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// A bundle without these leaves users of the Operator Lifecycle Manager on what they have.
func TestTheBundleIsAnUpgrade(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"config", "examples"} {
		if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(filepath.Join("../..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "CHANGELOG.md"), []byte("## [1.2.3] - today\n\n## [1.2.2] - before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	files, err := release{version: "v1.2.3", root: root}.bundleFiles()
	if err != nil {
		t.Fatal(err)
	}
	var csv struct {
		Metadata struct{ Annotations map[string]string }
		Spec     struct{ Replaces string }
	}
	if err := yaml.Unmarshal(files[0].Content, &csv); err != nil {
		t.Fatal(err)
	}
	if csv.Spec.Replaces != "rocketmq-operator.v1.2.2" || csv.Metadata.Annotations["olm.skipRange"] != ">=0.1.0 <1.2.3" {
		t.Errorf("%s replaces %q and skips %q", files[0].Path, csv.Spec.Replaces, csv.Metadata.Annotations["olm.skipRange"])
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func untar(t *testing.T, path string) map[string][]byte {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader([]byte(read(t, filepath.Dir(path), filepath.Base(path)))))
	if err != nil {
		t.Fatal(err)
	}
	files, archive := map[string][]byte{}, tar.NewReader(plain)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

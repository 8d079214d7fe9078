// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/mod/semver"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/bundle"
	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/oci"
	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/pack"
)

// developed is the image that the manifests in the repository name.
const developed = "rocketmq-operator/rocketmq-operator:dev"

// writeManifests writes install.yaml, which is config/default with the release's image.
func (r release) writeManifests() error {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(r.root, "config", "default"))
	if err != nil {
		return err
	}
	content, err := built.AsYaml()
	if err != nil {
		return err
	}
	if found := bytes.Count(content, []byte(developed)); found != 1 {
		return fmt.Errorf("config/default names the image %s %d times: it should once, so that this release's is used everywhere", developed, found)
	}
	content = bytes.Replace(content, []byte(developed), []byte(r.image+":"+r.version), 1)
	return os.WriteFile(filepath.Join(r.out, "install.yaml"), content, 0o644)
}

// writeChart packages a chart with the release's version and image.
func (r release) writeChart(name string) error {
	files, err := pack.Tree(filepath.Join(r.root, "charts", name), name+"/")
	if err != nil {
		return err
	}
	edits := map[string]map[string]string{
		name + "/Chart.yaml": {
			"\nversion: 0.0.0-dev\n": "\nversion: " + r.number() + "\n",
			"\nappVersion: dev\n":    "\nappVersion: " + r.version + "\n",
		},
	}
	if name == operator.name {
		repository, _, _ := strings.Cut(developed, ":")
		edits[name+"/values.yaml"] = map[string]string{"\n  repository: " + repository + "\n": "\n  repository: " + r.image + "\n"}
	}
	for i, f := range files {
		for from, to := range edits[f.Path] {
			if bytes.Count(f.Content, []byte(from)) != 1 {
				return fmt.Errorf("charts/%s should have the line %q once, for this release's to take its place", f.Path, strings.TrimSpace(from))
			}
			files[i].Content = bytes.Replace(files[i].Content, []byte(from), []byte(to), 1)
		}
	}
	return r.write(filepath.Join(r.out, name+"-"+r.number()+".tgz"), files, pack.TarGz)
}

// writeBundle writes the bundle for the Operator Lifecycle Manager as the image that its catalogues refer to.
func (r release) writeBundle() error {
	files, err := r.bundleFiles()
	if err != nil {
		return err
	}
	image := oci.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, Config: v1.Config{Labels: bundle.Labels()}, Files: files}
	_, err = oci.Archive(r.file(operator.name, "_bundle-image.tar"), r.image+"-bundle", r.version, r.when, []oci.Image{image})
	return err
}

// bundleFiles are those of the bundle, which is the upgrade of the release before.
func (r release) bundleFiles() ([]pack.File, error) {
	changelog, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return nil, err
	}
	return bundle.Files(r.root, bundle.Options{
		Version: r.number(), Replaces: releaseBefore(string(changelog), r.version), Image: r.image + ":" + r.version, Created: r.when,
	})
}

// released is the heading of a release in the changelog: ## [1.2.3] - 2026-01-31
var released = regexp.MustCompile(`(?m)^## \[(\d\S*)\]`)

// releaseBefore is the newest release in a changelog that is older than a version, without a v; "" if there is none. It comes from the
// changelog and not from git's tags, which a shallow clone has not.
func releaseBefore(changelog, version string) string {
	before := ""
	for _, heading := range released.FindAllStringSubmatch(changelog, -1) {
		found := "v" + heading[1]
		if semver.IsValid(found) && semver.Compare(found, version) < 0 && semver.Compare(found, before) > 0 {
			before = found
		}
	}
	return strings.TrimPrefix(before, "v")
}

// krewTemplate is a plugin manifest of krew (krew.googlecontainertools.github.com/v1alpha2).
var krewTemplate = template.Must(template.New("krew").Parse(`apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: rocketmq
spec:
  version: {{.Version}}
  homepage: {{.Repository}}
  shortDescription: Look at RocketMQ clusters and change them
  description: |
    Shows brokers, topics, consumer groups and lags of the RocketMQ clusters that
    the RocketMQ operator runs, and changes them. It reaches servers through the
    API server, so it needs no way into the cluster's network.
  platforms:
{{- range .Platforms}}
  - selector:
      matchLabels: {os: {{.OS}}, arch: {{.Arch}}}
    uri: {{$.Repository}}/releases/download/{{$.Version}}/{{.File}}
    sha256: {{.SHA256}}
    bin: {{.Program}}
    files:
    - {from: {{.Program}}, to: .}
    - {from: LICENSE, to: .}
{{- end}}
`))

// writeKrew writes the manifest by which krew installs the plugin.
func (r release) writeKrew() error {
	type platform struct{ OS, Arch, File, SHA256, Program string }
	data := struct {
		Version, Repository string
		Platforms           []platform
	}{Version: r.version, Repository: r.repository}
	for _, t := range plugin.targets {
		path := r.archive(plugin.name, t)
		sum, err := sha256File(path)
		if err != nil {
			return err
		}
		data.Platforms = append(data.Platforms, platform{t.os, t.arch, filepath.Base(path), sum, plugin.name + t.executable()})
	}
	var out bytes.Buffer
	if err := krewTemplate.Execute(&out, data); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "krew.yaml"), out.Bytes(), 0o644)
}

// writeChecksums writes SHA256SUMS, as sha256sum --check takes it. Whoever signs this file signs the release.
func (r release) writeChecksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, entry := range entries { // sorted by name
		sum, err := sha256File(filepath.Join(r.out, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s  %s\n", sum, entry.Name())
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(out.String()), 0o644)
}

func sha256File(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}

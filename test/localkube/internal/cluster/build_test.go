// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBuildKey(t *testing.T) {
	src := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	key := func() string {
		t.Helper()
		k, err := buildKey(src)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, name := range []string{"go.mod", "go.sum", "kube/main.go", "coredns/main.go", "pause/main.go", "containerd/go.mod", "internal/policy/policy.go"} {
		write(name, "1")
	}
	first := key()
	for _, test := range []struct {
		name    string
		changes bool
	}{
		{"kube/main.go", true}, {"containerd/go.sum", true}, {"go.sum", true}, {"internal/policy/policy.go", true},
		{"internal/cluster/up.go", false}, {"kube/main_test.go", false}, {"README.md", false},
	} {
		before := key()
		write(test.name, "2")
		if after := key(); (after != before) != test.changes {
			t.Errorf("%s: key %s, then %s", test.name, before, after)
		}
	}
	for _, name := range []string{"kube/main.go", "go.sum", "internal/policy/policy.go"} {
		write(name, "1")
	}
	if err := os.Remove(filepath.Join(src, "containerd/go.sum")); err != nil {
		t.Fatal(err)
	}
	if key() != first {
		t.Error("the same sources have another key")
	}
}

func TestVersionsAgree(t *testing.T) {
	src, err := sourceDir()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(src, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "k8s.io/kubernetes " + kubernetesVersion + "\n"; !strings.Contains(string(b), want) {
		t.Errorf("go.mod does not require %s", want)
	}
}

func TestPruneSparesWhatIsUsed(t *testing.T) {
	c := newCluster(t)
	old := time.Now().Add(-48 * time.Hour)
	for _, dir := range []string{"bin-current", "bin-running", "bin-recent", "bin-old", "bin-broken.tmp", "run"} {
		path := filepath.Join(c.base, dir)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir != "bin-recent" && dir != "bin-broken.tmp" {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.saveSettings(settings{Nodes: 3, Bin: filepath.Join(c.base, "bin-running")}); err != nil {
		t.Fatal(err)
	}
	if err := c.prune(filepath.Join(c.base, "bin-current")); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(c.base, "bin-*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if diff := cmp.Diff([]string{"bin-current", "bin-recent", "bin-running"}, left); diff != "" {
		t.Error(diff)
	}
}

func TestWriteImageNamesItsTag(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.tar")
	if err := writeImage(archive, "localhost/a:1", imageFile{"a", 0o755, []byte("x")}); err != nil {
		t.Fatal(err)
	}
	tags, err := repoTags(archive)
	if diff := cmp.Diff([]string{"localhost/a:1"}, tags); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if err := os.WriteFile(archive, []byte("no tar"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := repoTags(archive); err == nil || !strings.Contains(err.Error(), "no docker-archive") {
		t.Errorf("not a tar: %v", err)
	}
}

func TestNormalRef(t *testing.T) {
	for tag, want := range map[string]string{
		"busybox":               "docker.io/library/busybox:latest",
		"apache/rocketmq:5.4.0": "docker.io/apache/rocketmq:5.4.0",
		"localhost/pause:1":     "localhost/pause:1",
		"registry:5000/a/b":     "registry:5000/a/b:latest",
		"ghcr.io/a/b:c":         "ghcr.io/a/b:c",
	} {
		if got := normalRef(tag); got != want {
			t.Errorf("%s: got %s, want %s", tag, got, want)
		}
	}
}

func TestHasAll(t *testing.T) {
	images := map[string]string{"a": "sha256:1", "b": "sha256:2"}
	for refs, want := range map[string]bool{"a=sha256:1": true, "a=sha256:1 b=sha256:2": true, "a=sha256:2": false, "a=sha256:1 c=sha256:3": false} {
		if got := hasAll(images, strings.Fields(refs)); got != want {
			t.Errorf("%s: %v", refs, got)
		}
	}
}

func TestKeysAreMadeOnceAndVerify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	if err := makeKeys(dir, []node{1}); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ca, admin := string(read("ca.crt")), string(read("admin.conf"))
	if err := makeKeys(dir, []node{1, 2}); err != nil { // a second node, as with up --nodes 2
		t.Fatal(err)
	}
	if ca != string(read("ca.crt")) || admin != string(read("admin.conf")) {
		t.Error("keys were made anew")
	}
	if !strings.Contains(admin, apiURL) || !strings.Contains(admin, `user: "kubernetes-admin"`) {
		t.Errorf("admin.conf:\n%s", admin)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	for name, host := range map[string]string{"apiserver": hostIP, "kubelet-serving-node1": "10.89.0.1", "kubelet-serving-node2": "10.89.0.2"} {
		pair, err := tls.X509KeyPair(read(name+".crt"), read(name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s for %s: %v", name, host, err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ca.key: %v, %v", info.Mode(), err)
	}
}

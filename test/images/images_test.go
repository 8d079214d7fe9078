// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// unpack returns the files of a tar by name, and their headers in order.
func unpack(t *testing.T, archive []byte) (map[string][]byte, []*tar.Header) {
	t.Helper()
	contents := map[string][]byte{}
	var headers []*tar.Header
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return contents, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		if contents[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		headers = append(headers, h)
	}
}

func TestArchiveReadBack(t *testing.T) {
	source := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(source, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	img := image{
		name:   "docker.io/example/small:1",
		config: imageConfig{User: "65532:65532", Env: []string{"PATH=/bin"}, Entrypoint: []string{"/bin/program"}, WorkingDir: "/"},
		entries: []entry{
			executable("bin/program", source),
			text("etc/motd", "hello\n", 3000),
			symlink("bin/other", "program"),
			directory("tmp", 0o777|fs.ModeSticky, 0),
		},
	}
	var first, second bytes.Buffer
	if err := encodeArchive(&first, img); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(img.entries)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(source, later, later); err != nil {
		t.Fatal(err)
	}
	if err := encodeArchive(&second, img); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the archive depends on the order of entries or on a file's time")
	}

	outer, _ := unpack(t, first.Bytes())
	var manifests []manifest
	if err := json.Unmarshal(outer["manifest.json"], &manifests); err != nil {
		t.Fatal(err)
	}
	if len(manifests) != 1 || len(manifests[0].Layers) != 1 {
		t.Fatalf("manifest.json is %s; want one image of one layer", outer["manifest.json"])
	}
	if diff := cmp.Diff([]string{"docker.io/example/small:1"}, manifests[0].RepoTags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	layer := outer[manifests[0].Layers[0]]
	digest := sha256.Sum256(layer)
	var config configFile
	if err := json.Unmarshal(outer[manifests[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sha256:" + hex.EncodeToString(digest[:])}, config.RootFS.DiffIDs); diff != "" {
		t.Errorf("digest of the layer (-bytes +config):\n%s", diff)
	}
	if diff := cmp.Diff(img.config, config.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}

	type file struct {
		Name, Link, Content string
		Type                byte
		Mode                int64
		Owner               int
	}
	var got []file
	contents, headers := unpack(t, layer)
	for _, h := range headers {
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uname != "" || h.Gname != "" || h.Uid != h.Gid {
			t.Errorf("%s: time %v, names %q %q, owner %d:%d; want time 0, no names, equal ids", h.Name, h.ModTime, h.Uname, h.Gname, h.Uid, h.Gid)
		}
		got = append(got, file{h.Name, h.Linkname, string(contents[h.Name]), h.Typeflag, h.Mode, h.Uid})
	}
	want := []file{
		{"bin/", "", "", tar.TypeDir, 0o755, 0},
		{"bin/other", "program", "", tar.TypeSymlink, 0o777, 0},
		{"bin/program", "", "#!/bin/sh\n", tar.TypeReg, 0o755, 0},
		{"etc/", "", "", tar.TypeDir, 0o755, 0},
		{"etc/motd", "", "hello\n", tar.TypeReg, 0o644, 3000},
		{"tmp/", "", "", tar.TypeDir, 0o1777, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

func TestLayoutRefuses(t *testing.T) {
	tests := []struct {
		name    string
		entries []entry
		want    string
	}{
		{"absolute", []entry{text("/etc/passwd", "", 0)}, `image path "/etc/passwd" is not clean and relative`},
		{"upwards", []entry{text("../passwd", "", 0)}, `image path "../passwd" is not clean and relative`},
		{"not clean", []entry{directory("tmp/", 0o755, 0)}, `image path "tmp/" is not clean and relative`},
		{"twice", []entry{text("a", "1", 0), text("a", "2", 0)}, `image path "a" comes twice`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := layout(tt.entries)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestRocketmqEntriesFollowTheOfficialLayout(t *testing.T) {
	home, java := t.TempDir(), t.TempDir()
	if err := copyEmbedded("files", home); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(java, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(java, "bin", "java"), []byte("java"), 0o755); err != nil {
		t.Fatal(err)
	}
	server, err := tree(home, "home/rocketmq/rocketmq-5.4.0", rocketmqUser)
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := tree(java, imageJava, 0)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := layout(append(append(runtime, server...), baseEntries([]string{"sh", "ls", "busybox", "bash"})...))
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]entry{}
	for _, e := range entries {
		byPath[e.path] = e
	}
	for path, want := range map[string]struct {
		owner int
		mode  fs.FileMode
	}{
		"home/rocketmq":                                         {3000, fs.ModeDir | 0o755},
		"home/rocketmq/store":                                   {3000, fs.ModeDir | 0o755},
		"home/rocketmq/rocketmq-5.4.0/bin/mqadmin":              {3000, 0o755},
		"home/rocketmq/rocketmq-5.4.0/bin/docker-entrypoint.sh": {3000, 0o755},
		"home/rocketmq/rocketmq-5.4.0/conf/rmq-proxy.json":      {3000, 0o644},
		"opt/java/openjdk/bin/java":                             {0, 0o755},
		"bin/sh":                                                {0, fs.ModeSymlink | 0o777},
		"bin/bash":                                              {0, 0o755},
		"tmp":                                                   {0, fs.ModeDir | fs.ModeSticky | 0o777},
	} {
		if e, ok := byPath[path]; !ok || e.owner != want.owner || e.mode != want.mode {
			t.Errorf("%s: there %v, owner %d, mode %v; want owner %d, mode %v", path, ok, e.owner, e.mode, want.owner, want.mode)
		}
	}
	config := rocketmqConfig("5.4.0")
	if config.WorkingDir != "/home/rocketmq/rocketmq-5.4.0/bin" || config.User != "rocketmq" ||
		!slices.Contains(config.Env, "ROCKETMQ_HOME=/home/rocketmq/rocketmq-5.4.0") || !slices.Contains(config.Env, "ROCKETMQ_VERSION=5.4.0") {
		t.Errorf("config %+v is not the official image's", config)
	}
}

func TestAssembleHome(t *testing.T) {
	jars, home := t.TempDir(), filepath.Join(t.TempDir(), "home")
	broker := zipOf(t, map[string]string{"rmq.broker.logback.xml": "<broker/>", "META-INF/rmq.other.logback.xml": "", "a.class": ""})
	for name, content := range map[string][]byte{
		"rocketmq-broker-5.4.0.jar": broker,
		"guava-32.jar":              zipOf(t, map[string]string{"rmq.guava.logback.xml": ""}),
		"netty-tcnative-boringssl-static-2.0.53.Final-linux-x86_64.jar":   {},
		"netty-tcnative-boringssl-static-2.0.53.Final-linux-aarch_64.jar": {},
		"netty-tcnative-boringssl-static-2.0.53.Final-windows-x86_64.jar": {},
		"netty-transport-native-kqueue-4.1.119.Final-osx-x86_64.jar":      {},
		"hamcrest-2.1.jar": {},
	} {
		if err := os.WriteFile(filepath.Join(jars, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := assembleHome(home, jars); err != nil {
		t.Fatal(err)
	}
	var lib []string
	entries, err := os.ReadDir(filepath.Join(home, "lib"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		lib = append(lib, e.Name())
	}
	want := []string{"guava-32.jar", "netty-tcnative-boringssl-static-2.0.53.Final-linux-x86_64.jar", "rocketmq-broker-5.4.0.jar"}
	if diff := cmp.Diff(want, lib); diff != "" {
		t.Errorf("lib (-want +got):\n%s", diff)
	}
	logback, err := filepath.Glob(filepath.Join(home, "conf", "*.logback.xml"))
	if err != nil || len(logback) != 1 || filepath.Base(logback[0]) != "rmq.broker.logback.xml" {
		t.Errorf("logging configurations %v, want rmq.broker.logback.xml", logback)
	}
	if err := assembleHome(filepath.Join(t.TempDir(), "home"), t.TempDir()); err == nil {
		t.Error("a home without jars is no error")
	}
}

func zipOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, content := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestUnion(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"1.classes": "# a comment\na/B\na/C$D\n", "2.classes": "# a comment\na/C$D\na/E\n", "3.log": "a/F\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := union(filepath.Join(dir, "*.classes"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("# a comment\na/B\na/C$D\na/E\n", got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := union(filepath.Join(dir, "*.none")); err == nil {
		t.Error("no list of classes is no error")
	}
}

func TestMissingArtifacts(t *testing.T) {
	tests := []struct {
		name, output string
		want         []string
	}{
		{"success", "", nil},
		{"one", "[ERROR] Failed to execute goal on project rocketmq-server: Could not find artifact org.apache.rocketmq:rocketmq-tools:jar:5.3.4 in central (url) -> [Help 1]",
			[]string{"rocketmq-tools"}},
		{"several", "[ERROR] The following artifacts could not be resolved: org.apache.rocketmq:rocketmq-tools:jar:5.3.4, org.apache.rocketmq:rocketmq-common:jar:5.3.4: Could not find artifact org.apache.rocketmq:rocketmq-tools:jar:5.3.4 in central",
			[]string{"rocketmq-common", "rocketmq-tools"}},
		{"no network", "[ERROR] Could not transfer artifact org.apache.rocketmq:rocketmq-tools:pom:5.4.0 from/to central: Connection refused", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, missingArtifacts(tt.output)); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCacheBuildsOnce(t *testing.T) {
	c := cache{dir: t.TempDir(), progress: t.Logf}
	builds := 0
	build := func(tmp string) error {
		builds++
		return os.WriteFile(tmp, []byte("built"), 0o644)
	}
	failed := errors.New("no")
	if _, err := c.get(t.Context(), "thing", key("1"), ".tar", func(tmp string) error {
		return errors.Join(os.WriteFile(tmp, []byte("half"), 0o644), failed)
	}); !errors.Is(err, failed) {
		t.Errorf("error %v, want that of the build", err)
	}
	for range 3 {
		path, err := c.get(t.Context(), "thing", key("1"), ".tar", build)
		if err != nil {
			t.Fatal(err)
		}
		if content, err := os.ReadFile(path); err != nil || string(content) != "built" {
			t.Errorf("%s holds %q (%v), want what was built", path, content, err)
		}
	}
	if builds != 1 {
		t.Errorf("built %d times, want once", builds)
	}
}

func TestCacheForgetsWhatIsUnused(t *testing.T) {
	c := cache{dir: t.TempDir(), progress: t.Logf}
	build := func(tmp string) error { return os.WriteFile(tmp, nil, 0o644) }
	var paths []string
	for i := range keep + 3 {
		path, err := c.get(t.Context(), "thing", key(string(rune('a'+i))), ".tar", build)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
		// All but the newest two were not used for a long time.
		if i < keep+1 {
			old := time.Now().Add(-unused).Add(time.Duration(i-100) * time.Second)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, path := range paths {
		if want := i >= 3; exists(path) != want {
			t.Errorf("build %d there: %v, want %v", i, !want, want)
		}
	}
}

func TestCacheWaitsForAnotherBuilder(t *testing.T) {
	c := cache{dir: t.TempDir(), progress: t.Logf}
	unlock, err := c.lock(t.Context(), filepath.Join(c.dir, ".thing.lock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.get(ctx, "thing", key(), "", func(string) error { return errors.New("built beside another") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline's", err)
	}
	unlock()
	if _, err := c.get(t.Context(), "thing", key(), "", func(tmp string) error { return os.Mkdir(tmp, 0o755) }); err != nil {
		t.Errorf("after the other one: %v", err)
	}
}

// TestToolArchive: each program is where its command looks for it, and runs as root.
func TestToolArchive(t *testing.T) {
	jar := filepath.Join(t.TempDir(), "some.jar")
	if err := os.WriteFile(jar, []byte("jar"), 0o600); err != nil {
		t.Fatal(err)
	}
	linux := []entry{directory("tmp", 0o777, 0)}
	for tool := range toolImages() {
		img := toolArchive(tool, "example/"+tool+":1", jar, linux)
		if diff := cmp.Diff(entry{path: toolJar(tool), mode: 0o644, source: jar}, img.entries[1], cmp.AllowUnexported(entry{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tool, diff)
		}
		if command := strings.Join(img.config.Entrypoint, " "); img.config.User != "" || img.config.WorkingDir != "/" || !strings.HasSuffix(command, toolJar(tool)) {
			t.Errorf("%s runs %q as %q in %s", tool, command, img.config.User, img.config.WorkingDir)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	b := &builder{stderr: io.Discard}
	for _, args := range [][]string{
		{"rocketmq"}, {"rocketmq", "latest"}, {"rocketmq", "5.4.0", "5.5.0"}, {"rocketmq-home", "../5.4.0"},
		{"operator", "dev"}, {"ledger", "--color"}, {"dashboard"}, {"tool", "dashboard"}, {"tool", "proxy", "proxy.jar"},
	} {
		if _, err := b.plan(args[0], args[1:]); err == nil {
			t.Errorf("%s is accepted", strings.Join(args, " "))
		}
	}
	for args, want := range map[string]int{"rocketmq 5.2.0": 1, "operator --tag v1": 1, "ledger": 1, "all": 3, "tool exporter e.jar": 1} {
		fields := strings.Fields(args)
		steps, err := b.plan(fields[0], fields[1:])
		if err != nil || len(steps) != want {
			t.Errorf("%s: %d steps (%v), want %d", args, len(steps), err, want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package jvm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

func TestArgs(t *testing.T) {
	const modules = "--add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.util=ALL-UNNAMED " +
		"--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED --add-exports=java.base/sun.nio.ch=ALL-UNNAMED"
	defaults := Options{Role: settings.Broker, JavaMajor: 8, DefaultHeap: "1g", DefaultDirectMemory: "512m"}
	tests := []struct {
		name string
		set  func(*Options)
		env  map[string]string
		want string
	}{
		{"java 8", nil, nil, "-Xms1g -Xmx1g -XX:MaxDirectMemorySize=512m"},
		{"java 17", func(o *Options) { o.JavaMajor = 17 }, nil, modules + " -Xms1g -Xmx1g -XX:MaxDirectMemorySize=512m"},
		{"nothing known", func(o *Options) { o.DefaultHeap, o.DefaultDirectMemory = "", "" }, nil, ""},
		{
			"the environment in its order", nil,
			map[string]string{"HEAP_OPTS": "-Xms2g -Xmx2g", "BROKER_MEM": " -Xms3g -Xmx3g -Xmn1g ", "JAVA_OPT_EXT": "-XX:MaxDirectMemorySize=1g -Da=b"},
			"-Xms2g -Xmx2g -Xms3g -Xmx3g -Xmn1g -XX:MaxDirectMemorySize=1g -Da=b",
		},
		{
			"defaults fill what the environment leaves open", nil,
			map[string]string{"BROKER_MEM": "-Xms3g -Xmx3g"},
			"-XX:MaxDirectMemorySize=512m -Xms3g -Xmx3g",
		},
		{"-Xmx alone is the whole heap", nil, map[string]string{"HEAP_OPTS": "-Xmx256m"}, "-Xms256m -XX:MaxDirectMemorySize=512m -Xmx256m"},
		{"a small -Xms leaves the default maximum", nil, map[string]string{"HEAP_OPTS": "-Xms64M"}, "-Xmx1g -XX:MaxDirectMemorySize=512m -Xms64M"},
		{"a large -Xms raises it", nil, map[string]string{"HEAP_OPTS": "-Xms1025m"}, "-Xmx1025m -XX:MaxDirectMemorySize=512m -Xms1025m"},
		{
			"a percentage is not undone by -Xmx", nil,
			map[string]string{"JAVA_OPT_EXT": "-XX:MaxRAMPercentage=60"},
			"-XX:MaxDirectMemorySize=512m -XX:MaxRAMPercentage=60",
		},
		{
			"BROKER_MEM is for brokers", func(o *Options) { o.Role = settings.NameServer },
			map[string]string{"BROKER_MEM": "-Xmx9g", "HEAP_OPTS": "-Xmn100m"},
			"-Xms1g -Xmx1g -XX:MaxDirectMemorySize=512m -Xmn100m",
		},
		{
			"spec.jvm wins over everything", func(o *Options) {
				o.JavaMajor, o.Heap, o.DirectMemory, o.Extra = 17, "4g", "2g", []string{"-XX:+UseZGC", "-Dname=with space"}
			},
			map[string]string{"HEAP_OPTS": "-Xms2g -Xmx2g", "BROKER_MEM": "-Xmx3g", "JAVA_OPT_EXT": "-Xmx5g -XX:MaxDirectMemorySize=1g"},
			modules + " -Xms2g -Xmx2g -Xmx3g -Xmx5g -XX:MaxDirectMemorySize=1g -Xms4g -Xmx4g -XX:MaxDirectMemorySize=2g -XX:+UseZGC -Dname=with space",
		},
		{
			"extraOptions count as the user's heap", func(o *Options) { o.Extra = []string{"-XX:MaxHeapSize=2g"} }, nil,
			"-Xms2g -XX:MaxDirectMemorySize=512m -XX:MaxHeapSize=2g",
		},
		{"quotes", nil, map[string]string{"JAVA_OPT_EXT": `-Da="b c" '-Dd=e "f"' -Dg=""`}, `-Xms1g -Xmx1g -XX:MaxDirectMemorySize=512m -Da=b c -Dd=e "f" -Dg=`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options := defaults
			if tt.set != nil {
				tt.set(&options)
			}
			options.Getenv = func(name string) string { return tt.env[name] }
			args, err := options.Args()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, strings.Join(args, " ")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestPrintable: a log has no passwords.
func TestPrintable(t *testing.T) {
	args := []string{
		"-Xmx1g", "-Dlast=1", "-Djavax.net.ssl.keyStorePassword=hush", "-Dtls.server.keyPassword=a=b", "-Drocketmq.client.accessKey=x", "-DsecretKey=y",
		"-javaagent:/a.jar=token=z", "-agentlib:jdwp=transport=dt_socket", "-cp", "/a:/b", "org.example.Main", "-c", "/etc/x.conf",
	}
	want := []string{
		"-Xmx1g", "-Dlast=1", "-Djavax.net.ssl.keyStorePassword=...", "-Dtls.server.keyPassword=...", "-Drocketmq.client.accessKey=...", "-DsecretKey=...",
		"-javaagent:/a.jar=...", "-agentlib:jdwp=...", "-cp", "/a:/b", "org.example.Main", "-c", "/etc/x.conf",
	}
	if diff := cmp.Diff(want, Printable(args)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if args[2] != "-Djavax.net.ssl.keyStorePassword=hush" {
		t.Error("java is not given its password")
	}
}

func TestMemoryOf(t *testing.T) {
	const mebi = 1 << 20
	for args, want := range map[string][2]int64{
		"":                                    {0, 0},
		"-Xms64m -Xmx256m":                    {256 * mebi, 256 * mebi}, // direct memory is bounded by the heap's size unless told otherwise
		"-Xmx1g -Xmx2g":                       {2048 * mebi, 2048 * mebi},
		"-Xmx1g -XX:MaxDirectMemorySize=512m": {1024 * mebi, 512 * mebi},
		"-XX:MaxHeapSize=1g -XX:MaxDirectMemorySize=0": {1024 * mebi, 0},
	} {
		if heap, direct := MemoryOf(strings.Fields(args)); heap != want[0] || direct != want[1] {
			t.Errorf("%s: heap %d, direct memory %d, want %v", args, heap, direct, want)
		}
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string][]string{
		"":                      nil,
		" \t\n":                 nil,
		"a  b":                  {"a", "b"},
		`-Da="b c"d 'e "f"' ""`: {"-Da=b cd", `e "f"`, ""},
	} {
		got, err := split(in)
		if err != nil {
			t.Errorf("split(%q): %v", in, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("split(%q) (-want +got)\n%s", in, diff)
		}
	}
}

func TestArgsNamesTheVariableWithAnOpenQuote(t *testing.T) {
	options := Options{Getenv: func(name string) string { return map[string]string{"JAVA_OPT_EXT": `-Da="b`}[name] }}
	_, err := options.Args()
	if err == nil || !strings.Contains(err.Error(), `environment variable JAVA_OPT_EXT: the quote " is not closed`) {
		t.Errorf("got %v", err)
	}
}

func TestFind(t *testing.T) {
	tests := []struct {
		name, release, output string
		want                  int
		wantError             string
	}{
		{name: "release of 8", release: "JAVA_VERSION=\"1.8.0_402\"\nOS_NAME=\"Linux\"\n", want: 8},
		{name: "release of 17", release: "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\n", want: 17},
		{name: "release of 21", release: "JAVA_VERSION=21\n", want: 21},
		{name: "output of 8", output: `openjdk version "1.8.0_402"`, want: 8},
		{name: "output of 25", release: "SOURCE=\"x\"\n", output: `openjdk version "25" 2025-09-16`, want: 25},
		{name: "neither", output: "hello", wantError: "no version in its answer: hello"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			writeFile(t, filepath.Join(home, "bin", "java"), "#!/bin/sh\necho '"+tt.output+"' >&2\n", 0o755)
			if tt.release != "" {
				writeFile(t, filepath.Join(home, "release"), tt.release, 0o644)
			}
			java, err := Find(t.Context(), home)
			if tt.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantError) {
					t.Fatalf("got %v, want %q", err, tt.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := (Java{Path: filepath.Join(home, "bin", "java"), Major: tt.want}); java != want {
				t.Errorf("got %v, want %v", java, want)
			}
		})
	}
}

func TestFindInPath(t *testing.T) {
	jdk, bin := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(jdk, "bin", "java"), "", 0o755)
	writeFile(t, filepath.Join(jdk, "release"), "JAVA_VERSION=\"11.0.2\"\n", 0o644)
	if err := os.Symlink(filepath.Join(jdk, "bin", "java"), filepath.Join(bin, "java")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	java, err := Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Java{Path: filepath.Join(bin, "java"), Major: 11}); java != want {
		t.Errorf("got %v, want %v", java, want)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Find(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "JAVA_HOME is not set and the PATH has none") {
		t.Errorf("without java: %v", err)
	}
}

func TestClassPath(t *testing.T) {
	home := t.TempDir()
	for _, file := range []string{"lib/b-1.jar", "lib/B.jar", "lib/b.jar", "lib/notes.txt", "conf/tools.yml"} {
		writeFile(t, filepath.Join(home, file), "", 0o644)
	}
	got, err := ClassPath(home)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll("~/lib/B.jar:~/lib/b-1.jar:~/lib/b.jar:~/conf", "~", home); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := ClassPath(filepath.Join(home, "none")); err == nil || !strings.Contains(err.Error(), "the jars of ROCKETMQ_HOME") {
		t.Errorf("without lib: %v", err)
	}
}

func TestCheckHome(t *testing.T) {
	good, old := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(good, "lib", "rocketmq-controller-5.4.0.jar"), "", 0o644)
	writeFile(t, filepath.Join(old, "lib", "rocketmq-broker-4.9.4.jar"), "", 0o644)
	for home, want := range map[string]string{
		good:             "",
		old:              "no RocketMQ 5; set the image to an official one",
		"":               "ROCKETMQ_HOME is not set",
		"/no/such/place": "ROCKETMQ_HOME holds no RocketMQ",
	} {
		err := CheckHome(home)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("CheckHome(%q) = %v, want %q", home, err, want)
		}
	}
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

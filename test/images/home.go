// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// files holds the parts of a RocketMQ home that are not on Maven Central (they are in the distribution zip only),
// the request for the rest, and this program's sources, which key what it builds.
//
//go:embed files grpc pom.xml *.go
var files embed.FS

// rocketmqHome returns a directory in the layout of RocketMQ's distribution: lib, conf and bin.
func (b *builder) rocketmqHome(ctx context.Context, version string) (string, error) {
	// Everybody who starts a server from this home needs the runtime as well.
	if err := b.need(ctx, debianJava); err != nil {
		return "", err
	}
	sources, err := sources()
	if err != nil {
		return "", err
	}
	return b.cache.get(ctx, "rocketmq-home-"+version, key(sources), "", func(tmp string) error {
		jars, err := b.jars(ctx, version)
		if err != nil {
			return err
		}
		b.progress("ROCKETMQ_HOME of %s", version)
		return assembleHome(tmp, jars)
	})
}

// jars returns a directory with the server's jars and all they depend on.
func (b *builder) jars(ctx context.Context, version string) (string, error) {
	pom, err := files.ReadFile("pom.xml")
	if err != nil {
		return "", err
	}
	return b.cache.get(ctx, "jars-"+version, key(string(pom)), "", func(tmp string) error {
		b.progress("jars of RocketMQ %s from Maven Central", version)
		out, err := b.dependencies(ctx, pom, tmp, "-Drocketmq.version="+version)
		if missing := missingArtifacts(out); err != nil && len(missing) > 0 {
			return fmt.Errorf("RocketMQ %s is not complete on Maven Central: %s missing; versions known to be complete: 5.2.0, 5.3.3, 5.4.0, 5.5.0",
				version, strings.Join(missing, ", "))
		}
		return err
	})
}

// dependencies puts the jars that a pom.xml asks for, and all they depend on, into a directory. It returns what Maven
// said.
func (b *builder) dependencies(ctx context.Context, pom []byte, directory string, args ...string) (string, error) {
	if err := b.need(ctx, debianJava, debianMaven); err != nil {
		return "", err
	}
	project, err := os.MkdirTemp("", "rocketmq-jars-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(project)
	file := filepath.Join(project, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return "", err
	}
	args = append([]string{"-B", "-q", "-f", file, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=" + directory}, args...)
	return command(ctx, project, []string{"JAVA_HOME=" + javaHome}, "mvn", args...)
}

// artifactPattern finds what Maven names as not found: "Could not find artifact g:a:jar:v in central" for one,
// "The following artifacts could not be resolved: g:a:jar:v, g:b:jar:v: ..." for several.
var artifactPattern = regexp.MustCompile(`org\.apache\.rocketmq:([a-z-]+):(?:jar|pom):[0-9.]+`)

// missingArtifacts returns the names of RocketMQ's artifacts that Maven's output reports as absent, sorted; none if
// it failed for another reason.
func missingArtifacts(output string) []string {
	var names []string
	for line := range strings.Lines(output) {
		if strings.Contains(line, "Could not find artifact") || strings.Contains(line, "was not found in") {
			for _, m := range artifactPattern.FindAllStringSubmatch(line, -1) {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// assembleHome makes a RocketMQ home at dir from a directory of jars.
func assembleHome(dir, jars string) error {
	lib, conf := filepath.Join(dir, "lib"), filepath.Join(dir, "conf")
	for _, d := range []string{lib, conf} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	names, err := filepath.Glob(filepath.Join(jars, "*.jar"))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("no jars in %s", jars)
	}
	for _, name := range names {
		base := filepath.Base(name)
		if !wantJar(base) {
			continue
		}
		if err := linkOrCopy(name, filepath.Join(lib, base)); err != nil {
			return err
		}
		if strings.HasPrefix(base, "rocketmq-") {
			if err := extractLogback(name, conf); err != nil {
				return err
			}
		}
	}
	return copyEmbedded("files", dir)
}

// unwanted are parts of jars' names that mark natives of other platforms, and test libraries that some poms leak into
// the runtime scope. The official distribution has them; they only cost space.
var unwanted = []string{"osx", "windows", "macos", "aarch_64", "riscv64", "kqueue", "hamcrest", "awaitility"}

func wantJar(name string) bool {
	return !slices.ContainsFunc(unwanted, func(s string) bool { return strings.Contains(name, s) })
}

// extractLogback copies the logging configurations (rmq.broker.logback.xml and so on) that lie at the root of jar.
func extractLogback(jar, conf string) error {
	r, err := zip.OpenReader(jar)
	if err != nil {
		return fmt.Errorf("read %s: %w", jar, err)
	}
	defer r.Close()
	for _, f := range r.File {
		if match, err := path.Match("rmq.*.logback.xml", f.Name); err != nil || !match {
			continue
		}
		if err := extract(f, filepath.Join(conf, f.Name)); err != nil {
			return fmt.Errorf("unpack %s of %s: %w", f.Name, jar, err)
		}
	}
	return nil
}

func extract(f *zip.File, to string) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	content, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// linkOrCopy shares the file where the file system can: versions have most jars in common with the jar cache.
func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// copyEmbedded writes the embedded tree below root into dir; what lies in bin becomes executable.
func copyEmbedded(root, dir string) error {
	return fs.WalkDir(files, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(name, root))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if path.Base(path.Dir(name)) == "bin" {
			mode = 0o755
		}
		return os.WriteFile(to, content, mode)
	})
}

// sources is the text of everything embedded, tests excepted.
func sources() (string, error) {
	var all strings.Builder
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		content, err := files.ReadFile(name)
		fmt.Fprintf(&all, "%s:%d\n%s", name, len(content), content)
		return err
	})
	return all.String(), err
}

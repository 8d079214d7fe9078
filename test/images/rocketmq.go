// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The layout of the official image (apache/rocketmq-docker, image-build/Dockerfile-ubuntu, on eclipse-temurin).
const (
	rocketmqUser = 3000
	rocketmqDir  = "home/rocketmq"
	imageJava    = "opt/java/openjdk"
	imageClasses = imageJava + "/lib/server/classes.jsa" // java's default archive of classes
)

// runtimeModules are what name server, controller, broker, proxy and mqadmin use, and jcmd to look at them.
const runtimeModules = "java.base,java.datatransfer,java.xml,java.prefs,java.desktop,java.instrument,java.logging," +
	"java.management,java.security.sasl,java.naming,java.net.http,java.scripting,java.security.jgss," +
	"java.transaction.xa,java.sql,jdk.internal.jvmstat,jdk.attach,jdk.crypto.ec,jdk.httpserver,jdk.jcmd," +
	"jdk.management,jdk.naming.dns,jdk.net,jdk.unsupported,jdk.zipfs"

// libraries are what java, bash and the natives in RocketMQ's jars (rocksdb, zstd, netty) are linked with.
var libraries = []string{
	"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2", "libutil.so.1", "libcrypt.so.1",
	"libnss_files.so.2", "libnss_dns.so.2", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libtinfo.so.6",
}

// rocketmqImage builds the server's image.
func (b *builder) rocketmqImage(ctx context.Context, version string) (string, error) {
	sources, err := sources()
	if err != nil {
		return "", err
	}
	return b.cache.get(ctx, "rocketmq-"+version, key(sources), ".tar", func(tmp string) error {
		if err := b.need(ctx, debianJava, debianBusybox, debianLibcpp, debianZlib, debianCrypt); err != nil {
			return err
		}
		home, err := b.rocketmqHome(ctx, version)
		if err != nil {
			return err
		}
		java, err := b.javaRuntime(ctx)
		if err != nil {
			return err
		}
		entries, err := rocketmqEntries(ctx, version, home, java)
		if err != nil {
			return err
		}
		classes, err := b.classArchive(ctx, version, home, java, entries)
		if err != nil {
			return fmt.Errorf("archive the classes of RocketMQ %s: %w", version, err)
		}
		entries[slices.IndexFunc(entries, func(e entry) bool { return e.path == imageClasses })].source = classes
		b.progress("image of RocketMQ %s", version)
		return writeArchive(tmp, image{name: "docker.io/apache/rocketmq:" + version, config: rocketmqConfig(version), entries: entries})
	})
}

// javaRuntime returns a small Java 17 runtime, the same for all versions of RocketMQ.
func (b *builder) javaRuntime(ctx context.Context) (string, error) {
	return b.linkedRuntime(ctx, "java-17", runtimeModules)
}

// linkedRuntime returns a Java 17 runtime of these modules.
func (b *builder) linkedRuntime(ctx context.Context, name, modules string) (string, error) {
	if err := b.need(ctx, debianJava); err != nil {
		return "", err
	}
	release, err := os.ReadFile(filepath.Join(javaHome, "release"))
	if err != nil {
		return "", err
	}
	return b.cache.get(ctx, name, key(modules, string(release)), "", func(tmp string) error {
		b.progress("java runtime by jlink")
		_, err := command(ctx, "", nil, filepath.Join(javaHome, "bin", "jlink"), "--compress=2", "--no-header-files",
			"--no-man-pages", "--strip-java-debug-attributes", "--add-modules", modules, "--output", tmp)
		if err != nil {
			return err
		}
		// The archive of the core classes' parsed form halves the start of a JVM, and the servers share its memory.
		b.progress("class data archive of the java runtime")
		_, err = command(ctx, "", nil, filepath.Join(tmp, "bin", "java"), "-Xshare:dump")
		return err
	})
}

func rocketmqConfig(version string) imageConfig {
	home := "/" + rocketmqDir + "/rocketmq-" + version
	return imageConfig{
		// By name, as in the official image, so that a pod that must not run as root has to say runAsUser here too.
		User: "rocketmq",
		Env: []string{
			"PATH=/" + imageJava + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"JAVA_HOME=/" + imageJava,
			"LANG=C.UTF-8",
			"ROCKETMQ_VERSION=" + version,
			"ROCKETMQ_HOME=" + home,
		},
		WorkingDir:   home + "/bin",
		Entrypoint:   []string{"./docker-entrypoint.sh"},
		Cmd:          []string{"dummy"},
		ExposedPorts: map[string]struct{}{"9876/tcp": {}, "10909/tcp": {}, "10911/tcp": {}, "10912/tcp": {}},
	}
}

// rocketmqEntries lists the image: a minimal Linux, the Java runtime, and RocketMQ's home owned by its user.
func rocketmqEntries(ctx context.Context, version, home, java string) ([]entry, error) {
	entries, err := javaEntries(ctx, java)
	if err != nil {
		return nil, err
	}
	server, err := tree(home, rocketmqDir+"/rocketmq-"+version, rocketmqUser)
	if err != nil {
		return nil, fmt.Errorf("list ROCKETMQ_HOME: %w", err)
	}
	return slices.Concat(entries, server), nil
}

// javaEntries lists a minimal Linux with the Java runtime.
func javaEntries(ctx context.Context, java string) ([]entry, error) {
	applets, err := command(ctx, "", nil, "/usr/bin/busybox", "--list")
	if err != nil {
		return nil, err
	}
	entries := baseEntries(strings.Fields(applets))
	for _, name := range libraries {
		source := filepath.Join(libDir, name)
		if !exists(source) {
			return nil, fmt.Errorf("library %s of this Debian is missing (apt-get install libc6 libstdc++6 zlib1g libtinfo6)", source)
		}
		entries = append(entries, executable(strings.TrimPrefix(source, "/"), source))
	}
	runtime, err := tree(java, imageJava, 0)
	if err != nil {
		return nil, fmt.Errorf("list the java runtime: %w", err)
	}
	return slices.Concat(entries, runtime), nil
}

// baseEntries lists a Linux of this machine's loader, busybox with its applets, and bash.
func baseEntries(applets []string) []entry {
	entries := []entry{
		directory("tmp", 0o777|fs.ModeSticky, 0),
		directory("var/tmp", 0o777|fs.ModeSticky, 0),
		directory("dev", 0o755, 0), directory("proc", 0o755, 0), directory("sys", 0o755, 0), directory("run", 0o755, 0),
		directory("root", 0o700, 0),
		directory(rocketmqDir, 0o755, rocketmqUser),
		directory(rocketmqDir+"/store", 0o755, rocketmqUser),
		directory(rocketmqDir+"/logs", 0o755, rocketmqUser),
		text("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nrocketmq:x:3000:3000::/"+rocketmqDir+":/bin/bash\n", 0),
		text("etc/group", "root:x:0:\nrocketmq:x:3000:\n", 0),
		text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", 0),
		executable("bin/busybox", "/usr/bin/busybox"),
		executable("bin/bash", "/usr/bin/bash"),
		executable(strings.TrimPrefix(elfLoader, "/"), elfLoader),
		symlink("usr/bin/env", "../../bin/env"),
		symlink("usr/bin/java", "/"+imageJava+"/bin/java"),
	}
	for _, applet := range applets {
		if applet != "busybox" && applet != "bash" {
			entries = append(entries, symlink("bin/"+applet, "busybox"))
		}
	}
	return entries
}

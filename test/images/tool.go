// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// toolImages are the configurations of the official images of the programs beside RocketMQ, by name; the schema registry, which has
// none, as docs/schema-registry.md makes it.
func toolImages() map[string]imageConfig {
	return map[string]imageConfig{
		"dashboard": {
			Env:        []string{"JAVA_OPTS="},
			Entrypoint: []string{"sh", "-c", "java $JAVA_OPTS -jar /rocketmq-dashboard.jar"},
		},
		"exporter": {
			ExposedPorts: map[string]struct{}{"5557/tcp": {}},
			Entrypoint:   []string{"java", "-jar", "rocketmq-exporter.jar"},
		},
		"schema-registry": {Entrypoint: []string{"java", "-jar", "/schema-registry.jar"}},
	}
}

// toolJar is where the program's jar lies in its image.
func toolJar(tool string) string {
	if tool == "schema-registry" {
		return tool + ".jar"
	}
	return "rocketmq-" + tool + ".jar"
}

// toolImage puts a jar that somebody built or was given into an image like the official one. Its tag is the jar's, so that another jar
// is another image.
func (b *builder) toolImage(ctx context.Context, tool, jar string) (string, error) {
	sources, err := sources()
	if err != nil {
		return "", err
	}
	if jar, err = filepath.Abs(jar); err != nil {
		return "", err
	}
	digest, err := fileDigest(jar)
	if err != nil {
		return "", err
	}
	name := "docker.io/rocketmq-operator/" + tool + ":jar-" + digest[:12]
	return b.cache.get(ctx, tool+"-jar", key(sources, name, digest), ".tar", func(tmp string) error {
		if err := b.need(ctx, debianJava, debianBusybox, debianLibcpp, debianZlib, debianCrypt); err != nil {
			return err
		}
		// All of Java, as in their own images: the schema registry wants a compiler's interfaces.
		java, err := b.linkedRuntime(ctx, "java-17-all", "ALL-MODULE-PATH")
		if err != nil {
			return err
		}
		entries, err := javaEntries(ctx, java)
		if err != nil {
			return err
		}
		b.progress("image %s", name)
		return writeArchive(tmp, toolArchive(tool, name, jar, entries))
	})
}

// toolArchive is an image of a Linux with Java and the jar. It names no user, so that it runs as root like the official ones.
func toolArchive(tool, name, jar string, linux []entry) image {
	config := toolImages()[tool]
	config.WorkingDir = "/"
	config.Env = append([]string{
		"PATH=/" + imageJava + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"JAVA_HOME=/" + imageJava, "LANG=C.UTF-8",
	}, config.Env...)
	program := entry{path: toolJar(tool), mode: fs.FileMode(0o644), source: jar}
	return image{name: name, config: config, entries: append(slices.Clip(linux), program)}
}

func checkTool(tool string) error {
	if _, ok := toolImages()[tool]; !ok {
		return fmt.Errorf("there is no tool %q, only %s", tool, strings.Join(slices.Sorted(maps.Keys(toolImages())), ", "))
	}
	return nil
}

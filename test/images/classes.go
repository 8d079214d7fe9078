// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/jvm"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// serversLimit bounds one start and end of each server, which take half a minute on an idle machine.
const serversLimit = 5 * time.Minute

// classArchive returns an archive of the parsed form of the classes that the image's servers load, most of what they
// compute at their start. It is for the place of java's default archive, where no server has to ask for it.
func (b *builder) classArchive(ctx context.Context, version, home, java string, entries []entry) (string, error) {
	classPath, err := jvm.ClassPath(home)
	if err != nil {
		return "", err
	}
	classPath = strings.ReplaceAll(classPath, home, "/"+rocketmqDir+"/rocketmq-"+version)
	// Of the home only its jars matter, whose names say what they hold. Servers are started again for nothing else.
	source, err := files.ReadFile("classes.go")
	if err != nil {
		return "", err
	}
	return b.cache.get(ctx, "classes-"+version, key(string(source), classPath, filepath.Base(java)), ".jsa", func(tmp string) error {
		dir, err := os.MkdirTemp("", "rocketmq-classes-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		b.progress("a start of each server of RocketMQ %s, to see which classes they load", version)
		if err := runServers(ctx, dir, home, java, "-XX:DumpLoadedClassList="+filepath.Join(dir, "%p.classes")); err != nil {
			return err
		}
		names, err := union(filepath.Join(dir, "*.classes"))
		if err != nil {
			return err
		}
		b.progress("class data archive of RocketMQ %s", version)
		// Java uses the archive with jars of the same paths and times only, so it is made in the image's file system.
		root, list := filepath.Join(dir, "root"), text("tmp/classes", names, 0)
		if err := layOut(ctx, root, append([]entry{list}, entries...)); err != nil {
			return err
		}
		// Archives of heap objects are written by this collector only; the others read them too.
		if _, err := javaIn(ctx, root, "-XX:+UseG1GC", "-Xshare:dump", "-XX:SharedClassListFile=/"+list.path, "-cp", classPath); err != nil {
			return err
		}
		main := jvm.MainClass(settings.Broker)
		said, err := javaIn(ctx, root, "-Xshare:on", "-Xlog:class+load", "-cp", classPath, main, "-h")
		if err != nil {
			return err
		}
		if want := main + " source: shared objects file"; !strings.Contains(said, want) {
			return fmt.Errorf("java does not use the archive: no %q in\n%s", want, lastLines(said, 15))
		}
		return linkOrCopy(filepath.Join(root, imageClasses), tmp)
	})
}

// runServers starts and ends one server of each kind, and mqadmin, with a flag for their JVMs.
func runServers(ctx context.Context, dir, home, java, flag string) error {
	ctx, cancel := context.WithTimeout(ctx, serversLimit)
	defer cancel()
	servers := rocketmq.OpenRuntime(dir, rocketmq.Runtime{Home: home, Java: filepath.Join(java, "bin", "java"), Flags: []string{flag}})
	defer servers.Close()
	nameServer, err := servers.NameServer()
	if err != nil {
		return err
	}
	controllers, err := servers.Controllers(1)
	if err != nil {
		return err
	}
	if err := rocketmq.AllReady(ctx, append(controllers, nameServer)...); err != nil {
		return err
	}
	broker, err := servers.Broker(rocketmq.Broker{
		Cluster: "c", Name: "b", NameServers: []*rocketmq.Server{nameServer}, Controllers: controllers,
		// What brokers of the operator have and those of tests do not.
		Properties: map[string]string{"timerWheelEnable": "true", "metricsExporterType": "PROM", "metricsPromExporterPort": "0"},
		Flags:      []string{"-Xmx256m", "-XX:MaxDirectMemorySize=128m"},
	})
	if err != nil {
		return err
	}
	if err := broker.Ready(ctx); err != nil {
		return err
	}
	env := []string{"JAVA_HOME=" + java, "ROCKETMQ_HOME=" + home, "HOME=" + dir, "JAVA_TOOL_OPTIONS=" + flag}
	if _, err := command(ctx, dir, env, filepath.Join(home, "bin", "mqadmin"), "clusterList", "-n", nameServer.Addr); err != nil {
		return err
	}
	// A server that is killed, as by Close, leaves half of what the flag asks for.
	var stopping sync.WaitGroup
	for _, server := range []*rocketmq.Server{broker, controllers[0], nameServer} {
		stopping.Go(func() { server.Stop(ctx) })
	}
	stopping.Wait()
	return ctx.Err()
}

// union returns the lines of all files that match the pattern, each once.
func union(pattern string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", errors.New("java left no list of classes: " + pattern)
	}
	var all strings.Builder
	seen := map[string]bool{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(content)) {
			if !seen[line] {
				seen[line] = true
				all.WriteString(line)
			}
		}
	}
	return all.String(), nil
}

// layOut makes root hold the files of an image.
func layOut(ctx context.Context, root string, entries []entry) error {
	all, err := layout(entries)
	if err != nil {
		return err
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	layer, err := os.Create(root + ".tar")
	if err != nil {
		return err
	}
	if err := errors.Join(writeLayer(layer, all), layer.Close()); err != nil {
		return err
	}
	_, err = command(ctx, root, nil, "tar", "-xf", layer.Name())
	return err
}

// javaIn runs the java of an image that is laid out below root, and returns what it printed.
func javaIn(ctx context.Context, root string, args ...string) (string, error) {
	unshare := []string{"--root=" + root}
	user := os.Geteuid()
	if user != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	unshare = append(unshare, "/"+imageJava+"/bin/java")
	// Java finds its libraries through /proc, which is not there.
	env := []string{"LD_LIBRARY_PATH=/" + imageJava + "/lib"}
	out, err := command(ctx, "", env, "unshare", append(unshare, args...)...)
	if err != nil && user != 0 {
		err = fmt.Errorf("%w\nif this machine gives you no user namespaces, run this as root", err)
	}
	return out, err
}

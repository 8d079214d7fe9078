// SPDX-License-Identifier: Apache-2.0

package jvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// versionTimeout bounds `java -version`, which takes a tenth of a second on an idle machine.
const versionTimeout = 30 * time.Second

// Java is an installed java.
type Java struct {
	// Path is the executable, Major 8, 11, 17 …
	Path  string
	Major int
}

var (
	releaseVersion = regexp.MustCompile(`(?m)^JAVA_VERSION="?([0-9]+)(?:\.([0-9]+))?`)
	outputVersion  = regexp.MustCompile(`version "([0-9]+)(?:\.([0-9]+))?`)
)

// Find returns the java of javaHome, or the one in the PATH when javaHome is empty, and asks it for its version: the
// file "release" beside bin/ where there is one, else `java -version`.
func Find(ctx context.Context, javaHome string) (Java, error) {
	path := filepath.Join(javaHome, "bin", "java")
	if javaHome == "" {
		var err error
		if path, err = exec.LookPath("java"); err != nil {
			return Java{}, fmt.Errorf("no java: JAVA_HOME is not set and the PATH has none; use an official image apache/rocketmq:5.x: %w", err)
		}
	} else if _, err := os.Stat(path); err != nil {
		return Java{}, fmt.Errorf("no java in JAVA_HOME %s: %w", javaHome, err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		release, err := os.ReadFile(filepath.Join(filepath.Dir(real), "..", "release"))
		if major := major(releaseVersion.FindSubmatch(release)); err == nil && major > 0 {
			return Java{Path: path, Major: major}, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	output, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return Java{}, fmt.Errorf("%s -version: %w: %s", path, errors.Join(err, ctx.Err()), output)
	}
	major := major(outputVersion.FindSubmatch(output))
	if major == 0 {
		return Java{}, fmt.Errorf("%s -version: no version in its answer: %s", path, output)
	}
	return Java{Path: path, Major: major}, nil
}

// major understands 1.8.0_402 and 17.0.15.
func major(match [][]byte) int {
	if match == nil {
		return 0
	}
	major, _ := strconv.Atoi(string(match[1]))
	if major == 1 {
		major, _ = strconv.Atoi(string(match[2]))
	}
	return major
}

// MainClass is the server's entry point (what bin/mqnamesrv, bin/mqcontroller, bin/mqbroker and bin/mqproxy start).
func MainClass(role settings.Role) string {
	switch role {
	case settings.NameServer:
		return "org.apache.rocketmq.namesrv.NamesrvStartup"
	case settings.Controller:
		return "org.apache.rocketmq.controller.ControllerStartup"
	case settings.Proxy:
		return "org.apache.rocketmq.proxy.ProxyStartup"
	default:
		return "org.apache.rocketmq.broker.BrokerStartup"
	}
}

// ClassPath of every server: the jars by their names, since the order of lib/* is that of the file system. The conf
// directory, first in RocketMQ's own scripts, is last: java uses no archive of the jars' classes when a directory
// precedes them.
func ClassPath(rocketmqHome string) (string, error) {
	lib := filepath.Join(rocketmqHome, "lib")
	files, err := os.ReadDir(lib) // sorted
	if err != nil {
		return "", fmt.Errorf("the jars of ROCKETMQ_HOME: %w", err)
	}
	var paths []string
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".jar") {
			paths = append(paths, filepath.Join(lib, file.Name()))
		}
	}
	return strings.Join(append(paths, filepath.Join(rocketmqHome, "conf")), ":"), nil
}

// ConfigOption is the server's command-line option for its configuration file.
func ConfigOption(role settings.Role) string {
	if role == settings.Proxy {
		return "-pc" // -c is no option of a proxy
	}
	return "-c"
}

// Release of RocketMQ in rocketmqHome, from the name of a jar that every release has; "" if none says it.
func Release(rocketmqHome string) string {
	const prefix, suffix = "rocketmq-common-", ".jar"
	jars, _ := filepath.Glob(filepath.Join(rocketmqHome, "lib", prefix+"*"+suffix)) // the pattern is well-formed
	if len(jars) != 1 {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(jars[0]), prefix), suffix)
}

// CheckHome tells whether rocketmqHome holds a RocketMQ 5 that can be started.
func CheckHome(rocketmqHome string) error {
	const remedy = "; set the image to an official one, apache/rocketmq:5.x (images of older operators, with everything under /root/rocketmq, are not supported)"
	if rocketmqHome == "" {
		return errors.New("ROCKETMQ_HOME is not set, so this is not a RocketMQ image" + remedy)
	}
	jars, err := os.ReadDir(filepath.Join(rocketmqHome, "lib"))
	if err != nil {
		return fmt.Errorf("ROCKETMQ_HOME holds no RocketMQ: %w%s", err, remedy)
	}
	for _, jar := range jars {
		if ok, _ := filepath.Match("rocketmq-controller-*.jar", jar.Name()); ok { // new in 5.0
			return nil
		}
	}
	return fmt.Errorf("%s/lib has no rocketmq-controller jar, so this is no RocketMQ 5%s", rocketmqHome, remedy)
}

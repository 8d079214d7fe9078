// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// defaultVersion is the RocketMQ release that tests run on unless ROCKETMQ_HOME names another.
const defaultVersion = "5.4.0"

// findHome returns $ROCKETMQ_HOME, or a directory that test/images makes or has made before.
func findHome(ctx context.Context) (string, error) {
	if home := os.Getenv("ROCKETMQ_HOME"); home != "" {
		return home, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "run", "./test/images", "rocketmq-home", defaultVersion)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("make a ROCKETMQ_HOME (%s): %w\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	return strings.TrimSpace(stdout.String()), nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "test", "images")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no test/images here or above: run the tests in the repository, or set ROCKETMQ_HOME")
		}
		dir = parent
	}
}

// java returns the java to run servers with: JAVA_HOME's, else the one on the PATH.
func java() string {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java")
	}
	return "java"
}

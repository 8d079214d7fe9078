// SPDX-License-Identifier: Apache-2.0

// Command images builds the container images of the tests as docker-archive tars, without a registry and without
// Docker: RocketMQ in the layout of its official image from Maven Central's jars and a small Java runtime, the
// operator, the message ledger, and a gRPC client. It runs on Debian, as root where a package is missing.
//
// Usage: go run ./test/images COMMAND
//
//	rocketmq VERSION        docker.io/apache/rocketmq:VERSION
//	operator [--tag TAG]    docker.io/rocketmq-operator/rocketmq-operator:TAG
//	ledger [--tag TAG]      docker.io/rocketmq-operator/ledger:TAG
//	grpc-client [--tag TAG] docker.io/rocketmq-operator/grpc-client:TAG
//	all [--tag TAG]         RocketMQ's main version, operator and ledger
//	stand-ins [--tag TAG]   docker.io/rocketmq-operator/{dashboard,exporter,schema-registry}-stand-in:TAG
//	tool NAME JAR           an image like the official one of the dashboard, exporter or schema-registry, of a jar that you have
//	rocketmq-home VERSION   a directory to use as ROCKETMQ_HOME on this machine, with its Java 17
//
// Each prints the paths it made on stdout, one a line, and its progress on stderr. What was built stays in the
// user's cache directory (XDG_CACHE_HOME), keyed by what it was made from.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// mainVersion is the RocketMQ release that the tests run on when they ask for no other.
const mainVersion = "5.4.0"

// buildLimit bounds a whole run; the slowest one (empty caches, busy machine) takes about four minutes.
const buildLimit = 20 * time.Minute

const usage = "usage: go run ./test/images rocketmq VERSION | rocketmq-home VERSION | operator [--tag TAG] | ledger [--tag TAG] | grpc-client [--tag TAG] | all [--tag TAG] | stand-ins [--tag TAG] | tool NAME JAR"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, buildLimit)
	defer cancel()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	b, err := newBuilder(stderr)
	if err != nil {
		return err
	}
	steps, err := b.plan(args[0], args[1:])
	if err != nil {
		return err
	}
	for _, step := range steps {
		path, err := step(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
}

// builder holds what every build needs: where the cache is and where progress goes.
type builder struct {
	cache  cache
	stderr io.Writer
	start  time.Time
}

func newBuilder(stderr io.Writer) (*builder, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("images are built from this machine's files, and only linux/amd64 is known, not %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the cache directory (set XDG_CACHE_HOME or HOME): %w", err)
	}
	b := &builder{stderr: stderr, start: time.Now()}
	b.cache = cache{dir: filepath.Join(user, "rocketmq-operator", "images"), progress: b.progress}
	return b, nil
}

// progress tells what happens now, after the seconds since the start.
func (b *builder) progress(format string, args ...any) {
	fmt.Fprintf(b.stderr, "images %6.1fs  %s\n", time.Since(b.start).Seconds(), fmt.Sprintf(format, args...))
}

// step builds one thing and returns its path.
type step func(context.Context) (string, error)

func (b *builder) plan(command string, args []string) ([]step, error) {
	rocketmq := func(version string) step {
		return func(ctx context.Context) (string, error) { return b.rocketmqImage(ctx, version) }
	}
	program := func(p program, tag string) step {
		return func(ctx context.Context) (string, error) { return b.programImage(ctx, p, tag) }
	}
	switch command {
	case "rocketmq", "rocketmq-home":
		if len(args) != 1 {
			return nil, errors.New(usage)
		}
		version := args[0]
		if err := checkVersion(version); err != nil {
			return nil, err
		}
		if command == "rocketmq" {
			return []step{rocketmq(version)}, nil
		}
		return []step{func(ctx context.Context) (string, error) { return b.rocketmqHome(ctx, version) }}, nil
	case "tool":
		if len(args) != 2 {
			return nil, errors.New(usage)
		}
		if err := checkTool(args[0]); err != nil {
			return nil, err
		}
		return []step{func(ctx context.Context) (string, error) { return b.toolImage(ctx, args[0], args[1]) }}, nil
	case "operator", "ledger", "grpc-client", "all", "stand-ins":
		tag, err := tagFlag(command, args, b.stderr)
		if err != nil {
			return nil, err
		}
		switch command {
		case "operator":
			return []step{program(operator, tag)}, nil
		case "ledger":
			return []step{program(ledger, tag)}, nil
		case "stand-ins":
			var steps []step
			for _, standIn := range standIns() {
				steps = append(steps, program(standIn, tag))
			}
			return steps, nil
		case "grpc-client":
			return []step{func(ctx context.Context) (string, error) { return b.grpcClientImage(ctx, tag) }}, nil
		}
		return []step{rocketmq(mainVersion), program(operator, tag), program(ledger, tag)}, nil
	}
	return nil, fmt.Errorf("unknown command %q; %s", command, usage)
}

var versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)

func checkVersion(version string) error {
	if !versionPattern.MatchString(version) {
		return fmt.Errorf("%q is no RocketMQ release: give three numbers, as in %s", version, mainVersion)
	}
	return nil
}

func tagFlag(command string, args []string, stderr io.Writer) (string, error) {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	tag := flags.String("tag", "dev", "tag of the image")
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if flags.NArg() > 0 {
		return "", fmt.Errorf("unexpected argument %q; %s", flags.Arg(0), usage)
	}
	return *tag, nil
}

// SPDX-License-Identifier: Apache-2.0

// Command release builds all that a release publishes into one directory, without Docker and without the network: programs,
// container image, charts, manifests, OLM bundle, krew manifest, bill of materials, checksums.
//
// Usage: go run -C tools ./release --version v1.2.3 [--image REPOSITORY] [--repository URL] [--out DIRECTORY]
//
// The same commit gives the same bytes, whenever and wherever it is built by the same release of Go: every file bears the
// commit's time, or SOURCE_DATE_EPOCH if it is set (seconds since 1970).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/semver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is what is released, and where to.
type release struct {
	version    string // v1.2.3
	commit     string
	when       time.Time
	image      string // without a tag, which is the version
	repository string // where releases are downloaded from: https://github.com/OWNER/NAME
	root       string // of the checkout
	out        string // directory of the result
	build      func(ctx context.Context, r release, p program, t target, path string) error
}

// number is the version as charts and OLM want it: 1.2.3.
func (r release) number() string { return strings.TrimPrefix(r.version, "v") }

// file is the path of a released file whose name says the release.
func (r release) file(name, suffix string) string {
	return filepath.Join(r.out, name+"_"+r.version+suffix)
}

// versions are those that Helm, OLM and krew all understand (semver 2.0 without build metadata).
var versions = regexp.MustCompile(`^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$`)

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	root := flags.String("root", "..", "the checkout to release")
	version := flags.String("version", "", "the release's version, as in v1.2.3 (required)")
	image := flags.String("image", "ghcr.io/rocketmq-operator/rocketmq-operator", "the operator's image, without a tag")
	repository := flags.String("repository", "https://github.com/rocketmq-operator/rocketmq-operator", "where releases are downloaded from")
	out := flags.String("out", "", "directory to write to, which is replaced; dist/<version> in the checkout if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !versions.MatchString(*version) {
		return fmt.Errorf("%q is no version: give one as in make release VERSION=v1.2.3", *version)
	}
	r := release{version: *version, image: *image, repository: *repository, root: *root, out: *out, build: goBuild}
	if r.out == "" {
		r.out = filepath.Join(r.root, "dist", r.version)
	}
	if err := r.checkChangelog(); err != nil {
		return err
	}
	if err := r.readCommit(ctx); err != nil {
		return err
	}
	return r.make(ctx)
}

// checkChangelog refuses a release that users could not read about. One before a release, such as v1.2.3-rc.1, has its notes under
// Unreleased.
func (r release) checkChangelog() error {
	if semver.Prerelease(r.version) != "" {
		return nil
	}
	changelog, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	for _, heading := range released.FindAllStringSubmatch(string(changelog), -1) {
		if heading[1] == r.number() {
			return nil
		}
	}
	return fmt.Errorf("CHANGELOG.md has no section of %s, which becomes the release's notes: rename ## [Unreleased] to ## [%s] - <date>",
		r.version, r.number())
}

// readCommit learns what is released and refuses what no commit holds.
func (r *release) readCommit(ctx context.Context) error {
	changes, err := git(ctx, r.root, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changes != "" {
		return fmt.Errorf("the checkout differs from its commit, which a release is made of: commit or stash first\n%s", changes)
	}
	if r.commit, err = git(ctx, r.root, "rev-parse", "HEAD"); err != nil {
		return err
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		if epoch, err = git(ctx, r.root, "log", "-1", "--format=%ct"); err != nil {
			return err
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH is no number of seconds: %w", err)
	}
	r.when = time.Unix(seconds, 0).UTC()
	return nil
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// make builds everything. What is there from an earlier run goes.
func (r release) make(ctx context.Context) error {
	if err := errors.Join(os.RemoveAll(r.out), os.MkdirAll(r.out, 0o755)); err != nil {
		return err
	}
	built, err := r.buildPrograms(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(built.dir)
	digest, err := r.writeImage(built)
	if err != nil {
		return err
	}
	if err := errors.Join(
		r.writeArchives(built),
		r.writeManifests(),
		r.writeBundle(),
		r.writeChart("rocketmq-operator"),
		r.writeChart("rocketmq-cluster"),
		r.writeSBOM(built, digest),
	); err != nil {
		return err
	}
	if err := r.writeKrew(); err != nil {
		return err
	}
	if err := r.writeChecksums(); err != nil {
		return err
	}
	shown := r.out
	if path, err := filepath.Rel(r.root, r.out); err == nil && filepath.IsLocal(path) {
		shown = path // as one sees it who ran make
	}
	fmt.Printf("%s\n  commit %s, image %s:%s, digest %s\n", shown, r.commit, r.image, r.version, digest)
	return nil
}

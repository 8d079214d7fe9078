// SPDX-License-Identifier: Apache-2.0

// Command bundle writes the bundle by which the Operator Lifecycle Manager (OLM) installs the operator, made of config/.
//
// Usage: go run -C tools ./bundle --out DIRECTORY [--version 1.2.3] [--image IMAGE]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/bundle"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("bundle", flag.ContinueOnError)
	root := flags.String("root", "..", "the checkout")
	out := flags.String("out", "", "directory to write to, which is replaced (required)")
	options := bundle.Options{Created: time.Unix(0, 0)}
	flags.StringVar(&options.Version, "version", "0.0.0-dev", "the operator's version, without a v")
	flags.StringVar(&options.Image, "image", "rocketmq-operator/rocketmq-operator:dev", "the operator's image")
	flags.StringVar(&options.Replaces, "replaces", "", "the version that this one is the upgrade of, without a v; none if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" {
		return errors.New("--out is not set: give the directory to write the bundle to")
	}
	files, err := bundle.Files(*root, options)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(*out); err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(*out, filepath.FromSlash(f.Path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Content, f.Mode)); err != nil {
			return err
		}
	}
	fmt.Println(*out)
	return nil
}

// SPDX-License-Identifier: Apache-2.0

// Command localkube runs a real Kubernetes of three nodes on this machine. See README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/rocketmq-operator/rocketmq-operator/test/localkube/internal/cluster"
)

const usage = `usage: localkube COMMAND
  up [--nodes 3] [--fresh]  install, build and start what is missing; wait until the cluster can be used
  down [--wipe]             end the cluster; --wipe removes its state too
  status                    what runs; fails unless all is healthy
  load-image TAR...         import docker-archive tars on every node
  cut NODE                  take a node's network link down (not node1)
  heal NODE                 take it up again
  env                       print shell commands that set KUBECONFIG, KUBECACHEDIR, PATH and LOCALKUBE_AUDIT_LOG
  kubeconfig                print the path of the administrator's kubeconfig
  assets                    build if needed; print a directory that serves as KUBEBUILDER_ASSETS
  build                     only build
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err := run(ctx, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "localkube:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command string, args []string) error {
	flags := flag.NewFlagSet("localkube "+command, flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	var nodes int
	var fresh, wipe bool
	switch command {
	case "up":
		flags.IntVar(&nodes, "nodes", 3, "")
		flags.BoolVar(&fresh, "fresh", false, "")
	case "down":
		flags.BoolVar(&wipe, "wipe", false, "")
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	args = flags.Args()
	switch want := operands(command); {
	case want >= 0 && len(args) != want:
		return fmt.Errorf("%s takes %d arguments, not %d\n%s", command, want, len(args), usage)
	case want < 0 && len(args) == 0:
		return fmt.Errorf("%s takes at least one argument\n%s", command, usage)
	}
	c, err := cluster.New(os.Stderr)
	if err != nil {
		return err
	}
	locked := func(do func() error) error {
		unlock, err := c.Lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		return do()
	}
	switch command {
	case "up":
		return locked(func() error { return c.Up(ctx, nodes, fresh) })
	case "down":
		return locked(func() error { return c.Down(ctx, wipe) })
	case "status":
		return c.Status(ctx, os.Stdout)
	case "load-image":
		return locked(func() error { return c.LoadImages(ctx, args) })
	case "cut":
		return c.Cut(ctx, args[0])
	case "heal":
		return c.Heal(ctx, args[0])
	case "env":
		return c.Env(os.Stdout)
	case "kubeconfig":
		_, err := fmt.Println(c.Kubeconfig())
		return err
	case "assets", "build":
		return locked(func() error {
			bin, err := c.Build(ctx)
			if err == nil && command == "assets" {
				_, err = fmt.Println(bin)
			}
			return err
		})
	}
	return fmt.Errorf("unknown command %q\n%s", command, usage)
}

// operands is how many arguments a command takes besides flags; -1 means one or more.
func operands(command string) int {
	switch command {
	case "load-image":
		return -1
	case "cut", "heal":
		return 1
	}
	return 0
}

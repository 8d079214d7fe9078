// SPDX-License-Identifier: Apache-2.0

// Command bench measures what the project promises in numbers, on localkube or the cluster of $KUBECONFIG.
//
//	go run ./test/bench startup           the quickstart against the same servers as hand-written manifests
//	go run ./test/bench cluster           one RocketMQCluster against the quickstart's three manifests
//	go run ./test/bench idle [DURATION]   the operator's memory and writes, idle and under traffic (10m each)
//	go run ./test/bench admin             the plugin and the copy of metadata against mqadmin
//	go run ./test/bench failover [PAIRS]  changes of master against a bare election and hand-written manifests (5 pairs), and a
//	                                      rolling update against its floor
//	go run ./test/bench transfer          moving topics to another cluster
//	go run ./test/bench topics [TOPICS]   1,000 Topics and 200 ConsumerGroups, and a change of one of them
//	go run ./test/bench proxy [PAIRS]     sends through the proxy against sends to the brokers (5 pairs)
//	go run ./test/bench secured [PAIRS]   sends with users and TLS against the same servers by hand (5 pairs)
//
// With -write before the name, what is measured also gets into docs/measured.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
	"github.com/rocketmq-operator/rocketmq-operator/test/measured"
)

const (
	quickstart  = "examples/quickstart"
	nameServers = 3
	// controllerCount is the quickstart's.
	controllerCount = 3
	groups          = 2
	groupMembers    = 2
	servers         = 10 // of all kinds
	startLimit      = 6 * time.Minute
	deleteLimit     = 5 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, kit.NewLog(os.Stdout), os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log *kit.Log, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	write := flags.Bool("write", false, "write what is printed into docs/measured.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var printed strings.Builder
	b := &bench{log: log, out: io.MultiWriter(os.Stdout, &printed)}
	err := b.measure(ctx, flags.Args())
	if !*write {
		return err
	}
	root, rootErr := kit.Root()
	if rootErr != nil {
		return errors.Join(err, rootErr)
	}
	command := "make bench-" + flags.Arg(0)
	return errors.Join(err, measured.Write(root, measured.Measurement{Command: command, Printed: printed.String(), Err: err, When: time.Now()}))
}

func (b *bench) measure(ctx context.Context, args []string) error {
	usage := errors.New("usage: go run ./test/bench [-write] startup | cluster | idle [DURATION] | admin | failover [PAIRS] | transfer | topics [TOPICS] | proxy [PAIRS] | secured [PAIRS]")
	if len(args) == 0 || len(args) > 2 {
		return usage
	}
	lasting, pairs, topics := 10*time.Minute, 5, 1000
	if len(args) == 2 {
		var err error
		switch args[0] {
		case "failover", "proxy", "secured":
			pairs, err = strconv.Atoi(args[1])
		case "topics":
			topics, err = strconv.Atoi(args[1])
		default:
			lasting, err = time.ParseDuration(args[1])
		}
		if err != nil || pairs < 1 || topics < 1 {
			return errors.Join(usage, err)
		}
	}
	var err error
	if b.place, err = kit.Provision(ctx, b.log); err != nil {
		return err
	}
	if b.cluster, err = kit.Connect(); err != nil {
		return err
	}
	if err := b.cluster.DeleteTestNamespaces(ctx, "bench", b.log); err != nil {
		return err
	}
	if _, err := b.place.InstallOperator(ctx, b.cluster); err != nil {
		return err
	}
	switch args[0] {
	case "startup":
		return b.startup(ctx)
	case "cluster":
		return b.oneObject(ctx)
	case "idle":
		return b.idle(ctx, lasting)
	case "admin":
		return b.admin(ctx)
	case "failover":
		return b.failover(ctx, pairs)
	case "transfer":
		return b.transfer(ctx)
	case "topics":
		return b.topics(ctx, topics)
	case "proxy":
		return b.proxy(ctx, pairs)
	case "secured":
		return b.secured(ctx, pairs)
	}
	return usage
}

// bench is what both benchmarks need.
type bench struct {
	log     *kit.Log
	out     io.Writer // for what was measured
	place   *kit.Place
	cluster *kit.Cluster
}

// launch applies manifests to a new namespace, and waits until everything is Ready.
func (b *bench) launch(ctx context.Context, namespace, path string, edits ...string) (*kit.Installation, error) {
	n, err := b.cluster.CreateNamespace(ctx, namespace, kit.Restricted, b.log)
	if err != nil {
		return nil, err
	}
	c, err := n.InstallationOf(path)
	if err != nil {
		return nil, err
	}
	if err := c.ApplyPath(ctx, path, edits...); err != nil {
		return nil, err
	}
	return c, c.AwaitReady(ctx, startLimit)
}

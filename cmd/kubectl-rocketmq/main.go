// SPDX-License-Identifier: Apache-2.0

// Command kubectl-rocketmq is a plugin of kubectl: on the PATH, it is kubectl rocketmq.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to log in that kubectl knows
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"
	"github.com/rocketmq-operator/rocketmq-operator/internal/plugin"
)

func main() {
	log.SetLogger(logr.Discard()) // else controller-runtime complains on the terminal after 30 s
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	command := plugin.Command(plugin.Connect)
	command.Version = buildinfo.Details()
	err := command.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

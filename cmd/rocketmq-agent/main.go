// SPDX-License-Identifier: Apache-2.0

// Command rocketmq-agent is PID 1 of every RocketMQ container: it renders the configuration, runs java, answers the
// kubelet's probes and stops java in order.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent"
	"github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("rocketmq-agent", buildinfo.Details())
		return
	}
	os.Exit(agent.Main(context.Background(), os.Args[1:]))
}

// Command rocketmq-agent is PID 1 of every RocketMQ container: it renders the configuration, runs java, answers the
// kubelet's probes and stops java in order.
package main

import (
	"context"
	"os"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent"
)

func main() {
	os.Exit(agent.Main(context.Background(), os.Args[1:]))
}

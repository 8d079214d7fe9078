// SPDX-License-Identifier: Apache-2.0

// Command rocketmq-operator runs RocketMQ clusters on Kubernetes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile"
)

func main() {
	o, err := parse(os.Args[1:])
	switch {
	case err == nil && o.version:
		fmt.Println("rocketmq-operator", buildinfo.Details())
	case err == nil:
		err = run(ctrl.SetupSignalHandler(), o)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "rocketmq-operator:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	version         bool
	agentImage      string
	clusterDomain   string
	namespaces      []string
	leaderElect     bool
	leaderNamespace string
	leaderID        string
	metricsAddr     string
	probeAddr       string
	observeInterval time.Duration
	debug           bool
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("rocketmq-operator", flag.ContinueOnError)
	f.BoolVar(&o.version, "version", false, "print the version and end")
	f.StringVar(&o.agentImage, "agent-image", "", "image that RocketMQ pods copy the agent from; the one that this pod runs from if empty")
	f.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS domain of the Kubernetes cluster")
	f.Func("watch-namespaces", "`namespaces` to watch, comma separated; all if empty", func(text string) error {
		o.namespaces = list(text)
		return nil
	})
	f.BoolVar(&o.leaderElect, "leader-elect", false, "let only one of several operators work")
	f.StringVar(&o.leaderNamespace, "leader-election-namespace", "", "namespace of the Lease; the pod's own if empty")
	f.StringVar(&o.leaderID, "leader-election-id", "rocketmq-operator.rocketmq.apache.org",
		"name of the Lease; give operators of one namespace that serve different ones names of their own, which end with .rocketmq.apache.org")
	f.StringVar(&o.metricsAddr, "metrics-bind-address", ":8080", "address of /metrics; 0 switches it off")
	f.StringVar(&o.probeAddr, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	f.DurationVar(&o.observeInterval, "observe-interval", 10*time.Second, "how often a converged cluster's servers are asked for their state")
	f.BoolVar(&o.debug, "debug", false, "log more")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: see --help", f.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, o options) error {
	config := zap.NewProductionConfig()
	config.Sampling, config.DisableStacktrace, config.DisableCaller = nil, true, true
	config.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	if o.debug {
		config.Level = zap.NewAtomicLevelAt(zap.DebugLevel)
	}
	logger, err := config.Build()
	if err != nil {
		return fmt.Errorf("logger: %w", err)
	}
	ctrl.SetLogger(zapr.NewLogger(logger))

	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("no access to a Kubernetes cluster: %w", err)
	}
	restConfig.DisableCompression = true // a decompressor for each watch costs memory, and API servers compress large answers only
	scheme, err := reconcile.Scheme()
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         reconcile.Cache(o.namespaces),
		Controller:                    ctrlconfig.Controller{MaxConcurrentReconciles: 4}, // one slow pass holds up no other cluster
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddr},
		HealthProbeBindAddress:        o.probeAddr,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              o.leaderID,
		LeaderElectionNamespace:       o.leaderNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.Add(&garbage{}); err != nil {
		return err
	}
	if err := o.findImage(ctx, mgr.GetAPIReader()); err != nil {
		return err
	}
	err = reconcile.Setup(ctx, mgr, reconcile.Options{
		Installation: desired.Installation{Domain: o.clusterDomain, AgentImage: o.agentImage, OperatorNamespace: os.Getenv(envNamespace)},
		Namespaces:   o.namespaces, ObserveInterval: o.observeInterval, Registry: metrics.Registry,
	})
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// list of comma separated names.
func list(text string) []string {
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

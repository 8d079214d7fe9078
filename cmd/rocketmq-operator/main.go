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
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile"
)

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
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
	agentImage      string
	clusterDomain   string
	namespaces      string
	leaderElect     bool
	leaderNamespace string
	metricsAddr     string
	probeAddr       string
	observeInterval time.Duration
	debug           bool
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("rocketmq-operator", flag.ContinueOnError)
	f.StringVar(&o.agentImage, "agent-image", "", "image that RocketMQ pods copy the agent from: the operator's own (required)")
	f.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS domain of the Kubernetes cluster")
	f.StringVar(&o.namespaces, "watch-namespaces", "", "namespaces to watch, comma separated; all if empty")
	f.BoolVar(&o.leaderElect, "leader-elect", false, "let only one of several operators work")
	f.StringVar(&o.leaderNamespace, "leader-election-namespace", "", "namespace of the Lease; the pod's own if empty")
	f.StringVar(&o.metricsAddr, "metrics-bind-address", ":8080", "address of /metrics; 0 switches it off")
	f.StringVar(&o.probeAddr, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	f.DurationVar(&o.observeInterval, "observe-interval", 10*time.Second, "how often a converged cluster's servers are asked for their state")
	f.BoolVar(&o.debug, "debug", false, "log more")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: see --help", f.Arg(0))
	case o.agentImage == "":
		return o, errors.New("--agent-image is not set: give the image that this program runs from")
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
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         ownObjects(o.namespaces),
		Controller:                    ctrlconfig.Controller{MaxConcurrentReconciles: 4}, // one slow pass holds up no other cluster
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddr},
		HealthProbeBindAddress:        o.probeAddr,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "rocketmq-operator.rocketmq.apache.org",
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
	cluster := desired.Cluster{Domain: o.clusterDomain, AgentImage: o.agentImage}
	if err := reconcile.Setup(ctx, mgr, cluster, namespaceSet(o.namespaces), o.observeInterval); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// newScheme holds what the operator works with; all of Kubernetes' kinds would cost it memory.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	builder := runtime.SchemeBuilder{corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, eventsv1.AddToScheme, networkingv1.AddToScheme, v1alpha1.AddToScheme}
	return scheme, builder.AddToScheme(scheme)
}

// ownObjects keeps foreign pods, ConfigMaps and the rest out of memory.
func ownObjects(namespaces string) cache.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{desired.LabelManagedBy: desired.ManagedBy})}
	return cache.Options{
		DefaultNamespaces: namespaceSet(namespaces),
		DefaultTransform:  cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   ours,
			&corev1.PersistentVolumeClaim{}: ours,
			&corev1.Service{}:               ours,
			&corev1.ConfigMap{}:             ours,
			&appsv1.StatefulSet{}:           ours,
			&appsv1.Deployment{}:            ours,
			&networkingv1.Ingress{}:         ours,
			&policyv1.PodDisruptionBudget{}: ours,
		},
	}
}

// namespaceSet is nil for all namespaces.
func namespaceSet(namespaces string) map[string]cache.Config {
	var out map[string]cache.Config
	for namespace := range strings.SplitSeq(namespaces, ",") {
		if namespace = strings.TrimSpace(namespace); namespace == "" {
			continue
		}
		if out == nil {
			out = map[string]cache.Config{}
		}
		out[namespace] = cache.Config{}
	}
	return out
}

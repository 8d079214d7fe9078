// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	eventrecorder "sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// Manage runs the operator as its program does, with caches of our labels only, on this world and others.
func (w *World) Manage(others ...*World) *Operator {
	w.Helper()
	return w.ManageEvery(300*time.Millisecond, others...)
}

// ManageEvery is Manage of an operator that looks at the servers of converged clusters at another interval.
func (w *World) ManageEvery(interval time.Duration, others ...*World) *Operator {
	w.Helper()
	p := &process{worlds: append(others, w), writes: &writes{left: -1}, events: &Events{}}
	restConfig := rest.CopyConfig(server)
	restConfig.Wrap(p.writes.wrap)
	namespaces := namespacesOf(p.worlds)
	scheme, err := reconcile.Scheme()
	w.Must(err)
	managerOptions := ctrl.Options{
		Scheme: scheme, Cache: reconcile.Cache(namespaces), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{MaxConcurrentReconciles: 4, SkipNameValidation: new(true)}, // one for each test
	}
	options := w.options(interval, namespaces, serversOf(p.worlds))
	if w.MetricsAddr != "" {
		managerOptions.Metrics.BindAddress, options.Registry = w.MetricsAddr, metrics.Registry
		managerOptions.LeaderElection, managerOptions.LeaderElectionID = true, "rocketmq-operator.rocketmq.apache.org"
		managerOptions.LeaderElectionNamespace = w.Namespace
	}
	mgr, err := ctrl.NewManager(restConfig, managerOptions)
	w.Must(err)
	ctx, cancel := context.WithCancel(context.Background())
	w.Must(reconcile.Setup(ctx, heard{mgr, p.events}, options))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	p.shutdown = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(p.shutdown)
	return &Operator{p, w}
}

// heard is a manager whose events the test hears.
type heard struct {
	ctrl.Manager
	events *Events
}

// GetEventRecorder for the reconcilers.
func (m heard) GetEventRecorder(string) eventrecorder.EventRecorder { return m.events }

func namespacesOf(worlds []*World) []string {
	var out []string
	for _, w := range worlds {
		out = append(out, w.Namespace)
	}
	return out
}

// servers of several worlds, whose addresses differ.
type servers []*fakemq.Cluster

func serversOf(worlds []*World) servers {
	var out servers
	for _, w := range worlds {
		out = append(out, w.MQ)
	}
	return out
}

// Security is part of fakemq.Securer.
func (s servers) Security(addr string) (*tls.Config, bool) {
	for _, c := range s {
		if config, enforced := c.Security(addr); config != nil {
			return config, enforced
		}
	}
	return nil, false
}

// State is part of fakemq.Servers.
func (s servers) State(addr string) fakemq.State {
	for _, c := range s {
		if state := c.State(addr); state != fakemq.Refused {
			return state
		}
	}
	return fakemq.Refused
}

// Answer is part of fakemq.Servers.
func (s servers) Answer(addr string, request remoting.Request) (fakemq.Answer, bool) {
	for _, c := range s {
		if answer, ok := c.Answer(addr, request); ok {
			return answer, true
		}
	}
	return fakemq.Answer{}, false
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// Users of the API server whose requests are counted: the operator, and the one that takes over from it.
const (
	leader  = "operator"
	standby = "standby"
)

// bench is a control plane with an operator and the clusters of one measurement.
type bench struct {
	o          options
	log        *kit.Log
	deployment deployment
	plane      *plane
	servers    *servers
	client     client.Client // without a cache
	tracker    *tracker
	operator   *operator
	clusters   []cluster
	changed    int // clusters from the first one on that are not as they were made
	result     *result
	stopMQ     func()
}

// measure n clusters. The result holds what was measured before an error.
func measure(ctx context.Context, o options, n int) (_ *result, err error) {
	ctx, cancel := context.WithCancel(ctx)
	b := &bench{o: o, log: kit.NewLog(os.Stdout), clusters: clusterNames(n, o.namespaces)}
	b.result = &result{Clusters: n, Topology: o.topology, Namespaces: o.namespaces, Environment: o.environment, Began: time.Now().UTC()}
	defer func() {
		cancel()
		err = errors.Join(err, b.end())
	}()
	if err := b.prepare(ctx); err != nil {
		return b.result, err
	}
	for _, phase := range phases() {
		if phase.optional && !slices.Contains(o.phases, phase.name) {
			continue
		}
		if err := phase.measure(b, ctx); err != nil {
			return b.result, fmt.Errorf("phase %s: %w", phase.name, err)
		}
	}
	return b.result, nil
}

func (b *bench) end() error {
	var errs []error
	if b.operator != nil {
		errs = append(errs, b.operator.stop())
	}
	if b.plane != nil {
		errs = append(errs, b.plane.stop())
	}
	if b.stopMQ != nil {
		b.stopMQ()
	}
	return errors.Join(errs...)
}

// prepare everything but the operator and the clusters.
func (b *bench) prepare(ctx context.Context) (err error) {
	dir := filepath.Join(b.o.dir, fmt.Sprintf("%d-%s", len(b.clusters), time.Now().Format("150405")))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if b.deployment, err = readDeployment(b.o.root); err != nil {
		return err
	}
	if b.plane, err = startPlane(b.o, dir, []string{leader, standby}); err != nil {
		return err
	}
	if err := b.play(ctx); err != nil {
		return err
	}
	b.log.Printf("the control plane runs, with its logs in %s", dir)
	return b.makeNamespaces(ctx)
}

// play RocketMQ and what Kubernetes has on its nodes.
func (b *bench) play(ctx context.Context) (err error) {
	if b.servers, err = newServers(b.o.root); err != nil {
		return err
	}
	var listen []int
	for _, port := range ports() {
		listen = append(listen, port)
	}
	if b.stopMQ, err = fakemq.Listen(ctx, b.servers, listen...); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if b.client, err = client.New(b.plane.config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	mgr, err := newManager(b.plane, scheme)
	if err != nil {
		return err
	}
	if err := (&kubelets{Client: mgr.GetClient(), settings: b.client, servers: b.servers}).setUp(mgr); err != nil {
		return err
	}
	if b.tracker, err = startTracker(ctx, mgr.GetCache()); err != nil {
		return err
	}
	go func() {
		if err := mgr.Start(ctx); err != nil {
			b.log.Printf("no pod starts any more: %v", err)
		}
	}()
	return makeNodes(ctx, b.client)
}

// makeNamespaces, and wait until each has what Kubernetes puts into it.
func (b *bench) makeNamespaces(ctx context.Context) error {
	names := []string{b.deployment.namespace}
	for _, c := range b.clusters {
		if !slices.Contains(names, c.namespace) {
			names = append(names, c.namespace)
		}
	}
	err := parallel(len(names), func(i int) error {
		return b.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names[i]}})
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.limit)
	defer cancel()
	for {
		var certificates corev1.ConfigMapList
		if err := b.client.List(ctx, &certificates, client.MatchingFields{"metadata.name": "kube-root-ca.crt"}); err != nil {
			return err
		}
		if len(certificates.Items) >= len(names) {
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return fmt.Errorf("%d of %d namespaces have their root certificate: %w", len(certificates.Items), len(names), err)
		}
	}
}

// parallel does n things, some at a time, and returns the first error.
func parallel(n int, do func(i int) error) error {
	var all errgroup.Group
	all.SetLimit(32)
	for i := range n {
		all.Go(func() error { return do(i) })
	}
	return all.Wait()
}

// Package reconcile wires the reconcilers of all kinds.
package reconcile

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/broker"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/controller"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/monitor"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/nameservice"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/proxy"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/rocketmqcluster"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/tool"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/topictransfer"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// requestTimeout bounds one question to one RocketMQ server.
const requestTimeout = 3 * time.Second

// Setup adds every reconciler to the manager. Namespaces are those to watch, nil for all; ctx ends all polling.
func Setup(ctx context.Context, mgr ctrl.Manager, cluster desired.Cluster, namespaces map[string]cache.Config, observeInterval time.Duration) error {
	return setup(ctx, mgr, cluster, namespaces, observeInterval, remoting.Options{Timeout: requestTimeout})
}

func setup(ctx context.Context, mgr ctrl.Manager, cluster desired.Cluster, namespaces map[string]cache.Config,
	observeInterval time.Duration, rocketMQ remoting.Options) error {
	external, err := cache.New(mgr.GetConfig(), cache.Options{
		Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), DefaultNamespaces: namespaces,
		DefaultTransform: onlyNames,
	})
	if err != nil {
		return fmt.Errorf("cache of referenced ConfigMaps: %w", err)
	}
	if err := mgr.Add(external); err != nil {
		return err
	}
	refs := workload.References{Cache: external}
	owned := workload.NewOwned(mgr.GetCache())
	env := &workload.Env{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("rocketmq-operator"),
		Cluster: cluster, RocketMQ: admin.New(remoting.NewClient(rocketMQ)),
	}
	if err := (&nameservice.Reconciler{Env: env}).SetupWithManager(mgr, owned, refs); err != nil {
		return fmt.Errorf("NameService reconciler: %w", err)
	}
	quorums := observe.NewPoller(ctx, observeInterval, observe.SameQuorum)
	if err := (&controller.Reconciler{Env: env, Quorums: quorums}).SetupWithManager(mgr, owned, refs); err != nil {
		return fmt.Errorf("Controller reconciler: %w", err)
	}
	brokers := observe.NewPoller(ctx, observeInterval, observe.SameBrokers)
	if err := (&broker.Reconciler{Env: env, Observed: brokers}).SetupWithManager(mgr, owned, refs); err != nil {
		return fmt.Errorf("Broker reconciler: %w", err)
	}
	routes := observe.NewPoller(ctx, observeInterval, observe.SameRoutes)
	if err := (&proxy.Reconciler{Env: env, Observed: routes}).SetupWithManager(mgr, owned, refs); err != nil {
		return fmt.Errorf("Proxy reconciler: %w", err)
	}
	for _, kind := range monitor.Kinds() {
		if err := (&monitor.Reconciler{Env: env, Kind: kind}).SetupWithManager(mgr); err != nil {
			return fmt.Errorf("reconciler of the %s's metrics: %w", kind.Component, err)
		}
	}
	for _, kind := range []tool.Kind{tool.Console(), tool.Exporter(), tool.SchemaRegistry()} {
		if err := (&tool.Reconciler{Env: env, Kind: kind}).SetupWithManager(mgr, owned, refs); err != nil {
			return fmt.Errorf("%T reconciler: %w", kind.New(), err)
		}
	}
	if err := (&rocketmqcluster.Reconciler{Env: env}).SetupWithManager(mgr); err != nil {
		return fmt.Errorf("RocketMQCluster reconciler: %w", err)
	}
	if err := topictransfer.New(env).SetupWithManager(mgr); err != nil {
		return fmt.Errorf("TopicTransfer reconciler: %w", err)
	}
	return nil
}

// onlyNames keeps of a foreign ConfigMap what tells that it changed.
func onlyNames(object any) (any, error) {
	if m, ok := object.(*metav1.PartialObjectMetadata); ok {
		m.ObjectMeta = metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion}
	}
	return object, nil
}

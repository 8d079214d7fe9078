// SPDX-License-Identifier: Apache-2.0

// Package reconcile wires the reconcilers of all kinds.
package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metrics"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/broker"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/controller"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/grace"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/monitor"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/nameservice"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/proxy"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/rocketmqcluster"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/tool"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/topictransfer"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// requestTimeout bounds one question to one RocketMQ server.
const requestTimeout = 3 * time.Second

// Options of the operator.
type Options struct {
	Installation desired.Installation
	// Namespaces to watch, all if empty.
	Namespaces []string
	// ObserveInterval is how often a converged cluster's servers are asked for their state.
	ObserveInterval time.Duration
	// RocketMQ says how to talk to servers; the zero value is right for real ones.
	RocketMQ remoting.Options
	// Registry takes the operator's metrics; nil for none.
	Registry prometheus.Registerer

	metrics *metrics.Metrics
}

// Reconciler of one kind.
type Reconciler interface {
	reconcile.Reconciler
	SetupWithManager(mgr ctrl.Manager, watch *pass.Watch) error
}

// All reconcilers, by what they reconcile; ctx ends all polling.
func All(ctx context.Context, env *pass.Env, o Options) map[string]Reconciler {
	quorums := observe.NewPoller(ctx, observe.Options[*observe.Quorum]{
		Interval: o.ObserveInterval, Timeout: observe.ProbeTimeout, Same: observe.SameQuorum, Complete: observe.CompleteQuorum,
	})
	brokers := observe.NewPoller(ctx, observe.Options[*observe.Brokers]{
		Interval: o.ObserveInterval, Timeout: observe.ProbeTimeout, Same: observe.SameBrokers, Complete: observe.CompleteBrokers,
	})
	backlogs := observe.NewPoller(ctx, observe.Options[observe.Backlogs]{
		Interval: o.ObserveInterval, Timeout: observe.BacklogTimeout, Same: observe.SameBacklogs, Complete: observe.CompleteBacklogs,
	})
	routes := observe.NewPoller(ctx, observe.Options[*observe.Routes]{
		Interval: o.ObserveInterval, Timeout: observe.ProbeTimeout, Same: observe.SameRoutes, Complete: observe.CompleteRoutes,
	})
	if o.metrics != nil {
		o.metrics.Observe("Controller", quorums)
		o.metrics.Observe("Broker", brokers)
		o.metrics.Observe("Proxy", routes)
	}

	all := map[string]Reconciler{
		"NameService":     &nameservice.Reconciler{Env: env},
		"Controller":      &controller.Reconciler{Env: env, Quorums: quorums},
		"Broker":          &broker.Reconciler{Env: env, Observed: brokers, Backlogs: backlogs, Jobs: pass.NewJobs(ctx)},
		"Proxy":           &proxy.Reconciler{Env: env, Observed: routes},
		"Console":         &tool.Reconciler{Env: env, Kind: tool.Console()},
		"Exporter":        &tool.Reconciler{Env: env, Kind: tool.Exporter()},
		"SchemaRegistry":  &tool.Reconciler{Env: env, Kind: tool.SchemaRegistry()},
		"RocketMQCluster": &rocketmqcluster.Reconciler{Env: env},
		"TopicTransfer":   topictransfer.New(env),
		"Topic":           entity.New(ctx, env, entity.Topics(), brokers),
		"ConsumerGroup":   entity.New(ctx, env, entity.Groups(), brokers),
		"User":            entity.New(ctx, env, entity.Users(), brokers),
		"broker pods":     grace.New(env),
	}
	installed := &monitor.Installed{}
	for _, kind := range monitor.Kinds() {
		all[string(kind.Component)+"'s metrics"] = &monitor.Reconciler{Env: env, Kind: kind, Installed: installed}
	}
	return all
}

// Setup adds every reconciler to the manager; ctx ends all polling.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	names, err := cache.New(mgr.GetConfig(), cache.Options{
		Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), DefaultNamespaces: namespaceSet(o.Namespaces),
		DefaultTransform: onlyNames,
	})
	if err != nil {
		return fmt.Errorf("cache of referenced ConfigMaps and Secrets: %w", err)
	}
	if err := mgr.Add(names); err != nil {
		return err
	}
	if o.RocketMQ.Timeout == 0 {
		o.RocketMQ.Timeout = requestTimeout
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, reach.IndexIP, reach.IPOf); err != nil {
		return fmt.Errorf("index pods by address: %w", err)
	}
	o.metrics = metrics.New(mgr.GetClient())
	env := &pass.Env{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(),
		Recorder:     o.metrics.Recorder(mgr.GetEventRecorder("rocketmq-operator"), mgr.GetLogger()),
		Installation: o.Installation, Reach: reach.New(o.Installation, mgr.GetClient(), mgr.GetAPIReader(), o.RocketMQ), Failures: &pass.Failures{},
	}
	watch := pass.NewWatch(mgr.GetCache(), names)
	for name, reconciler := range All(ctx, env, o) {
		if err := reconciler.SetupWithManager(mgr, watch); err != nil {
			return fmt.Errorf("reconciler of %s: %w", name, err)
		}
	}
	if o.Registry == nil {
		return nil
	}
	return o.Registry.Register(o.metrics)
}

// onlyNames keeps of a foreign ConfigMap or Secret what tells that it changed.
func onlyNames(object any) (any, error) {
	if m, ok := object.(*metav1.PartialObjectMetadata); ok {
		m.ObjectMeta = metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion}
	}
	return object, nil
}

// Scheme holds what the operator works with; all of Kubernetes' kinds would cost it memory.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	builder := runtime.SchemeBuilder{corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, eventsv1.AddToScheme, networkingv1.AddToScheme, v1alpha1.AddToScheme}
	return scheme, builder.AddToScheme(scheme)
}

// Cache keeps foreign pods, ConfigMaps and the rest out of memory. Namespaces are those to watch, all if empty.
func Cache(namespaces []string) cache.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{desired.LabelManagedBy: desired.ManagedBy})}
	pods := ours
	pods.Transform = slimPod
	return cache.Options{
		DefaultNamespaces: namespaceSet(namespaces),
		DefaultTransform:  cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   pods,
			&corev1.PersistentVolumeClaim{}: ours,
			&corev1.Service{}:               ours,
			&corev1.ConfigMap{}:             ours,
			&appsv1.StatefulSet{}:           ours,
			&appsv1.Deployment{}:            ours,
			&networkingv1.Ingress{}:         ours,
			&networkingv1.NetworkPolicy{}:   ours,
			&policyv1.PodDisruptionBudget{}: ours,
		},
	}
}

// slimPod keeps of a pod's spec what the operator reads of it. The rest makes up a third of the memory that a cluster costs.
// The operator changes pods by patches, which leave alone what it does not know.
func slimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	pod.ManagedFields = nil
	slim := desired.OnlySecurity(&pod.Spec)
	slim.NodeName, slim.HostNetwork = pod.Spec.NodeName, pod.Spec.HostNetwork
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim != nil {
			slim.Volumes = append(slim.Volumes, volume)
		}
	}
	pod.Spec = slim
	return pod, nil
}

// namespaceSet is nil for all namespaces.
func namespaceSet(namespaces []string) map[string]cache.Config {
	var out map[string]cache.Config
	for _, namespace := range namespaces {
		if out == nil {
			out = map[string]cache.Config{}
		}
		out[namespace] = cache.Config{}
	}
	return out
}

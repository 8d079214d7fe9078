// SPDX-License-Identifier: Apache-2.0

// Package proxy reconciles Proxy resources.
package proxy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// Reconciler of Proxies.
type Reconciler struct {
	*pass.Env
	// Observed keeps what the name servers last said of the brokers behind each Proxy.
	Observed *observe.Poller[*observe.Routes]
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, watch *pass.Watch) error {
	ctx := context.Background()
	if err := pass.Depends(ctx, mgr, &v1alpha1.Proxy{}, dependencies); err != nil {
		return err
	}
	configMaps, err := watch.ConfigMaps(ctx, mgr, &v1alpha1.Proxy{}, &v1alpha1.ProxyList{}, func(object client.Object) []kube.ConfigMapRef {
		return kube.ConfigMapRefs(&object.(*v1alpha1.Proxy).Spec.PodSettings, nil)
	})
	if err != nil {
		return err
	}
	secrets, err := watch.Secrets(ctx, mgr, &v1alpha1.Proxy{}, &v1alpha1.ProxyList{}, func(object client.Object) []string {
		return object.(*v1alpha1.Proxy).Spec.TLS.Secrets()
	})
	if err != nil {
		return err
	}
	dependents := pass.Dependents(r.Client, &v1alpha1.ProxyList{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Proxy{}).
		WithOptions(pass.Options(0)).
		WatchesRawSource(watch.Owns(desired.Proxy, &appsv1.Deployment{}, &corev1.Service{}, &corev1.ConfigMap{},
			&policyv1.PodDisruptionBudget{}, &networkingv1.NetworkPolicy{}, &corev1.Pod{})).
		Watches(&v1alpha1.NameService{}, dependents, builder.WithPredicates(pass.News())).
		Watches(&v1alpha1.Broker{}, dependents, builder.WithPredicates(pass.News())).
		WatchesRawSource(source.Channel(r.Observed.Events(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(configMaps).
		WatchesRawSource(secrets).
		Complete(r)
}

// dependencies of a Proxy.
func dependencies(object client.Object) []pass.Dependency {
	p := object.(*v1alpha1.Proxy)
	return []pass.Dependency{
		{Kind: "NameService", Given: p.Spec.NameServiceRef, Resolved: p.Status.NameServiceRef},
		{Kind: "Broker", Given: p.Spec.BrokerRef, Resolved: p.Status.BrokerRef},
	}
}

// proxyPass is one reconcile of one Proxy.
type proxyPass struct {
	workload.Pass
	observed *observe.Poller[*observe.Routes]
	proxy    *v1alpha1.Proxy

	exists bool             // the Deployment does
	broker *v1alpha1.Broker // of the cluster; nil if only the cluster's name was given
	// nameService that routes come from; nil for name servers given by hand.
	nameService *v1alpha1.NameService
	backend     desired.Backend
	routes      *observe.Routes
	// deployment is what there is, hash that of the wanted spec.
	deployment *appsv1.Deployment
	hash       string
	pods       []corev1.Pod
	ready      int
}

// Reconcile brings the objects and the status of a Proxy to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	proxy := &v1alpha1.Proxy{}
	if err := r.Client.Get(ctx, req.NamespacedName, proxy); err != nil || proxy.DeletionTimestamp != nil {
		r.Observed.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.Old(proxy) {
		return ctrl.Result{}, nil
	}
	p := &proxyPass{observed: r.Observed, proxy: proxy, Pass: workload.Begin(r.Env, proxy)}
	waiting, err := pass.Run(ctx,
		p.checkImage,
		p.readExisting,
		p.resolveBroker,
		p.resolveNameServers,
		p.resolveAuth,
		p.resolveTLS,
		p.readReferences,
		p.ApplyNetworkPolicy,
		p.observeBrokers,
		p.awaitBrokers,
		p.applyObjects,
		p.observePods,
		p.observeService,
		p.followRollout,
		p.awaitReady,
		p.spreadSystemTopic,
	)
	return p.Finish(ctx, waiting, err)
}

func (p *proxyPass) checkImage(context.Context) (*kube.Waiting, error) {
	waiting := p.CheckImage("spec.image")
	p.RaiseDefects(version.Topology{Proxy: true})
	p.CheckProperties(settings.Proxy, workload.InSpec(p.proxy.Spec.Config))
	return waiting, nil
}

func (p *proxyPass) readExisting(ctx context.Context) (*kube.Waiting, error) {
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(p.proxy), &appsv1.Deployment{})
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read Deployment %s: %w", p.proxy.Name, err)
	}
	p.exists = err == nil
	return nil, nil
}

func (p *proxyPass) readReferences(ctx context.Context) (waiting *kube.Waiting, err error) {
	p.backend.References, waiting, err = p.ReadReferences(ctx, kube.ConfigMapRefs(&p.proxy.Spec.PodSettings, nil))
	return waiting, err
}

func (p *proxyPass) applyObjects(ctx context.Context) (*kube.Waiting, error) {
	objects, deployment, err := p.Installation.Proxy(p.proxy, p.backend)
	if err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	p.hash = deployment.Spec.Template.Annotations[v1alpha1.AnnotationHash]
	if waiting, err := p.Apply(ctx, objects...); waiting != nil || err != nil {
		return waiting, err
	}
	p.deployment = deployment
	return p.ApplyDeployment(ctx, deployment, p.proxy.Spec.Paused)
}

func (p *proxyPass) observePods(ctx context.Context) (*kube.Waiting, error) {
	selector := desired.Selector(p.proxy.Name, desired.Proxy, "")
	list, err := p.Pods(ctx, selector)
	if err != nil {
		return nil, err
	}
	// One that stops has been replaced already.
	p.pods = slices.DeleteFunc(list, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
	for i := range p.pods {
		if pods.Ready(&p.pods[i]) {
			p.ready++
		}
	}
	status := &p.proxy.Status
	status.Replicas, status.ReadyReplicas = int32(len(p.pods)), int32(p.ready)
	status.Members = fmt.Sprintf("%d/%d", p.ready, desired.ProxyCount(p.proxy))
	status.Selector = labels.SelectorFromSet(selector).String()
	return nil, p.PodTroubles(ctx, p.pods)
}

// observeService tells clients where to connect.
func (p *proxyPass) observeService(ctx context.Context) (*kube.Waiting, error) {
	grpc, remoting := desired.ProxyPorts(p.proxy)
	host, status := p.Installation.ProxyHost(p.proxy), &p.proxy.Status
	status.GRPCAddress = net.JoinHostPort(host, strconv.Itoa(int(grpc)))
	status.RemotingAddress = net.JoinHostPort(host, strconv.Itoa(int(remoting)))
	status.ExternalAddress = ""
	var service corev1.Service
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.proxy.Namespace, Name: desired.ClientService(p.proxy.Name, desired.Proxy)}, &service)
	if err != nil {
		return nil, client.IgnoreNotFound(err) // the cache has not seen it yet, and wakes us when it does
	}
	switch service.Spec.Type {
	case corev1.ServiceTypeLoadBalancer:
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			if host := ingress.Hostname + ingress.IP; host != "" { // it has one of them
				status.ExternalAddress = net.JoinHostPort(host, strconv.Itoa(int(grpc)))
				break
			}
		}
	case corev1.ServiceTypeNodePort:
		if port := service.Spec.Ports[0].NodePort; port != 0 {
			status.ExternalAddress = fmt.Sprintf("<node>:%d", port)
		}
	}
	return nil, nil
}

// followRollout tells how far the Deployment is.
func (p *proxyPass) followRollout(ctx context.Context) (*kube.Waiting, error) {
	p.proxy.Status.ServersTLS = p.backend.TLS // together with UpToDate, which says whether all do
	return nil, p.Rolled(ctx, p.deployment, p.hash, p.pods)
}

// awaitReady waits until as many pods serve as are wanted, of the old spec or the new one.
func (p *proxyPass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	wanted := int(desired.ProxyCount(p.proxy))
	if p.ready >= wanted {
		return nil, nil
	}
	return p.NotReady(ctx, p.pods, wanted, nil)
}

// Package proxy reconciles Proxy resources.
package proxy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// Reconciler of Proxies.
type Reconciler struct {
	*workload.Env
	// Observed keeps what the name servers last said of the brokers behind each Proxy.
	Observed *observe.Poller[*observe.Routes]
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, owned *workload.Owned, refs workload.References) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Proxy{}).
		WatchesRawSource(owned.Source(desired.Proxy, &appsv1.Deployment{}, &corev1.Service{}, &corev1.ConfigMap{},
			&policyv1.PodDisruptionBudget{}, &corev1.Pod{})).
		Watches(&v1alpha1.NameService{}, handler.EnqueueRequestsFromMapFunc(r.dependents)).
		Watches(&v1alpha1.Broker{}, handler.EnqueueRequestsFromMapFunc(r.dependents)).
		WatchesRawSource(source.Channel(r.Observed.Events(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(refs.Source(r.Client, &v1alpha1.ProxyList{}, func(resource client.Object, configMap string) bool {
			return workload.Refers(&resource.(*v1alpha1.Proxy).Spec.PodSettings, nil, configMap)
		})).
		Complete(r)
}

// dependents are the Proxies that a NameService or a Broker may matter to: those of its namespace, and those that
// refer or have come to it across namespaces.
func (r *Reconciler) dependents(ctx context.Context, changed client.Object) []reconcile.Request {
	var list v1alpha1.ProxyList
	if err := r.Client.List(ctx, &list); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list Proxies: a changed dependency is noticed only later")
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		p := &list.Items[i]
		refers := slices.ContainsFunc(
			[]*v1alpha1.ObjectReference{p.Spec.NameServiceRef, p.Spec.BrokerRef, p.Status.NameServiceRef, p.Status.BrokerRef},
			func(ref *v1alpha1.ObjectReference) bool {
				return ref != nil && ref.Name == changed.GetName() && ref.Namespace == changed.GetNamespace()
			})
		if refers || p.Namespace == changed.GetNamespace() {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(p)})
		}
	}
	return out
}

// pass is one reconcile of one Proxy.
type pass struct {
	workload.Pass
	observed *observe.Poller[*observe.Routes]
	p        *v1alpha1.Proxy

	exists      bool                  // the Deployment does
	broker      *v1alpha1.Broker      // of the cluster; nil if only the cluster's name was given
	nameService *v1alpha1.NameService // nil for name servers given by hand
	backend     desired.Backend
	routes      *observe.Routes
	hash        string // of the wanted spec
	pods        []corev1.Pod
	ready       int
}

// Reconcile brings the objects and the status of a Proxy to what its spec says.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	proxy := &v1alpha1.Proxy{}
	if err := r.Client.Get(ctx, req.NamespacedName, proxy); err != nil || proxy.DeletionTimestamp != nil {
		r.Observed.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := proxy.DeepCopy()
	p := &pass{observed: r.Observed, p: proxy,
		Pass: workload.Pass{Env: r.Env, Owner: proxy, Conditions: kube.NewConditions(proxy.Generation, &proxy.Status.Conditions)}}
	waiting, err := workload.Run(ctx,
		p.checkImage,
		p.readExisting,
		p.resolveBroker,
		p.resolveNameServers,
		p.readReferences,
		p.observeBrokers,
		p.awaitBrokers,
		p.applyObjects,
		p.observePods,
		p.observeService,
		p.followRollout,
		p.awaitReady,
		p.spreadSystemTopic,
	)
	return p.Finish(ctx, before, &proxy.Status.ObservedGeneration, waiting, err)
}

func (p *pass) checkImage(context.Context) (*kube.Waiting, error) {
	image := desired.Image(p.p.Spec.Image)
	if why := version.Unsupported(image); why != "" {
		return p.Trouble(v1alpha1.ConditionUnsupportedImage, "spec.image: %s", why), nil
	}
	for _, defect := range version.Known(image, version.Topology{Proxy: true}) {
		p.Conditions.Raise(v1alpha1.ConditionKnownDefect, "%s", defect)
	}
	return nil, nil
}

func (p *pass) readExisting(ctx context.Context) (*kube.Waiting, error) {
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(p.p), &appsv1.Deployment{})
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read Deployment %s: %w", p.p.Name, err)
	}
	p.exists = err == nil
	return nil, nil
}

func (p *pass) readReferences(ctx context.Context) (*kube.Waiting, error) {
	var err error
	p.backend.References, err = kube.ReadConfigMaps(ctx, p.Reader, p.p.Namespace, kube.ReferencedConfigMaps(&p.p.Spec.PodSettings, nil))
	return nil, err
}

func (p *pass) applyObjects(ctx context.Context) (*kube.Waiting, error) {
	objects, deployment, err := p.Cluster.Proxy(p.p, p.backend)
	if err != nil {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	p.hash = deployment.Spec.Template.Annotations[desired.AnnotationHash]
	if waiting, err := p.Apply(ctx, objects...); waiting != nil || err != nil {
		return waiting, err
	}
	return p.ApplyDeployment(ctx, deployment, p.p.Spec.Paused)
}

func (p *pass) observePods(ctx context.Context) (*kube.Waiting, error) {
	selector := desired.Selector(p.p.Name, desired.Proxy, "")
	pods, err := p.Pods(ctx, selector)
	if err != nil {
		return nil, err
	}
	// One that stops has been replaced already.
	p.pods = slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
	for i := range p.pods {
		if workload.Ready(&p.pods[i]) {
			p.ready++
		}
	}
	status := &p.p.Status
	status.Replicas, status.ReadyReplicas = int32(len(p.pods)), int32(p.ready)
	status.Members = fmt.Sprintf("%d/%d", p.ready, desired.Proxies(p.p))
	status.Selector = labels.SelectorFromSet(selector).String()
	return nil, p.LostNodes(ctx, p.pods)
}

// observeService tells clients where to connect.
func (p *pass) observeService(ctx context.Context) (*kube.Waiting, error) {
	grpc, remoting := desired.ProxyPorts(p.p)
	host, status := p.Cluster.ProxyHost(p.p), &p.p.Status
	status.GRPCAddress = net.JoinHostPort(host, strconv.Itoa(int(grpc)))
	status.RemotingAddress = net.JoinHostPort(host, strconv.Itoa(int(remoting)))
	status.ExternalAddress = ""
	var service corev1.Service
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.p.Namespace, Name: desired.ClientService(p.p.Name, desired.Proxy)}, &service)
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
func (p *pass) followRollout(context.Context) (*kube.Waiting, error) {
	var outdated int
	var fresh []corev1.Pod
	for i := range p.pods {
		if p.pods[i].Annotations[desired.AnnotationHash] == p.hash {
			fresh = append(fresh, p.pods[i])
			continue
		}
		outdated++
	}
	switch {
	case outdated == 0:
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate, "every pod runs the current spec")
	case p.p.Spec.Paused:
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused,
			workload.Outdated(outdated)+"; spec.paused is set")
	default:
		said := strings.Join(append([]string{workload.Outdated(outdated)}, workload.Describe(fresh)...), "; ")
		p.Conditions.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonReplacingPods, said)
	}
	return nil, nil
}

// awaitReady: while others are replaced, as many as wanted serve.
func (p *pass) awaitReady(ctx context.Context) (*kube.Waiting, error) {
	wanted := int(desired.Proxies(p.p))
	if p.ready >= wanted {
		return nil, nil
	}
	return p.NotReady(ctx, p.pods, wanted)
}

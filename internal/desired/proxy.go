// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Backend is the cluster that a Proxy serves, resolved.
type Backend struct {
	// ClusterName is the brokerClusterName.
	ClusterName string
	// NameService is the one to ask for routes; nil where the name servers were given by hand.
	NameService *v1alpha1.ObjectReference
	// NameServers are host:port: the Service of the NameService, which never changes, or the user's list.
	NameServers []string
	// AuthSecret is the name of the Secret with the proxies' account, "" without authentication.
	AuthSecret string
	// TLS: name servers and brokers are spoken to with it.
	TLS bool
	// Loaded stands for the certificates that proxies read only when they start, "" if there are none.
	Loaded     string
	References References
}

// Proxy objects: Service, settings, PodDisruptionBudget; then the Deployment.
func (in Installation) Proxy(p *v1alpha1.Proxy, backend Backend) ([]client.Object, *appsv1.Deployment, error) {
	labels, selector := Labels(p, Proxy), Selector(p.Name, Proxy, "")
	var tls TLS
	if p.Spec.TLS != nil {
		tls.Secret, tls.CASecret = p.Spec.TLS.SecretName, p.Spec.TLS.CASecretName
	}
	flags := proxyTLSFlags(p, tls.Secret, backend)
	// A proxy gives remoting clients this name with the port that it listens on, so the Service must have the same port.
	host := ""
	if _, remoting := ProxyPorts(p); remoting == settings.ProxyRemotingPort {
		host = in.ProxyHost(p)
	}
	config, err := configMap(p, Proxy, settings.Settings{
		Config: Properties(p.Spec.Config),
		Proxy: &settings.ProxySettings{
			ClusterName: backend.ClusterName, NameServers: backend.NameServers, Host: host, TLSSecret: tls.Secret, AuthSecret: backend.AuthSecret,
		},
	})
	if err != nil {
		return nil, nil, err
	}
	// A proxy reads its name servers' addresses once. For a NameService it is given the Service's name, which never changes.
	var byHand []string
	if backend.NameService == nil {
		byHand = backend.NameServers
	}
	restarts := []any{
		Image(p), p.Spec.Config, tls.Secret, host != "", backend.ClusterName, backend.NameService, byHand,
		restartRelevant(&p.Spec.PodSettings), backend.References,
	}
	if backend.AuthSecret != "" {
		restarts = append(restarts, backend.AuthSecret)
	}
	if tls.CASecret != "" || len(flags) > 0 {
		restarts = append(restarts, tls, flags, backend.Loaded)
	}
	sum, err := hash(restarts...)
	if err != nil {
		return nil, nil, err
	}
	template, err := podSpec{
		component: Proxy, role: settings.Proxy, labels: labels, selector: selector,
		image: Image(p), agentImage: in.AgentImage, configMap: config.Name, hash: sum,
		graceSecond: settings.ProxyGraceSeconds, nameServers: strings.Join(backend.NameServers, ";"),
		ports: []corev1.ContainerPort{
			{Name: "grpc", ContainerPort: settings.ProxyGRPCPort, Protocol: corev1.ProtocolTCP},
			{Name: "remoting", ContainerPort: settings.ProxyRemotingPort, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: settings.MetricsPort, Protocol: corev1.ProtocolTCP},
		},
		agentPort: settings.ProxyAgentPort,
		tls:       tls,
		tlsFlags:  flags,
		settings:  &p.Spec.PodSettings,

		auth: Auth{Secret: backend.AuthSecret}, accounts: []settings.Account{settings.ProxyAccount},
	}.template()
	if err != nil {
		return nil, nil, err
	}
	one, none := intstr.FromInt32(1), intstr.FromInt32(0)
	deployment := &appsv1.Deployment{
		ObjectMeta: meta(p, p.Name, labels),
		Spec: appsv1.DeploymentSpec{
			Replicas: new(ProxyCount(p)),
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			// A new proxy serves before an old one stops.
			Strategy: appsv1.DeploymentStrategy{
				Type:          appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &one, MaxUnavailable: &none},
			},
			Template: template,
		},
	}
	return []client.Object{
		proxyService(p, labels, selector),
		config,
		disruptionBudget(p, ClientService(p.Name, Proxy), labels, selector, policyv1.AlwaysAllow),
	}, deployment, nil
}

// proxyTLSFlags tell the agent what settings.ProxySettings.TLSSecret does not: a proxy with a certificate takes no plain text, and
// opens connections in plain text.
func proxyTLSFlags(p *v1alpha1.Proxy, secret string, backend Backend) (flags []string) {
	if mode := p.Spec.TLS.Wanted(); mode == v1alpha1.TLSOffered || mode == v1alpha1.TLSPermissive {
		flags = append(flags, serverPermissive)
	}
	if backend.TLS {
		flags = append(flags, settings.TLSClientFlag)
	}
	if len(flags) > 0 {
		flags = append(flags, settings.TLSSecretFlag+"="+secret)
	}
	return flags
}

// ProxyPorts are the Service's, for gRPC and for remoting.
func ProxyPorts(p *v1alpha1.Proxy) (grpc, remoting int32) {
	grpc, remoting = settings.ProxyGRPCPort, settings.ProxyRemotingPort
	if p.Spec.Service == nil || p.Spec.Service.Ports == nil {
		return grpc, remoting
	}
	if given := p.Spec.Service.Ports.GRPC; given != 0 {
		grpc = given
	}
	if given := p.Spec.Service.Ports.Remoting; given != 0 {
		remoting = given
	}
	return grpc, remoting
}

func proxyService(p *v1alpha1.Proxy, labels, selector map[string]string) *corev1.Service {
	grpc, remoting := ProxyPorts(p)
	service := &corev1.Service{
		ObjectMeta: meta(p, ClientService(p.Name, Proxy), labels),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: selector,
			Ports: []corev1.ServicePort{
				{Name: "grpc", Port: grpc, TargetPort: intstr.FromInt32(settings.ProxyGRPCPort), Protocol: corev1.ProtocolTCP},
				{Name: "remoting", Port: remoting, TargetPort: intstr.FromInt32(settings.ProxyRemotingPort), Protocol: corev1.ProtocolTCP},
			},
		},
	}
	given := p.Spec.Service
	if given == nil {
		return service
	}
	service.Annotations = maps.Clone(given.Annotations)
	if given.Type != "" {
		service.Spec.Type = given.Type
	}
	if given.Ports != nil && service.Spec.Type != corev1.ServiceTypeClusterIP {
		service.Spec.Ports[0].NodePort, service.Spec.Ports[1].NodePort = given.Ports.GRPCNodePort, given.Ports.RemotingNodePort
	}
	return service
}

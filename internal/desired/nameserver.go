// SPDX-License-Identifier: Apache-2.0

package desired

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// NameService objects: Services, settings, PodDisruptionBudget; then the StatefulSet.
func (in Installation) NameService(ns *v1alpha1.NameService, refs References, tls TLS) ([]client.Object, *appsv1.StatefulSet, error) {
	labels, selector := Labels(ns, NameServer), Selector(ns.Name, NameServer, "")
	p := ports(corev1.ServicePort{Name: "nameserver", Port: settings.NameServerPort})
	config, err := configMap(ns, NameServer, settings.Settings{
		ServiceDomain: in.serviceDomain(ns, NameServer), HostNetwork: ns.Spec.HostNetwork, Config: Properties(ns.Spec.Config),
	})
	if err != nil {
		return nil, nil, err
	}
	restarts := []any{Image(ns), ns.Spec.HostNetwork, ns.Spec.DNSPolicy, ns.Spec.Config, ns.Spec.HostPath, restartRelevant(&ns.Spec.PodSettings), refs}
	sum, err := hash(append(restarts, tls.restarts()...)...)
	if err != nil {
		return nil, nil, err
	}
	set, err := statefulSet(ns, ns.Name, HeadlessService(ns.Name, NameServer), NameServerCount(ns), podSpec{
		component: NameServer, role: settings.NameServer, labels: labels, selector: selector,
		image: Image(ns), agentImage: in.AgentImage, configMap: config.Name, hash: sum,
		hostNetwork: ns.Spec.HostNetwork, dnsPolicy: ns.Spec.DNSPolicy, graceSecond: 30,
		nameServers: in.NameServerService(ns.Name, ns.Namespace),
		ports:       []corev1.ContainerPort{{Name: "nameserver", ContainerPort: settings.NameServerPort, Protocol: corev1.ProtocolTCP}},
		agentPort:   settings.NameServerAgentPort,
		data:        data(ns.Namespace, &ns.Spec.StorageSettings, v1alpha1.EmptyDir, "1Gi"),
		settings:    &ns.Spec.PodSettings,
		tls:         tls,
		tlsFlags:    tls.flags(),
	})
	if err != nil {
		return nil, nil, err
	}
	return []client.Object{
		headless(ns, NameServer, p),
		clientService(ns, NameServer, p),
		config,
		disruptionBudget(ns, ClientService(ns.Name, NameServer), labels, selector, policyv1.AlwaysAllow),
	}, set, nil
}

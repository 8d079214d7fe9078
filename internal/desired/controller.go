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

// Controller objects: headless Service, settings, PodDisruptionBudget; then the StatefulSet. The client Service is
// ControllerService, which comes when the quorum is complete.
func (in Installation) Controller(ctl *v1alpha1.Controller, refs References, tls TLS) ([]client.Object, *appsv1.StatefulSet, error) {
	labels, selector := Labels(ctl, Controller), Selector(ctl.Name, Controller, "")
	config, err := configMap(ctl, Controller, settings.Settings{
		ServiceDomain: in.serviceDomain(ctl, Controller), Config: Properties(ctl.Spec.Config),
		Controller: &settings.ControllerSettings{Group: ctl.Name, Size: ControllerCount(ctl)},
	})
	if err != nil {
		return nil, nil, err
	}
	restarts := []any{Image(ctl), ctl.Spec.Config, ctl.Spec.HostPath, restartRelevant(&ctl.Spec.PodSettings), refs}
	sum, err := hash(append(restarts, tls.restarts()...)...)
	if err != nil {
		return nil, nil, err
	}
	set, err := statefulSet(ctl, ctl.Name, HeadlessService(ctl.Name, Controller), ControllerCount(ctl), podSpec{
		component: Controller, role: settings.Controller, labels: labels, selector: selector,
		image: Image(ctl), agentImage: in.AgentImage, configMap: config.Name, hash: sum, graceSecond: 60,
		ports: []corev1.ContainerPort{
			{Name: "controller", ContainerPort: settings.ControllerPort, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: settings.MetricsPort, Protocol: corev1.ProtocolTCP},
		},
		agentPort: settings.ControllerAgentPort,
		data:      data(ctl.Namespace, &ctl.Spec.StorageSettings, v1alpha1.StorageClass, "4Gi"),
		settings:  &ctl.Spec.PodSettings,
		tls:       tls,
		tlsFlags:  tls.flags(),
	})
	if err != nil {
		return nil, nil, err
	}
	return []client.Object{
		headless(ctl, Controller, controllerPorts()),
		config,
		disruptionBudget(ctl, ClientService(ctl.Name, Controller), labels, selector, policyv1.IfHealthyBudget),
	}, set, nil
}

// ControllerService is the one address of a complete quorum, for tools. Brokers need every controller's own.
func (in Installation) ControllerService(ctl *v1alpha1.Controller) *corev1.Service {
	return clientService(ctl, Controller, controllerPorts())
}

func controllerPorts() []corev1.ServicePort {
	return ports(corev1.ServicePort{Name: "controller", Port: settings.ControllerPort},
		corev1.ServicePort{Name: "metrics", Port: settings.MetricsPort})
}

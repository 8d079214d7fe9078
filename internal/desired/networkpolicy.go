// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

const (
	// labelNamespace is on every namespace, with its name.
	labelNamespace = "kubernetes.io/metadata.name"
	// operatorName is the value of LabelName on the operator's own pods, whoever installs it.
	operatorName = "rocketmq-operator"
	// prometheusName is the value of LabelName on the pods of Prometheus, from its operator and from its Helm chart.
	prometheusName = "prometheus"
)

type peers = v1alpha1.NetworkPeers

// access lets these peers connect to these ports, nobody if there are no peers.
type access struct {
	from  peers
	ports []int32
}

// NetworkPolicy lets those into a resource's pods who need to be there and whom the user allows; wanted says whether the user
// wants it at all. Only what comes in is limited. Kubernetes itself lets in the kubelet, and with it probes and port-forwarding:
// nobody else needs the ports of agents, except for those of brokers.
func (in Installation) NetworkPolicy(obj v1alpha1.Resource) (policy *networkingv1.NetworkPolicy, wanted bool, err error) {
	component, given, allowed, err := in.allowed(obj)
	if err != nil {
		return nil, false, err
	}
	policy = &networkingv1.NetworkPolicy{ObjectMeta: metaOf(obj, ClientService(obj.GetName(), component), component)}
	if policyMode(obj, given) != v1alpha1.NetworkPolicyEnabled {
		return policy, false, nil
	}
	if in.OperatorNamespace == "" {
		return nil, false, errors.New("spec.networkPolicy: the operator does not know its own namespace, and would lock itself out: " +
			"set POD_NAMESPACE in its Deployment by the downward API")
	}
	policy.Spec = networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: Selector(obj.GetName(), component, "")},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
	}
	for _, a := range allowed {
		if len(a.from) > 0 { // a rule that names nobody would mean everybody
			policy.Spec.Ingress = append(policy.Spec.Ingress, a.rule())
		}
	}
	return policy, true, nil
}

func (a access) rule() networkingv1.NetworkPolicyIngressRule {
	rule := networkingv1.NetworkPolicyIngressRule{From: a.from}
	for _, port := range a.ports {
		rule.Ports = append(rule.Ports, networkingv1.NetworkPolicyPort{Port: new(intstr.FromInt32(port)), Protocol: new(corev1.ProtocolTCP)})
	}
	return rule
}

// allowed is who may connect to which ports of a resource's pods. A resource does not know all others that refer to it, so that
// RocketMQ's pods of one namespace, and of those that are allowed to refer to it, trust each other.
func (in Installation) allowed(obj v1alpha1.Resource) (Component, *v1alpha1.NetworkPolicySettings, []access, error) {
	operator := peers{in.operator()}
	switch r := obj.(type) {
	case *v1alpha1.NameService:
		s := &r.Spec.NetworkPolicySettings
		return NameServer, s, []access{
			{slices.Concat(rocketmq(r), operator, s.AllowedClients), []int32{settings.NameServerPort}},
		}, nil
	case *v1alpha1.Controller:
		s := &r.Spec.NetworkPolicySettings
		return Controller, s, []access{
			{slices.Concat(rocketmq(r, Broker, Controller), operator, s.AllowedClients), []int32{settings.ControllerPort}},
			{monitoring(s), []int32{settings.MetricsPort}},
		}, nil
	case *v1alpha1.Broker:
		s := &r.Spec.NetworkPolicySettings
		members := peers{podsOf(metav1.LabelSelector{MatchLabels: Selector(r.Name, Broker, "")})}
		return Broker, s, []access{
			{slices.Concat(rocketmq(r), electors(r), operator, s.AllowedClients), []int32{settings.BrokerPort, settings.BrokerFastPort}},
			{members, []int32{settings.BrokerHAPort}},
			// The operator asks agents whether they stop, and tells them how much time they have; a master that stops asks its slaves.
			{slices.Concat(members, operator), []int32{settings.BrokerAgentPort}},
			{monitoring(s), []int32{settings.MetricsPort}},
		}, nil
	case *v1alpha1.Proxy:
		s := &r.Spec.NetworkPolicySettings
		return Proxy, s, []access{
			{slices.Concat(rocketmq(r, Console), s.AllowedClients), []int32{settings.ProxyGRPCPort, settings.ProxyRemotingPort}},
			{monitoring(s), []int32{settings.MetricsPort}},
		}, nil
	case *v1alpha1.Console:
		port, err := consolePort(&r.Spec)
		return Console, &r.Spec.NetworkPolicySettings, []access{{r.Spec.AllowedClients, []int32{port}}}, err
	case *v1alpha1.Exporter:
		s := &r.Spec.NetworkPolicySettings
		return Exporter, s, []access{{slices.Concat(monitoring(s), s.AllowedClients), []int32{settings.MetricsPort}}}, nil
	case *v1alpha1.SchemaRegistry:
		return SchemaRegistry, &r.Spec.NetworkPolicySettings, []access{{r.Spec.AllowedClients, []int32{settings.SchemaRegistryPort}}}, nil
	}
	return "", nil, nil, errors.New(v1alpha1.KindOf(obj) + " has no pods of its own")
}

// WithoutPolicy is why a NetworkPolicy does not hold for a resource's pods, "" if it does.
func WithoutPolicy(obj v1alpha1.Resource) string {
	host := false
	switch r := obj.(type) {
	case *v1alpha1.NameService:
		host = r.Spec.HostNetwork
	case *v1alpha1.Broker:
		host = r.Spec.HostNetwork
	}
	if !host {
		return ""
	}
	return "spec.hostNetwork puts the pods into their nodes' network, where no NetworkPolicy holds: close their ports by a firewall of the " +
		"nodes. Others see them under their nodes' addresses: NameServices and Controllers with networkPolicy: Enabled need these in " +
		"allowedClients, as ipBlock"
}

// operator is the operator's own pod.
func (in Installation) operator() networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{labelNamespace: in.OperatorNamespace}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{LabelName: operatorName}},
	}
}

// rocketmq are the pods of these components, of all if none is given, in the object's namespace and in those from which it may be
// referred to.
func rocketmq(obj client.Object, components ...Component) peers {
	selector := metav1.LabelSelector{MatchLabels: map[string]string{LabelManagedBy: ManagedBy}}
	if len(components) > 0 {
		among := metav1.LabelSelectorRequirement{Key: LabelComponent, Operator: metav1.LabelSelectorOpIn}
		for _, component := range components {
			among.Values = append(among.Values, string(component))
		}
		selector.MatchExpressions = []metav1.LabelSelectorRequirement{among}
	}
	out := peers{podsOf(selector)}
	if elsewhere := namespaces(obj.GetAnnotations()[v1alpha1.AnnotationAllowFrom]); elsewhere != nil {
		there := podsOf(selector)
		there.NamespaceSelector = elsewhere
		out = append(out, there)
	}
	return out
}

// electors are the controllers that tell a Broker of their elections from another namespace.
func electors(b *v1alpha1.Broker) peers {
	if b.Spec.ControllerRef == nil || b.Spec.ControllerRef.Namespace == "" || b.Spec.ControllerRef.Namespace == b.Namespace {
		return nil
	}
	there := podsOf(metav1.LabelSelector{MatchLabels: Selector(b.Spec.ControllerRef.Name, Controller, "")})
	there.NamespaceSelector = namespaces(b.Spec.ControllerRef.Namespace)
	return peers{there}
}

// monitoring may read the metrics.
func monitoring(s *v1alpha1.NetworkPolicySettings) peers {
	if len(s.AllowedMonitoring) > 0 {
		return s.AllowedMonitoring
	}
	prometheus := podsOf(metav1.LabelSelector{MatchLabels: map[string]string{LabelName: prometheusName}})
	prometheus.NamespaceSelector = &metav1.LabelSelector{}
	return peers{prometheus}
}

func podsOf(selector metav1.LabelSelector) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{PodSelector: &selector}
}

// namespaces selects those of a list of names with commas, or all for "*"; nil for an empty list.
func namespaces(list string) *metav1.LabelSelector {
	named := metav1.LabelSelectorRequirement{Key: labelNamespace, Operator: metav1.LabelSelectorOpIn}
	for name := range strings.SplitSeq(list, ",") {
		switch name = strings.TrimSpace(name); name {
		case "":
		case "*":
			return &metav1.LabelSelector{}
		default:
			named.Values = append(named.Values, name)
		}
	}
	if named.Values == nil {
		return nil
	}
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{named}}
}

// consolePort is what the dashboard's container listens on.
func consolePort(spec *v1alpha1.ConsoleSpec) (int32, error) {
	given, err := ParseConsole(spec)
	if err != nil {
		return 0, err
	}
	if containers := given.Spec.Template.Spec.Containers; len(containers) > 0 && len(containers[0].Ports) > 0 {
		return containers[0].Ports[0].ContainerPort, nil
	}
	return settings.ConsolePort, nil
}

// SPDX-License-Identifier: Apache-2.0

// Package desired says which Kubernetes objects a resource asks for. It is pure: resources in, objects out.
package desired

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/certificate"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Labels of everything that the operator makes. Role and cluster may change, so they are in no selector.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	LabelCluster           = "rocketmq.apache.org/cluster"
	LabelRocketMQComponent = "rocketmq.apache.org/component"
	LabelGroup             = "rocketmq.apache.org/group"
	LabelRole              = "rocketmq.apache.org/role"

	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "rocketmq-operator"
)

// Component is a kind of server.
type Component string

// The components.
const (
	NameServer Component = "nameserver"
	Controller Component = "controller"
	Broker     Component = "broker"
	Proxy      Component = "proxy"

	Console        Component = "console"
	Exporter       Component = "exporter"
	SchemaRegistry Component = "schemaregistry"
)

// Installation is what all objects of one installation depend on.
type Installation struct {
	// Domain of the Kubernetes cluster, "cluster.local".
	Domain string
	// AgentImage is the image that the agent is copied from.
	AgentImage string
	// OperatorNamespace is where the operator's own pods are, "" if it is not known.
	OperatorNamespace string
}

// HeadlessService of a component's pods.
func HeadlessService(cr string, c Component) string { return fmt.Sprintf("%s-%s-headless", cr, c) }

// ClientService of name servers, controllers and proxies.
func ClientService(cr string, c Component) string { return fmt.Sprintf("%s-%s", cr, c) }

// ConfigMap that a component's pods mount.
func ConfigMap(cr string, c Component) string { return fmt.Sprintf("%s-%s-config", cr, c) }

// AuthSecret has the accounts of the operator, the proxies and the brokers of a Broker or RocketMQCluster with authentication.
func AuthSecret(cr string) string { return cr + "-auth" }

// MetadataConfigMap has the topics and consumer groups of a broker group's master.
func MetadataConfigMap(group string) string { return group + "-metadata" }

// GroupName is the name of broker group g: brokerName and StatefulSet.
func GroupName(cr string, g int32) string { return fmt.Sprintf("%s-%d", cr, g) }

// PodName is the name of pod i of a StatefulSet.
func PodName(statefulSet string, i int32) string { return fmt.Sprintf("%s-%d", statefulSet, i) }

// Ordinal is the number at the end of a pod's name, -1 if there is none.
func Ordinal(pod string) int32 {
	i, err := strconv.ParseInt(pod[strings.LastIndex(pod, "-")+1:], 10, 32)
	if err != nil {
		return -1
	}
	return int32(i)
}

// GroupOfPod is the group that a broker pod belongs to by its name, "" if the pod is not of this resource. It knows the names of
// apache/rocketmq-operator too: <broker>-<group>-master-0 and <broker>-<group>-replica-<n>-0.
func GroupOfPod(cr, pod string) string {
	rest, ok := strings.CutPrefix(pod, cr+"-")
	number, member, more := strings.Cut(rest, "-")
	if !ok || !more || !podMember.MatchString(member) {
		return ""
	}
	g, err := strconv.ParseInt(number, 10, 32)
	if err != nil || GroupName(cr, int32(g))+"-"+member != pod {
		return ""
	}
	return GroupName(cr, int32(g))
}

// podMember is what follows the group in a broker pod's name, here and at apache/rocketmq-operator.
var podMember = regexp.MustCompile(`^([0-9]+|master-0|replica-[0-9]+-0)$`)

// serviceDomain is the full name of a component's headless Service.
func (in Installation) serviceDomain(obj metav1.Object, component Component) string {
	return fmt.Sprintf("%s.%s.svc.%s", HeadlessService(obj.GetName(), component), obj.GetNamespace(), in.Domain)
}

// addresses are those of the pods of a StatefulSet named like its resource.
func (in Installation) addresses(obj client.Object, component Component, size int32, port int) []string {
	out := make([]string, 0, size)
	for i := range size {
		out = append(out, fmt.Sprintf("%s.%s:%d", PodName(obj.GetName(), i), in.serviceDomain(obj, component), port))
	}
	return out
}

// NameServerAddresses are what brokers and clients use, one for each name server.
func (in Installation) NameServerAddresses(ns *v1alpha1.NameService) []string {
	return in.addresses(ns, NameServer, size(ns.Spec.Size, 1), settings.NameServerPort)
}

// ControllerAddresses are what brokers use, one for each controller.
func (in Installation) ControllerAddresses(ctl *v1alpha1.Controller) []string {
	return in.addresses(ctl, Controller, size(ctl.Spec.Size, 3), settings.ControllerPort)
}

// NameServerNames are those under which name servers are known.
func (in Installation) NameServerNames(ns *v1alpha1.NameService) certificate.Names {
	return certificate.Names{Services: hosts(in.NameServerService(ns.Name, ns.Namespace)), Pods: hosts(in.NameServerAddresses(ns)...)}
}

// ControllerNames are those under which controllers are known.
func (in Installation) ControllerNames(ctl *v1alpha1.Controller) certificate.Names {
	return certificate.Names{Pods: hosts(in.ControllerAddresses(ctl)...)}
}

// BrokerNames are those under which brokers are known.
func (in Installation) BrokerNames(b *v1alpha1.Broker) (names certificate.Names) {
	for g := range GroupCount(b) {
		for member := range MemberCount(b) {
			names.Pods = append(names.Pods, hosts(in.BrokerAddress(b, PodName(GroupName(b.Name, g), member)))...)
		}
	}
	return names
}

func hosts(addresses ...string) (out []string) {
	for _, address := range addresses {
		host, _, _ := strings.Cut(address, ":")
		out = append(out, host)
	}
	return out
}

// PodHost is the DNS name of a pod of one of the StatefulSets.
func (in Installation) PodHost(pod client.Object, component Component) string {
	owner := &metav1.ObjectMeta{Namespace: pod.GetNamespace(), Name: pod.GetLabels()[LabelInstance]}
	return pod.GetName() + "." + in.serviceDomain(owner, component)
}

// BrokerAddress is what the broker in a pod registers with, unless it uses the host's network.
func (in Installation) BrokerAddress(b *v1alpha1.Broker, pod string) string {
	return fmt.Sprintf("%s.%s:%d", pod, in.serviceDomain(b, Broker), settings.BrokerPort)
}

// NameServerService is the address that never changes while name servers come and go: for mqadmin in any pod.
func (in Installation) NameServerService(name, namespace string) string {
	return fmt.Sprintf("%s.%s.svc.%s:%d", ClientService(name, NameServer), namespace, in.Domain, settings.NameServerPort)
}

// Labels of a component's objects.
func Labels(obj client.Object, component Component) map[string]string {
	cluster := obj.GetLabels()[LabelCluster]
	if cluster == "" {
		cluster = obj.GetName()
	}
	return map[string]string{
		LabelName:              "rocketmq",
		LabelInstance:          obj.GetName(),
		LabelComponent:         string(component),
		LabelPartOf:            cluster,
		LabelManagedBy:         ManagedBy,
		LabelCluster:           cluster,
		LabelRocketMQComponent: string(component),
	}
}

// Selector of a component's pods; group is "" for all of them.
func Selector(cr string, component Component, group string) map[string]string {
	labels := map[string]string{LabelInstance: cr, LabelComponent: string(component), LabelManagedBy: ManagedBy}
	if group != "" {
		labels[LabelGroup] = group
	}
	return labels
}

// ProxyHost is the name of a Proxy's Service.
func (in Installation) ProxyHost(p *v1alpha1.Proxy) string {
	return fmt.Sprintf("%s.%s.svc.%s", ClientService(p.Name, Proxy), p.Namespace, in.Domain)
}

// size is a number from a spec. The API server fills in the default, but an object that has not been there may have none.
func size(n *int32, fallback int32) int32 {
	if n == nil {
		return fallback
	}
	return *n
}

// NameServerCount wanted.
func NameServerCount(ns *v1alpha1.NameService) int32 { return size(ns.Spec.Size, 1) }

// ControllerCount wanted.
func ControllerCount(ctl *v1alpha1.Controller) int32 { return size(ctl.Spec.Size, 3) }

// GroupCount wanted of a Broker.
func GroupCount(b *v1alpha1.Broker) int32 { return size(b.Spec.Size, 1) }

// MemberCount wanted in each group of a Broker: the master and its slaves.
func MemberCount(b *v1alpha1.Broker) int32 { return 1 + size(b.Spec.ReplicaPerGroup, 1) }

// ProxyCount wanted.
func ProxyCount(p *v1alpha1.Proxy) int32 { return size(p.Spec.Replicas, 1) }

// DrainSeconds is how long clients get to leave a broker that takes no new messages.
func DrainSeconds(b *v1alpha1.Broker) int32 { return size(b.Spec.DrainSeconds, 35) }

// Mode of a Broker, whatever case the user wrote.
func Mode(b *v1alpha1.Broker) settings.Mode {
	if strings.EqualFold(string(b.Spec.ClusterMode), string(v1alpha1.ControllerMode)) {
		return settings.ControllerMode
	}
	return settings.Static
}

// ClusterName is a Broker's brokerClusterName.
func ClusterName(b *v1alpha1.Broker) string {
	if b.Spec.ClusterName != "" {
		return b.Spec.ClusterName
	}
	return b.Name
}

// Image that a resource's servers run: the spec's, or the one that it has had since it named none, which another default of a new
// operator does not change, or the default.
func Image(r v1alpha1.Resource) string {
	return cmp.Or(r.GetImage(), r.Common().Image, defaultImage(r))
}

// defaultImage of a kind, "" if it has none.
func defaultImage(r v1alpha1.Resource) string {
	switch r.(type) {
	case *v1alpha1.NameService, *v1alpha1.Controller, *v1alpha1.Broker, *v1alpha1.Proxy, *v1alpha1.RocketMQCluster:
		return v1alpha1.DefaultImage
	case *v1alpha1.Console:
		return v1alpha1.DefaultConsoleImage
	case *v1alpha1.Exporter:
		return v1alpha1.DefaultExporterImage
	}
	return ""
}

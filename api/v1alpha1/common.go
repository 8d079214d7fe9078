// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
)

// DefaultImage is run where no image is given.
const DefaultImage = officialImage + ":5.4.0"

const officialImage = "apache/rocketmq"

// StorageMode says where a server keeps its data.
//
// +kubebuilder:validation:Enum="";EmptyDir;HostPath;StorageClass
type StorageMode string

// The storage modes.
const (
	// StorageClass: a PersistentVolumeClaim for each pod.
	StorageClass StorageMode = "StorageClass"
	// EmptyDir: data is lost with the pod.
	EmptyDir StorageMode = "EmptyDir"
	// HostPath: the directory <hostPath>/<namespace>/<pod> of the node, which must be writable by uid 3000.
	HostPath StorageMode = "HostPath"
)

// Storage is the short form of volumeClaimTemplates.
type Storage struct {
	// Size of each volume. It can grow, not shrink.
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`
	// ClassName is the StorageClass; the cluster's default class if absent.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClassName *string `json:"className,omitempty"`
}

// JVM sets the memory and the options of java. It wins over the environment (HEAP_OPTS, BROKER_MEM, JAVA_OPT_EXT).
type JVM struct {
	// Heap is -Xms and -Xmx. Without it: half of the memory limit for brokers, a quarter (at most 1Gi) for the others.
	// +optional
	Heap *resource.Quantity `json:"heap,omitempty"`
	// DirectMemory is -XX:MaxDirectMemorySize. Without it: a quarter of the memory limit.
	// +optional
	DirectMemory *resource.Quantity `json:"directMemory,omitempty"`
	// ExtraOptions are appended last, so they win.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=1024
	// +listType=atomic
	ExtraOptions []string `json:"extraOptions,omitempty"`
}

// ConfigValue is the value of a RocketMQ property.
//
// +kubebuilder:validation:MaxLength=4096
type ConfigValue string

// ObjectReference names another resource.
type ObjectReference struct {
	// Name of the resource.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace of the resource; the referring one's if absent.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// PodSettings are what every component passes on to its pods.
type PodSettings struct {
	// ImagePullPolicy of the RocketMQ image; the agent's image follows it.
	// +optional
	// +kubebuilder:validation:Enum="";Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// ImagePullSecrets must be able to pull the operator's own image too, from which RocketMQ's pods have the agent.
	// +optional
	// +listType=atomic
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// Resources of the container. Heap and direct memory of RocketMQ follow the memory limit.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// Env of the container. For RocketMQ itself HEAP_OPTS, JAVA_OPT_EXT and, for brokers, BROKER_MEM set JVM options.
	// +optional
	// +listType=atomic
	Env []corev1.EnvVar `json:"env,omitempty"`
	// SecurityContext of the pod. What it does not say keeps the default: uid, gid and fsGroup 3000, not root, seccomp
	// RuntimeDefault. To give one of these up, such as the uid where the platform chooses it, set it to null in podTemplate.
	// +optional
	SecurityContext *corev1.PodSecurityContext `json:"securityContext,omitempty"`
	// ContainerSecurityContext of the RocketMQ container. What it does not say keeps the default: all capabilities dropped, no
	// privilege escalation.
	// +optional
	ContainerSecurityContext *corev1.SecurityContext `json:"containerSecurityContext,omitempty"`
	// PodAnnotations are added to the pods.
	// +optional
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`
	// Affinity of the pods.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// Tolerations of the pods.
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// NodeSelector of the pods.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// PriorityClassName of the pods.
	// +optional
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// ServiceAccountName of the pods. Its token is not mounted.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// TopologySpreadConstraints replace the default, which spreads over nodes and zones where it can.
	// +optional
	// +listType=atomic
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// PodTemplate is a strategic merge patch over the pod template, for everything that has no field here.
	// The container of RocketMQ is named rocketmq; those of the other kinds console, exporter and schema-registry.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	PodTemplate *runtime.RawExtension `json:"podTemplate,omitempty"`
	// JVM sets heap, direct memory and further options.
	// +optional
	JVM *JVM `json:"jvm,omitempty"`
	// Paused stops the operator from replacing pods. Objects are still kept up to date.
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// NetworkPolicyMode says whether a NetworkPolicy limits who reaches the pods.
type NetworkPolicyMode string

// The choices.
const (
	NetworkPolicyEnabled  NetworkPolicyMode = "Enabled"
	NetworkPolicyDisabled NetworkPolicyMode = "Disabled"
)

// NetworkPeers are pods or addresses, as the rules of a NetworkPolicy have them. A podSelector alone means pods of the
// resource's own namespace; an empty namespaceSelector means all namespaces.
//
// +kubebuilder:validation:MaxItems=64
// +kubebuilder:validation:XValidation:rule="self.all(peer, has(peer.podSelector) || has(peer.namespaceSelector) || has(peer.ipBlock))",message="an entry without podSelector, namespaceSelector and ipBlock allows nobody: for the pods of all namespaces write namespaceSelector: {}"
// +kubebuilder:validation:XValidation:rule="self.all(peer, !has(peer.ipBlock) || !(has(peer.podSelector) || has(peer.namespaceSelector)))",message="ipBlock stands alone: pods and addresses are entries of their own"
// +listType=atomic
type NetworkPeers []networkingv1.NetworkPolicyPeer

// NetworkPolicySettings say who reaches the pods of a component. docs/security.md has the ports.
type NetworkPolicySettings struct {
	// NetworkPolicy Enabled lets only these reach the pods: RocketMQ's pods in the same namespace, those in namespaces that the
	// annotation rocketmq.apache.org/allow-from names, the operator, and whom the lists below allow. Disabled makes no
	// NetworkPolicy: everybody reaches them. If absent, it is Enabled where auth is enabled, and Disabled elsewhere. It takes a
	// network that enforces NetworkPolicies.
	// +optional
	// +kubebuilder:validation:Enum=Enabled;Disabled
	NetworkPolicy NetworkPolicyMode `json:"networkPolicy,omitempty"`
	// AllowedClients may connect to the ports that clients use: applications, an Ingress controller, nodes. A podSelector alone
	// means pods of this namespace; an empty namespaceSelector means all namespaces.
	// +optional
	AllowedClients NetworkPeers `json:"allowedClients,omitempty"`
	// AllowedMonitoring may read the metrics. If it is empty, these are the pods with the label app.kubernetes.io/name: prometheus
	// in all namespaces, which Prometheus usually has.
	// +optional
	AllowedMonitoring NetworkPeers `json:"allowedMonitoring,omitempty"`
}

// StorageSettings say where a component keeps its data.
type StorageSettings struct {
	// StorageMode is EmptyDir, HostPath or StorageClass.
	// +optional
	StorageMode StorageMode `json:"storageMode,omitempty"`
	// HostPath is the directory on the nodes for storageMode HostPath.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	HostPath string `json:"hostPath,omitempty"`
	// VolumeClaimTemplates: the first one is the data volume.
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	VolumeClaimTemplates []corev1.PersistentVolumeClaim `json:"volumeClaimTemplates,omitempty"`
	// Storage is the short form of volumeClaimTemplates.
	// +optional
	Storage *Storage `json:"storage,omitempty"`
}

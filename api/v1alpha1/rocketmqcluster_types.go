// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// RocketMQClusterSpec describes a whole RocketMQ cluster. The operator makes a resource of its own kind of each part, named
// after the cluster, which works as one that was written by hand.
//
// +kubebuilder:validation:XValidation:rule="has(oldSelf.controllers) == has(self.controllers)",message="controllers cannot be added or removed: with them brokers fail over (clusterMode CONTROLLER), without them they have fixed masters (STATIC), and brokers cannot change that. Create another RocketMQCluster and move the topics to it"
// +kubebuilder:validation:XValidation:rule="!(has(oldSelf.auth) && oldSelf.auth.enabled && has(self.auth) && self.auth.enabled) || (has(oldSelf.auth.credentialsSecretRef) ? oldSelf.auth.credentialsSecretRef.name : \"\") == (has(self.auth.credentialsSecretRef) ? self.auth.credentialsSecretRef.name : \"\")",message="auth.credentialsSecretRef cannot change while auth is enabled: the brokers' disks know the accounts of the Secret that they began with. Disable auth and wait until status.auth is gone, or create another RocketMQCluster and move the topics to it"
type RocketMQClusterSpec struct {
	// Version of RocketMQ: the tag of the official image apache/rocketmq. It may change to a newer or an older one.
	// +optional
	// +kubebuilder:default="5.4.0"
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^$|^[a-zA-Z0-9_][a-zA-Z0-9._-]*$`
	Version string `json:"version,omitempty"`
	// Image of the RocketMQ servers, such as a copy of the official one in a registry of your own. It wins over version.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// NameServers of the cluster; one if absent.
	// +optional
	NameServers *ClusterNameServers `json:"nameServers,omitempty"`
	// Controllers elect the masters of the broker groups and replace one that dies. Without them the first pod of each group is
	// its master for ever.
	// +optional
	Controllers *ClusterControllers `json:"controllers,omitempty"`
	// Brokers are pools of broker groups; one pool of one group if absent.
	// +optional
	// +kubebuilder:default={{name: ""}}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Brokers []BrokerPool `json:"brokers,omitempty"`
	// Proxy is the way in for gRPC clients; none if absent.
	// +optional
	Proxy *ClusterProxy `json:"proxy,omitempty"`
	// Console is the dashboard; none if absent.
	// +optional
	Console *ClusterConsole `json:"console,omitempty"`
	// Exporter is rocketmq-exporter; none if absent.
	// +optional
	Exporter *ClusterTool `json:"exporter,omitempty"`
	// SchemaRegistry is rocketmq-schema-registry; none if absent.
	// +optional
	SchemaRegistry *ClusterSchemaRegistry `json:"schemaRegistry,omitempty"`
	// Config holds RocketMQ properties for the brokers of every pool. A pool's own config wins.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Config map[string]ConfigValue `json:"config,omitempty"`
	// JVM of every RocketMQ server. What a part's own jvm says wins.
	// +optional
	JVM *JVM `json:"jvm,omitempty"`
	// PodTemplate is a strategic merge patch over the pod template of every RocketMQ server, whose container is named
	// "rocketmq".
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	PodTemplate *runtime.RawExtension `json:"podTemplate,omitempty"`
	// ImagePullSecrets of every pod. They must be able to pull the operator's own image too: the agent comes from it.
	// +optional
	// +listType=atomic
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// Paused stops the operator from replacing pods, and so from going on with a change of version. Objects are still kept up to
	// date.
	// +optional
	Paused bool `json:"paused,omitempty"`
	// Auth lets brokers and proxies ask for credentials. With it, networkPolicy is Enabled for every part unless it says otherwise.
	// +optional
	Auth *AuthSettings `json:"auth,omitempty"`
	// TLS of name servers, controllers, brokers and proxies, which may all have the same certificate. A running cluster is switched in
	// steps, so that its servers always understand each other.
	// +optional
	TLS *TLSSettings `json:"tls,omitempty"`

	// What is said here holds for every part. AllowedClients may use the cluster: name servers, brokers, proxies and the schema
	// registry. The dashboard and, besides these, the proxies have lists of their own.
	NetworkPolicySettings `json:",inline"`
}

// OverrideSettings change what has no field of its own in a part.
type OverrideSettings struct {
	// Overrides are a JSON merge patch over the spec of the resource that is made of this part, for everything that has no
	// field here: null removes a field, a list replaces the whole list.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Overrides *runtime.RawExtension `json:"overrides,omitempty"`
}

// ServerSettings are common to the RocketMQ servers of a cluster.
type ServerSettings struct {
	// Resources of each server's container. Heap and direct memory follow the memory limit.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// JVM sets heap, direct memory and further options.
	// +optional
	JVM *JVM `json:"jvm,omitempty"`
	// Config holds RocketMQ properties of these servers.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Config map[string]ConfigValue `json:"config,omitempty"`

	OverrideSettings `json:",inline"`
}

// ClusterNameServers become the NameService <cluster>-ns.
//
// +kubebuilder:validation:XValidation:rule="has(oldSelf.storage) == has(self.storage)",message="storage of name servers cannot be added or removed: create another RocketMQCluster and move the topics to it"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storage) && has(oldSelf.storage.className) ? oldSelf.storage.className : \"\") == (has(self.storage) && has(self.storage.className) ? self.storage.className : \"\")",message="storage.className cannot change: a volume stays in its StorageClass"
type ClusterNameServers struct {
	// Size is the number of name servers.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99
	Size *int32 `json:"size,omitempty"`
	// HostNetwork lets the pods use their nodes' addresses, for clients outside of Kubernetes.
	// The namespace must admit privileged pods.
	// +optional
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Storage of each name server; none if absent: they hold routes in memory only.
	// +optional
	Storage *Storage `json:"storage,omitempty"`

	ServerSettings `json:",inline"`
}

// ClusterControllers become the Controller <cluster>-ctl.
//
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storage) && has(oldSelf.storage.className) ? oldSelf.storage.className : \"\") == (has(self.storage) && has(self.storage.className) ? self.storage.className : \"\")",message="storage.className cannot change: a volume stays in its StorageClass"
type ClusterControllers struct {
	// Size of the quorum: 1, 3, 5 or 7. It cannot change.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=7
	// +kubebuilder:validation:XValidation:rule="self % 2 == 1",message="size must be odd (1, 3, 5 or 7): an even quorum survives no more failures than the next smaller odd one"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="size cannot change: a DLedger quorum has fixed members. Create another RocketMQCluster and move the topics to it"
	Size *int32 `json:"size,omitempty"`
	// Storage of each controller; 4Gi of the default class if absent.
	// +optional
	Storage *Storage `json:"storage,omitempty"`

	ServerSettings `json:",inline"`
}

// BrokerPool becomes the Broker <cluster>-broker-<name>, <cluster>-broker if the name is empty. Pools differ in hardware or
// configuration; all of them are one RocketMQ cluster, whose name is the resource's.
//
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storage) && has(oldSelf.storage.className) ? oldSelf.storage.className : \"\") == (has(self.storage) && has(self.storage.className) ? self.storage.className : \"\")",message="storage.className cannot change: a volume stays in its StorageClass. Add another pool"
type BrokerPool struct {
	// Name of the pool; it may be empty.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=31
	// +kubebuilder:validation:Pattern=`^$|^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// Size is the number of broker groups. If absent, 1, or what somebody sets on the Broker (kubectl scale).
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=999
	Size *int32 `json:"size,omitempty"`
	// ReplicaPerGroup is the number of slaves in each group.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9
	ReplicaPerGroup *int32 `json:"replicaPerGroup,omitempty"`
	// HostNetwork lets the pods use their nodes' addresses, for clients outside of Kubernetes.
	// The namespace must admit privileged pods.
	// +optional
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Storage of each broker; 10Gi of the default class if absent.
	// +optional
	Storage *Storage `json:"storage,omitempty"`

	ServerSettings `json:",inline"`
}

// ClusterProxy becomes the Proxy <cluster>-proxy.
type ClusterProxy struct {
	// Replicas is the number of proxies. If absent, 1, or what an autoscaler sets on the Proxy.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=999
	Replicas *int32 `json:"replicas,omitempty"`
	// Service is how clients reach the proxies.
	// +optional
	Service *ProxyService `json:"service,omitempty"`
	// TLS is another certificate for the proxies' clients than that of spec.tls, such as a public one.
	// +optional
	TLS *TLSSettings `json:"tls,omitempty"`
	// AllowedClients may use the proxies, and of the cluster nothing else, besides those of spec.allowedClients.
	// +optional
	AllowedClients NetworkPeers `json:"allowedClients,omitempty"`

	ServerSettings `json:",inline"`
}

// ClusterTool is a program beside the servers, in an image of its own.
type ClusterTool struct {
	// Image of the program; the official one if empty.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// Replicas is the number of pods; 1 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=99
	Replicas *int32 `json:"replicas,omitempty"`
	// Service through which it is reached.
	// +optional
	Service ServiceSettings `json:"service,omitempty"`
	// Resources of the container.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`

	OverrideSettings `json:",inline"`
}

// ClusterConsole becomes the Console <cluster>-console.
type ClusterConsole struct {
	// Login that the dashboard asks for. If absent, the operator makes the Secret <cluster>-console-login once, with the user
	// admin and a random password.
	// +optional
	Login *ConsoleLogin `json:"login,omitempty"`
	// Ingress for the dashboard; none if absent.
	// +optional
	Ingress *IngressSettings `json:"ingress,omitempty"`
	// AllowedClients may open the dashboard, such as the pods of the Ingress controller. Those of spec.allowedClients may not.
	// +optional
	AllowedClients NetworkPeers `json:"allowedClients,omitempty"`

	ClusterTool `json:",inline"`
}

// ClusterSchemaRegistry becomes the SchemaRegistry <cluster>-schema.
//
// +kubebuilder:validation:XValidation:rule="has(self.image) && self.image != \"\"",message="image is not set, and there is no official image of the schema registry: build one (docs/schema-registry.md says how) and name it in schemaRegistry.image"
type ClusterSchemaRegistry struct {
	ClusterTool `json:",inline"`
}

// ClusterPhase is the state of a cluster in one word.
type ClusterPhase string

// The phases.
const (
	// PhaseCreating: not every part has been Ready yet.
	PhaseCreating ClusterPhase = "Creating"
	// PhaseRunning: every part is Ready and runs what the spec asks for.
	PhaseRunning ClusterPhase = "Running"
	// PhaseUpdating: parts still run an older version or spec. Clients use what is Ready meanwhile.
	PhaseUpdating ClusterPhase = "Updating"
	// PhaseDegraded: a part that was Ready is not, or cannot be made as the spec asks.
	PhaseDegraded ClusterPhase = "Degraded"
)

// RocketMQClusterStatus sums up the status of the parts.
type RocketMQClusterStatus struct {
	CommonStatus `json:",inline"`

	// Phase is Creating, Running, Updating or Degraded.
	// +optional
	Phase ClusterPhase `json:"phase,omitempty"`
	// Version is the tag of the image that every RocketMQ server ran when all were Ready last.
	// +optional
	Version string `json:"version,omitempty"`
	// Brokers is "registered/wanted" over all pools.
	// +optional
	Brokers string `json:"brokers,omitempty"`
	// Masters are the pods that are masters now, one for each broker group, "-" for a group without.
	// +optional
	Masters string `json:"masters,omitempty"`
	// Endpoints are what clients use.
	// +optional
	Endpoints ClusterEndpoints `json:"endpoints,omitempty"`
	// Components are the resources that were made of the parts, in the order in which they change their version.
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=name
	Components []ClusterComponent `json:"components,omitempty"`
}

// ClusterEndpoints are addresses.
type ClusterEndpoints struct {
	// NameServers is what clients in Kubernetes use: host:port. It never changes.
	// +optional
	NameServers string `json:"nameServers,omitempty"`
	// ExternalNameServers is what clients outside of Kubernetes use, host:port;host:port, if name servers use their nodes'
	// addresses.
	// +optional
	ExternalNameServers string `json:"externalNameServers,omitempty"`
	// GRPC is host:port for gRPC clients in Kubernetes.
	// +optional
	GRPC string `json:"grpc,omitempty"`
	// ExternalGRPC is host:port for gRPC clients outside of Kubernetes, if the proxy's Service is reached from there.
	// +optional
	ExternalGRPC string `json:"externalGRPC,omitempty"`
	// Console is the dashboard's URL: that of its Ingress, else the one in Kubernetes.
	// +optional
	Console string `json:"console,omitempty"`
	// ConsoleLogin is the Secret that holds the dashboard's users.
	// +optional
	ConsoleLogin string `json:"consoleLogin,omitempty"`
	// Exporter is host:port of rocketmq-exporter.
	// +optional
	Exporter string `json:"exporter,omitempty"`
	// SchemaRegistry is host:port of the schema registry.
	// +optional
	SchemaRegistry string `json:"schemaRegistry,omitempty"`
}

// ClusterComponent is one resource that the cluster is made of.
type ClusterComponent struct {
	// Kind of the resource.
	Kind string `json:"kind"`
	// Name of the resource.
	Name string `json:"name"`
	// Image that it is asked to run.
	// +optional
	Image string `json:"image,omitempty"`
	// Members is "ready/wanted".
	// +optional
	Members string `json:"members,omitempty"`
	// Ready is the status of its condition Ready.
	// +optional
	Ready metav1.ConditionStatus `json:"ready,omitempty"`
	// Reason of its condition Ready.
	// +optional
	Reason string `json:"reason,omitempty"`
}

// RocketMQCluster is a whole RocketMQ cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=rocketmqclusters,shortName=rmq,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Brokers",type=string,JSONPath=`.status.brokers`,description="registered/wanted brokers"
// +kubebuilder:printcolumn:name="Masters",type=string,JSONPath=`.status.masters`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="NameServers",type=string,priority=1,JSONPath=`.status.endpoints.nameServers`
// +kubebuilder:printcolumn:name="GRPC",type=string,priority=1,JSONPath=`.status.endpoints.grpc`
// +kubebuilder:printcolumn:name="Console",type=string,priority=1,JSONPath=`.status.endpoints.console`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 24",message="metadata.name must be at most 24 characters, so that the labels of all pods fit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.brokers) || self.spec.brokers.all(pool, self.metadata.name.size() + pool.name.size() <= 32)",message="metadata.name and the name of each pool of spec.brokers must be at most 32 characters together, so that the labels of the pool's pods fit"
type RocketMQCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec RocketMQClusterSpec `json:"spec,omitempty"`
	// +optional
	Status RocketMQClusterStatus `json:"status,omitempty"`
}

// RocketMQClusterList is a list of RocketMQClusters.
//
// +kubebuilder:object:root=true
type RocketMQClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RocketMQCluster `json:"items"`
}

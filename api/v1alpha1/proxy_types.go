// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProxySpec describes stateless proxies, which serve gRPC clients (and remoting ones) in front of the brokers.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.brokerRef) && has(self.clusterName) && self.clusterName.size() > 0)",message="brokerRef and clusterName exclude each other: a Broker has its cluster's name, keep one of them"
// +kubebuilder:validation:XValidation:rule="!(has(self.auth) && self.auth.enabled) || !has(self.config) || !['authenticationEnabled', 'authorizationEnabled', 'authenticationMetadataProvider', 'authorizationMetadataProvider', 'innerClientAuthenticationCredentials', 'initAuthenticationUser', 'enableAclRpcHookForClusterMode'].exists(k, k in self.config)",messageExpression="'set by the operator, because spec.auth is enabled; remove from config:' + ('authenticationEnabled' in self.config ? ' authenticationEnabled' : \"\") + ('authorizationEnabled' in self.config ? ' authorizationEnabled' : \"\") + ('authenticationMetadataProvider' in self.config ? ' authenticationMetadataProvider' : \"\") + ('authorizationMetadataProvider' in self.config ? ' authorizationMetadataProvider' : \"\") + ('innerClientAuthenticationCredentials' in self.config ? ' innerClientAuthenticationCredentials' : \"\") + ('initAuthenticationUser' in self.config ? ' initAuthenticationUser' : \"\") + ('enableAclRpcHookForClusterMode' in self.config ? ' enableAclRpcHookForClusterMode' : \"\")"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !has(self.tls.clientAuth) || self.tls.clientAuth == 'None'",message="tls.clientAuth: a proxy does not ask clients for a certificate (its gRPC server cannot); use spec.auth"
type ProxySpec struct {
	// Replicas is the number of proxies.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=999
	Replicas *int32 `json:"replicas,omitempty"`
	// Image is an official RocketMQ 5.x image.
	// +optional
	// +kubebuilder:default="apache/rocketmq:5.4.0"
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// NameServiceRef is the NameService to ask for routes; the one that the brokers register with if absent.
	// +optional
	NameServiceRef *ObjectReference `json:"nameServiceRef,omitempty"`
	// BrokerRef is a Broker of the cluster to serve. Without it and clusterName: the only cluster whose Brokers are in the
	// namespace.
	// +optional
	BrokerRef *ObjectReference `json:"brokerRef,omitempty"`
	// ClusterName is the brokerClusterName of the cluster to serve, in place of brokerRef.
	// +optional
	// +kubebuilder:validation:MaxLength=127
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]*$`
	ClusterName string `json:"clusterName,omitempty"`
	// Config holds keys of rmq-proxy.json. Numbers, true and false, lists and objects are written as such.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!['rocketMQClusterName', 'namesrvAddr', 'namesrvDomain', 'namesrvDomainSubgroup'].exists(k, k in self)",messageExpression="'set by the operator, which keeps addresses right (spec.brokerRef, clusterName and nameServiceRef set what can be chosen); remove:' + ('rocketMQClusterName' in self ? ' rocketMQClusterName' : \"\") + ('namesrvAddr' in self ? ' namesrvAddr' : \"\") + ('namesrvDomain' in self ? ' namesrvDomain' : \"\") + ('namesrvDomainSubgroup' in self ? ' namesrvDomainSubgroup' : \"\")"
	// +kubebuilder:validation:XValidation:rule="!['proxyMode', 'grpcServerPort', 'remotingListenPort'].exists(k, k in self)",messageExpression="'set by the operator, because Services and probes depend on them (spec.service.ports sets the ports that clients use); remove:' + ('proxyMode' in self ? ' proxyMode' : \"\") + ('grpcServerPort' in self ? ' grpcServerPort' : \"\") + ('remotingListenPort' in self ? ' remotingListenPort' : \"\")"
	// +kubebuilder:validation:XValidation:rule="!['tlsTestModeEnable', 'tlsKeyPath', 'tlsCertPath'].exists(k, k in self)",messageExpression="'set by the operator (spec.tls.secretName names the certificate); remove:' + ('tlsTestModeEnable' in self ? ' tlsTestModeEnable' : \"\") + ('tlsKeyPath' in self ? ' tlsKeyPath' : \"\") + ('tlsCertPath' in self ? ' tlsCertPath' : \"\")"
	Config map[string]ConfigValue `json:"config,omitempty"`
	// Service is how clients reach the proxies.
	// +optional
	Service *ProxyService `json:"service,omitempty"`
	// TLS serves clients with a certificate of yours, and refuses those that speak plain text unless the mode says otherwise. Without
	// it the proxy takes both, and shows a certificate that it signed itself. Proxies speak TLS to name servers and brokers where the
	// Broker has spec.tls, and then need it too, for the CA.
	// +optional
	TLS *TLSSettings `json:"tls,omitempty"`
	// Auth lets the proxies ask clients for credentials, which the brokers know, and sign to the brokers with their own. It must be
	// enabled if, and only if, that of the brokers is. With it, networkPolicy is Enabled unless it says otherwise.
	// +optional
	Auth *AuthSettings `json:"auth,omitempty"`

	PodSettings           `json:",inline"`
	NetworkPolicySettings `json:",inline"`
}

// ProxyService is the Service of the proxies.
type ProxyService struct {
	// Type is ClusterIP, or NodePort or LoadBalancer for clients outside of the cluster.
	// +optional
	// +kubebuilder:default=ClusterIP
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	Type corev1.ServiceType `json:"type,omitempty"`
	// Annotations of the Service, such as a load balancer's settings.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// Ports that the Service listens on.
	// +optional
	Ports *ProxyPorts `json:"ports,omitempty"`
}

// ProxyPorts are the ports of the Service. Clients are told the port that they came by, whatever it is.
//
// +kubebuilder:validation:XValidation:rule="(has(self.grpc) ? self.grpc : 8081) != (has(self.remoting) ? self.remoting : 8080)",message="grpc and remoting need different ports (8081 and 8080 if not set)"
type ProxyPorts struct {
	// GRPC is the port for gRPC clients.
	// +optional
	// +kubebuilder:default=8081
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	GRPC int32 `json:"grpc,omitempty"`
	// Remoting is the port for clients of RocketMQ's older protocol.
	// +optional
	// +kubebuilder:default=8080
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Remoting int32 `json:"remoting,omitempty"`
	// GRPCNodePort is the nodes' port for gRPC; Kubernetes chooses one if absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	GRPCNodePort int32 `json:"grpcNodePort,omitempty"`
	// RemotingNodePort is the nodes' port for remoting; Kubernetes chooses one if absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	RemotingNodePort int32 `json:"remotingNodePort,omitempty"`
}

// ProxyStatus is what was seen.
type ProxyStatus struct {
	CommonStatus `json:",inline"`

	// Replicas is the number of pods that exist.
	// +optional
	Replicas int32 `json:"replicas"`
	// ReadyReplicas is the number of proxies that accept clients.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// Members is "ready/wanted".
	// +optional
	Members string `json:"members,omitempty"`
	// Selector finds the pods (for the scale subresource).
	// +optional
	Selector string `json:"selector,omitempty"`
	// ClusterName is the brokerClusterName of the cluster that is served.
	// +optional
	ClusterName string `json:"clusterName,omitempty"`
	// NameServers are the addresses that the proxies ask for routes.
	// +optional
	// +listType=atomic
	NameServers []string `json:"nameServers,omitempty"`
	// BrokerRef is what was resolved; it is kept while that Broker exists.
	// +optional
	BrokerRef *ObjectReference `json:"brokerRef,omitempty"`
	// NameServiceRef is what was resolved.
	// +optional
	NameServiceRef *ObjectReference `json:"nameServiceRef,omitempty"`
	// GRPCAddress is host:port for gRPC clients in the cluster.
	// +optional
	GRPCAddress string `json:"grpcAddress,omitempty"`
	// RemotingAddress is host:port for remoting clients in the cluster: their name server address.
	// +optional
	RemotingAddress string `json:"remotingAddress,omitempty"`
	// ExternalAddress is host:port for gRPC clients outside of the cluster: the load balancer's, or "<node>:port" with the
	// port that every node has for it.
	// +optional
	ExternalAddress string `json:"externalAddress,omitempty"`
	// TLS is how the proxies serve clients, absent where they show a certificate that they signed themselves.
	// +optional
	TLS *TLSStatus `json:"tls,omitempty"`
	// ServersTLS: the proxies speak TLS to name servers and brokers.
	// +optional
	ServersTLS bool `json:"serversTLS,omitempty"`
}

// Proxy is a set of stateless proxies, the way in for gRPC clients.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=proxies,shortName=rmqp,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.members`,description="ready/wanted proxies"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="GRPC",type=string,JSONPath=`.status.grpcAddress`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Cluster",type=string,priority=1,JSONPath=`.status.clusterName`
// +kubebuilder:printcolumn:name="External",type=string,priority=1,JSONPath=`.status.externalAddress`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name must be at most 40 characters, so that pod labels fit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it"
type Proxy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec ProxySpec `json:"spec,omitempty"`
	// +optional
	Status ProxyStatus `json:"status,omitempty"`
}

// ProxyList is a list of Proxies.
//
// +kubebuilder:object:root=true
type ProxyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Proxy `json:"items"`
}

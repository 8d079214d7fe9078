// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// NameServerSettings say which name servers a tool asks.
type NameServerSettings struct {
	// NameServers are addresses of name servers that the operator does not run: "host:port;host:port".
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`^$|^([^\s;:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}(;([^\s;:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})*;?$`
	NameServers string `json:"nameServers,omitempty"`
	// NameServiceRef is the NameService to ask; the only one of the namespace if absent.
	// +optional
	NameServiceRef *ObjectReference `json:"nameServiceRef,omitempty"`
}

// ServiceSettings shape the Service of a tool.
type ServiceSettings struct {
	// Type of the Service; ClusterIP if empty.
	// +optional
	// +kubebuilder:validation:Enum="";ClusterIP;NodePort;LoadBalancer
	Type corev1.ServiceType `json:"type,omitempty"`
	// NodePort to use with type NodePort or LoadBalancer; Kubernetes picks one if absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort *int32 `json:"nodePort,omitempty"`
	// Annotations of the Service, such as a cloud's for its load balancers.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}

// IngressSettings ask for an Ingress.
type IngressSettings struct {
	// Host is the name that browsers use.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`
	// ClassName of the Ingress; the cluster's default class if absent.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClassName *string `json:"className,omitempty"`
	// TLSSecretName names the Secret with the host's certificate; plain HTTP if empty.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	TLSSecretName string `json:"tlsSecretName,omitempty"`
	// Annotations of the Ingress.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ToolStatus is what was seen of a tool's Deployment.
type ToolStatus struct {
	CommonStatus `json:",inline"`

	// Size is the number of pods that exist.
	// +optional
	Size int32 `json:"size"`
	// ReadySize is the number of pods that serve.
	// +optional
	ReadySize int32 `json:"readySize"`
	// Members is "ready/wanted".
	// +optional
	Members string `json:"members,omitempty"`
	// NameServiceRef is the NameService that was found.
	// +optional
	NameServiceRef *ObjectReference `json:"nameServiceRef,omitempty"`
	// NameServers are the addresses that the pods of the newest template are given.
	// +optional
	// +listType=atomic
	NameServers []string `json:"nameServers,omitempty"`
	// Address is host:port of the Service in the cluster.
	// +optional
	Address string `json:"address,omitempty"`
	// ServersTLS: the pods speak TLS to name servers and brokers.
	// +optional
	ServersTLS bool `json:"serversTLS,omitempty"`
}

// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NameServiceSpec describes a set of name servers.
//
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storageMode) && oldSelf.storageMode.size() > 0 ? oldSelf.storageMode : 'EmptyDir') == (has(self.storageMode) && self.storageMode.size() > 0 ? self.storageMode : 'EmptyDir')",message="storageMode cannot change: create another NameService and let the brokers use both"
// +kubebuilder:validation:XValidation:rule="!has(self.storageMode) || self.storageMode != 'HostPath' || (has(self.hostPath) && self.hostPath.startsWith('/'))",message="storageMode HostPath needs hostPath, an absolute path on the nodes"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.storageMode) || oldSelf.storageMode != 'HostPath' || !has(self.storageMode) || self.storageMode != 'HostPath' || (has(oldSelf.hostPath) ? oldSelf.hostPath : \"\") == (has(self.hostPath) ? self.hostPath : \"\")",message="hostPath cannot change: create another NameService and let the brokers use both"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storage) && has(oldSelf.storage.className) ? oldSelf.storage.className : !has(oldSelf.volumeClaimTemplates) || oldSelf.volumeClaimTemplates.size() == 0 ? \"\" : has(oldSelf.volumeClaimTemplates[0].spec) && has(oldSelf.volumeClaimTemplates[0].spec.storageClassName) ? oldSelf.volumeClaimTemplates[0].spec.storageClassName : has(oldSelf.volumeClaimTemplates[0].metadata) && has(oldSelf.volumeClaimTemplates[0].metadata.annotations) && 'volume.beta.kubernetes.io/storage-class' in oldSelf.volumeClaimTemplates[0].metadata.annotations ? oldSelf.volumeClaimTemplates[0].metadata.annotations['volume.beta.kubernetes.io/storage-class'] : \"\") == (has(self.storage) && has(self.storage.className) ? self.storage.className : !has(self.volumeClaimTemplates) || self.volumeClaimTemplates.size() == 0 ? \"\" : has(self.volumeClaimTemplates[0].spec) && has(self.volumeClaimTemplates[0].spec.storageClassName) ? self.volumeClaimTemplates[0].spec.storageClassName : has(self.volumeClaimTemplates[0].metadata) && has(self.volumeClaimTemplates[0].metadata.annotations) && 'volume.beta.kubernetes.io/storage-class' in self.volumeClaimTemplates[0].metadata.annotations ? self.volumeClaimTemplates[0].metadata.annotations['volume.beta.kubernetes.io/storage-class'] : \"\")",message="the storage class cannot change (storage.className or volumeClaimTemplates): a volume stays in its StorageClass"
// +kubebuilder:validation:XValidation:rule="!(has(self.storage) && has(self.volumeClaimTemplates) && self.volumeClaimTemplates.size() > 0)",message="storage and volumeClaimTemplates exclude each other: keep one of them"
type NameServiceSpec struct {
	// Size is the number of name servers.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99
	Size *int32 `json:"size,omitempty"`
	// NameServiceImage is an official RocketMQ 5.x image.
	// +optional
	// +kubebuilder:default="apache/rocketmq:5.4.0"
	// +kubebuilder:validation:MaxLength=512
	NameServiceImage string `json:"nameServiceImage,omitempty"`
	// HostNetwork lets the pods use their nodes' addresses, for clients outside the cluster.
	// The namespace must admit privileged pods.
	// +optional
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// DNSPolicy of the pods; ClusterFirst, or ClusterFirstWithHostNet under hostNetwork, if empty.
	// +optional
	DNSPolicy corev1.DNSPolicy `json:"dnsPolicy,omitempty"`
	// Config holds RocketMQ properties for the name servers.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!['listenPort', 'kvConfigPath', 'configStorePath'].exists(k, k in self)",messageExpression="'set by the operator, because Services, probes and volumes depend on them; remove:' + ('listenPort' in self ? ' listenPort' : \"\") + ('kvConfigPath' in self ? ' kvConfigPath' : \"\") + ('configStorePath' in self ? ' configStorePath' : \"\")"
	// +kubebuilder:validation:XValidation:rule="!('enableControllerInNamesrv' in self)",message="controllers run in pods of their own: create a Controller, and remove enableControllerInNamesrv"
	Config map[string]ConfigValue `json:"config,omitempty"`

	// TLS lets the name servers speak TLS.
	// +optional
	TLS *TLSSettings `json:"tls,omitempty"`

	StorageSettings       `json:",inline"`
	PodSettings           `json:",inline"`
	NetworkPolicySettings `json:",inline"`
}

// NameServiceStatus is what was seen.
type NameServiceStatus struct {
	CommonStatus `json:",inline"`

	// Size is the number of pods that exist.
	// +optional
	Size int32 `json:"size"`
	// ReadySize is the number of name servers that answer.
	// +optional
	ReadySize int32 `json:"readySize"`
	// Members is "ready/wanted".
	// +optional
	Members string `json:"members,omitempty"`
	// Selector finds the pods (for the scale subresource).
	// +optional
	Selector string `json:"selector,omitempty"`
	// NameServers are the pods' IP addresses.
	// +optional
	// +listType=atomic
	NameServers []string `json:"nameServers,omitempty"`
	// Addresses are what brokers and clients in the cluster use: host:port, stable names.
	// +optional
	// +listType=atomic
	Addresses []string `json:"addresses,omitempty"`
	// TLS is what the name servers do about TLS, absent where they speak plain text.
	// +optional
	TLS *TLSStatus `json:"tls,omitempty"`
}

// NameService is a set of name servers.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=nameservices,shortName=rmqns,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.size,statuspath=.status.size,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.members`,description="ready/wanted name servers"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Addresses",type=string,priority=1,JSONPath=`.status.addresses`
// +kubebuilder:printcolumn:name="TLS",type=string,priority=1,JSONPath=`.status.tls.mode`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name must be at most 40 characters, so that pod labels fit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it"
type NameService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec NameServiceSpec `json:"spec,omitempty"`
	// +optional
	Status NameServiceStatus `json:"status,omitempty"`
}

// NameServiceList is a list of NameServices.
//
// +kubebuilder:object:root=true
type NameServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NameService `json:"items"`
}

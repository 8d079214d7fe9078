// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ControllerSpec describes a quorum of DLedger controllers.
//
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storageMode) && oldSelf.storageMode.size() > 0 ? oldSelf.storageMode : 'StorageClass') == (has(self.storageMode) && self.storageMode.size() > 0 ? self.storageMode : 'StorageClass')",message="storageMode cannot change: the controllers' data must not be lost"
// +kubebuilder:validation:XValidation:rule="!has(self.storageMode) || self.storageMode != 'HostPath' || (has(self.hostPath) && self.hostPath.startsWith('/'))",message="storageMode HostPath needs hostPath, an absolute path on the nodes"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.storageMode) || oldSelf.storageMode != 'HostPath' || !has(self.storageMode) || self.storageMode != 'HostPath' || (has(oldSelf.hostPath) ? oldSelf.hostPath : \"\") == (has(self.hostPath) ? self.hostPath : \"\")",message="hostPath cannot change: the controllers' data must not be lost"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storage) && has(oldSelf.storage.className) ? oldSelf.storage.className : !has(oldSelf.volumeClaimTemplates) || oldSelf.volumeClaimTemplates.size() == 0 ? \"\" : has(oldSelf.volumeClaimTemplates[0].spec) && has(oldSelf.volumeClaimTemplates[0].spec.storageClassName) ? oldSelf.volumeClaimTemplates[0].spec.storageClassName : has(oldSelf.volumeClaimTemplates[0].metadata) && has(oldSelf.volumeClaimTemplates[0].metadata.annotations) && 'volume.beta.kubernetes.io/storage-class' in oldSelf.volumeClaimTemplates[0].metadata.annotations ? oldSelf.volumeClaimTemplates[0].metadata.annotations['volume.beta.kubernetes.io/storage-class'] : \"\") == (has(self.storage) && has(self.storage.className) ? self.storage.className : !has(self.volumeClaimTemplates) || self.volumeClaimTemplates.size() == 0 ? \"\" : has(self.volumeClaimTemplates[0].spec) && has(self.volumeClaimTemplates[0].spec.storageClassName) ? self.volumeClaimTemplates[0].spec.storageClassName : has(self.volumeClaimTemplates[0].metadata) && has(self.volumeClaimTemplates[0].metadata.annotations) && 'volume.beta.kubernetes.io/storage-class' in self.volumeClaimTemplates[0].metadata.annotations ? self.volumeClaimTemplates[0].metadata.annotations['volume.beta.kubernetes.io/storage-class'] : \"\")",message="the storage class cannot change (storage.className or volumeClaimTemplates): a volume stays in its StorageClass"
// +kubebuilder:validation:XValidation:rule="!(has(self.storage) && has(self.volumeClaimTemplates) && self.volumeClaimTemplates.size() > 0)",message="storage and volumeClaimTemplates exclude each other: keep one of them"
type ControllerSpec struct {
	// Size of the quorum: 1, 3, 5 or 7. DLedger cannot change its members, so neither can this.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=7
	// +kubebuilder:validation:XValidation:rule="self % 2 == 1",message="size must be odd (1, 3, 5 or 7): an even quorum survives no more failures than the next smaller odd one"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="size cannot change: a DLedger quorum has fixed members. Create another Controller, and move the brokers to it"
	Size *int32 `json:"size,omitempty"`
	// ControllerImage is an official RocketMQ 5.x image.
	// +optional
	// +kubebuilder:default="apache/rocketmq:5.4.0"
	// +kubebuilder:validation:MaxLength=512
	ControllerImage string `json:"controllerImage,omitempty"`
	// Config holds RocketMQ properties for the controllers.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!['controllerType', 'controllerDLegerGroup', 'controllerDLegerPeers', 'controllerDLegerSelfId', 'controllerStorePath', 'configStorePath', 'listenPort'].exists(k, k in self)",messageExpression="'set by the operator, because members, Services and volumes depend on them; remove:' + ('controllerType' in self ? ' controllerType' : \"\") + ('controllerDLegerGroup' in self ? ' controllerDLegerGroup' : \"\") + ('controllerDLegerPeers' in self ? ' controllerDLegerPeers' : \"\") + ('controllerDLegerSelfId' in self ? ' controllerDLegerSelfId' : \"\") + ('controllerStorePath' in self ? ' controllerStorePath' : \"\") + ('configStorePath' in self ? ' configStorePath' : \"\") + ('listenPort' in self ? ' listenPort' : \"\")"
	Config map[string]ConfigValue `json:"config,omitempty"`

	// TLS lets the controllers speak TLS, among each other too.
	// +optional
	TLS *TLSSettings `json:"tls,omitempty"`

	StorageSettings       `json:",inline"`
	PodSettings           `json:",inline"`
	NetworkPolicySettings `json:",inline"`
}

// ControllerStatus is what was seen.
type ControllerStatus struct {
	CommonStatus `json:",inline"`

	// Size is the number of pods that exist.
	// +optional
	Size int32 `json:"size"`
	// Members is "ready/wanted".
	// +optional
	Members string `json:"members,omitempty"`
	// Leader is the pod that leads the quorum.
	// +optional
	Leader string `json:"leader,omitempty"`
	// Nodes are the names of the pods.
	// +optional
	// +listType=atomic
	Nodes []string `json:"nodes,omitempty"`
	// Addresses are what brokers use: host:port, one for each controller.
	// +optional
	// +listType=atomic
	Addresses []string `json:"addresses,omitempty"`
	// TLS is what the controllers do about TLS, absent where they speak plain text.
	// +optional
	TLS *TLSStatus `json:"tls,omitempty"`
}

// Controller is a quorum of DLedger controllers, which elect the masters of broker groups.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=controllers,shortName=rmqctl,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.members`,description="ready/wanted controllers"
// +kubebuilder:printcolumn:name="Leader",type=string,JSONPath=`.status.leader`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="TLS",type=string,priority=1,JSONPath=`.status.tls.mode`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name must be at most 40 characters, so that pod labels fit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it"
type Controller struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec ControllerSpec `json:"spec,omitempty"`
	// +optional
	Status ControllerStatus `json:"status,omitempty"`
}

// ControllerList is a list of Controllers.
//
// +kubebuilder:object:root=true
type ControllerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Controller `json:"items"`
}

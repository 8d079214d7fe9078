// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SchemaRegistrySpec describes rocketmq-schema-registry. It keeps the schemas in topics of the RocketMQ cluster.
//
// +kubebuilder:validation:XValidation:rule="has(self.image) && self.image != \"\"",message="image is not set, and there is no official image of the schema registry: build one (docs/schema-registry.md says how) and name it in spec.image"
// +kubebuilder:validation:XValidation:rule="!has(self.storage) || !has(self.replicas) || self.replicas <= 1",message="storage is one volume, which one pod uses: set replicas to 1 or remove storage"
type SchemaRegistrySpec struct {
	// Image of the schema registry. There is no official one, so it must be given.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// Replicas is the number of pods; 1 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=99
	Replicas *int32 `json:"replicas,omitempty"`
	// Storage for the registry's copy of the schemas. Without it a new pod reads them from their topic again, as far back as
	// the brokers keep messages.
	// +optional
	Storage *Storage `json:"storage,omitempty"`
	// Service through which clients reach the schema registry.
	// +optional
	Service ServiceSettings `json:"service,omitempty"`
	// Config holds properties of the schema registry's application, such as schema.dependency.upload-enabled.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!['schema.storage.type', 'schema.storage.config-path', 'server.port'].exists(k, k in self)",messageExpression="'set by the operator, because Services and volumes depend on them; remove:' + ('schema.storage.type' in self ? ' schema.storage.type' : \"\") + ('schema.storage.config-path' in self ? ' schema.storage.config-path' : \"\") + ('server.port' in self ? ' server.port' : \"\")"
	Config map[string]ConfigValue `json:"config,omitempty"`
	// StorageConfig holds properties of its storage in RocketMQ, such as storage.rocketmq.topic.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!['storage.type', 'storage.rocketmq.namesrv', 'storage.local.cache.path'].exists(k, k in self)",messageExpression="'set by the operator, which keeps addresses right (spec.nameServers and nameServiceRef set what can be chosen); remove:' + ('storage.type' in self ? ' storage.type' : \"\") + ('storage.rocketmq.namesrv' in self ? ' storage.rocketmq.namesrv' : \"\") + ('storage.local.cache.path' in self ? ' storage.local.cache.path' : \"\")"
	StorageConfig map[string]ConfigValue `json:"storageConfig,omitempty"`

	NameServerSettings    `json:",inline"`
	PodSettings           `json:",inline"`
	NetworkPolicySettings `json:",inline"`
}

// SchemaRegistry is rocketmq-schema-registry.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=schemaregistries,shortName=rmqsr,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.members`,description="ready/wanted pods"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name must be at most 40 characters, so that pod labels fit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it"
type SchemaRegistry struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec SchemaRegistrySpec `json:"spec"`
	// +optional
	Status ToolStatus `json:"status,omitempty"`
}

// SchemaRegistryList is a list of SchemaRegistries.
//
// +kubebuilder:object:root=true
type SchemaRegistryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SchemaRegistry `json:"items"`
}

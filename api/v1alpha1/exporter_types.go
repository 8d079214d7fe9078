// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultExporterImage is the exporter that runs where no image is given.
const DefaultExporterImage = "apache/rocketmq-exporter:0.0.2"

// ExporterSpec describes rocketmq-exporter, whose metrics the dashboards of RocketMQ 4.x show. Brokers and controllers
// of 5.x have Prometheus metrics of their own.
type ExporterSpec struct {
	// Image of the exporter.
	// +optional
	// +kubebuilder:default="apache/rocketmq-exporter:0.0.2"
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// Replicas is the number of pods; 1 if absent. Each of them counts the whole cluster.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=99
	Replicas *int32 `json:"replicas,omitempty"`
	// Service that Prometheus scrapes.
	// +optional
	Service ServiceSettings `json:"service,omitempty"`
	// Config holds properties of the exporter, such as rocketmq.config.outOfTimeSeconds.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!['rocketmq.config.namesrvAddr', 'server.port'].exists(k, k in self)",messageExpression="'set by the operator, which keeps addresses right (spec.nameServers and nameServiceRef set what can be chosen); remove:' + ('rocketmq.config.namesrvAddr' in self ? ' rocketmq.config.namesrvAddr' : \"\") + ('server.port' in self ? ' server.port' : \"\")"
	Config map[string]ConfigValue `json:"config,omitempty"`
	// Auth names the account with which the exporter signs its requests to brokers that ask for credentials. Without it, the
	// operator finds that of the Brokers beside it.
	// +optional
	Auth *ToolAuth `json:"auth,omitempty"`

	NameServerSettings    `json:",inline"`
	PodSettings           `json:",inline"`
	NetworkPolicySettings `json:",inline"`
}

// Exporter is rocketmq-exporter.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=exporters,shortName=rmqe,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.members`,description="ready/wanted pods"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name must be at most 40 characters, so that pod labels fit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it"
type Exporter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec ExporterSpec `json:"spec,omitempty"`
	// +optional
	Status ToolStatus `json:"status,omitempty"`
}

// ExporterList is a list of Exporters.
//
// +kubebuilder:object:root=true
type ExporterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Exporter `json:"items"`
}

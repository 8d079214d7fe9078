// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DefaultConsoleImage is the dashboard that runs where no image is given.
const DefaultConsoleImage = "apacherocketmq/rocketmq-dashboard:2.1.0"

// ConsoleSpec describes the dashboard.
//
// +kubebuilder:validation:XValidation:rule="!has(self.consoleDeployment) || !(has(self.storage) || has(self.login))",message="consoleDeployment is a whole Deployment of your own: storage and login belong to the short form, without consoleDeployment"
// +kubebuilder:validation:XValidation:rule="!has(self.storage) || !has(self.replicas) || self.replicas <= 1",message="storage is one volume, which one pod uses: set replicas to 1 or remove storage"
type ConsoleSpec struct {
	// ConsoleDeployment is the form of apache/rocketmq-operator: a whole apps/v1 Deployment, every field of which is kept. The
	// name servers' addresses, labels and what is missing (image, ports, probes) are added. Its fields win over those below.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	ConsoleDeployment *runtime.RawExtension `json:"consoleDeployment,omitempty"`
	// Image of the dashboard.
	// +optional
	// +kubebuilder:default="apacherocketmq/rocketmq-dashboard:2.1.0"
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// Replicas is the number of pods; 1 if absent. A browser stays with its pod (session affinity).
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=99
	Replicas *int32 `json:"replicas,omitempty"`
	// Service through which browsers reach the dashboard.
	// +optional
	Service ServiceSettings `json:"service,omitempty"`
	// Ingress for the dashboard; none if absent.
	// +optional
	Ingress *IngressSettings `json:"ingress,omitempty"`
	// Login that the dashboard asks for; none if absent.
	// +optional
	Login *ConsoleLogin `json:"login,omitempty"`
	// Storage for the history that the dashboard's charts show; without it the history goes with the pod.
	// +optional
	Storage *Storage `json:"storage,omitempty"`
	// Config holds properties of the dashboard, such as rocketmq.config.timeoutMillis.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!['rocketmq.config.namesrvAddr', 'rocketmq.config.namesrvAddrs'].exists(k, k in self)",messageExpression="'set by the operator, which keeps addresses right (spec.nameServers and nameServiceRef set what can be chosen); remove:' + ('rocketmq.config.namesrvAddr' in self ? ' rocketmq.config.namesrvAddr' : \"\") + ('rocketmq.config.namesrvAddrs' in self ? ' rocketmq.config.namesrvAddrs' : \"\")"
	// +kubebuilder:validation:XValidation:rule="!['rocketmq.config.loginRequired', 'rocketmq.config.authMode', 'rocketmq.config.dataPath', 'server.port'].exists(k, k in self)",messageExpression="'set by the operator, because Services, volumes and the login depend on them (spec.login sets the users); remove:' + ('rocketmq.config.loginRequired' in self ? ' rocketmq.config.loginRequired' : \"\") + ('rocketmq.config.authMode' in self ? ' rocketmq.config.authMode' : \"\") + ('rocketmq.config.dataPath' in self ? ' rocketmq.config.dataPath' : \"\") + ('server.port' in self ? ' server.port' : \"\")"
	Config map[string]ConfigValue `json:"config,omitempty"`
	// Auth names the account with which the dashboard signs its requests to brokers that ask for credentials. Without it, the
	// operator finds that of the Brokers beside it, and uses it if the dashboard has a login.
	// +optional
	Auth *ToolAuth `json:"auth,omitempty"`

	NameServerSettings    `json:",inline"`
	PodSettings           `json:",inline"`
	NetworkPolicySettings `json:",inline"`
}

// ConsoleLogin names the users of the dashboard.
type ConsoleLogin struct {
	// SecretRef names a Secret whose key users.properties holds a line "name=password,1" for each administrator and
	// "name=password" for each other user. The dashboard's own default users do not exist beside it.
	// +required
	SecretRef SecretReference `json:"secretRef"`
}

// SecretReference names a Secret of the same namespace.
type SecretReference struct {
	// Name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Console is the dashboard.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=consoles,shortName=rmqc,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.members`,description="ready/wanted pods"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name must be at most 40 characters, so that pod labels fit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it"
type Console struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec ConsoleSpec `json:"spec,omitempty"`
	// +optional
	Status ToolStatus `json:"status,omitempty"`
}

// ConsoleList is a list of Consoles.
//
// +kubebuilder:object:root=true
type ConsoleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Console `json:"items"`
}

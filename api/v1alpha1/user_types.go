// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UserType says whether a user's permissions are checked (RocketMQ's UserType).
//
// +kubebuilder:validation:Enum=Normal;Super
type UserType string

// The types of users.
const (
	// UserNormal may do what its permissions allow.
	UserNormal UserType = "Normal"
	// UserSuper may do everything.
	UserSuper UserType = "Super"
)

// UserSpec describes a user of a cluster with spec.auth.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.clusterRef) && has(self.brokerRef))",message="give clusterRef (a RocketMQCluster) or brokerRef (a Broker), not both"
// +kubebuilder:validation:XValidation:rule="(!has(oldSelf.clusterRef) || (has(self.clusterRef) && self.clusterRef == oldSelf.clusterRef)) && (!has(oldSelf.brokerRef) || (has(self.brokerRef) && self.brokerRef == oldSelf.brokerRef))",message="clusterRef and brokerRef cannot change: create another User for the other cluster"
// +kubebuilder:validation:XValidation:rule="(has(self.username) ? self.username : \"\") == (has(oldSelf.username) ? oldSelf.username : \"\")",message="username cannot change: create another User, give its password to the application, and delete this one"
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'Super' || !has(self.permissions) || size(self.permissions) == 0",message="a Super user may do everything: leave out permissions, or make it a Normal user"
// +kubebuilder:validation:XValidation:rule="!has(self.deletionPolicy) || self.deletionPolicy != 'DeleteIfEmpty'",message="nothing is in a user: deletionPolicy is Retain or Delete"
type UserSpec struct {
	EntitySpec `json:",inline"`

	// Username is the user's name in RocketMQ (a client's access key); the resource's own name if absent.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_.-]+$`
	Username string `json:"username,omitempty"`
	// Type is Normal (it may do what permissions allow) or Super (it may do everything). A Super user belongs into the
	// cluster's own namespace.
	// +optional
	// +kubebuilder:default=Normal
	Type UserType `json:"type,omitempty"`
	// Disabled locks the user out with its next request. Password and permissions stay.
	// +optional
	Disabled bool `json:"disabled,omitempty"`
	// PasswordSecret is a Secret of this namespace that has the password (a client's secret key). A change of it is in force at
	// once, and clients with the former one are refused from then on. If absent, the operator makes the Secret <name>-rocketmq,
	// with a random password in the key password and the user's name in the key username.
	// +optional
	PasswordSecret *PasswordSecret `json:"passwordSecret,omitempty"`
	// Permissions of a Normal user; without any it may do nothing. Of those that fit a request the most precise one counts: a
	// Literal name before a longer Prefix, before a shorter one, before Any. Where two are as precise, Deny counts.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=resource
	// +listMapKey=name
	// +listMapKey=pattern
	Permissions []Permission `json:"permissions,omitempty"`
}

// PasswordSecret is where a password is.
type PasswordSecret struct {
	// Name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Key in it that has the password.
	// +optional
	// +kubebuilder:default=password
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// PermissionResource is what a permission is about (RocketMQ's ResourceType).
//
// +kubebuilder:validation:Enum=Topic;Group;Namespace;Cluster
type PermissionResource string

// The resources of permissions.
const (
	ResourceTopic     PermissionResource = "Topic"
	ResourceGroup     PermissionResource = "Group"
	ResourceNamespace PermissionResource = "Namespace"
	ResourceCluster   PermissionResource = "Cluster"
)

// PermissionPattern says what a permission's name means (RocketMQ's ResourcePattern).
//
// +kubebuilder:validation:Enum=Literal;Prefix;Any
type PermissionPattern string

// The patterns.
const (
	// PatternLiteral is exactly that name.
	PatternLiteral PermissionPattern = "Literal"
	// PatternPrefix is every name that begins so.
	PatternPrefix PermissionPattern = "Prefix"
	// PatternAny is every name.
	PatternAny PermissionPattern = "Any"
)

// PermissionAction is what a user does with a resource (RocketMQ's Action).
//
// +kubebuilder:validation:Enum=All;Pub;Sub;Create;Update;Delete;Get;List
type PermissionAction string

// PermissionEffect is what a permission comes to (RocketMQ's Decision).
//
// +kubebuilder:validation:Enum=Allow;Deny
type PermissionEffect string

// The effects.
const (
	EffectAllow PermissionEffect = "Allow"
	EffectDeny  PermissionEffect = "Deny"
)

// Permission allows or denies something (RocketMQ's PolicyEntry).
//
// +kubebuilder:validation:XValidation:rule="(self.pattern == 'Any') == (size(self.name) == 0)",message="give a name, or pattern Any for all names, not both"
type Permission struct {
	// Resource is a Topic, a Group (of consumers), a Namespace or a Cluster, whose name is the brokerClusterName. Permissions on
	// a Cluster make an administrator, who belongs into the cluster's own namespace.
	// +required
	Resource PermissionResource `json:"resource"`
	// Name of it, or the beginning of its name.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|.-]*$`
	Name string `json:"name"`
	// Pattern is Literal (that name), Prefix (all names that begin so) or Any (all names; name is empty then).
	// +optional
	// +kubebuilder:default=Literal
	Pattern PermissionPattern `json:"pattern,omitempty"`
	// Actions: producers need Pub on a topic, consumers Sub on a topic and on their group. Create, Update, Delete, Get and List
	// are for tools; All is everything.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +listType=set
	Actions []PermissionAction `json:"actions"`
	// Effect is Allow or Deny.
	// +optional
	// +kubebuilder:default=Allow
	Effect PermissionEffect `json:"effect,omitempty"`
	// SourceIPs limit it to clients of these addresses, such as 10.1.2.3 or 10.0.0.0/8; none is no limit. Through a proxy all
	// clients have the proxy's address at the brokers.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:Pattern=`^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$`
	// +listType=set
	SourceIPs []string `json:"sourceIPs,omitempty"`
}

// UserStatus is what was found.
type UserStatus struct {
	EntityStatus `json:",inline"`

	// Members is on how many brokers, slaves among them, the user is as specified, of those that there are to be: "4/4".
	// +optional
	Members string `json:"members,omitempty"`
	// Username is the user's name in RocketMQ.
	// +optional
	Username string `json:"username,omitempty"`
	// Secret has the password.
	// +optional
	Secret string `json:"secret,omitempty"`
	// AppliedPassword is the version of the Secret (its uid and resourceVersion) that was on every broker last.
	// +optional
	AppliedPassword string `json:"appliedPassword,omitempty"`
}

// User is a user of RocketMQ, on all brokers of a RocketMQ cluster with spec.auth.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=users,shortName=rmquser,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.username`
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.status.cluster`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.members`,description="brokers on which it is as specified"
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.secret`,description="where its password is"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="User",type=string,priority=1,JSONPath=`.status.username`,description="name in RocketMQ"
// +kubebuilder:printcolumn:name="Disabled",type=boolean,priority=1,JSONPath=`.spec.disabled`
// +kubebuilder:printcolumn:name="Deletion",type=string,priority=1,JSONPath=`.spec.deletionPolicy`
// +kubebuilder:validation:XValidation:rule="has(self.spec.passwordSecret) || self.metadata.name.size() <= 244",message="metadata.name must be at most 244 characters, so that the Secret <name>-rocketmq can be made: shorten it, or give passwordSecret"
type User struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec UserSpec `json:"spec,omitempty"`
	// +optional
	Status UserStatus `json:"status,omitempty"`
}

// UserList is a list of Users.
//
// +kubebuilder:object:root=true
type UserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []User `json:"items"`
}

// EntityName is part of Entity.
func (u *User) EntityName() string { return cmp.Or(u.Spec.Username, u.Name) }

// EntitySpec is part of Entity.
func (u *User) EntitySpec() *EntitySpec { return &u.Spec.EntitySpec }

// EntityStatus is part of Entity.
func (u *User) EntityStatus() *EntityStatus { return &u.Status.EntityStatus }

// EntityCount is part of Entity.
func (u *User) EntityCount() *string { return &u.Status.Members }

// EntityTransfer is part of Entity: nothing moves a user.
func (u *User) EntityTransfer() *string { return nil }

// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Entity is a resource that stands for something that lives inside of RocketMQ.
//
// +kubebuilder:object:generate=false
type Entity interface {
	Resource
	// EntityName is the name in RocketMQ.
	EntityName() string
	// EntitySpec and EntityStatus are the parts that all such kinds have.
	EntitySpec() *EntitySpec
	EntityStatus() *EntityStatus
	// EntityCount says on how many broker groups, or members, it is as specified: "2/2".
	EntityCount() *string
	// EntityTransfer is the TopicTransfer that moves it to another cluster, or has moved it; nil if none can.
	EntityTransfer() *string
}

// DeletionPolicy says what becomes of a topic, consumer group or user when its resource is deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete;DeleteIfEmpty
type DeletionPolicy string

// The deletion policies.
const (
	// Retain: it stays, with everything in it.
	Retain DeletionPolicy = "Retain"
	// Delete: it goes, with everything in it.
	Delete DeletionPolicy = "Delete"
	// DeleteIfEmpty: it goes, but not before nothing is in it.
	DeleteIfEmpty DeletionPolicy = "DeleteIfEmpty"
)

// EntitySpec says where something lives, and what becomes of it.
type EntitySpec struct {
	// ClusterRef is the RocketMQCluster: every broker group of all its pools. Without clusterRef and brokerRef it is the only
	// RocketMQCluster of the namespace, or else its only Broker. A cluster of another namespace must allow that (annotation
	// rocketmq.apache.org/allow-from).
	// +optional
	ClusterRef *ObjectReference `json:"clusterRef,omitempty"`
	// BrokerRef is a Broker instead of a RocketMQCluster: its broker groups only.
	// +optional
	BrokerRef *ObjectReference `json:"brokerRef,omitempty"`
	// DeletionPolicy says what is deleted in RocketMQ when this resource is deleted: Retain, Delete (with all messages), or
	// DeleteIfEmpty.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// EntityStatus is what was found.
type EntityStatus struct {
	CommonStatus `json:",inline"`

	// Cluster is the RocketMQCluster or Broker in use, with its namespace if that is another one.
	// +optional
	Cluster string `json:"cluster,omitempty"`
	// ClusterRef is the RocketMQCluster in use.
	// +optional
	ClusterRef *ObjectReference `json:"clusterRef,omitempty"`
	// BrokerRef is the Broker in use.
	// +optional
	BrokerRef *ObjectReference `json:"brokerRef,omitempty"`
	// AppliedGeneration is the newest generation of the spec that was on every broker group.
	// +optional
	AppliedGeneration int64 `json:"appliedGeneration,omitempty"`
}

// TableStatus is what was found of something in the tables of broker groups.
type TableStatus struct {
	EntityStatus `json:",inline"`

	// Groups is on how many broker groups it is as specified, of those that are open to clients: "2/2".
	// +optional
	Groups string `json:"groups,omitempty"`
	// Transfer is the TopicTransfer that moves it to another cluster, or has moved it.
	// +optional
	Transfer string `json:"transfer,omitempty"`
}

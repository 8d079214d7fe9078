// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TopicTransferSpec says which topic moves where. It cannot change, except for abort, holdBeforeClean and
// ttlSecondsAfterFinished.
//
// +kubebuilder:validation:XValidation:rule="self.topic == oldSelf.topic && (has(self.sourceCluster) ? self.sourceCluster : \"\") == (has(oldSelf.sourceCluster) ? oldSelf.sourceCluster : \"\") && (has(self.targetCluster) ? self.targetCluster : \"\") == (has(oldSelf.targetCluster) ? oldSelf.targetCluster : \"\") && has(self.sourceRef) == has(oldSelf.sourceRef) && (!has(self.sourceRef) || self.sourceRef == oldSelf.sourceRef) && has(self.targetRef) == has(oldSelf.targetRef) && (!has(self.targetRef) || self.targetRef == oldSelf.targetRef) && has(self.groups) == has(oldSelf.groups) && (!has(self.groups) || self.groups == oldSelf.groups)",message="what is transferred from where to where cannot change: set abort, and create another TopicTransfer"
// +kubebuilder:validation:XValidation:rule="duration(self.drainTimeout) == duration(oldSelf.drainTimeout) && duration(self.stepTimeout) == duration(oldSelf.stepTimeout) && (has(self.strictOrder) && self.strictOrder) == (has(oldSelf.strictOrder) && oldSelf.strictOrder) && (has(self.discardUnconsumed) && self.discardUnconsumed) == (has(oldSelf.discardUnconsumed) && oldSelf.discardUnconsumed)",message="how it is transferred cannot change, except for abort, holdBeforeClean and ttlSecondsAfterFinished: set abort, and create another TopicTransfer"
// +kubebuilder:validation:XValidation:rule="has(self.sourceRef) || (has(self.sourceCluster) && self.sourceCluster.size() > 0)",message="name the cluster to take the topic from in sourceCluster (its RocketMQ cluster name) or sourceRef (its Broker)"
// +kubebuilder:validation:XValidation:rule="has(self.targetRef) || (has(self.targetCluster) && self.targetCluster.size() > 0)",message="name the cluster to move the topic to in targetCluster (its RocketMQ cluster name) or targetRef (its Broker)"
type TopicTransferSpec struct {
	// Topic to move.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=127
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]+$`
	Topic string `json:"topic"`
	// SourceCluster is the RocketMQ cluster name (a Broker's clusterName, or its own name) to take the topic from.
	// +optional
	// +kubebuilder:validation:MaxLength=127
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]*$`
	SourceCluster string `json:"sourceCluster,omitempty"`
	// TargetCluster is the RocketMQ cluster name to move the topic to.
	// +optional
	// +kubebuilder:validation:MaxLength=127
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]*$`
	TargetCluster string `json:"targetCluster,omitempty"`
	// SourceRef is the Broker to take the topic from, where sourceCluster does not tell it: several Brokers make up that
	// cluster, or it is in another namespace.
	// +optional
	SourceRef *ObjectReference `json:"sourceRef,omitempty"`
	// TargetRef is the Broker to move the topic to, like sourceRef.
	// +optional
	TargetRef *ObjectReference `json:"targetRef,omitempty"`
	// Groups are the consumer groups to move; all that consume the topic at any source broker if empty, online or not.
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[a-zA-Z0-9_%|-]+$`
	// +listType=set
	Groups []string `json:"groups,omitempty"`
	// DrainTimeout is how long the groups may take to consume what is left at the source, such as 90m. After that
	// everything is as before.
	// +optional
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}(s|m|h))+$`
	DrainTimeout *metav1.Duration `json:"drainTimeout,omitempty"`
	// StepTimeout bounds every other step. After that everything is as before, or, once the source is being cleaned, the
	// condition Stalled says what remains.
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}(s|m|h))+$`
	StepTimeout *metav1.Duration `json:"stepTimeout,omitempty"`
	// StrictOrder opens the target for writes only after the source is drained, so that the order of a FIFO topic's messages
	// is kept from one cluster to the other. Producers cannot send meanwhile.
	// +optional
	StrictOrder bool `json:"strictOrder,omitempty"`
	// DiscardUnconsumed gives up the messages at the source that no group to move consumes.
	// +optional
	DiscardUnconsumed bool `json:"discardUnconsumed,omitempty"`
	// HoldBeforeClean stops after the source is drained, until it is set to false: time to repoint clients that use other
	// name servers.
	// +optional
	HoldBeforeClean bool `json:"holdBeforeClean,omitempty"`
	// Abort takes everything back, unless the source is being cleaned already.
	// +optional
	Abort bool `json:"abort,omitempty"`
	// TTLSecondsAfterFinished is how long after its end the TopicTransfer is deleted; never if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// TransferPhase is how far a TopicTransfer is.
type TransferPhase string

// The phases, in order. RollBack follows any of those before CleanSource.
const (
	// TransferPending: nothing is changed yet.
	TransferPending TransferPhase = "Pending"
	// TransferCreateTarget: the target gets the groups, the topic and the consumer offsets.
	TransferCreateTarget TransferPhase = "CreateTarget"
	// TransferForbidWrites: the source takes no new messages, as far as clients heed routes.
	TransferForbidWrites TransferPhase = "ForbidWrites"
	// TransferDrain: the groups consume what is left at the source.
	TransferDrain TransferPhase = "Drain"
	// TransferCleanSource: everything is consumed; topic and groups leave the source.
	TransferCleanSource TransferPhase = "CleanSource"
	// TransferCompleted: the end.
	TransferCompleted TransferPhase = "Completed"
	// TransferRollBack: the source gets back what it had, and the target loses what it got.
	TransferRollBack TransferPhase = "RollBack"
	// TransferRolledBack: the other end.
	TransferRolledBack TransferPhase = "RolledBack"
)

// TopicTransferStatus is what was found and done. A later operator goes on from it.
type TopicTransferStatus struct {
	CommonStatus `json:",inline"`

	// Phase is how far it is: Pending, CreateTarget, ForbidWrites, Drain, CleanSource and Completed, or RollBack and
	// RolledBack.
	// +optional
	Phase TransferPhase `json:"phase,omitempty"`
	// PhaseSince is when the phase began.
	// +optional
	PhaseSince *metav1.Time `json:"phaseSince,omitempty"`
	// FencedSince is since when brokers refuse every message to the topic, before it is deleted there.
	// +optional
	FencedSince *metav1.Time `json:"fencedSince,omitempty"`
	// HeldSince is since when holdBeforeClean holds it with the source drained: drainTimeout does not count meanwhile.
	// +optional
	HeldSince *metav1.Time `json:"heldSince,omitempty"`
	// UnroutedSince is since when no route leads consumers to the source, which some of them may not have noticed yet.
	// +optional
	UnroutedSince *metav1.Time `json:"unroutedSince,omitempty"`
	// Lag is the number of messages left at the source in all, to two digits.
	// +optional
	Lag *int64 `json:"lag,omitempty"`
	// Steps are the phases so far and when they began.
	// +optional
	// +listType=map
	// +listMapKey=phase
	Steps []TransferStep `json:"steps,omitempty"`
	// Source is the cluster that the topic leaves, as it was found.
	// +optional
	Source *TransferCluster `json:"source,omitempty"`
	// Target is the cluster that it moves to.
	// +optional
	Target *TransferCluster `json:"target,omitempty"`
	// Groups are the consumer groups of the topic.
	// +optional
	// +listType=map
	// +listMapKey=name
	Groups []TransferGroup `json:"groups,omitempty"`
	// RollBackReason is why it is, or was, rolled back.
	// +optional
	RollBackReason string `json:"rollBackReason,omitempty"`
	// Left is what a roll back or a clean-up had to leave behind, and why.
	// +optional
	// +listType=atomic
	Left []string `json:"left,omitempty"`
}

// TransferStep is one phase.
type TransferStep struct {
	// Phase of the transfer.
	Phase TransferPhase `json:"phase"`
	// Since is when it began first. That of Drain moves on by the time that holdBeforeClean held it.
	Since metav1.Time `json:"since"`
}

// TransferCluster is one of the two clusters.
type TransferCluster struct {
	// Name of the Broker resource.
	Name string `json:"name"`
	// Namespace of the Broker resource.
	Namespace string `json:"namespace"`
	// Cluster is the RocketMQ cluster name.
	Cluster string `json:"cluster"`
	// Brokers are the broker groups.
	// +optional
	// +listType=map
	// +listMapKey=name
	Brokers []TransferBroker `json:"brokers,omitempty"`
}

// TransferBroker is one broker group.
type TransferBroker struct {
	// Name is the brokerName.
	Name string `json:"name"`
	// Topic as it was found; absent where it was not there.
	// +optional
	Topic *TransferTopic `json:"topic,omitempty"`
	// Wanted is what a target broker is to get.
	// +optional
	Wanted *TransferTopic `json:"wanted,omitempty"`
	// CreatedGroups are the consumer groups that a target broker did not have.
	// +optional
	// +listType=set
	CreatedGroups []string `json:"createdGroups,omitempty"`
	// CleanedGroups are the consumer groups that were deleted at a source broker.
	// +optional
	// +listType=set
	CleanedGroups []string `json:"cleanedGroups,omitempty"`
}

// TransferTopic is a topic's settings at one broker.
type TransferTopic struct {
	// ReadQueues of the topic.
	ReadQueues int32 `json:"readQueues"`
	// WriteQueues of the topic.
	WriteQueues int32 `json:"writeQueues"`
	// Perm is a sum of 4 (read) and 2 (write).
	Perm int32 `json:"perm"`
	// Order flag.
	// +optional
	Order bool `json:"order,omitempty"`
	// FilterType of the topic.
	// +optional
	FilterType string `json:"filterType,omitempty"`
	// SysFlag of the topic.
	// +optional
	SysFlag int32 `json:"sysFlag,omitempty"`
	// Attributes of the topic, such as message.type.
	// +optional
	Attributes map[string]string `json:"attributes,omitempty"`
}

// TransferGroup is a consumer group of the topic.
type TransferGroup struct {
	// Name of the group.
	Name string `json:"name"`
	// Stays: it consumes the topic at the source, and spec.groups does not name it.
	// +optional
	Stays bool `json:"stays,omitempty"`
	// Lags are what it has not consumed, by broker, to two digits; brokers without are left out.
	// +optional
	// +listType=map
	// +listMapKey=broker
	Lags []TransferLag `json:"lags,omitempty"`
}

// TransferLag is what a group has not consumed at one broker.
type TransferLag struct {
	// Broker is the brokerName.
	Broker string `json:"broker"`
	// Messages that are not consumed.
	Messages int64 `json:"messages"`
}

// TopicTransfer moves a topic and its consumer groups to another cluster, or leaves everything as it was.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=topictransfers,shortName=rmqtt,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Topic",type=string,JSONPath=`.spec.topic`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.source.cluster`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.status.target.cluster`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Lag",type=integer,JSONPath=`.status.lag`,description="messages left at the source"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
type TopicTransfer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec TopicTransferSpec `json:"spec"`
	// +optional
	Status TopicTransferStatus `json:"status,omitempty"`
}

// TopicTransferList is a list of TopicTransfers.
//
// +kubebuilder:object:root=true
type TopicTransferList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TopicTransfer `json:"items"`
}

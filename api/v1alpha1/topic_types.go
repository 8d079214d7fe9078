// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TopicType is the kind of messages that a topic takes (RocketMQ's TopicMessageType).
//
// +kubebuilder:validation:Enum=NORMAL;FIFO;DELAY;TRANSACTION;PRIORITY;MIXED
type TopicType string

// TypeNormal is the type of a topic that does not say its type.
const TypeNormal TopicType = "NORMAL"

// TopicSpec describes a topic. What it does not say has RocketMQ's default.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.clusterRef) && has(self.brokerRef))",message="give clusterRef (a RocketMQCluster) or brokerRef (a Broker), not both"
// +kubebuilder:validation:XValidation:rule="(!has(oldSelf.clusterRef) || (has(self.clusterRef) && self.clusterRef == oldSelf.clusterRef)) && (!has(oldSelf.brokerRef) || (has(self.brokerRef) && self.brokerRef == oldSelf.brokerRef))",message="clusterRef and brokerRef cannot change: create another Topic for the other cluster, or move the messages too, with a TopicTransfer"
// +kubebuilder:validation:XValidation:rule="(has(self.topicName) ? self.topicName : \"\") == (has(oldSelf.topicName) ? oldSelf.topicName : \"\")",message="topicName cannot change: create another Topic"
// +kubebuilder:validation:XValidation:rule="(has(self.type) ? self.type : \"NORMAL\") == (has(oldSelf.type) ? oldSelf.type : \"NORMAL\")",message="type cannot change: the messages that are in the topic would be of the wrong type. Create another topic"
// +kubebuilder:validation:XValidation:rule="(has(self.cleanupPolicy) ? self.cleanupPolicy : \"\") == (has(oldSelf.cleanupPolicy) ? oldSelf.cleanupPolicy : \"\") && (has(self.queueType) ? self.queueType : \"\") == (has(oldSelf.queueType) ? oldSelf.queueType : \"\")",message="cleanupPolicy and queueType cannot change: RocketMQ sets them when it makes a topic. Create another topic"
// +kubebuilder:validation:XValidation:rule="!has(self.queues) || !(has(self.readQueueNums) || has(self.writeQueueNums))",message="queues stands for readQueueNums and writeQueueNums: give one or the others"
// +kubebuilder:validation:XValidation:rule="!has(self.readQueueNums) || !has(self.writeQueueNums) || self.readQueueNums >= self.writeQueueNums",message="readQueueNums must be at least writeQueueNums: what is written to the other queues could not be read"
// +kubebuilder:validation:XValidation:rule="!has(self.attributes) || !self.attributes.exists(key, key in ['message.type', 'cleanup.policy', 'queue.type', 'reserve.time'])",message="attributes that have a field of their own are not given here: use type, cleanupPolicy, queueType, reserveTime"
// +kubebuilder:validation:XValidation:rule="!has(self.attributes) || self.attributes.all(key, key.matches('^[A-Za-z0-9._]+$'))",message="the name of an attribute holds only letters, digits, '.' and '_': it has no + in front here"
type TopicSpec struct {
	EntitySpec `json:",inline"`

	// TopicName is the topic's name in RocketMQ; the resource's own name if absent.
	// +optional
	// +kubebuilder:validation:MaxLength=127
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]+$`
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('%RETRY%') && !self.startsWith('%DLQ%')",message="topics of retries and dead letters belong to their consumer group: use a ConsumerGroup"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('rmq_sys_') && !self.startsWith('RMQ_SYS_') && !(self in ['TBW102', 'SCHEDULE_TOPIC_XXXX', 'BenchmarkTest', 'TRANS_CHECK_MAX_TIME_TOPIC', 'SELF_TEST_TOPIC', 'OFFSET_MOVED_EVENT', 'CHECKPOINT_TOPIC'])",message="this is one of RocketMQ's own topics, which brokers make and do not let anybody change"
	TopicName string `json:"topicName,omitempty"`
	// Type of the messages: NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY or MIXED (message.type). Proxies refuse messages of
	// another type. Brokers refuse MIXED without the property enableMixedMessageType.
	// +optional
	// +kubebuilder:default=NORMAL
	Type TopicType `json:"type,omitempty"`
	// Queues of the topic at each broker group, for reading and for writing. If absent a topic that exists keeps those that it
	// has, and a new one gets 8. Fewer than there are: see docs/topics.md.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4096
	Queues *int32 `json:"queues,omitempty"`
	// ReadQueueNums and writeQueueNums stand for queues where they are to differ. There are never fewer queues for reading
	// than hold messages that are not consumed.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4096
	ReadQueueNums *int32 `json:"readQueueNums,omitempty"`
	// WriteQueueNums is the number of queues that producers use at each broker group.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4096
	WriteQueueNums *int32 `json:"writeQueueNums,omitempty"`
	// Perm is what clients may do: 6 read and write, 4 read, 2 write, 0 nothing; 6 if absent.
	// +optional
	// +kubebuilder:validation:Enum=0;2;4;6
	Perm *int32 `json:"perm,omitempty"`
	// Order is RocketMQ's order flag: a broker group without write permission refuses the topic's messages, so that none
	// moves to another group. It does not make the topic FIFO.
	// +optional
	Order *bool `json:"order,omitempty"`
	// TopicFilterType is SINGLE_TAG or MULTI_TAG; SINGLE_TAG if absent.
	// +optional
	// +kubebuilder:validation:Enum=SINGLE_TAG;MULTI_TAG
	TopicFilterType *string `json:"topicFilterType,omitempty"`
	// TopicSysFlag is the sum of 1 (unit) and 2 (subscribed by units); 0 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3
	TopicSysFlag *int32 `json:"topicSysFlag,omitempty"`
	// CleanupPolicy is DELETE (old messages go) or COMPACTION (of each key the newest message stays).
	// +optional
	// +kubebuilder:validation:Enum=DELETE;COMPACTION
	CleanupPolicy *string `json:"cleanupPolicy,omitempty"`
	// QueueType is SimpleCQ or BatchCQ.
	// +optional
	// +kubebuilder:validation:Enum=SimpleCQ;BatchCQ
	QueueType *string `json:"queueType,omitempty"`
	// ReserveTime is for how many hours tiered storage keeps the messages, -1 for as long as it keeps all others. Brokers
	// without tiered storage note it, and it has no effect.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ReserveTime *int64 `json:"reserveTime,omitempty"`
	// Attributes are further ones that the brokers' release knows (RocketMQ's TopicAttributes), such as
	// lite.topic.expiration of 5.5.0.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Attributes map[string]AttributeValue `json:"attributes,omitempty"`
}

// AttributeValue is the value of an attribute.
//
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:Pattern=`^[^,= ]*$`
type AttributeValue string

// TopicStatus is what was found.
type TopicStatus struct {
	TableStatus `json:",inline"`

	// ReadQueues is the number of queues that consumers read at each broker group; the largest one, if they differ.
	// +optional
	ReadQueues int32 `json:"readQueues,omitempty"`
	// WriteQueues is the number of queues that producers use at each broker group; the largest one, if they differ.
	// +optional
	WriteQueues int32 `json:"writeQueues,omitempty"`
}

// Topic is a topic on all broker groups of a RocketMQ cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=topics,shortName=rmqtopic,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.topicName`
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.status.cluster`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Queues",type=integer,JSONPath=`.status.writeQueues`,description="queues for writing at each broker group"
// +kubebuilder:printcolumn:name="Groups",type=string,JSONPath=`.status.groups`,description="broker groups on which it is as specified"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Topic",type=string,priority=1,JSONPath=`.spec.topicName`,description="name in RocketMQ, where it is not the resource's"
// +kubebuilder:printcolumn:name="Read-Queues",type=integer,priority=1,JSONPath=`.status.readQueues`
// +kubebuilder:printcolumn:name="Deletion",type=string,priority=1,JSONPath=`.spec.deletionPolicy`
// +kubebuilder:validation:XValidation:rule="has(self.spec.topicName) || self.metadata.name.matches('^[a-z0-9-]{1,127}$')",message="give spec.topicName: metadata.name cannot be a topic's name, which has no dots and at most 127 characters"
type Topic struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec TopicSpec `json:"spec,omitempty"`
	// +optional
	Status TopicStatus `json:"status,omitempty"`
}

// TopicList is a list of Topics.
//
// +kubebuilder:object:root=true
type TopicList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Topic `json:"items"`
}

// EntityName is part of Entity.
func (t *Topic) EntityName() string { return cmp.Or(t.Spec.TopicName, t.Name) }

// EntitySpec is part of Entity.
func (t *Topic) EntitySpec() *EntitySpec { return &t.Spec.EntitySpec }

// EntityStatus is part of Entity.
func (t *Topic) EntityStatus() *EntityStatus { return &t.Status.EntityStatus }

// EntityCount is part of Entity.
func (t *Topic) EntityCount() *string { return &t.Status.Groups }

// EntityTransfer is part of Entity.
func (t *Topic) EntityTransfer() *string { return &t.Status.Transfer }

// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConsumerGroupSpec describes a consumer group; the fields are those of RocketMQ's SubscriptionGroupConfig. What it does not
// say has RocketMQ's default.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.clusterRef) && has(self.brokerRef))",message="give clusterRef (a RocketMQCluster) or brokerRef (a Broker), not both"
// +kubebuilder:validation:XValidation:rule="(!has(oldSelf.clusterRef) || (has(self.clusterRef) && self.clusterRef == oldSelf.clusterRef)) && (!has(oldSelf.brokerRef) || (has(self.brokerRef) && self.brokerRef == oldSelf.brokerRef))",message="clusterRef and brokerRef cannot change: create another ConsumerGroup for the other cluster"
// +kubebuilder:validation:XValidation:rule="(has(self.groupName) ? self.groupName : \"\") == (has(oldSelf.groupName) ? oldSelf.groupName : \"\")",message="groupName cannot change: create another ConsumerGroup"
// +kubebuilder:validation:XValidation:rule="!has(self.attributes) || self.attributes.all(key, key.matches('^[A-Za-z0-9._]+$'))",message="the name of an attribute holds only letters, digits, '.' and '_': it has no + in front here"
type ConsumerGroupSpec struct {
	EntitySpec `json:",inline"`

	// GroupName is the group's name in RocketMQ; the resource's own name if absent.
	// +optional
	// +kubebuilder:validation:MaxLength=120
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]+$`
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('CID_RMQ_SYS_') && !(self in ['DEFAULT_CONSUMER', 'DEFAULT_PRODUCER', 'TOOLS_CONSUMER', 'SCHEDULE_CONSUMER', 'FILTERSRV_CONSUMER', '__MONITOR_CONSUMER', 'CLIENT_INNER_PRODUCER', 'SELF_TEST_P_GROUP', 'SELF_TEST_C_GROUP', 'CID_ONS-HTTP-PROXY', 'CID_ONSAPI_PERMISSION', 'CID_ONSAPI_OWNER', 'CID_ONSAPI_PULL'])",message="this is one of RocketMQ's own consumer groups"
	GroupName string `json:"groupName,omitempty"`
	// ConsumeEnable lets the group consume; true if absent.
	// +optional
	ConsumeEnable *bool `json:"consumeEnable,omitempty"`
	// ConsumeFromMinEnable lets it begin at the oldest message of a queue; true if absent.
	// +optional
	ConsumeFromMinEnable *bool `json:"consumeFromMinEnable,omitempty"`
	// ConsumeBroadcastEnable lets its consumers get every message each; true if absent.
	// +optional
	ConsumeBroadcastEnable *bool `json:"consumeBroadcastEnable,omitempty"`
	// ConsumeMessageOrderly lets proxies tell gRPC clients to consume each message group in order; false if absent.
	// +optional
	ConsumeMessageOrderly *bool `json:"consumeMessageOrderly,omitempty"`
	// ConsumeTimeoutMinute is how long a consumer may take for a message; 15 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1440
	ConsumeTimeoutMinute *int32 `json:"consumeTimeoutMinute,omitempty"`
	// RetryMaxTimes is how often a message is tried again before it becomes a dead letter; 16 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=10000
	RetryMaxTimes *int32 `json:"retryMaxTimes,omitempty"`
	// RetryQueueNums is the number of queues of its retry topic, when that is made; 1 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4096
	RetryQueueNums *int32 `json:"retryQueueNums,omitempty"`
	// GroupRetryPolicy says after which times a message is tried again; RocketMQ's steps of 10 s to 2 h if absent.
	// +optional
	GroupRetryPolicy *GroupRetryPolicy `json:"groupRetryPolicy,omitempty"`
	// MessageRequestModes say, for each topic, whether brokers let its push consumers of the remoting protocol pull or POP.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=topic
	MessageRequestModes []MessageRequestMode `json:"messageRequestModes,omitempty"`
	// NotifyConsumerIdsChangedEnable tells consumers at once when others come and go; true if absent.
	// +optional
	NotifyConsumerIdsChangedEnable *bool `json:"notifyConsumerIdsChangedEnable,omitempty"`
	// BrokerID is the broker of a group that its consumers read from: 0, the master, if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BrokerID *int64 `json:"brokerId,omitempty"`
	// WhichBrokerWhenConsumeSlowly is the broker that they read old messages from; 1 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	WhichBrokerWhenConsumeSlowly *int64 `json:"whichBrokerWhenConsumeSlowly,omitempty"`
	// GroupSysFlag is RocketMQ's; 0 if absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	GroupSysFlag *int32 `json:"groupSysFlag,omitempty"`
	// SubscriptionDataSet are the subscriptions by which brokers with the property useStaticSubscription count its lag, so that
	// they know them while no consumer is connected.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=topic
	SubscriptionDataSet []SubscriptionData `json:"subscriptionDataSet,omitempty"`
	// Attributes that the brokers' release knows (RocketMQ's SubscriptionGroupAttributes), such as priority.factor.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Attributes map[string]AttributeValue `json:"attributes,omitempty"`
}

// GroupRetryPolicy is RocketMQ's class of that name.
//
// +kubebuilder:validation:XValidation:rule="has(self.exponentialRetryPolicy) == (self.type == 'EXPONENTIAL') && has(self.customizedRetryPolicy) == (self.type == 'CUSTOMIZED')",message="give exponentialRetryPolicy with type EXPONENTIAL, customizedRetryPolicy with type CUSTOMIZED"
type GroupRetryPolicy struct {
	// Type is EXPONENTIAL or CUSTOMIZED.
	// +required
	// +kubebuilder:validation:Enum=EXPONENTIAL;CUSTOMIZED
	Type string `json:"type"`
	// ExponentialRetryPolicy grows the time with each try.
	// +optional
	ExponentialRetryPolicy *ExponentialRetryPolicy `json:"exponentialRetryPolicy,omitempty"`
	// CustomizedRetryPolicy lists the times.
	// +optional
	CustomizedRetryPolicy *CustomizedRetryPolicy `json:"customizedRetryPolicy,omitempty"`
}

// ExponentialRetryPolicy is RocketMQ's class of that name.
type ExponentialRetryPolicy struct {
	// Initial time in milliseconds.
	// +required
	// +kubebuilder:validation:Minimum=1
	Initial int64 `json:"initial"`
	// Max is the longest time in milliseconds.
	// +required
	// +kubebuilder:validation:Minimum=1
	Max int64 `json:"max"`
	// Multiplier of each time.
	// +required
	// +kubebuilder:validation:Minimum=1
	Multiplier int64 `json:"multiplier"`
}

// CustomizedRetryPolicy is RocketMQ's class of that name.
type CustomizedRetryPolicy struct {
	// Next are the times before each try, in milliseconds.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:Minimum=1
	// +listType=atomic
	Next []int64 `json:"next"`
}

// MessageRequestMode is RocketMQ's SetMessageRequestModeRequestBody.
type MessageRequestMode struct {
	// Topic that it is for.
	// +required
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]+$`
	Topic string `json:"topic"`
	// Mode is PULL or POP.
	// +required
	// +kubebuilder:validation:Enum=PULL;POP
	Mode string `json:"mode"`
	// PopShareQueueNum is how many consumers share a queue with POP: 0 for all.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PopShareQueueNum int32 `json:"popShareQueueNum,omitempty"`
}

// SubscriptionData is RocketMQ's SimpleSubscriptionData.
type SubscriptionData struct {
	// Topic of the subscription.
	// +required
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]+$`
	Topic string `json:"topic"`
	// ExpressionType is TAG or SQL92.
	// +optional
	// +kubebuilder:default=TAG
	// +kubebuilder:validation:Enum=TAG;SQL92
	ExpressionType string `json:"expressionType,omitempty"`
	// Expression that messages must match.
	// +optional
	// +kubebuilder:default="*"
	// +kubebuilder:validation:MaxLength=1024
	Expression string `json:"expression,omitempty"`
	// Version of the subscription.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Version int64 `json:"version,omitempty"`
}

// ConsumerGroupStatus is what was found.
type ConsumerGroupStatus struct {
	TableStatus `json:",inline"`
}

// ConsumerGroup is a consumer group on all broker groups of a RocketMQ cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=consumergroups,shortName=rmqgroup,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.groupName`
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.status.cluster`
// +kubebuilder:printcolumn:name="Groups",type=string,JSONPath=`.status.groups`,description="broker groups on which it is as specified"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Group",type=string,priority=1,JSONPath=`.spec.groupName`,description="name in RocketMQ, where it is not the resource's"
// +kubebuilder:printcolumn:name="Deletion",type=string,priority=1,JSONPath=`.spec.deletionPolicy`
// +kubebuilder:validation:XValidation:rule="has(self.spec.groupName) || self.metadata.name.matches('^[a-z0-9-]{1,120}$')",message="give spec.groupName: metadata.name cannot be a consumer group's name, which has no dots and at most 120 characters"
type ConsumerGroup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec ConsumerGroupSpec `json:"spec,omitempty"`
	// +optional
	Status ConsumerGroupStatus `json:"status,omitempty"`
}

// ConsumerGroupList is a list of ConsumerGroups.
//
// +kubebuilder:object:root=true
type ConsumerGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ConsumerGroup `json:"items"`
}

// EntityName is part of Entity.
func (g *ConsumerGroup) EntityName() string { return cmp.Or(g.Spec.GroupName, g.Name) }

// EntitySpec is part of Entity.
func (g *ConsumerGroup) EntitySpec() *EntitySpec { return &g.Spec.EntitySpec }

// EntityStatus is part of Entity.
func (g *ConsumerGroup) EntityStatus() *EntityStatus { return &g.Status.EntityStatus }

// EntityCount is part of Entity.
func (g *ConsumerGroup) EntityCount() *string { return &g.Status.Groups }

// EntityTransfer is part of Entity.
func (g *ConsumerGroup) EntityTransfer() *string { return &g.Status.Transfer }

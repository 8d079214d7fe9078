// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Annotations with which users decide what no field is for: a decision about one moment, or a way out.
const (
	// AnnotationUncleanElection at a Broker names the groups (one, or several with commas) in which a member that lacks
	// acknowledged messages may become master, once.
	AnnotationUncleanElection = "rocketmq.apache.org/allow-unclean-election"
	// AnnotationForceScaleIn at a Broker names the group to remove although it holds messages that are not consumed. It counts
	// only if it is set while the group is leaving.
	AnnotationForceScaleIn = "rocketmq.apache.org/force-scale-in"
	// AnnotationAllowMessageLoss at a Broker or Controller names the pod that may be replaced although its data is nowhere else.
	AnnotationAllowMessageLoss = "rocketmq.apache.org/allow-message-loss"
	// AnnotationAllowFrom at a resource lists the namespaces (comma separated, or "*") whose resources may refer to it. Those of
	// its own namespace always may.
	AnnotationAllowFrom = "rocketmq.apache.org/allow-from"
	// AnnotationRelease at a NameService, Controller, Broker, Proxy or RocketMQCluster is the release of RocketMQ in its image, such
	// as 5.4.0, where the image's tag is something else.
	AnnotationRelease = "rocketmq.apache.org/rocketmq-version"
	// AnnotationAdopt at a resource names the RocketMQCluster that may take it over as one of its parts.
	AnnotationAdopt = "rocketmq.apache.org/adopt"
	// AnnotationAbandon at a TopicTransfer that is being deleted lets it go at once, and leaves both clusters as they are: the way
	// out when one of them does not come back.
	AnnotationAbandon = "rocketmq.apache.org/abandon-transfer"
	// AnnotationLetGo at a Topic, ConsumerGroup or User that is being deleted lets it go at once, and leaves what is in RocketMQ as it is.
	AnnotationLetGo = "rocketmq.apache.org/let-go"
)

// Annotations that the operator writes and reads.
const (
	// AnnotationApplied holds the hash of what the operator applied last, so that it notices a field that is no longer wanted.
	AnnotationApplied = "rocketmq.apache.org/applied"
	// AnnotationHash on a pod template and its pods is the hash of what the user can change. A pod whose hash is not the wanted
	// one is outdated, whatever else a newer operator would render.
	AnnotationHash = "rocketmq.apache.org/config-hash"
	// AnnotationState at a broker group's StatefulSet is the group's state, AnnotationStateSince when it began.
	AnnotationState      = "rocketmq.apache.org/group-state"
	AnnotationStateSince = "rocketmq.apache.org/group-state-since"
	// AnnotationForceStale at a broker group's StatefulSet is "true" while the Broker's AnnotationForceScaleIn names the group
	// since before the group began to leave, so that it does not count.
	AnnotationForceStale = "rocketmq.apache.org/group-force-stale"
)

// FinalizerTopicTransfer keeps a TopicTransfer that has begun until it is finished or taken back.
const FinalizerTopicTransfer = "rocketmq.apache.org/topic-transfer"

// FinalizerEntity keeps a Topic, ConsumerGroup or User until what its deletionPolicy asks for is deleted in RocketMQ.
const FinalizerEntity = "rocketmq.apache.org/entity"

// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. Ready is the answer; UpToDate says whether every pod runs what the spec asks for. The others name
// a trouble: they are True while it lasts and absent otherwise, and a trouble that stops the resource is also the
// reason of Ready=False.
const (
	// ConditionReady is True when every member serves. While one does not, clients use the others.
	ConditionReady = "Ready"
	// ConditionUpToDate is False while pods still run an older spec.
	ConditionUpToDate = "UpToDate"

	// ConditionMissingReference: the NameService, Controller or Broker that is needed does not exist, or a ConfigMap that pods use.
	// Create it, or correct the field that the message names.
	ConditionMissingReference = "MissingReference"
	// ConditionAmbiguousReference: several candidates in the namespace. Name one in nameServiceRef, controllerRef or
	// brokerRef.
	ConditionAmbiguousReference = "AmbiguousReference"
	// ConditionNotAllowed: the resource that is referred to is in another namespace and does not allow it. The message has the
	// command with which its owner does.
	ConditionNotAllowed = "NotAllowed"
	// ConditionNameConflict: an object of a wanted name belongs to somebody else. Remove it or rename the resource.
	ConditionNameConflict = "NameConflict"
	// ConditionLegacyResources: the predecessor's StatefulSets are still there. They are never touched: migrate.
	ConditionLegacyResources = "LegacyResources"
	// ConditionUnsupportedImage: the image is not of the official layout. Set an apache/rocketmq 5.x image.
	ConditionUnsupportedImage = "UnsupportedImage"
	// ConditionKnownDefect: this RocketMQ version has a defect that this topology is exposed to.
	ConditionKnownDefect = "KnownDefect"
	// ConditionControllerStateLost: the controllers do not know brokers that they have registered before.
	ConditionControllerStateLost = "ControllerStateLost"
	// ConditionBrokerNameConflict: another Broker registers the same brokerName at the same name servers.
	ConditionBrokerNameConflict = "BrokerNameConflict"
	// ConditionNodeLost: a pod is on a node that does not answer.
	ConditionNodeLost = "NodeLost"
	// ConditionInvalidSpec: the spec has a mistake that the schema cannot refuse. The message names the field.
	ConditionInvalidSpec = "InvalidSpec"
	// ConditionUnsupportedConfig: the configuration makes servers refuse the operator. The message names the property or option.
	ConditionUnsupportedConfig = "UnsupportedConfig"
	// ConditionIgnoredConfig: a property does not do what it says, because servers do not know it or cannot read its value, because
	// the operator sets it, or because something else bounds it. The message names the property and where it is. It is a warning.
	ConditionIgnoredConfig = "IgnoredConfig"
	// ConditionUnknownRelease: the image's tag does not say which release of RocketMQ is in it, so the operator cannot look after
	// what depends on that. The message has the command that says it.
	ConditionUnknownRelease = "UnknownRelease"
	// ConditionMetadataCopy is False while a new group gets the topics and consumer groups of the others. Clients do not see the group
	// until then. The message says how far the copy is, or what stops it.
	ConditionMetadataCopy = "MetadataCopy"
	// ConditionDraining: a group or a slave is about to leave. The message says what it waits for.
	ConditionDraining = "Draining"
	// ConditionDiskPressure: a disk is nearly so full that RocketMQ refuses messages.
	ConditionDiskPressure = "DiskPressure"
	// ConditionRolloutBlocked: no pod can be replaced without its group refusing messages meanwhile. The message says the
	// choices.
	ConditionRolloutBlocked = "RolloutBlocked"
	// ConditionWouldLoseMessages: an outdated pod would lose its disk, and no other member has its messages.
	ConditionWouldLoseMessages = "WouldLoseMessages"
	// ConditionMetadataAtRisk: a master or a slave lacks topics or consumer groups, or they cannot be saved.
	ConditionMetadataAtRisk = "MetadataAtRisk"
	// ConditionNoMaster: a group has no master, and no member that may become one runs. The message names the choices and
	// what each costs.
	ConditionNoMaster = "NoMaster"
	// ConditionVolumeExpansion: the volumes do not have the size in the spec. The message says what is done about it.
	ConditionVolumeExpansion = "VolumeExpansion"
	// ConditionUnsafeDowngrade: the image is older than the RocketMQ that wrote the disks, and could not read them. The brokers go on
	// with the image that they have.
	ConditionUnsafeDowngrade = "UnsafeDowngrade"
	// ConditionRefused: the API server refused an object or a pod. The message has its words, and the remedy.
	ConditionRefused = "Refused"
	// ConditionOutOfMemory: a container was killed within the last hour because it used more memory than its limit.
	ConditionOutOfMemory = "OutOfMemory"
	// ConditionRemainingBroker: a pool was removed from the cluster's spec. Its Broker goes on as it is.
	ConditionRemainingBroker = "RemainingBroker"
	// ConditionPolicyWithoutEffect: networkPolicy is Enabled, and pods are in their nodes' network, where no NetworkPolicy holds.
	ConditionPolicyWithoutEffect = "PolicyWithoutEffect"
	// ConditionMissingCredentials: spec.auth is enabled, and the Secret with the accounts is missing, incomplete or not the operator's; or
	// a dashboard or exporter has no account at brokers that ask for credentials.
	ConditionMissingCredentials = "MissingCredentials"
	// ConditionRefusedCredentials: brokers refuse the operator's requests, so that it can neither watch nor change them.
	ConditionRefusedCredentials = "RefusedCredentials"
	// ConditionInvalidCertificate: the certificate of spec.tls is missing, expired, or not one that servers can use. The message says what
	// is wrong with it. No server is started or asked meanwhile.
	ConditionInvalidCertificate = "InvalidCertificate"
	// ConditionCertificateExpiring: the certificate was not renewed though less than a third of its life is left.
	ConditionCertificateExpiring = "CertificateExpiring"
	// ConditionTypeConflict: RocketMQ has a topic of that name with another type, or with other settings that cannot change.
	ConditionTypeConflict = "TypeConflict"
	// ConditionTransferred: a TopicTransfer has moved the topic or consumer group to another cluster.
	ConditionTransferred = "Transferred"
	// ConditionStalled: a TopicTransfer cannot finish for now. It is tried again; the message names what remains.
	ConditionStalled = "Stalled"
)

// Reasons of Ready and UpToDate that are no trouble by themselves.
const (
	ReasonReady                 = "Ready"
	ReasonWaitingForNameServers = "WaitingForNameServers"
	ReasonWaitingForControllers = "WaitingForControllers"
	ReasonWaitingForBrokers     = "WaitingForBrokers"
	ReasonMembersNotReady       = "MembersNotReady"
	ReasonNoLeader              = "NoLeader"
	ReasonUnreachable           = "Unreachable"
	ReasonReplacingPods         = "ReplacingPods"
	ReasonUpToDate              = "UpToDate"
	ReasonPaused                = "Paused"
	// ReasonCopying: a new group is being given topics and consumer groups.
	ReasonCopying = "Copying"
	// ReasonSourceUnknown: spec.scalePodName names no broker pod of this resource.
	ReasonSourceUnknown = "SourceUnknown"
	// ReasonSourceUnreachable: the broker to copy from has no master, or it does not answer.
	ReasonSourceUnreachable = "SourceUnreachable"
	// ReasonTargetUnreachable: the new group has no master, or it does not answer or is not ready.
	ReasonTargetUnreachable = "TargetUnreachable"
	// ReasonRestoring: a new master lacks topics or consumer groups, and they are being restored.
	ReasonRestoring = "Restoring"
	// ReasonNotSaved: topics and consumer groups could not be saved; it is tried again.
	ReasonNotSaved = "NotSaved"
	// ReasonTooLarge: there are more topics and consumer groups than 16 ConfigMaps hold.
	ReasonTooLarge = "TooLarge"
	// ReasonExpanding: the volumes are growing to the size in the spec.
	ReasonExpanding = "Expanding"
	// ReasonExpansionRefused: the API server refused to enlarge a volume: its StorageClass does not allow it.
	ReasonExpansionRefused = "ExpansionRefused"
	// ReasonExpansionStalled: a volume was asked to grow minutes ago, and its driver has not done it.
	ReasonExpansionStalled = "ExpansionStalled"
	// ReasonCannotShrink: the spec asks for less than the volumes have.
	ReasonCannotShrink = "CannotShrink"
	// ReasonSlaveBehind: a slave has not had all topics and consumer groups of its master for a minute.
	ReasonSlaveBehind = "SlaveBehind"
	// ReasonCreating: a part of a cluster does not exist yet.
	ReasonCreating = "Creating"
	// ReasonUpdating: a part of a cluster has not taken over the newest spec, or waits with its version for those before it.
	ReasonUpdating = "Updating"
)

// Reasons of Ready of a Topic or ConsumerGroup that are no trouble by themselves.
const (
	// ReasonTransferring: a TopicTransfer moves it, and nothing else changes it meanwhile.
	ReasonTransferring = "Transferring"
	// ReasonNotEmpty: it is to be deleted when nothing is in it.
	ReasonNotEmpty = "NotEmpty"
	// ReasonDeleting: it is being deleted in RocketMQ.
	ReasonDeleting = "Deleting"
)

// Reasons of a TopicTransfer's Ready, besides its phases.
const (
	// ReasonAmbiguousCluster: several Brokers of the namespace make up a cluster of that name. Name one in sourceRef or
	// targetRef.
	ReasonAmbiguousCluster = "AmbiguousCluster"
	// ReasonMissingCluster: no Broker of the namespace makes up a cluster of that name.
	ReasonMissingCluster = "MissingCluster"
	// ReasonSameCluster: source and target are the same.
	ReasonSameCluster = "SameCluster"
	// ReasonSystemTopic: RocketMQ itself owns the topic.
	ReasonSystemTopic = "SystemTopic"
	// ReasonTopicMissing: no broker of the source has the topic.
	ReasonTopicMissing = "TopicMissing"
	// ReasonGroupMissing: spec.groups names a consumer group that no broker of the source has.
	ReasonGroupMissing = "GroupMissing"
	// ReasonTargetConflict: the target has a topic of that name that cannot stand in for the source's.
	ReasonTargetConflict = "TargetConflict"
	// ReasonNoWritePermission: no broker lets clients write.
	ReasonNoWritePermission = "NoWritePermission"
	// ReasonUnconsumed: there are messages that no group consumes.
	ReasonUnconsumed = "Unconsumed"
	// ReasonAnotherTransfer: an older TopicTransfer moves the same topic.
	ReasonAnotherTransfer = "AnotherTransfer"
	// ReasonHolding: the source is drained, and spec.holdBeforeClean is set.
	ReasonHolding = "Holding"
	// ReasonFailed: an operation failed and is tried again.
	ReasonFailed = "Failed"
)

// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// EventReason is the reason of an event that the operator sends; docs/troubleshooting.md explains each of them.
type EventReason = string

// Reasons of events about objects.
const (
	// EventCreated, EventUpdated, EventScaled and EventRemoved: an object of a resource was created, changed or deleted.
	EventCreated EventReason = "Created"
	EventUpdated EventReason = "Updated"
	EventScaled  EventReason = "Scaled"
	EventRemoved EventReason = "Removed"
	// EventChangingVersion: a part of a RocketMQCluster gets another image.
	EventChangingVersion EventReason = "ChangingVersion"
	// EventVolumeGrows: a volume was asked to grow. EventVolumesGrown: all of a StatefulSet have the size of the spec.
	EventVolumeGrows  EventReason = "VolumeGrows"
	EventVolumesGrown EventReason = "VolumesGrown"
	// EventNoPodMonitor: the PodMonitor could not be written, so Prometheus does not find the metrics by itself.
	EventNoPodMonitor EventReason = "NoPodMonitor"
)

// Reasons of events about rollouts.
const (
	// EventReplacingPod: a pod was stopped so that its successor runs the current spec.
	EventReplacingPod EventReason = "ReplacingPod"
	// EventRolloutWaiting: no pod is replaced now, for a reason that passes. EventRolloutPaused: spec.paused is set.
	EventRolloutWaiting EventReason = "RolloutWaiting"
	EventRolloutPaused  EventReason = "RolloutPaused"
	// EventRolloutBlocked and EventWouldLoseMessages: the conditions of the same names were raised.
	EventRolloutBlocked    EventReason = ConditionRolloutBlocked
	EventWouldLoseMessages EventReason = ConditionWouldLoseMessages
)

// Reasons of events about masters and elections.
const (
	// EventLeaderElected: another controller leads.
	EventLeaderElected EventReason = "LeaderElected"
	// EventMasterElected: a group has its first master, or the same one again. EventMasterChanged: another one.
	EventMasterElected EventReason = "MasterElected"
	EventMasterChanged EventReason = "MasterChanged"
	// EventHandingOver: a master that is to leave its group is restarted, so that it hands over.
	EventHandingOver EventReason = "HandingOver"
	// EventUncleanElection: a member that lacks messages was elected, as the user allowed.
	EventUncleanElection EventReason = "UncleanElection"
	// EventUncleanElectionFailed: that election failed and is tried again.
	EventUncleanElectionFailed EventReason = "UncleanElectionFailed"
	// EventUncleanElectionStillAllowed: a controller could not be told to forbid such elections again.
	EventUncleanElectionStillAllowed EventReason = "UncleanElectionStillAllowed"
	// EventUncleanElectionForbidden: a controller accepted unclean elections though nobody allows them, and does not any more.
	EventUncleanElectionForbidden EventReason = "UncleanElectionForbidden"
)

// Reasons of events about what brokers run with and know.
const (
	// EventPropertiesUpdated: a running broker was given other properties. EventPropertiesNotUpdated: it did not take them.
	EventPropertiesUpdated    EventReason = "PropertiesUpdated"
	EventPropertiesNotUpdated EventReason = "PropertiesNotUpdated"
	// EventGroupState: a broker group goes from one state of its life to the next.
	EventGroupState EventReason = "GroupState"
	// EventGroupRemoved: a broker group and its objects are gone.
	EventGroupRemoved EventReason = "GroupRemoved"
	// EventMetadataCopied: a new group has all topics and consumer groups.
	EventMetadataCopied EventReason = "MetadataCopied"
	// EventMetadataRestored: topics and consumer groups that a new master lacked were restored.
	EventMetadataRestored EventReason = "MetadataRestored"
	// EventMetadataDiffers: a broker has topics or consumer groups with other settings, and keeps them.
	EventMetadataDiffers EventReason = "MetadataDiffers"
	// EventMetadataLeftOver: a group that came back has topics that the others do not have any more.
	EventMetadataLeftOver EventReason = "MetadataLeftOver"
	// EventMetadataShrank: a group has lost more than half of its topics or consumer groups. Those of before are kept.
	EventMetadataShrank EventReason = "MetadataShrank"
	// EventMetadataUnreadable: what was saved of a group cannot be read, so nothing is restored.
	EventMetadataUnreadable EventReason = "MetadataUnreadable"
	// EventRecordCleaned: the controllers forgot brokers whose disks are gone. EventRecordNotCleaned: they did not yet.
	EventRecordCleaned    EventReason = "RecordCleaned"
	EventRecordNotCleaned EventReason = "RecordNotCleaned"
	// EventSystemTopicCreated: a broker group that came later was given the proxies' own topic.
	EventSystemTopicCreated EventReason = "SystemTopicCreated"
)

// Reasons of events about topics, consumer groups and users that have a resource.
const (
	// EventAdopted: RocketMQ had it before its resource.
	EventAdopted EventReason = "Adopted"
	// EventPutBack: somebody changed or deleted it in RocketMQ, and it is as specified again.
	EventPutBack EventReason = "PutBack"
	// EventDeleted: it was deleted in RocketMQ. EventLetGo: its resource went, and it stays.
	EventDeleted EventReason = "Deleted"
	EventLetGo   EventReason = "LetGo"
	// EventPasswordChanged: the password of a user is another one on every broker.
	EventPasswordChanged EventReason = "PasswordChanged"
)

// SPDX-License-Identifier: Apache-2.0

package admin

import "strings"

// Names under which RocketMQ keeps messages and offsets of its own (TopicValidator, MixAll, PopAckConstants).
const (
	scheduleTopic     = "SCHEDULE_TOPIC_XXXX"
	halfTopic         = "RMQ_SYS_TRANS_HALF_TOPIC"
	transactionGroup  = "CID_RMQ_SYS_TRANS"
	reviveTopicPrefix = "rmq_sys_REVIVE_LOG_"
	reviveGroup       = "CID_RMQ_SYS_REVIVE_GROUP"

	// realTopic is the property with the topic that a waiting message will go to (MessageConst.PROPERTY_REAL_TOPIC).
	realTopic = "REAL_TOPIC"

	retryTopicPrefix = "%RETRY%"
	deadTopicPrefix  = "%DLQ%"
)

// IsSystemTopic reports whether a topic is RocketMQ's own, on a broker with the given brokerClusterName and brokerName. Brokers
// create these topics themselves and refuse to change or delete them. They are those of TopicValidator.SYSTEM_TOPIC_SET, those
// with its prefix, and those of TopicConfigManager.init. Retry and dead letter topics are no system topics.
func IsSystemTopic(topic, clusterName, brokerName string) bool {
	switch topic {
	case "TBW102", scheduleTopic, "BenchmarkTest", halfTopic, "RMQ_SYS_TRACE_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC",
		"TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "CHECKPOINT_TOPIC",
		"RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC", "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC", // since 5.4.0
		clusterName, brokerName, clusterName + "_REPLY_TOPIC":
		return true
	}
	return strings.HasPrefix(topic, "rmq_sys_")
}

// IsSystemGroup reports whether a consumer group is RocketMQ's own (MixAll.PREDEFINE_GROUP_SET, where some producer groups are
// listed too, and MixAll.isSysConsumerGroup).
func IsSystemGroup(group string) bool {
	switch group {
	case "DEFAULT_CONSUMER", "DEFAULT_PRODUCER", "TOOLS_CONSUMER", "SCHEDULE_CONSUMER", "FILTERSRV_CONSUMER",
		"__MONITOR_CONSUMER", "CLIENT_INNER_PRODUCER", "SELF_TEST_P_GROUP", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
		"CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER", "CID_ONSAPI_PULL":
		return true
	}
	return strings.HasPrefix(group, "CID_RMQ_SYS_")
}

// Names by which proxies tell each other of their clients (HeartbeatSyncer, ProxyConfig.heartbeatSyncerTopicName).
const (
	ProxyTopic = "DefaultHeartBeatSyncerTopic"
	ProxyGroup = "CID_" + ProxyTopic
)

// IsOwnTopic reports whether a topic is none that users made: a system topic, one for retries or dead letters, or the proxies'. The
// latter is no system topic: brokers do not make it, so whoever copies topics must copy it.
func IsOwnTopic(topic, clusterName, brokerName string) bool {
	return IsSystemTopic(topic, clusterName, brokerName) || topic == ProxyTopic ||
		strings.HasPrefix(topic, retryTopicPrefix) || strings.HasPrefix(topic, deadTopicPrefix)
}

// IsOwnGroup reports whether a consumer group is none that users made: a system group, or the proxies'.
func IsOwnGroup(group string) bool { return IsSystemGroup(group) || group == ProxyGroup }

// RetryTopic is the topic to which messages go that a consumer group failed to consume (MixAll.getRetryTopic).
func RetryTopic(group string) string { return retryTopicPrefix + group }

// DeadTopic is the dead letter topic of a consumer group, to which messages go that failed too often (MixAll.getDLQTopic).
func DeadTopic(group string) string { return deadTopicPrefix + group }

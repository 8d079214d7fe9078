package admin

import "strings"

// Names that RocketMQ keeps its own messages and offsets under (TopicValidator, MixAll, PopAckConstants).
const (
	scheduleTopic     = "SCHEDULE_TOPIC_XXXX"
	halfTopic         = "RMQ_SYS_TRANS_HALF_TOPIC"
	transactionGroup  = "CID_RMQ_SYS_TRANS"
	reviveTopicPrefix = "rmq_sys_REVIVE_LOG_"
	reviveGroup       = "CID_RMQ_SYS_REVIVE_GROUP"

	// realTopic is the property of a message that waits under another topic (MessageConst.PROPERTY_REAL_TOPIC).
	realTopic = "REAL_TOPIC"

	retryTopicPrefix = "%RETRY%"
	deadTopicPrefix  = "%DLQ%"
)

// IsSystemTopic reports whether RocketMQ itself makes and owns a topic, on a broker of the given cluster and group
// (brokerClusterName, brokerName): the names in TopicValidator.SYSTEM_TOPIC_SET and with its prefix, and those that
// TopicConfigManager.init adds. Brokers refuse to change or delete them. Retry and dead letter topics are no system
// topics.
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

// IsSystemGroup reports whether a consumer group is RocketMQ's own: MixAll.PREDEFINE_GROUP_SET and
// MixAll.isSysConsumerGroup. (DEFAULT_PRODUCER, CLIENT_INNER_PRODUCER and SELF_TEST_P_GROUP, of producers, are in that set.)
func IsSystemGroup(group string) bool {
	switch group {
	case "DEFAULT_CONSUMER", "DEFAULT_PRODUCER", "TOOLS_CONSUMER", "SCHEDULE_CONSUMER", "FILTERSRV_CONSUMER",
		"__MONITOR_CONSUMER", "CLIENT_INNER_PRODUCER", "SELF_TEST_P_GROUP", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
		"CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER", "CID_ONSAPI_PULL":
		return true
	}
	return strings.HasPrefix(group, "CID_RMQ_SYS_")
}

// RetryTopic is where a broker puts messages that a consumer group failed to consume, DeadTopic where those go that
// failed too often (MixAll.getRetryTopic, getDLQTopic).
func RetryTopic(group string) string { return retryTopicPrefix + group }

// DeadTopic is described at RetryTopic.
func DeadTopic(group string) string { return deadTopicPrefix + group }

// SPDX-License-Identifier: Apache-2.0

package admin

import "testing"

func TestSystemNames(t *testing.T) {
	for topic, want := range map[string]bool{
		"TBW102": true, "SCHEDULE_TOPIC_XXXX": true, "rmq_sys_REVIVE_LOG_c": true, "rmq_sys_wheel_timer": true,
		"c": true, "b": true, "c_REPLY_TOPIC": true, "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC": true,
		"orders": false, "%RETRY%g": false, "%DLQ%g": false, "d": false, "d_REPLY_TOPIC": false, "RMQ_SYS_mine": false, "DefaultHeartBeatSyncerTopic": false,
	} {
		if got := IsSystemTopic(topic, "c", "b"); got != want {
			t.Errorf("topic %s: %t, want %t", topic, got, want)
		}
	}
	for group, want := range map[string]bool{
		"TOOLS_CONSUMER": true, "CID_RMQ_SYS_TRANS": true, "CID_ONS-HTTP-PROXY": true, "CID_mine": false, "": false, "CID_DefaultHeartBeatSyncerTopic": false,
	} {
		if got := IsSystemGroup(group); got != want {
			t.Errorf("group %s: %t, want %t", group, got, want)
		}
	}
}

// TestOwnNames are hidden from people; copies of a broker's topics do not go by them, because brokers do not make the proxies' topic.
func TestOwnNames(t *testing.T) {
	for topic, want := range map[string]bool{
		"TBW102": true, "c": true, "%RETRY%g": true, "%DLQ%g": true, "DefaultHeartBeatSyncerTopic": true, "orders": false, "DLQ": false,
	} {
		if got := IsOwnTopic(topic, "c", "b"); got != want {
			t.Errorf("topic %s: %t, want %t", topic, got, want)
		}
	}
	for group, want := range map[string]bool{"TOOLS_CONSUMER": true, "CID_DefaultHeartBeatSyncerTopic": true, "CID_mine": false} {
		if got := IsOwnGroup(group); got != want {
			t.Errorf("group %s: %t, want %t", group, got, want)
		}
	}
}

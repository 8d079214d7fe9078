// SPDX-License-Identifier: Apache-2.0

package admin

import "testing"

func TestSystemNames(t *testing.T) {
	for topic, want := range map[string]bool{
		"TBW102": true, "SCHEDULE_TOPIC_XXXX": true, "rmq_sys_REVIVE_LOG_c": true, "rmq_sys_wheel_timer": true,
		"c": true, "b": true, "c_REPLY_TOPIC": true, "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC": true,
		"orders": false, "%RETRY%g": false, "%DLQ%g": false, "d": false, "d_REPLY_TOPIC": false, "RMQ_SYS_mine": false,
	} {
		if got := IsSystemTopic(topic, "c", "b"); got != want {
			t.Errorf("topic %s: %t, want %t", topic, got, want)
		}
	}
	for group, want := range map[string]bool{
		"TOOLS_CONSUMER": true, "CID_RMQ_SYS_TRANS": true, "CID_ONS-HTTP-PROXY": true, "CID_mine": false, "": false,
	} {
		if got := IsSystemGroup(group); got != want {
			t.Errorf("group %s: %t, want %t", group, got, want)
		}
	}
}

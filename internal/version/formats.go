// SPDX-License-Identifier: Apache-2.0

package version

import "fmt"

// Disk has the settings that decide in which form a broker stores its data.
type Disk struct {
	// ControllerMode: brokers have an identity that the controllers gave them.
	ControllerMode bool
	// StoreType and ConfigManagerVersion are the properties of these names, "" if they are not set.
	StoreType, ConfigManagerVersion string
}

// Format of data on disk. Releases before Since cannot read it.
type Format struct {
	Since Version
	// Used says which disks have it.
	Used func(Disk) bool
	// Text: what older releases would do with it.
	Text string
	// Source of the knowledge.
	Source string
}

// Formats is the table of formats, the newest first.
func Formats() []Format {
	return []Format{
		{
			Since: Version{5, 3, 2}, Used: func(d Disk) bool { return d.ConfigManagerVersion == "v2" },
			Text:   "with configManagerVersion v2 topics, consumer groups and offsets are in a database that older releases do not open: they would start without any",
			Source: "apache/rocketmq#8856",
		},
		{
			Since: Version{5, 2, 0}, Used: func(d Disk) bool { return d.StoreType == "defaultRocksDB" },
			Text:   "with storeType defaultRocksDB consume queues, topics and consumer groups are in RocksDB, which older releases do not know: they would start without any",
			Source: "apache/rocketmq#7064 (RIP-66)",
		},
		{
			Since: Version{5, 1, 1}, Used: func(d Disk) bool { return d.ControllerMode },
			Text:   "controllers and brokers know each other by identities on their disks that older releases do not read: every broker would be a stranger to its own group",
			Source: "apache/rocketmq#5745, docs/en/controller/persistent_unique_broker_id.md",
		},
	}
}

// Downgrade says why a disk that was written by one release must not be given to an older one, "" if there is no such reason.
func Downgrade(before, after Version, disk Disk) string {
	if !after.Less(before) {
		return ""
	}
	for _, f := range Formats() {
		if f.Used(disk) && after.Less(f.Since) && !before.Less(f.Since) {
			return fmt.Sprintf("RocketMQ %s cannot follow %s: %s", after, before, f.Text)
		}
	}
	return ""
}

// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// valueKind is how RocketMQ reads a property's value (MixAll.properties2Object). It ignores one that it cannot read.
type valueKind int

const (
	text valueKind = iota
	integer
	long
	boolean
)

// LiveKey is a property that a running broker takes over when it is told to (UPDATE_BROKER_CONFIG), so that a change needs no restart.
type LiveKey struct {
	Key string
	// Default is the value of a broker that is not given the property, and the value that it gets back when the property is removed.
	Default string
	kind    valueKind
}

// LiveKeys returns the properties of brokers that may change without a restart. A key belongs here only if RocketMQ reads it at every
// use (named below; found in the bytecode of 5.4.0 by the callers of its getter) and never at the start of a server or thread, and if
// its default is the same in all releases. That excludes autoCreateTopicEnable (the default topic is created at start:
// TopicConfigManager.init), maxMessageSize (TimerMessageStore has buffers of that size), and everything about ports, paths, threads,
// flushing, store types and authentication.
//
// Live keys do not count for the restart hash. If a key is added or removed here, an upgrade of the operator restarts the brokers whose
// spec has it, once.
func LiveKeys() []LiveKey {
	return []LiveKey{
		// DefaultMessageStore.CleanCommitLogService: deleteExpiredFiles, isTimeToDelete, isSpaceToDelete
		{"fileReservedTime", "72", integer},
		{"deleteWhen", "04", text},
		{"diskMaxUsedSpaceRatio", "75", integer},
		{"cleanFileForciblyEnable", "true", boolean},
		// CommitLog: asyncPutMessage, calcNeedAckNums
		{"minInSyncReplicas", "1", integer},
		{"inSyncReplicas", "1", integer},
		{"allAckInSyncStateSet", "false", boolean},
		// AutoSwitchHAService.maybeShrinkSyncStateSet
		{"haMaxTimeSlaveNotCatchup", "15000", long},
		// PullMessageProcessor
		{"slaveReadEnable", "false", boolean},
		// SubscriptionGroupManager.findSubscriptionGroupConfig
		{"autoCreateSubscriptionGroup", "true", boolean},
		// ConsumerManager's listener: DefaultConsumerIdsChangeListener.handle
		{"notifyConsumerIdsChangedEnable", "true", boolean},
		// SendMessageProcessor
		{"rejectTransactionMessage", "false", boolean},
		// TransactionalMessageCheckService.onWaitEnd
		{"transactionCheckMax", "15", integer},
		{"transactionTimeOut", "6000", long},
		// DefaultMessageStore.isOSPageCacheBusy
		{"osPageCacheBusyTimeOutMills", "1000", long},
		// BrokerFastFailure.cleanExpiredRequest
		{"waitTimeMillsInSendQueue", "200", long},
	}
}

// IsLive reports whether a property of brokers may change without a restart.
func IsLive(key string) bool {
	return slices.ContainsFunc(LiveKeys(), func(k LiveKey) bool { return k.Key == key })
}

// Canonical is how a broker shows a value that it has taken over. It is an error if the broker would ignore the value.
func (k LiveKey) Canonical(value string) (string, error) {
	value = strings.TrimSpace(value)
	switch k.kind {
	case integer, long:
		bits := 32
		if k.kind == long {
			bits = 64
		}
		n, err := strconv.ParseInt(value, 10, bits)
		if err != nil {
			return "", fmt.Errorf("spec.config: %s is %q, which RocketMQ would ignore: give a whole number", k.Key, value)
		}
		return strconv.FormatInt(n, 10), nil
	case boolean:
		return strconv.FormatBool(strings.EqualFold(value, "true")), nil // Boolean.parseBoolean
	case text:
	}
	return value, nil
}

// LiveProperties are the values of all live keys: the user's, or else the default.
func LiveProperties(config map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for _, k := range LiveKeys() {
		out[k.Key] = k.Default
		if value, given := config[k.Key]; given {
			var err error
			if out[k.Key], err = k.Canonical(value); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// SPDX-License-Identifier: Apache-2.0

package remoting

import "fmt"

// RequestCode says what a request asks for (RocketMQ's class RequestCode).
type RequestCode int

// The requests that package admin sends, and some of their kin.
const (
	SendMessage                          RequestCode = 10
	PullMessage                          RequestCode = 11
	QueryMessage                         RequestCode = 12
	QueryConsumerOffset                  RequestCode = 14
	UpdateConsumerOffset                 RequestCode = 15
	UpdateAndCreateTopic                 RequestCode = 17
	UpdateAndCreateTopicList             RequestCode = 18
	GetAllTopicConfig                    RequestCode = 21
	UpdateBrokerConfig                   RequestCode = 25
	GetBrokerConfig                      RequestCode = 26
	GetBrokerRuntimeInfo                 RequestCode = 28
	GetMaxOffset                         RequestCode = 30
	GetMinOffset                         RequestCode = 31
	ViewMessageByID                      RequestCode = 33
	GetConsumerListByGroup               RequestCode = 38
	GetAllConsumerOffset                 RequestCode = 43
	GetAllDelayOffset                    RequestCode = 45
	GetTimerMetrics                      RequestCode = 61
	GetRouteInfoByTopic                  RequestCode = 105
	GetBrokerClusterInfo                 RequestCode = 106
	UpdateAndCreateSubscriptionGroup     RequestCode = 200
	GetAllSubscriptionGroupConfig        RequestCode = 201
	GetTopicStatsInfo                    RequestCode = 202
	GetConsumerConnectionList            RequestCode = 203
	DeleteSubscriptionGroup              RequestCode = 207
	GetConsumeStats                      RequestCode = 208
	DeleteTopicInBroker                  RequestCode = 215
	DeleteTopicInNameServer              RequestCode = 216
	UpdateAndCreateSubscriptionGroupList RequestCode = 225
	QueryTopicConsumeByWho               RequestCode = 300
	GetAllProducerInfo                   RequestCode = 328
	QueryTopicsByConsumer                RequestCode = 343
	GetTopicConfig                       RequestCode = 351
	GetSubscriptionGroupConfig           RequestCode = 352
	SetMessageRequestMode                RequestCode = 401
	GetAllMessageRequestMode             RequestCode = 402
	ExchangeBrokerHAInfo                 RequestCode = 906
	GetBrokerHAStatus                    RequestCode = 907
	ControllerElectMaster                RequestCode = 1002
	ControllerGetMetadataInfo            RequestCode = 1005
	ControllerGetSyncStateData           RequestCode = 1006
	GetBrokerEpochCache                  RequestCode = 1007
	NotifyBrokerRoleChanged              RequestCode = 1008
	UpdateControllerConfig               RequestCode = 1009
	GetControllerConfig                  RequestCode = 1010
	CleanBrokerData                      RequestCode = 1011
	AuthCreateUser                       RequestCode = 3001
	AuthUpdateUser                       RequestCode = 3002
	AuthDeleteUser                       RequestCode = 3003
	AuthGetUser                          RequestCode = 3004
	AuthListUser                         RequestCode = 3005
	AuthCreateACL                        RequestCode = 3006
	AuthUpdateACL                        RequestCode = 3007
	AuthDeleteACL                        RequestCode = 3008
	AuthGetACL                           RequestCode = 3009
	AuthListACL                          RequestCode = 3010
)

//nolint:gochecknoglobals // a table that nothing writes to
var requestNames = map[RequestCode]string{
	SendMessage:                          "SEND_MESSAGE",
	PullMessage:                          "PULL_MESSAGE",
	QueryMessage:                         "QUERY_MESSAGE",
	QueryConsumerOffset:                  "QUERY_CONSUMER_OFFSET",
	UpdateConsumerOffset:                 "UPDATE_CONSUMER_OFFSET",
	UpdateAndCreateTopic:                 "UPDATE_AND_CREATE_TOPIC",
	UpdateAndCreateTopicList:             "UPDATE_AND_CREATE_TOPIC_LIST",
	GetAllTopicConfig:                    "GET_ALL_TOPIC_CONFIG",
	UpdateBrokerConfig:                   "UPDATE_BROKER_CONFIG",
	GetBrokerConfig:                      "GET_BROKER_CONFIG",
	GetBrokerRuntimeInfo:                 "GET_BROKER_RUNTIME_INFO",
	GetMaxOffset:                         "GET_MAX_OFFSET",
	GetMinOffset:                         "GET_MIN_OFFSET",
	ViewMessageByID:                      "VIEW_MESSAGE_BY_ID",
	GetConsumerListByGroup:               "GET_CONSUMER_LIST_BY_GROUP",
	GetAllConsumerOffset:                 "GET_ALL_CONSUMER_OFFSET",
	GetAllDelayOffset:                    "GET_ALL_DELAY_OFFSET",
	GetTimerMetrics:                      "GET_TIMER_METRICS",
	GetRouteInfoByTopic:                  "GET_ROUTEINFO_BY_TOPIC",
	GetBrokerClusterInfo:                 "GET_BROKER_CLUSTER_INFO",
	UpdateAndCreateSubscriptionGroup:     "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP",
	GetAllSubscriptionGroupConfig:        "GET_ALL_SUBSCRIPTIONGROUP_CONFIG",
	GetTopicStatsInfo:                    "GET_TOPIC_STATS_INFO",
	GetConsumerConnectionList:            "GET_CONSUMER_CONNECTION_LIST",
	DeleteSubscriptionGroup:              "DELETE_SUBSCRIPTIONGROUP",
	GetConsumeStats:                      "GET_CONSUME_STATS",
	DeleteTopicInBroker:                  "DELETE_TOPIC_IN_BROKER",
	DeleteTopicInNameServer:              "DELETE_TOPIC_IN_NAMESRV",
	UpdateAndCreateSubscriptionGroupList: "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST",
	QueryTopicConsumeByWho:               "QUERY_TOPIC_CONSUME_BY_WHO",
	GetAllProducerInfo:                   "GET_ALL_PRODUCER_INFO",
	QueryTopicsByConsumer:                "QUERY_TOPICS_BY_CONSUMER",
	GetTopicConfig:                       "GET_TOPIC_CONFIG",
	GetSubscriptionGroupConfig:           "GET_SUBSCRIPTIONGROUP_CONFIG",
	SetMessageRequestMode:                "SET_MESSAGE_REQUEST_MODE",
	GetAllMessageRequestMode:             "GET_ALL_MESSAGE_REQUEST_MODE",
	ExchangeBrokerHAInfo:                 "EXCHANGE_BROKER_HA_INFO",
	GetBrokerHAStatus:                    "GET_BROKER_HA_STATUS",
	ControllerElectMaster:                "CONTROLLER_ELECT_MASTER",
	ControllerGetMetadataInfo:            "CONTROLLER_GET_METADATA_INFO",
	ControllerGetSyncStateData:           "CONTROLLER_GET_SYNC_STATE_DATA",
	GetBrokerEpochCache:                  "GET_BROKER_EPOCH_CACHE",
	NotifyBrokerRoleChanged:              "NOTIFY_BROKER_ROLE_CHANGED",
	UpdateControllerConfig:               "UPDATE_CONTROLLER_CONFIG",
	GetControllerConfig:                  "GET_CONTROLLER_CONFIG",
	CleanBrokerData:                      "CLEAN_BROKER_DATA",
	AuthCreateUser:                       "AUTH_CREATE_USER",
	AuthUpdateUser:                       "AUTH_UPDATE_USER",
	AuthDeleteUser:                       "AUTH_DELETE_USER",
	AuthGetUser:                          "AUTH_GET_USER",
	AuthListUser:                         "AUTH_LIST_USER",
	AuthCreateACL:                        "AUTH_CREATE_ACL",
	AuthUpdateACL:                        "AUTH_UPDATE_ACL",
	AuthDeleteACL:                        "AUTH_DELETE_ACL",
	AuthGetACL:                           "AUTH_GET_ACL",
	AuthListACL:                          "AUTH_LIST_ACL",
}

// String is the name that RocketMQ's source and documentation use.
func (c RequestCode) String() string {
	if name, ok := requestNames[c]; ok {
		return name
	}
	return fmt.Sprintf("request %d", int(c))
}

// ResponseCode says how a server answers (RocketMQ's classes RemotingSysResponseCode and ResponseCode).
type ResponseCode int

// Some of the answers.
const (
	Success ResponseCode = 0
	// SystemError is any failure without a code of its own; the remark tells more, often in a Java stack trace.
	SystemError ResponseCode = 1
	// SystemBusy: try again later.
	SystemBusy ResponseCode = 2
	// RequestCodeNotSupported: the server is of another kind, or older than the request.
	RequestCodeNotSupported ResponseCode = 3
	// FlushDiskTimeout, SlaveNotAvailable and FlushSlaveTimeout: the message is stored, and whether it is on disk, or at a slave, as
	// the broker is to ensure, is not known yet.
	FlushDiskTimeout  ResponseCode = 10
	SlaveNotAvailable ResponseCode = 11
	FlushSlaveTimeout ResponseCode = 12
	// ServiceNotAvailable: the broker stores no messages, because it is a slave, its group has no master yet, or its disk is
	// full.
	ServiceNotAvailable ResponseCode = 14
	// NoPermission: the server refuses for reasons of access control (see ErrNotAuthenticated and the others), or of the
	// permissions of a topic, group or broker.
	NoPermission ResponseCode = 16
	// PullNotFound, PullRetryImmediately and PullOffsetMoved: a queue has no message there.
	PullNotFound         ResponseCode = 19
	PullRetryImmediately ResponseCode = 20
	PullOffsetMoved      ResponseCode = 21
	// TopicNotExist, QueryNotFound (no consumer offset) and SubscriptionGroupNotExist: what was asked for is not there.
	TopicNotExist             ResponseCode = 17
	QueryNotFound             ResponseCode = 22
	SubscriptionGroupNotExist ResponseCode = 26
	// InvalidParameter: the name is not allowed, or is a system topic's.
	InvalidParameter ResponseCode = 29
	// ConsumerNotOnline: no member of the consumer group is connected.
	ConsumerNotOnline ResponseCode = 206
	// GoAway: the server is about to close the connection. The client opens a new one for its next request.
	GoAway ResponseCode = 1500

	ControllerFencedMasterEpoch          ResponseCode = 2000
	ControllerFencedSyncStateSetEpoch    ResponseCode = 2001
	ControllerInvalidMaster              ResponseCode = 2002
	ControllerInvalidReplicas            ResponseCode = 2003
	ControllerMasterNotAvailable         ResponseCode = 2004
	ControllerInvalidRequest             ResponseCode = 2005
	ControllerBrokerNotAlive             ResponseCode = 2006
	ControllerNotLeader                  ResponseCode = 2007
	ControllerBrokerMetadataNotExist     ResponseCode = 2008
	ControllerInvalidCleanBrokerMetadata ResponseCode = 2009
	// ControllerBrokerNeedToBeRegistered: the controller knows nothing of this broker group or id.
	ControllerBrokerNeedToBeRegistered ResponseCode = 2010
	// ControllerMasterStillExist: the broker to elect is the master already.
	ControllerMasterStillExist ResponseCode = 2011
	// ControllerElectMasterFailed: the broker to elect is not alive or not in the SyncStateSet.
	ControllerElectMasterFailed          ResponseCode = 2012
	ControllerAlterSyncStateSetFailed    ResponseCode = 2013
	ControllerBrokerIDInvalid            ResponseCode = 2014
	ControllerJRaftInternalError         ResponseCode = 2015
	ControllerBrokerLiveInfoDoesNotExist ResponseCode = 2016
)

//nolint:gochecknoglobals // a table that nothing writes to
var responseNames = map[ResponseCode]string{
	Success:                              "SUCCESS",
	SystemError:                          "SYSTEM_ERROR",
	SystemBusy:                           "SYSTEM_BUSY",
	RequestCodeNotSupported:              "REQUEST_CODE_NOT_SUPPORTED",
	FlushDiskTimeout:                     "FLUSH_DISK_TIMEOUT",
	SlaveNotAvailable:                    "SLAVE_NOT_AVAILABLE",
	FlushSlaveTimeout:                    "FLUSH_SLAVE_TIMEOUT",
	ServiceNotAvailable:                  "SERVICE_NOT_AVAILABLE",
	NoPermission:                         "NO_PERMISSION",
	TopicNotExist:                        "TOPIC_NOT_EXIST",
	PullNotFound:                         "PULL_NOT_FOUND",
	PullRetryImmediately:                 "PULL_RETRY_IMMEDIATELY",
	PullOffsetMoved:                      "PULL_OFFSET_MOVED",
	QueryNotFound:                        "QUERY_NOT_FOUND",
	SubscriptionGroupNotExist:            "SUBSCRIPTION_GROUP_NOT_EXIST",
	InvalidParameter:                     "INVALID_PARAMETER",
	ConsumerNotOnline:                    "CONSUMER_NOT_ONLINE",
	GoAway:                               "GO_AWAY",
	ControllerFencedMasterEpoch:          "CONTROLLER_FENCED_MASTER_EPOCH",
	ControllerFencedSyncStateSetEpoch:    "CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH",
	ControllerInvalidMaster:              "CONTROLLER_INVALID_MASTER",
	ControllerInvalidReplicas:            "CONTROLLER_INVALID_REPLICAS",
	ControllerMasterNotAvailable:         "CONTROLLER_MASTER_NOT_AVAILABLE",
	ControllerInvalidRequest:             "CONTROLLER_INVALID_REQUEST",
	ControllerBrokerNotAlive:             "CONTROLLER_BROKER_NOT_ALIVE",
	ControllerNotLeader:                  "CONTROLLER_NOT_LEADER",
	ControllerBrokerMetadataNotExist:     "CONTROLLER_BROKER_METADATA_NOT_EXIST",
	ControllerInvalidCleanBrokerMetadata: "CONTROLLER_INVALID_CLEAN_BROKER_METADATA",
	ControllerBrokerNeedToBeRegistered:   "CONTROLLER_BROKER_NEED_TO_BE_REGISTERED",
	ControllerMasterStillExist:           "CONTROLLER_MASTER_STILL_EXIST",
	ControllerElectMasterFailed:          "CONTROLLER_ELECT_MASTER_FAILED",
	ControllerAlterSyncStateSetFailed:    "CONTROLLER_ALTER_SYNC_STATE_SET_FAILED",
	ControllerBrokerIDInvalid:            "CONTROLLER_BROKER_ID_INVALID",
	ControllerJRaftInternalError:         "CONTROLLER_JRAFT_INTERNAL_ERROR",
	ControllerBrokerLiveInfoDoesNotExist: "CONTROLLER_BROKER_LIVE_INFO_NOT_EXISTS",
}

// String is the name that RocketMQ's source and documentation use, followed by the number.
func (c ResponseCode) String() string {
	if name, ok := responseNames[c]; ok {
		return fmt.Sprintf("%s (%d)", name, int(c))
	}
	return fmt.Sprintf("code %d", int(c))
}

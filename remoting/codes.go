package remoting

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RequestCode says what a request asks for: RocketMQ's class RequestCode.
type RequestCode int

// The requests that this project sends.
const (
	SendMessage                          RequestCode = 10
	PullMessage                          RequestCode = 11
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
	ExchangeBrokerHAInfo                 RequestCode = 906
	GetBrokerHAStatus                    RequestCode = 907
	ControllerElectMaster                RequestCode = 1002
	ControllerGetMetadataInfo            RequestCode = 1005
	ControllerGetSyncStateData           RequestCode = 1006
	UpdateControllerConfig               RequestCode = 1009
	GetControllerConfig                  RequestCode = 1010
	CleanBrokerData                      RequestCode = 1011
)

// String is the name that RocketMQ's source and documentation use.
func (c RequestCode) String() string {
	switch c {
	case SendMessage:
		return "SEND_MESSAGE"
	case PullMessage:
		return "PULL_MESSAGE"
	case QueryConsumerOffset:
		return "QUERY_CONSUMER_OFFSET"
	case UpdateConsumerOffset:
		return "UPDATE_CONSUMER_OFFSET"
	case UpdateAndCreateTopic:
		return "UPDATE_AND_CREATE_TOPIC"
	case UpdateAndCreateTopicList:
		return "UPDATE_AND_CREATE_TOPIC_LIST"
	case GetAllTopicConfig:
		return "GET_ALL_TOPIC_CONFIG"
	case UpdateBrokerConfig:
		return "UPDATE_BROKER_CONFIG"
	case GetBrokerConfig:
		return "GET_BROKER_CONFIG"
	case GetBrokerRuntimeInfo:
		return "GET_BROKER_RUNTIME_INFO"
	case GetMaxOffset:
		return "GET_MAX_OFFSET"
	case GetMinOffset:
		return "GET_MIN_OFFSET"
	case GetConsumerListByGroup:
		return "GET_CONSUMER_LIST_BY_GROUP"
	case GetAllConsumerOffset:
		return "GET_ALL_CONSUMER_OFFSET"
	case GetAllDelayOffset:
		return "GET_ALL_DELAY_OFFSET"
	case GetTimerMetrics:
		return "GET_TIMER_METRICS"
	case GetRouteInfoByTopic:
		return "GET_ROUTEINFO_BY_TOPIC"
	case GetBrokerClusterInfo:
		return "GET_BROKER_CLUSTER_INFO"
	case UpdateAndCreateSubscriptionGroup:
		return "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP"
	case GetAllSubscriptionGroupConfig:
		return "GET_ALL_SUBSCRIPTIONGROUP_CONFIG"
	case GetTopicStatsInfo:
		return "GET_TOPIC_STATS_INFO"
	case GetConsumerConnectionList:
		return "GET_CONSUMER_CONNECTION_LIST"
	case DeleteSubscriptionGroup:
		return "DELETE_SUBSCRIPTIONGROUP"
	case GetConsumeStats:
		return "GET_CONSUME_STATS"
	case DeleteTopicInBroker:
		return "DELETE_TOPIC_IN_BROKER"
	case DeleteTopicInNameServer:
		return "DELETE_TOPIC_IN_NAMESRV"
	case UpdateAndCreateSubscriptionGroupList:
		return "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST"
	case QueryTopicConsumeByWho:
		return "QUERY_TOPIC_CONSUME_BY_WHO"
	case GetAllProducerInfo:
		return "GET_ALL_PRODUCER_INFO"
	case QueryTopicsByConsumer:
		return "QUERY_TOPICS_BY_CONSUMER"
	case GetTopicConfig:
		return "GET_TOPIC_CONFIG"
	case GetSubscriptionGroupConfig:
		return "GET_SUBSCRIPTIONGROUP_CONFIG"
	case ExchangeBrokerHAInfo:
		return "EXCHANGE_BROKER_HA_INFO"
	case GetBrokerHAStatus:
		return "GET_BROKER_HA_STATUS"
	case ControllerElectMaster:
		return "CONTROLLER_ELECT_MASTER"
	case ControllerGetMetadataInfo:
		return "CONTROLLER_GET_METADATA_INFO"
	case ControllerGetSyncStateData:
		return "CONTROLLER_GET_SYNC_STATE_DATA"
	case UpdateControllerConfig:
		return "UPDATE_CONTROLLER_CONFIG"
	case GetControllerConfig:
		return "GET_CONTROLLER_CONFIG"
	case CleanBrokerData:
		return "CLEAN_BROKER_DATA"
	}
	return fmt.Sprintf("request %d", int(c))
}

// ResponseCode is a server's verdict: RocketMQ's classes RemotingSysResponseCode and ResponseCode.
type ResponseCode int

// The verdicts that callers tell apart.
const (
	Success ResponseCode = 0
	// SystemError is everything without a code of its own; the remark says what, often as a Java stack trace.
	SystemError ResponseCode = 1
	// SystemBusy asks to try again later.
	SystemBusy ResponseCode = 2
	// RequestCodeNotSupported comes from a server of another kind or of an older version.
	RequestCodeNotSupported ResponseCode = 3
	// ServiceNotAvailable is the answer to a message that a broker's store does not take: it is a slave's, is fenced while a
	// group starts, or its disk is full.
	ServiceNotAvailable ResponseCode = 14
	// NoPermission is also the answer to every failed authentication.
	NoPermission ResponseCode = 16
	// PullNotFound, PullRetryImmediately and PullOffsetMoved: a queue has no message there.
	PullNotFound         ResponseCode = 19
	PullRetryImmediately ResponseCode = 20
	PullOffsetMoved      ResponseCode = 21
	// TopicNotExist, QueryNotFound (no consumer offset) and SubscriptionGroupNotExist: what was asked for is not there.
	TopicNotExist             ResponseCode = 17
	QueryNotFound             ResponseCode = 22
	SubscriptionGroupNotExist ResponseCode = 26
	// InvalidParameter is the answer to names that are not allowed and to those of system topics.
	InvalidParameter ResponseCode = 29
	// ConsumerNotOnline: no member of the consumer group is connected.
	ConsumerNotOnline ResponseCode = 206
	// GoAway says that the server is about to close the connection; the client opens a new one for the next request.
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

// String is the name that RocketMQ's source and documentation use, followed by the number.
func (c ResponseCode) String() string {
	if name := c.name(); name != "" {
		return fmt.Sprintf("%s (%d)", name, int(c))
	}
	return fmt.Sprintf("code %d", int(c))
}

func (c ResponseCode) name() string {
	switch c {
	case Success:
		return "SUCCESS"
	case SystemError:
		return "SYSTEM_ERROR"
	case SystemBusy:
		return "SYSTEM_BUSY"
	case RequestCodeNotSupported:
		return "REQUEST_CODE_NOT_SUPPORTED"
	case ServiceNotAvailable:
		return "SERVICE_NOT_AVAILABLE"
	case NoPermission:
		return "NO_PERMISSION"
	case TopicNotExist:
		return "TOPIC_NOT_EXIST"
	case PullNotFound:
		return "PULL_NOT_FOUND"
	case PullRetryImmediately:
		return "PULL_RETRY_IMMEDIATELY"
	case PullOffsetMoved:
		return "PULL_OFFSET_MOVED"
	case QueryNotFound:
		return "QUERY_NOT_FOUND"
	case SubscriptionGroupNotExist:
		return "SUBSCRIPTION_GROUP_NOT_EXIST"
	case InvalidParameter:
		return "INVALID_PARAMETER"
	case ConsumerNotOnline:
		return "CONSUMER_NOT_ONLINE"
	case GoAway:
		return "GO_AWAY"
	case ControllerFencedMasterEpoch:
		return "CONTROLLER_FENCED_MASTER_EPOCH"
	case ControllerFencedSyncStateSetEpoch:
		return "CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH"
	case ControllerInvalidMaster:
		return "CONTROLLER_INVALID_MASTER"
	case ControllerInvalidReplicas:
		return "CONTROLLER_INVALID_REPLICAS"
	case ControllerMasterNotAvailable:
		return "CONTROLLER_MASTER_NOT_AVAILABLE"
	case ControllerInvalidRequest:
		return "CONTROLLER_INVALID_REQUEST"
	case ControllerBrokerNotAlive:
		return "CONTROLLER_BROKER_NOT_ALIVE"
	case ControllerNotLeader:
		return "CONTROLLER_NOT_LEADER"
	case ControllerBrokerMetadataNotExist:
		return "CONTROLLER_BROKER_METADATA_NOT_EXIST"
	case ControllerInvalidCleanBrokerMetadata:
		return "CONTROLLER_INVALID_CLEAN_BROKER_METADATA"
	case ControllerBrokerNeedToBeRegistered:
		return "CONTROLLER_BROKER_NEED_TO_BE_REGISTERED"
	case ControllerMasterStillExist:
		return "CONTROLLER_MASTER_STILL_EXIST"
	case ControllerElectMasterFailed:
		return "CONTROLLER_ELECT_MASTER_FAILED"
	case ControllerAlterSyncStateSetFailed:
		return "CONTROLLER_ALTER_SYNC_STATE_SET_FAILED"
	case ControllerBrokerIDInvalid:
		return "CONTROLLER_BROKER_ID_INVALID"
	case ControllerJRaftInternalError:
		return "CONTROLLER_JRAFT_INTERNAL_ERROR"
	case ControllerBrokerLiveInfoDoesNotExist:
		return "CONTROLLER_BROKER_LIVE_INFO_NOT_EXISTS"
	}
	return ""
}

// ResponseError is a server's answer with a code other than Success: the server was reached and refused.
// Every other error of Invoke means that no answer came.
type ResponseError struct {
	Code ResponseCode
	// Remark is the server's own text, sometimes a whole Java stack trace.
	Remark string
	// Request is what was asked, Addr the server that answered.
	Request RequestCode
	Addr    string
}

// Error shortens the remark to one line, because it ends up in conditions and events.
func (e *ResponseError) Error() string {
	text := fmt.Sprintf("%s to %s: %s", e.Request, e.Addr, e.Code)
	if remark := oneLine(e.Remark); remark != "" {
		text += ": " + remark
	}
	return text
}

// IsCode reports whether err is, or wraps, a server's answer with one of the codes.
func IsCode(err error, codes ...ResponseCode) bool {
	var refused *ResponseError
	return errors.As(err, &refused) && slices.Contains(codes, refused.Code)
}

const maxRemarkInError = 300 // bytes

func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > maxRemarkInError {
		s = s[:maxRemarkInError] + "…"
	}
	return strings.ToValidUTF8(strings.TrimSpace(s), "")
}

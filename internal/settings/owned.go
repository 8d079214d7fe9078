// SPDX-License-Identifier: Apache-2.0

package settings

import "slices"

// OwnedKey is a RocketMQ property that belongs to the operator. The API server refuses it in spec.config. In a user's base file the
// agent overrides it, and says so in its log.
type OwnedKey struct {
	Key string
	// Reason says why, and what the user can do instead.
	Reason string
	// Allowed lists values that users may choose all the same, where the operator works with each of them.
	Allowed []string
}

// Permits says whether the user may give this value.
func (k OwnedKey) Permits(value string) bool {
	return slices.Contains(k.Allowed, value)
}

// Reasons that several keys share.
const (
	reasonPort    = "Services, probes and other servers rely on the fixed port"
	reasonAddress = "it is the pod's stable name, or the node's address under hostNetwork"
	reasonStore   = "data lives on the volume at " + DataDir + "; choose it with storageMode, storage or volumeClaimTemplates"
	reasonConfig  = "runtime changes must not outlive the pod; set spec.config instead"
	reasonNS      = "it follows the name servers; set spec.nameServers or spec.nameServiceRef instead"
	reasonProxyNS = "it follows the name servers; set spec.nameServiceRef instead"
	reasonTLS     = "set spec.tls.secretName instead"
	reasonCtl     = "it follows clusterMode and the controllers; set spec.clusterMode or spec.controllerRef instead"
	reasonPeers   = "it follows the controllers' number and names; set spec.size instead"
)

// OwnedKeys returns the keys that the operator owns in the configuration of a server.
func OwnedKeys(role Role) []OwnedKey {
	switch role {
	case NameServer:
		return []OwnedKey{
			{Key: "listenPort", Reason: reasonPort},
			{Key: "kvConfigPath", Reason: reasonStore},
			{Key: "configStorePath", Reason: reasonConfig},
			{Key: "enableControllerInNamesrv", Reason: "controllers run in pods of their own; create a Controller instead"},
		}
	case Controller:
		return []OwnedKey{
			{Key: "listenPort", Reason: reasonPort},
			{Key: "controllerType", Reason: "only DLedger controllers are supported"},
			{Key: "controllerDLegerGroup", Reason: "a group's name is fixed for its lifetime"},
			{Key: "controllerDLegerPeers", Reason: reasonPeers},
			{Key: "controllerDLegerSelfId", Reason: reasonPeers},
			{Key: "controllerStorePath", Reason: reasonStore},
			{Key: "configStorePath", Reason: reasonConfig},
		}
	case Proxy:
		return []OwnedKey{
			{Key: "rocketMQClusterName", Reason: "set spec.clusterName or spec.brokerRef instead"},
			{Key: "namesrvAddr", Reason: reasonProxyNS},
			{Key: "namesrvDomain", Reason: reasonProxyNS},
			{Key: "namesrvDomainSubgroup", Reason: reasonProxyNS},
			{Key: "proxyMode", Reason: "proxies run in pods of their own"},
			{Key: "grpcServerPort", Reason: reasonPort},
			{Key: "remotingListenPort", Reason: reasonPort},
			{Key: "tlsTestModeEnable", Reason: reasonTLS},
			{Key: "tlsKeyPath", Reason: reasonTLS},
			{Key: "tlsCertPath", Reason: reasonTLS},
		}
	case Broker:
		return []OwnedKey{
			{Key: "brokerClusterName", Reason: "set spec.clusterName instead"},
			{Key: "brokerName", Reason: "it is the broker group's name; set metadata.name instead"},
			{Key: "brokerId", Reason: "it follows the pod's ordinal, or the controllers' election"},
			{
				Key:     "brokerRole",
				Reason:  "it follows the pod's ordinal, or the controllers' election; only STATIC masters have a choice, between ASYNC_MASTER and SYNC_MASTER",
				Allowed: []string{"ASYNC_MASTER", "SYNC_MASTER"},
			},
			{Key: "brokerIP1", Reason: reasonAddress},
			{Key: "brokerIP2", Reason: reasonAddress},
			{Key: "listenPort", Reason: reasonPort},
			{Key: "haListenPort", Reason: reasonPort},
			{Key: "namesrvAddr", Reason: reasonNS},
			{Key: "fetchNameSrvAddrByDnsLookup", Reason: reasonNS},
			{Key: "fetchNamesrvAddrByAddressServer", Reason: reasonNS},
			{Key: "updateNameServerAddrPeriod", Reason: "new name servers must reach a broker within seconds"},
			{Key: "enableControllerMode", Reason: reasonCtl},
			{Key: "controllerAddr", Reason: reasonCtl},
			{Key: "fetchControllerAddrByDnsLookup", Reason: reasonCtl},
			{Key: "enableDLegerCommitLog", Reason: "for automatic failover set clusterMode: CONTROLLER instead"},
			{Key: "storePathRootDir", Reason: reasonStore},
			{Key: "storePathCommitLog", Reason: reasonStore},
			{Key: "storePathEpochFile", Reason: reasonStore},
			{Key: "storePathBrokerIdentity", Reason: reasonStore},
			{Key: "brokerPermission", Reason: "the operator withdraws and restores it while it moves groups"},
			{Key: "startAcceptSendRequestTimeStamp", Reason: "the operator uses it to fence a master that hands over"},
		}
	}
	return nil
}

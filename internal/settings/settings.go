// SPDX-License-Identifier: Apache-2.0

// Package settings is the contract between the operator and the agent: the operator writes File into the
// ConfigMap that every RocketMQ pod mounts, the agent reads it at each start of the server.
//
// What is here may change under a running pod (addresses, the user's properties). What needs a new pod to take
// effect (memory, JVM options) travels as flags in the pod template instead.
package settings

import (
	"strconv"
	"strings"
	"time"
)

const (
	// Dir is where the ConfigMap is mounted; File is the key in it.
	Dir  = "/etc/rocketmq-agent"
	File = "settings.json"
	// BaseDir is where the user's volume with BaseFile is mounted, if the user gave one.
	BaseDir  = "/etc/rocketmq-base"
	BaseFile = "broker-common.conf"
	// AgentDir is the emptyDir that the init container copies the agent into.
	AgentDir = "/opt/rocketmq-agent"
	// RunDir is a writable emptyDir for rendered configuration.
	RunDir = "/var/run/rocketmq"
	// DataDir is the store of every server.
	DataDir = "/home/rocketmq/store"
	// TLSDir is where the Secret with a server's certificate is mounted. The others are the keys in it, those of kubernetes.io/tls with
	// cert-manager's ca.crt, which may be missing.
	TLSDir  = "/etc/rocketmq-tls"
	TLSCert = "tls.crt"
	TLSKey  = "tls.key"
	TLSCA   = "ca.crt"
)

// Ports of the servers.
const (
	NameServerPort      = 9876
	ControllerPort      = 9878
	BrokerPort          = 10911
	BrokerFastPort      = 10909
	BrokerHAPort        = 10912
	ProxyGRPCPort       = 8081
	ProxyRemotingPort   = 8080
	MetricsPort         = 5557
	NameServerAgentPort = 9871
	ControllerAgentPort = 9872
	BrokerAgentPort     = 9873
	ProxyAgentPort      = 9874

	ConsolePort        = 8082
	SchemaRegistryPort = 8080
)

// Role is the server that a container runs.
type Role string

// The roles that the agent knows.
const (
	NameServer Role = "nameserver"
	Controller Role = "controller"
	Broker     Role = "broker"
	Proxy      Role = "proxy"
)

// Mode is how a broker group gets its master.
type Mode string

// The modes of a broker group.
const (
	Static         Mode = "STATIC"
	ControllerMode Mode = "CONTROLLER"
)

// Settings is the content of File.
type Settings struct {
	// ServiceDomain is the full name of the headless Service: a pod's stable address is <pod>.<ServiceDomain>. Proxies have none.
	ServiceDomain string `json:"serviceDomain"`
	// HostNetwork: pods are addressed by the IP of their node instead.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Config holds the user's RocketMQ properties (spec.config).
	Config map[string]string `json:"config,omitempty"`
	// Controller is set for controllers, Broker for brokers, Proxy for proxies.
	Controller *ControllerSettings `json:"controller,omitempty"`
	Broker     *BrokerSettings     `json:"broker,omitempty"`
	Proxy      *ProxySettings      `json:"proxy,omitempty"`
}

// ProxySettings are a proxy's.
type ProxySettings struct {
	// ClusterName is the brokerClusterName of the brokers that it serves.
	ClusterName string `json:"clusterName"`
	// NameServers are host:port. A proxy reads them only when it starts.
	NameServers []string `json:"nameServers"`
	// Host is the name of the Service. Remoting clients are given it as the address of every broker; if it is empty, they are given the
	// pod's IP.
	Host string `json:"host,omitempty"`
	// TLSSecret is the name of the Secret in TLSDir, if there is one.
	TLSSecret string `json:"tlsSecret,omitempty"`
	// AuthSecret is the name of the Secret in AuthDir, if there is one: the proxy asks for credentials, and so do its brokers.
	AuthSecret string `json:"authSecret,omitempty"`
}

// ProxyDrainSeconds is how long a proxy continues after it was told to stop: until no node sends it new clients. ProxyGraceSeconds adds
// the proxy's own 30 s (grpcShutdownTimeSeconds), for calls that are not finished.
const (
	ProxyDrainSeconds = 5
	ProxyGraceSeconds = ProxyDrainSeconds + 30 + 25
)

// Trimmed are the user's properties, the later ones over the earlier, without white space around values. RocketMQ trims text only:
// "true " is false to it, and it ignores " 16" (MixAll.properties2Object).
func Trimmed(sources ...map[string]string) map[string]string {
	out := make(map[string]string)
	for _, source := range sources {
		for key, value := range source {
			out[key] = strings.TrimSpace(value)
		}
	}
	return out
}

// ControllerSettings are a DLedger controller's.
type ControllerSettings struct {
	// Group is the DLedger group's name.
	Group string `json:"group"`
	// Size is the number of controllers; peer i is n<i>, pod <statefulset>-<i>.
	Size int32 `json:"size"`
}

// BrokerSettings are a broker's. The group (brokerName) is the pod's name without its ordinal.
type BrokerSettings struct {
	ClusterName string `json:"clusterName"`
	Mode        Mode   `json:"mode"`
	// NameServers and Controllers are host:port, every member.
	NameServers []string `json:"nameServers"`
	Controllers []string `json:"controllers,omitempty"`
	// DrainSeconds is how long clients get to leave a master that is about to stop.
	DrainSeconds int32 `json:"drainSeconds,omitempty"`
	// AuthSecret is the name of the Secret in AuthDir, if there is one: the brokers ask for credentials.
	AuthSecret string `json:"authSecret,omitempty"`
	// Groups of this resource, by brokerName. A group that is missing is hidden: it is so new that the operator has not seen it yet.
	Groups map[string]GroupSettings `json:"groups,omitempty"`
}

// GraceSeconds is how long a broker's pod gets to stop: for the handover of another group, for which it waits (a node that is drained
// may have the masters of both), for its own handover, and for java.
func (b BrokerSettings) GraceSeconds() int64 {
	return max(120, 2*(int64(b.DrainSeconds)+HandoverSeconds)+StopSeconds)
}

// Parts of the grace period.
const (
	// HandoverSeconds are for a handover without its drain; it needs about five.
	HandoverSeconds = 30
	// StopSeconds are java's own, to flush its store; it needs about ten.
	StopSeconds = 25
	// ShortGraceSeconds is the time that an agent counts on when it is told to stop and knows no more. Whoever deletes a pod may give
	// it less time than its template does, and so may a node that is shut down. A container cannot see how much it has; the operator
	// can, and tells it.
	ShortGraceSeconds = 20
)

// Values of brokerPermission (RocketMQ's PermName): 4 for read plus 2 for write. 0 hides a broker from clients.
const (
	ReadWrite = 6
	ReadOnly  = 4

	write = 2
)

// The properties that close a broker to producers.
const (
	Permission = "brokerPermission"
	// Fence is a time in milliseconds since 1970. Until then a broker refuses every message at once, in such a way that clients try
	// another broker (SendMessageProcessor.preSend).
	Fence = "startAcceptSendRequestTimeStamp"
)

// Values of Fence. The operator and a broker's own agent use different ones, so that each knows which are its own: while an agent holds
// the fence, because the broker is being stopped, the operator leaves it alone.
const (
	unfenced  = "0"
	fenced    = "4102444800000" // in the year 2100
	heldOpen  = "1"             // long ago: the broker takes messages
	heldFence = "4102444800001"
)

// GroupSettings are the permission and fence that the operator gives to a group's brokers, at their start and while they run.
type GroupSettings struct {
	// Permission is the sum of 4 (read) and 2 (write); 0 hides the brokers from clients.
	Permission int `json:"permission"`
	// Fenced brokers refuse every message.
	Fenced bool `json:"fenced,omitempty"`
}

// Properties of a broker.
func (g GroupSettings) Properties() map[string]string {
	properties := map[string]string{Permission: strconv.Itoa(g.Permission), Fence: unfenced}
	if g.Fenced {
		properties[Fence] = fenced
	}
	return properties
}

// Held are the properties with which the agent of a stopping broker keeps producers away. before are the properties that it ran with:
// what clients could not do then, they cannot do now. With fence the broker refuses every message; without it, producers leave when
// they see that they may not write.
func Held(before map[string]string, fence bool) map[string]string {
	permission, err := strconv.Atoi(before[Permission])
	if err != nil {
		permission = ReadWrite
	}
	properties := map[string]string{Permission: strconv.Itoa(permission &^ write), Fence: heldOpen}
	if fence {
		properties[Fence] = heldFence
	}
	return properties
}

// HeldByAgent reports whether these are the properties of a broker that is being stopped, whose permission and fence are in the hands
// of its agent. Nobody else may change the two then. The agent restores them if the handover fails, and every start of the broker sets
// them anew.
func HeldByAgent(properties map[string]string) bool {
	return properties[Fence] == heldOpen || properties[Fence] == heldFence
}

// Writable reports whether a broker with these properties lets producers write, and takes what they send.
func Writable(properties map[string]string) bool {
	permission, err := strconv.Atoi(properties[Permission])
	return err == nil && permission&write != 0 && properties[Fence] == unfenced
}

// Refuses reports whether a broker with these properties refuses every message at that time, whoever made it so.
func Refuses(properties map[string]string, at time.Time) bool {
	until, err := strconv.ParseInt(properties[Fence], 10, 64)
	return err == nil && until > at.UnixMilli()
}

// Memory of a server's java in MiB.
type Memory struct{ Heap, Direct int64 }

// HeapOption and DirectOption are in java's notation.
func (m Memory) HeapOption() string { return strconv.FormatInt(m.Heap, 10) + "m" }

// DirectOption is described at HeapOption.
func (m Memory) DirectOption() string { return strconv.FormatInt(m.Direct, 10) + "m" }

// DefaultMemory divides a container's memory limit in bytes, 0 for none. What java does not get is for the page cache, metaspace and
// threads.
func DefaultMemory(role Role, limit int64) Memory {
	switch total := limit >> 20; {
	case limit > 0 && role == Broker:
		return Memory{Heap: max(total/2, 64), Direct: max(total/4, 32)}
	case limit > 0:
		return Memory{Heap: max(min(total/4, 1024), 48), Direct: max(total/4, 32)}
	case role == Broker:
		return Memory{Heap: 1024, Direct: 512}
	default:
		return Memory{Heap: 512, Direct: 256}
	}
}

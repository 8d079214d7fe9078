// Package settings is the contract between the operator and the agent: the operator writes File into the
// ConfigMap that every RocketMQ pod mounts, the agent reads it at each start of the server.
//
// What is here may change under a running pod (addresses, the user's properties). What needs a new pod to take
// effect (memory, JVM options) travels as flags in the pod template instead.
package settings

import (
	"strconv"
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
	// TLSDir is where a proxy's Secret is mounted, TLSCert and TLSKey are the keys in it (those of kubernetes.io/tls).
	TLSDir  = "/etc/rocketmq-tls"
	TLSCert = "tls.crt"
	TLSKey  = "tls.key"
)

// Ports of the servers (DESIGN section 8).
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
	// ServiceDomain is the headless Service's full name: a pod's stable address is <pod>.<ServiceDomain>. Proxies have none.
	ServiceDomain string `json:"serviceDomain"`
	// HostNetwork pods are addressed by the node's IP instead.
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
	// Host is the Service's name, which remoting clients are given as the address of every broker; the pod's IP if empty.
	Host string `json:"host,omitempty"`
	// TLSSecret is the name of the Secret in TLSDir, if there is one.
	TLSSecret string `json:"tlsSecret,omitempty"`
}

// ProxyDrainSeconds is how long a proxy goes on after it was told to stop, until no node sends it new clients;
// ProxyGraceSeconds adds its own 30 s (grpcShutdownTimeSeconds), for the calls that are under way.
const (
	ProxyDrainSeconds = 5
	ProxyGraceSeconds = ProxyDrainSeconds + 30 + 25
)

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
	// Groups of this resource by brokerName. One that is missing is hidden: it is too new to have been seen.
	Groups map[string]GroupSettings `json:"groups,omitempty"`
}

// GraceSeconds is how long a broker's pod is to get to stop: for another group's handover, which it waits for (a node that is
// drained may have the masters of both), for its own, and for java.
func (b BrokerSettings) GraceSeconds() int64 {
	return max(120, 2*(int64(b.DrainSeconds)+HandoverSeconds)+StopSeconds)
}

// Parts of the grace period.
const (
	// HandoverSeconds are for what a handover does beside its drain; it needs about five.
	HandoverSeconds = 30
	// StopSeconds are java's own, to flush its store; it needs about ten.
	StopSeconds = 25
	// ShortGraceSeconds is what an agent counts on that was only told to stop. Whoever deletes a pod may give it less time than
	// its template does, and so does a node that is shut down; a container cannot see how much. The operator can, and tells.
	ShortGraceSeconds = 20
)

// Values of brokerPermission (RocketMQ's PermName): the sum of read and write; 0 hides a broker from clients.
const (
	ReadWrite = 6
	ReadOnly  = 4

	write = 2
)

// The properties by which a broker is closed to producers.
const (
	Permission = "brokerPermission"
	// Fence is a time in milliseconds since 1970. Until then a broker refuses every message, at once and so that clients try
	// another broker (SendMessageProcessor.preSend).
	Fence = "startAcceptSendRequestTimeStamp"
)

// Values of Fence. The operator and a broker's own agent use different ones, so that each can tell whose it is: the agent of a
// broker that is being stopped holds it, and the operator leaves it alone then.
const (
	unfenced  = "0"
	fenced    = "4102444800000" // in the year 2100
	heldOpen  = "1"             // long ago: the broker takes messages
	heldFence = "4102444800001"
)

// GroupSettings are what the operator grants a group's brokers, at start and while they run.
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

// Held are the properties by which the agent of a stopping broker keeps producers away. Before are those that it ran with: what
// clients must not do then, they must not do now. With fence it refuses every message; without, producers leave when they see
// that they may not write.
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

// HeldByAgent reports whether a broker that runs with these properties is being stopped, and its agent has taken its permission
// and fence in hand. Nobody else may change the two: the agent puts them back if it has to, and every start renders them anew.
func HeldByAgent(properties map[string]string) bool {
	return properties[Fence] == heldOpen || properties[Fence] == heldFence
}

// Writable reports whether producers may write to a broker that runs with these properties, and it takes what they send.
func Writable(properties map[string]string) bool {
	permission, err := strconv.Atoi(properties[Permission])
	return err == nil && permission&write != 0 && properties[Fence] == unfenced
}

// Refuses reports whether a broker that runs with these properties refuses every message at that time, whoever made it.
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

// DefaultMemory divides a container's memory limit in bytes, 0 for none: the rest is page cache, metaspace and threads.
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

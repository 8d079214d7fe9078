// Package settings is the contract between the operator and the agent: the operator writes File into the
// ConfigMap that every RocketMQ pod mounts, the agent reads it at each start of the server.
//
// What is here may change under a running pod (addresses, the user's properties). What needs a new pod to take
// effect (memory, JVM options) travels as flags in the pod template instead.
package settings

import "strconv"

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

// GraceSeconds is how long a broker's pod gets to stop: for another group's handover, which it waits for (a node that is
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
)

// Values of brokerPermission (RocketMQ's PermName).
const (
	ReadWrite = 6
	ReadOnly  = 4
)

// fenced is a startAcceptSendRequestTimeStamp in the year 2100: until then the broker refuses every message, at once and
// so that clients try another broker (AbstractSendMessageProcessor.msgCheck).
const fenced = "4102444800000"

// GroupSettings are what the operator grants a group's brokers, at start and while they run.
type GroupSettings struct {
	// Permission is the sum of 4 (read) and 2 (write); 0 hides the brokers from clients.
	Permission int `json:"permission"`
	// Fenced brokers refuse every message.
	Fenced bool `json:"fenced,omitempty"`
}

// Properties of a broker.
func (g GroupSettings) Properties() map[string]string {
	properties := map[string]string{"brokerPermission": strconv.Itoa(g.Permission), "startAcceptSendRequestTimeStamp": "0"}
	if g.Fenced {
		properties["startAcceptSendRequestTimeStamp"] = fenced
	}
	return properties
}

// SPDX-License-Identifier: Apache-2.0

// Package render makes the configuration files of the RocketMQ servers. It does no I/O.
package render

import (
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// nameServerPollMillis is how often a broker looks at its own namesrvAddr. RocketMQ's default of two minutes would be
// how long an UPDATE_BROKER_CONFIG takes to have an effect (BrokerController.initializeScheduledTasks).
const nameServerPollMillis = 5000

// transactionFlushMillis is how often a broker writes down how many transactions are open. From its start to the first
// time its thread spins (TransactionMetricsFlushService, apache/rocketmq#10515), which takes a whole core for the 10 s of
// 5.4.0's default, from every broker that a roll or a failover starts.
const transactionFlushMillis = 1000

// firstLookMillis is when a controller that has become leader first looks for groups whose master it has not heard of, and how
// often it does so again (DLedgerController.startScheduling). One that has just started has heard of nobody, and brokers may take
// 4 s to find it again, longer without CPU: after RocketMQ's default of 5 s its restart may cost a master that is well its place,
// and the last messages with it. That a broker dies it is told at once, whatever this says.
const firstLookMillis = 10_000

// Input is everything that a server's properties depend on.
type Input struct {
	Role settings.Role
	// PodName ends in the ordinal; PodIP is the node's address under hostNetwork.
	PodName, PodIP string
	Settings       settings.Settings
	// Base holds the properties of the user's base file, if there is one.
	Base map[string]string
	// DataDir is the directory of the server's data, ConfigFile the path that the result is written to.
	DataDir, ConfigFile string
	// TLS is how the server takes and opens connections.
	TLS TLS
	// Release of RocketMQ, "" if it is not known.
	Release string
	// Credentials with which the server signs what it asks brokers, nil without authentication.
	Credentials *remoting.Credentials
	// PermissiveAuth: a broker with Credentials has users, and asks for no credentials.
	PermissiveAuth bool
}

// Override is a property of the user that gave way to the operator's.
type Override struct {
	Key, Value string
	// Effective is the value in force; empty means RocketMQ's default.
	Effective string
	Reason    string
}

// String does not show passwords, because it is logged.
func (o Override) String() string {
	if settings.IsSecret(o.Key) {
		return fmt.Sprintf("%s is not taken: %s", o.Key, o.Reason)
	}
	now := "left out"
	if o.Effective != "" {
		now = fmt.Sprintf("%q", o.Effective)
	}
	return fmt.Sprintf("%s = %q is %s: %s", o.Key, o.Value, now, o.Reason)
}

// Properties returns the server's properties: defaults of ours < the user's base file < spec.config < the keys that the
// operator owns. It also returns what of the user's did not get through.
func Properties(in Input) (map[string]string, []Override, error) {
	group, ordinal, err := SplitPodName(in.PodName)
	if err != nil {
		return nil, nil, err
	}
	props := make(map[string]string)
	if in.Role != settings.NameServer { // which has no exporter
		props["metricsExporterType"] = "PROM"
		props["metricsPromExporterHost"] = "0.0.0.0" // a broker's default is brokerIP1
		props["metricsPromExporterPort"] = strconv.Itoa(settings.MetricsPort)
	}
	if in.Role == settings.Controller {
		props["scanInactiveMasterInterval"] = strconv.Itoa(firstLookMillis)
	}
	if in.Role == settings.Broker {
		props["transactionMetricFlushInterval"] = strconv.Itoa(transactionFlushMillis)
	}
	if in.Role == settings.Broker && in.Credentials != nil {
		props["syncBrokerMetadataPeriod"] = strconv.Itoa(electionPollMillis)
	}
	user := settings.Trimmed(in.Base, in.Settings.Config)
	maps.Copy(props, user)

	var own map[string]string
	switch {
	case in.Role == settings.NameServer:
		own = nameServer(in)
	case in.Role == settings.Controller && in.Settings.Controller != nil:
		own = controller(in, group, ordinal)
	case in.Role == settings.Broker && in.Settings.Broker != nil:
		own = broker(in, group, ordinal, user["brokerRole"])
	default:
		return nil, nil, fmt.Errorf("the settings say nothing about a %s", in.Role)
	}

	var overrides []Override
	for _, owned := range in.ownedKeys(in.Role) {
		value, given := user[owned.Key]
		effective, set := own[owned.Key]
		if set {
			props[owned.Key] = effective
		} else {
			delete(props, owned.Key)
		}
		// A group's members share the user's file, so a slave meets its master's role there.
		slave := owned.Permits(value) && in.Settings.Broker.Mode == settings.Static
		if given && value != effective && !slave {
			overrides = append(overrides, Override{Key: owned.Key, Value: value, Effective: effective, Reason: owned.Reason})
		}
	}
	return props, overrides, nil
}

func nameServer(in Input) map[string]string {
	return map[string]string{
		"listenPort":      strconv.Itoa(settings.NameServerPort),
		"kvConfigPath":    path.Join(in.DataDir, "namesrv", "kvConfig.json"),
		"configStorePath": in.ConfigFile,
	}
}

func controller(in Input, group string, ordinal int) map[string]string {
	peers := make([]string, in.Settings.Controller.Size)
	for i := range peers {
		// DLedger cuts at the first hyphen only, so the host name may contain some.
		peers[i] = fmt.Sprintf("n%d-%s-%d.%s:%d", i, group, i, in.Settings.ServiceDomain, settings.ControllerPort)
	}
	return map[string]string{
		"controllerType":         "DLedger",
		"controllerDLegerGroup":  in.Settings.Controller.Group,
		"controllerDLegerPeers":  strings.Join(peers, ";"),
		"controllerDLegerSelfId": fmt.Sprintf("n%d", ordinal),
		"controllerStorePath":    in.DataDir,
		"configStorePath":        in.ConfigFile,
	}
}

func broker(in Input, group string, ordinal int, userRole string) map[string]string {
	b := in.Settings.Broker
	host := Host(in)
	own := map[string]string{
		"brokerClusterName":          b.ClusterName,
		"brokerName":                 group,
		"brokerIP1":                  host,
		"brokerIP2":                  host,
		"listenPort":                 strconv.Itoa(settings.BrokerPort),
		"haListenPort":               strconv.Itoa(settings.BrokerHAPort),
		"namesrvAddr":                strings.Join(b.NameServers, ";"),
		"updateNameServerAddrPeriod": strconv.Itoa(nameServerPollMillis),
		"storePathRootDir":           in.DataDir,
		"storePathCommitLog":         path.Join(in.DataDir, "commitlog"),
	}
	maps.Copy(own, b.Groups[group].Properties())
	if in.Credentials != nil {
		maps.Copy(own, brokerAuth(in))
	}
	switch {
	case b.Mode == settings.ControllerMode:
		own["enableControllerMode"] = "true"
		own["controllerAddr"] = strings.Join(b.Controllers, ";")
		own["brokerId"] = "-1" // the controllers decide
		own["brokerRole"] = "SLAVE"
	case ordinal == 0:
		own["brokerId"] = "0"
		own["brokerRole"] = "ASYNC_MASTER"
		if userRole == "SYNC_MASTER" {
			own["brokerRole"] = userRole
		}
	default:
		own["brokerId"] = strconv.Itoa(ordinal)
		own["brokerRole"] = "SLAVE"
	}
	return own
}

// Host is the name or IP under which other pods and clients reach this server. An IPv6 address is in brackets, because brokers
// put a colon and their port behind it (BrokerController.getBrokerAddr); Java understands it with and without, others with only.
func Host(in Input) string {
	switch {
	case !in.Settings.HostNetwork:
		return Name(in)
	case strings.Contains(in.PodIP, ":"):
		return "[" + in.PodIP + "]"
	}
	return in.PodIP
}

// Name is the pod's own in DNS, with hostNetwork too.
func Name(in Input) string { return in.PodName + "." + in.Settings.ServiceDomain }

// Address is host:port of a broker, as it registers at the name servers.
func Address(in Input) string {
	return remoting.CanonicalAddr(Host(in) + ":" + strconv.Itoa(settings.BrokerPort))
}

// SplitPodName cuts a StatefulSet pod's name into the StatefulSet's name, which is also the brokerName, and the ordinal.
func SplitPodName(pod string) (statefulSet string, ordinal int, err error) {
	i := strings.LastIndexByte(pod, '-')
	if i > 0 {
		if ordinal, err = strconv.Atoi(pod[i+1:]); err == nil {
			return pod[:i], ordinal, nil
		}
	}
	return "", 0, fmt.Errorf("POD_NAME %q does not end in an ordinal: it must be the pod's metadata.name, from a StatefulSet", pod)
}

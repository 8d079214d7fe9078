// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/internal/properties"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const predecessorFile = `# broker-common.conf as the predecessor's examples have it
deleteWhen=04
fileReservedTime=48
flushDiskType=ASYNC_FLUSH
# set brokerRole to ASYNC_MASTER or SYNC_MASTER. DO NOT set to SLAVE because the replica instance will automatically be set!!!
brokerRole=SYNC_MASTER
brokerId = 7
namesrvAddr : elsewhere:9876
storePathRootDir=/root/store
storePathEpochFile=/tmp/epoch
enableDLegerCommitLog=true
`

func TestProperties(t *testing.T) {
	nameServers := []string{"ns-0.ns-h.prod.svc.cluster.local:9876", "ns-1.ns-h.prod.svc.cluster.local:9876"}
	controllers := []string{"ctl-0.ctl-h.prod.svc.cluster.local:9878", "ctl-1.ctl-h.prod.svc.cluster.local:9878"}
	nameServer := settings.Settings{ServiceDomain: "ns-h.prod.svc.cluster.local"}
	controller := settings.Settings{
		ServiceDomain: "ctl-h.prod.svc.cluster.local",
		Controller:    &settings.ControllerSettings{Group: "main", Size: 3},
	}
	broker := func(mode settings.Mode, config map[string]string) settings.Settings {
		s := settings.Settings{
			ServiceDomain: "b-h.prod.svc.cluster.local",
			Config:        config,
			Broker: &settings.BrokerSettings{ClusterName: "main", Mode: mode, NameServers: nameServers,
				Groups: map[string]settings.GroupSettings{"my-broker-0": {Permission: settings.ReadWrite}, "my-broker-1": {Permission: settings.ReadOnly, Fenced: true}}},
		}
		if mode == settings.ControllerMode {
			s.Broker.Controllers = controllers
		}
		return s
	}
	onHost := func(s settings.Settings) settings.Settings {
		s.HostNetwork = true
		return s
	}
	with := func(s settings.Settings, config map[string]string) settings.Settings {
		s.Config = config
		return s
	}
	tests := []struct {
		name, pod string
		role      settings.Role
		settings  settings.Settings
		base      string
	}{
		{"nameserver", "ns-0", settings.NameServer, nameServer, ""},
		{"nameserver-hostnetwork-config", "ns-1", settings.NameServer,
			onHost(with(nameServer, map[string]string{"orderMessageEnable": "true", "listenPort": "1"})), ""},
		{"controller", "my-ctl-2", settings.Controller, controller, ""},
		{"controller-config", "my-ctl-0", settings.Controller,
			with(controller, map[string]string{"mappedFileSize": "16777216", "metricsExporterType": "DISABLE", "controllerType": "jRaft"}), ""},
		{"broker-static-master", "my-broker-0-0", settings.Broker, broker(settings.Static, nil), ""},
		{"broker-static-slave", "my-broker-0-1", settings.Broker, broker(settings.Static, map[string]string{"brokerRole": "SYNC_MASTER"}), ""},
		{"broker-static-base", "my-broker-1-0", settings.Broker,
			broker(settings.Static, map[string]string{"fileReservedTime": "72", "metricsPromExporterPort": "9999"}), predecessorFile},
		{"broker-static-hostnetwork", "my-broker-0-0", settings.Broker, onHost(broker(settings.Static, nil)), ""},
		{"broker-controller", "my-broker-11-1", settings.Broker, broker(settings.ControllerMode, map[string]string{"minInSyncReplicas": "2"}), ""},
		{"broker-controller-hostnetwork-base", "my-broker-0-0", settings.Broker, onHost(broker(settings.ControllerMode, nil)), predecessorFile},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base, err := properties.Parse([]byte(tt.base))
			if err != nil {
				t.Fatal(err)
			}
			props, overrides, err := Properties(Input{
				Role: tt.role, PodName: tt.pod, PodIP: "192.0.2.7", Settings: tt.settings, Base: base,
				DataDir: settings.DataDir, ConfigFile: settings.RunDir + "/server.conf",
			})
			if err != nil {
				t.Fatal(err)
			}
			got := properties.Format(props)
			for _, o := range overrides {
				got = fmt.Appendf(got, "# overridden: %s\n", o)
			}
			golden(t, tt.name+".golden", got)
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); go test -update rewrites it\n%s", path, diff)
	}
}

// TestAuthentication: brokers and proxies ask for credentials, and users cannot undo it.
func TestAuthentication(t *testing.T) {
	config := map[string]string{"syncBrokerMetadataPeriod": "2000"}
	in := Input{
		Role: settings.Broker, PodName: "b-0-0", Credentials: &remoting.Credentials{AccessKey: "rocketmq-inner", SecretKey: `pass"word\`},
		Settings: settings.Settings{
			Config: config, Broker: &settings.BrokerSettings{ClusterName: "main", Mode: settings.Static},
			Proxy: &settings.ProxySettings{ClusterName: "main"},
		},
	}
	for _, keys := range [][]settings.OwnedKey{settings.AuthKeys(settings.Broker), settings.AuthKeys(settings.Proxy)} {
		for _, owned := range keys {
			config[owned.Key] = "false"
		}
	}
	props, overrides, err := Properties(in)
	if err != nil {
		t.Fatal(err)
	}
	got := properties.Format(props)
	for _, o := range overrides {
		got = fmt.Appendf(got, "# overridden: %s\n", o)
	}
	golden(t, "broker-auth.golden", got)

	in.Role = settings.Proxy
	got, overrides, err = Proxy(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range overrides {
		got = fmt.Appendf(got, "overridden: %s\n", o)
	}
	golden(t, "proxy-auth.golden", got)
}

func TestPropertiesRefusesWhatItCannotKnow(t *testing.T) {
	tests := []struct {
		in   Input
		want string
	}{
		{Input{Role: settings.Broker, PodName: "x"}, `POD_NAME "x" does not end in an ordinal`},
		{Input{Role: settings.Broker, PodName: "x-y"}, `POD_NAME "x-y" does not end in an ordinal`},
		{Input{Role: settings.NameServer, PodName: "-0"}, `POD_NAME "-0" does not end in an ordinal`},
		{Input{Role: settings.Broker, PodName: "x-0"}, "the settings say nothing about a broker"},
		{Input{Role: settings.Controller, PodName: "x-0"}, "the settings say nothing about a controller"},
	}
	for _, tt := range tests {
		_, _, err := Properties(tt.in)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %q: %v, want %q", tt.in.Role, tt.in.PodName, err, tt.want)
		}
	}
}

// What is rendered is owned by the operator, or a default that gives way to the user.
func TestRenderedKeyIsOwnedOrDefault(t *testing.T) {
	defaults := []string{"transactionMetricFlushInterval", "scanInactiveMasterInterval", "syncBrokerMetadataPeriod"}
	for _, in := range []Input{
		{Role: settings.NameServer, PodName: "x-0"},
		{Role: settings.Controller, PodName: "x-0", Settings: settings.Settings{Controller: &settings.ControllerSettings{Size: 1}}},
		{Role: settings.Broker, PodName: "x-0", Settings: settings.Settings{Broker: &settings.BrokerSettings{Mode: settings.Static}}},
		{Role: settings.Broker, PodName: "x-0", Settings: settings.Settings{Broker: &settings.BrokerSettings{Mode: settings.ControllerMode}}},
		{Role: settings.Broker, PodName: "x-0", Settings: settings.Settings{Broker: &settings.BrokerSettings{}}, Credentials: &remoting.Credentials{}},
	} {
		props, _, err := Properties(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, owned := range in.ownedKeys(in.Role) {
			delete(props, owned.Key)
			if owned.Reason == "" {
				t.Errorf("%s: no reason for %s", in.Role, owned.Key)
			}
		}
		in.Settings.Config = map[string]string{}
		for key := range props {
			if !strings.HasPrefix(key, "metrics") && !slices.Contains(defaults, key) {
				t.Errorf("%s: %s is rendered but neither owned nor a default of ours", in.Role, key)
			}
			in.Settings.Config[key] = "the user's"
		}
		again, overrides, err := Properties(in)
		if err != nil {
			t.Fatal(err)
		}
		for key := range props {
			if again[key] != "the user's" {
				t.Errorf("%s: %s is not owned, and does not give way to the user: %v", in.Role, key, overrides)
			}
		}
	}
}

// TestTrimmedValues: white space around values has no effect, wherever they are written; RocketMQ would misread them in silence.
func TestTrimmedValues(t *testing.T) {
	in := Input{
		Role: settings.Broker, PodName: "x-0", Base: map[string]string{"sendMessageThreadPoolNums": " 16", "deleteWhen": "04 "},
		Settings: settings.Settings{
			Config: map[string]string{"enablePropertyFilter": "true ", "traceTopicEnable": "true\n", "deleteWhen": "\t05"},
			Broker: &settings.BrokerSettings{Mode: settings.Static},
		},
	}
	props, _, err := Properties(in)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"sendMessageThreadPoolNums": "16", "enablePropertyFilter": "true", "traceTopicEnable": "true", "deleteWhen": "05"} {
		if props[key] != want {
			t.Errorf("%s = %q, want %q", key, props[key], want)
		}
	}
	in.Settings.Proxy, in.Settings.Config = &settings.ProxySettings{}, map[string]string{"maxMessageSize": " 16 ", "enableACL": "true\n"}
	text, _, err := Proxy(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`"maxMessageSize": 16`, `"enableACL": true`} {
		if !strings.Contains(string(text), line) {
			t.Errorf("no %s in %s", line, text)
		}
	}
}

// TestAddress: a broker registers its host with a colon and its port (BrokerController.getBrokerAddr), so that what is expected of
// it must be the same text, and one that can be dialled.
func TestAddress(t *testing.T) {
	for _, test := range []struct {
		ip            string
		hostNetwork   bool
		host, address string
	}{
		{"192.0.2.7", false, "b-0.h.ns.svc", "b-0.h.ns.svc:10911"},
		{"fd00::1", false, "b-0.h.ns.svc", "b-0.h.ns.svc:10911"},
		{"192.0.2.7", true, "192.0.2.7", "192.0.2.7:10911"},
		{"fd00::1", true, "[fd00::1]", "[fd00::1]:10911"},
		{"2001:db8:0:1:0:0:0:7", true, "[2001:db8:0:1:0:0:0:7]", "[2001:db8:0:1::7]:10911"}, // servers' addresses are read in this form
	} {
		in := Input{
			Role: settings.Broker, PodName: "b-0", PodIP: test.ip,
			Settings: settings.Settings{ServiceDomain: "h.ns.svc", HostNetwork: test.hostNetwork, Broker: &settings.BrokerSettings{Mode: settings.Static}},
		}
		props, _, err := Properties(in)
		if err != nil {
			t.Fatal(err)
		}
		if props["brokerIP1"] != test.host || props["brokerIP2"] != test.host || Address(in) != test.address {
			t.Errorf("%s, hostNetwork %t: brokerIP1 %s, brokerIP2 %s, registers %s; want %s, %s",
				test.ip, test.hostNetwork, props["brokerIP1"], props["brokerIP2"], Address(in), test.host, test.address)
		}
		if _, _, err := net.SplitHostPort(Address(in)); err != nil {
			t.Errorf("%s cannot be dialled: %v", Address(in), err)
		}
	}
}

func TestLogbackIsXML(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(Logback))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

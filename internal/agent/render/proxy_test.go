// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

func TestProxy(t *testing.T) {
	nameServers := []string{"a:9876", "b:9876"}
	for _, test := range []struct {
		name, release string
		tls           TLS
		settings      settings.Settings
	}{
		{"proxy", "5.5.0", TLS{}, settings.Settings{Proxy: &settings.ProxySettings{ClusterName: "main", NameServers: nameServers, Host: "p-proxy.mq.svc"}}},
		{"proxy-5.4.0", "5.4.0", TLS{Dir: "/var/run/rocketmq/tls", Serves: true}, settings.Settings{
			Config: map[string]string{"metricsExporterType": "PROM", "namesrvAddr": "elsewhere:1"},
			Proxy:  &settings.ProxySettings{ClusterName: "main", NameServers: nameServers[:1]},
		}},
		{"proxy-config", "", TLS{}, settings.Settings{
			Config: map[string]string{
				"maxMessageSize": "8388608", "traceOn": "true", "regionId": "eu-1", "metricsLabel": "007", "useDelayLevel": "TRUE",
				"useEndpointPortFromRequest": "false", "grpcShutdownTimeSeconds": "-1", "list": ` ["a", 1]`, "notJSON": "{a}",
			},
			Proxy: &settings.ProxySettings{ClusterName: "123", NameServers: nameServers},
		}},
		{"proxy-self-signed", "5.5.0", TLS{Dir: "/var/run/rocketmq/tls", SelfSigned: true}, settings.Settings{
			Proxy: &settings.ProxySettings{ClusterName: "main", NameServers: nameServers},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, overrides, err := Proxy(Input{Role: settings.Proxy, Settings: test.settings, TLS: test.tls, Release: test.release})
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(got) {
				t.Errorf("no JSON: %s", got)
			}
			for _, o := range overrides {
				got = fmt.Appendf(got, "overridden: %s\n", o)
			}
			golden(t, test.name+".golden", got)
		})
	}
	if _, _, err := Proxy(Input{Role: settings.Proxy}); err == nil || !strings.Contains(err.Error(), "nothing about a proxy") {
		t.Errorf("without settings: %v", err)
	}
}

// What the operator sets, its users cannot: the rest of what is rendered are defaults.
func TestProxyOwnsWhatItSets(t *testing.T) {
	config := map[string]string{}
	for _, owned := range settings.OwnedKeys(settings.Proxy) {
		config[owned.Key] = "forged"
	}
	got, overrides, err := Proxy(Input{Settings: settings.Settings{Config: config, Proxy: &settings.ProxySettings{ClusterName: "c"}}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "forged") || len(overrides) != len(config) {
		t.Errorf("%d of %d keys overridden in\n%s", len(overrides), len(config), got)
	}
}

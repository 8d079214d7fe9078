// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// metricsBreakProxy is the release whose proxy does not start when its file has metricsExporterType
// (apache/rocketmq#9962: fastjson2 finds two setters).
const metricsBreakProxy = "5.4.0"

// certificatePollMillis is how often a proxy (of 5.4.0 and later) looks for a new certificate; its own default is an hour.
const certificatePollMillis = 10000

// Proxy returns rmq-proxy.json: defaults of ours < spec.config < the keys that the operator owns. It also returns what
// of the user's did not get through.
func Proxy(in Input) ([]byte, []Override, error) {
	p := in.Settings.Proxy
	if p == nil {
		return nil, nil, errors.New("the settings say nothing about a proxy")
	}
	config := map[string]any{
		// Clients go on with the port that they came by, which a NodePort or a load balancer may have changed.
		"useEndpointPortFromRequest": true,
		"metricsExporterType":        "PROM",
		"metricsPromExporterHost":    "0.0.0.0",
		"metricsPromExporterPort":    settings.MetricsPort,
	}
	if p.Host != "" { // otherwise remoting clients are given the pod's own address, and lose it with the pod
		config["remotingAccessAddr"] = p.Host
	}
	if in.TLS.Serves {
		config["tlsCertWatchIntervalMs"] = certificatePollMillis
	}
	user := settings.Trimmed(in.Settings.Config)
	for key, value := range user {
		config[key] = literal(value)
	}
	certificate, key := in.TLS.served()
	own := map[string]any{
		"rocketMQClusterName": p.ClusterName,
		"namesrvAddr":         strings.Join(p.NameServers, ";"),
		"proxyMode":           "CLUSTER",
		"grpcServerPort":      settings.ProxyGRPCPort,
		"remotingListenPort":  settings.ProxyRemotingPort,
		"tlsTestModeEnable":   certificate == "", // it signs one itself
	}
	if certificate != "" {
		own["tlsCertPath"], own["tlsKeyPath"] = certificate, key
	}
	if in.Credentials != nil {
		maps.Copy(own, proxyAuth(in.Credentials))
	}
	var overrides []Override
	for _, owned := range in.ownedKeys(settings.Proxy) {
		if value, given := user[owned.Key]; given {
			overrides = append(overrides, Override{Key: owned.Key, Value: value, Reason: owned.Reason})
		}
		delete(config, owned.Key)
		if value, set := own[owned.Key]; set {
			config[owned.Key] = value
		}
	}
	if in.Release == metricsBreakProxy {
		delete(config, "metricsExporterType")
		if value, given := user["metricsExporterType"]; given {
			overrides = append(overrides, Override{Key: "metricsExporterType", Value: value,
				Reason: "a proxy of RocketMQ " + metricsBreakProxy + " does not start with it"})
		}
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	return append(text, '\n'), overrides, nil
}

var number = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})$`)

// literal is a user's value as JSON has it: numbers, true, false, lists and objects as such, all else as text.
func literal(value string) any {
	structured := strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[")
	if number.MatchString(value) || value == "true" || value == "false" || (structured && json.Valid([]byte(value))) {
		return json.RawMessage(value)
	}
	return value
}

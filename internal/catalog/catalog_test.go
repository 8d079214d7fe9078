// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"slices"
	"strings"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		name                string
		role                settings.Role
		release, key, value string
		want                []string // parts of the answer, none if all is well
	}{
		{"a known property", settings.Broker, "5.4.0", "fileReservedTime", "48", nil},
		{"white space around a value", settings.Broker, "5.4.0", "enablePropertyFilter", "true ", nil},
		{"a letter is missing", settings.Broker, "5.4.0", "fileReservedTme", "48",
			[]string{"RocketMQ 5.4.0 does not know", "ignores it", "Did you mean fileReservedTime?"}},
		{"the old spelling", settings.Broker, "5.4.0", "mapedFileSizeCommitLog", "1", []string{"Did you mean mappedFileSizeCommitLog?"}},
		{"a letter too many", settings.Broker, "5.4.0", "autoCreateTopicEnabled", "false", []string{"Did you mean autoCreateTopicEnable?"}},
		{"one that is the operator's, in another case", settings.Broker, "5.4.0", "brokerip1", "10.0.0.9",
			[]string{"If you mean brokerIP1, that is the operator's", "stable name"}},
		{"like nothing", settings.Broker, "5.4.0", "ourOwnTracingEndpoint", "x", []string{"Remove it, unless your image is a build of your own"}},
		{"another server's", settings.NameServer, "5.4.0", "fileReservedTime", "48", []string{"RocketMQ 5.4.0 does not know", "property of a broker: set it there"}},
		{"a later release's", settings.Broker, "5.3.3", "enableAcceleratedRecovery", "true",
			[]string{"RocketMQ 5.3.3 does not know", "only 5.4.0, 5.5.0", "remove it, or change the release"}},
		{"of some release, when the release is not known", settings.Broker, "", "enableAcceleratedRecovery", "true", nil},
		{"of some release, when the release is too new to be known", settings.Broker, "7.0.0", "enableAcceleratedRecovery", "true", nil},
		{"of no release", settings.Broker, "", "fileReservedTme", "48", []string{"no known release of RocketMQ has this property", "fileReservedTime"}},

		{"a number with a unit", settings.Broker, "5.4.0", "mappedFileSizeCommitLog", "64Mi",
			[]string{`cannot read "64Mi"`, "goes on with its default", "whole number of at most 2147483647", "without a unit"}},
		{"more than a Java int", settings.Broker, "5.4.0", "mappedFileSizeCommitLog", "3000000000", []string{"at most 2147483647"}},
		{"a long", settings.Broker, "5.4.0", "haMaxTimeSlaveNotCatchup", "3000000000", nil},
		{"white space around a number", settings.Broker, "5.4.0", "sendMessageThreadPoolNums", " 16\n", nil},
		{"no number", settings.Broker, "5.4.0", "sendMessageThreadPoolNums", "", []string{`cannot read ""`}},
		{"yes", settings.Broker, "5.4.0", "autoCreateTopicEnable", "yes", []string{`takes "yes" for false`, "write true or false"}},
		{"TRUE", settings.Broker, "5.4.0", "autoCreateTopicEnable", "TRUE", nil},

		{"Netty's", settings.Controller, "5.4.0", "serverWorkerThreads", "8", nil},
		{"of a superclass", settings.Broker, "5.4.0", "brokerClusterName", "c", nil},
		{"of slaves that stand in for their masters", settings.Broker, "5.4.0", "enableSlaveActingMaster", "true", nil},
		{"its counterpart at name servers", settings.NameServer, "5.4.0", "supportActingMaster", "true", nil},
		{"of the tiered store", settings.Broker, "5.4.0", "tieredStoreFilePath", "/tier", nil},
		{"read without a setter", settings.Broker, "5.4.0", "rmqAddressServerDomain", "example.com", nil},
		{"a proxy's list", settings.Proxy, "5.4.0", "remotingAccessAddr", "proxy.example.com", nil},
		{"a proxy's own", settings.Proxy, "5.4.0", "grpcThreadPoolNum", "16", []string{"Did you mean grpcThreadPoolNums?"}},
		{"a line feed in a key", settings.Broker, "5.4.0", "x\nbroker fileReservedTime", "1", []string{"does not know"}},
		{"an empty key", settings.Broker, "5.4.0", "", "1", []string{"does not know"}},
	} {
		got := Problems(test.role, test.release, map[string]string{test.key: test.value, "namesrvAddr": "x"})
		if test.role == settings.NameServer || test.role == settings.Controller { // which have no such property
			got = Problems(test.role, test.release, map[string]string{test.key: test.value})
		}
		if len(test.want) == 0 {
			if len(got) > 0 {
				t.Errorf("%s: %+v, want nothing", test.name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Key != test.key {
			t.Errorf("%s: %+v, want one of %q", test.name, got, test.key)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(got[0].Why, part) {
				t.Errorf("%s: %q does not say %q", test.name, got[0].Why, part)
			}
		}
	}
}

// TestOperatorsOwn: what the operator writes into configuration files, RocketMQ knows.
func TestOperatorsOwn(t *testing.T) {
	for _, role := range []settings.Role{settings.NameServer, settings.Controller, settings.Broker, settings.Proxy} {
		for _, owned := range slices.Concat(settings.OwnedKeys(role), settings.AuthKeys(role)) {
			if len(entries(role, owned.Key)) == 0 {
				t.Errorf("%s: the operator owns %s, which no release has", role, owned.Key)
			}
		}
	}
	for _, live := range settings.LiveKeys() {
		if got := Problems(settings.Broker, "5.4.0", map[string]string{live.Key: live.Default}); len(got) > 0 {
			t.Errorf("live property: %+v", got)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "axc", 1}, {"kitten", "sitting", 3}} {
		if got := edits(test.a, test.b); got != test.want {
			t.Errorf("edits(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

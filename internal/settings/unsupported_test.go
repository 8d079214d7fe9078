// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"strings"
	"testing"
)

func TestBeyond(t *testing.T) {
	for _, test := range []struct {
		name, size string
		options    []string
		want       string
	}{
		{"not set", "", nil, ""},
		{"the default", "4194304", nil, ""},
		{"64 MiB", "67108864", nil, "spec.config.maxMessageSize: a broker closes the connection over which more than 16777216 bytes come at once"},
		{"64 MiB, and frames of as much", "67108864", []string{"-Xss1m -Dcom.rocketmq.remoting.frameMaxLength=83886080"}, ""},
		{"64 MiB, and smaller frames", "67108864", []string{"-Dcom.rocketmq.remoting.frameMaxLength=33554432"}, "more than 33554432 bytes"},
		{"no number", "64m", nil, ""},
	} {
		got := Beyond("spec.config.", map[string]string{"maxMessageSize": test.size}, test.options)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestUnsupported(t *testing.T) {
	for _, test := range []struct {
		name    string
		config  map[string]string
		options []string
		want    []string
	}{
		{"nothing", map[string]string{"fileReservedTime": "48"}, []string{"-Xss512k"}, nil},
		{"off", map[string]string{"authenticationEnabled": "false", "aclEnable": ""}, []string{"-Dtls.server.mode=permissive"}, nil},
		{"ACL 2.0", map[string]string{"authorizationEnabled": "true", "authenticationEnabled": " true"}, nil,
			[]string{"spec.config.authenticationEnabled: ", "spec.config.authorizationEnabled: "}},
		{"ACL 1.0", map[string]string{"aclEnable": "true"}, nil, []string{"spec.config.aclEnable: "}},
		{"TLS", nil, []string{"-Dtls.enable=true -Dtls.server.mode=enforcing"}, []string{"-Dtls.server.mode=enforcing: "}},
		{"the last option wins", nil, []string{"-Dtls.server.mode=enforcing", "-Dtls.server.mode=disabled"}, nil},
	} {
		got := Unsupported("spec.config.", test.config, test.options)
		if len(got) != len(test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
			continue
		}
		for i, want := range test.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: %q, want %q first", test.name, got[i], want)
			}
		}
	}
}

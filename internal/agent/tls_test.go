// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// TestTLSOptions: what java is told, and in which order. What the operator decides comes after the user's own options.
func TestTLSOptions(t *testing.T) {
	const (
		user                 = "-Dtls.server.mode=user"
		file                 = "-Dtls.config.file=/run/tls.properties"
		disabled, permissive = "-Dtls.server.mode=disabled", "-Dtls.server.mode=permissive"
		enforcing            = "-Dtls.server.mode=enforcing"
		takesBoth            = "--tls-server=permissive"
		plain, secured       = "-Dtls.enable=false", "-Dtls.enable=true"
	)
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	none, proxy := settings.Settings{}, settings.Settings{Proxy: &settings.ProxySettings{}}
	withSecret := settings.Settings{Proxy: &settings.ProxySettings{TLSSecret: "cert"}}
	for name, test := range map[string]struct {
		role     settings.Role
		settings settings.Settings
		flags    []string
		want     []string
	}{
		"off":     {settings.Broker, none, nil, []string{disabled, user}},
		"offered": {settings.Broker, none, []string{takesBoth}, []string{user, permissive, plain, file}},
		"permissive": {settings.NameServer, none, []string{takesBoth, "--tls-client"},
			[]string{user, permissive, secured, file}},
		"enforcing": {settings.Controller, none, []string{"--tls-server=enforcing", "--tls-client", "--tls-client-auth"},
			[]string{user, enforcing, secured, file}},
		"a proxy":                       {settings.Proxy, proxy, nil, []string{permissive, plain, user}},
		"a proxy with a certificate":    {settings.Proxy, withSecret, nil, []string{enforcing, plain, user}},
		"a proxy that takes both":       {settings.Proxy, withSecret, []string{takesBoth}, []string{user, permissive, plain, file}},
		"a proxy of a cluster with TLS": {settings.Proxy, proxy, []string{"--tls-client"}, []string{permissive, user, secured, file}},
		"a proxy with a certificate, of such a one": {settings.Proxy, withSecret, []string{"--tls-client"},
			[]string{enforcing, user, secured, file}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseFlags(string(test.role), append(test.flags, "--run-dir=/run", "--java-option="+user), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			args, err := c.javaArgs(17, home, render.Input{ConfigFile: "f", Settings: test.settings})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, arg := range args {
				if strings.HasPrefix(arg, "-Dtls.") {
					got = append(got, arg)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTLSFlagsThatMakeNoSense(t *testing.T) {
	for _, test := range []struct {
		role, want string
		flags      []string
	}{
		{"broker", "--tls-server=on: it is permissive or enforcing", []string{"--tls-server=on"}},
		{"broker", "--tls-client-auth needs --tls-server", []string{"--tls-client", "--tls-client-auth"}},
		{"proxy", "--tls-client-auth: the gRPC server of a proxy asks nobody", []string{"--tls-server=enforcing", "--tls-client-auth"}},
	} {
		if _, err := parseFlags(test.role, test.flags, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %q: %v, want %s", test.role, test.flags, err, test.want)
		}
	}
}

// TestNamesOfServers: for whom the certificate of a server must be, by the address that the agent dials.
func TestNamesOfServers(t *testing.T) {
	headless := settings.Settings{ServiceDomain: "h.ns.svc"}
	onNodes := settings.Settings{ServiceDomain: "h.ns.svc", HostNetwork: true}
	for _, test := range []struct {
		name     string
		role     settings.Role
		settings settings.Settings
		ip       string
		want     map[string]string // "" for the host in the address
	}{
		{"broker", settings.Broker, headless, "10.0.0.7", map[string]string{
			"10.0.0.7:10911": "x-0.h.ns.svc", "127.0.0.1:10911": "x-0.h.ns.svc",
			"10.0.0.7:9876": "", "127.0.0.1:9876": "", "10.0.0.8:10911": "", "x-1.h.ns.svc:10911": "", "ns.ns.svc:9876": "",
		}},
		{"broker of IPv6", settings.Broker, headless, "fd00:0::7", map[string]string{"[fd00::7]:10911": "x-0.h.ns.svc", "[fd00::8]:10911": ""}},
		{"broker on a node", settings.Broker, onNodes, "192.0.2.1", map[string]string{
			"192.0.2.1:10911": "x-0.h.ns.svc", "192.0.2.1:9876": "", "192.0.2.1:9878": "", "192.0.2.2:10911": "",
		}},
		{"controller", settings.Controller, headless, "", map[string]string{"127.0.0.1:9878": "x-0.h.ns.svc", "x-1.h.ns.svc:9878": ""}},
		{"name server", settings.NameServer, headless, "10.0.0.7", map[string]string{
			"10.0.0.7:9876": "x-0.h.ns.svc", "10.0.0.8:9876": "x-0.h.ns.svc",
		}},
		{"name server on a node", settings.NameServer, onNodes, "192.0.2.1", map[string]string{
			"192.0.2.1:9876": "x-0.h.ns.svc", "192.0.2.2:9876": "x-0.h.ns.svc",
		}},
		{"proxy", settings.Proxy, settings.Settings{}, "10.0.0.7", map[string]string{"10.0.0.9:9876": "", "10.0.0.7:8081": ""}},
	} {
		c := &config{role: test.role}
		in := render.Input{PodName: "x-0", PodIP: test.ip, Settings: test.settings}
		for addr, want := range test.want {
			if got := c.serverName(in, addr); got != want {
				t.Errorf("%s dials %s: the certificate is for %q, want %q", test.name, addr, got, want)
			}
		}
	}
}

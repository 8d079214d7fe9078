// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/internal/properties"
)

func TestTLSProperties(t *testing.T) {
	for name, test := range map[string]struct {
		tls  TLS
		want map[string]string // beside those of every file
	}{
		"a server that verifies clients": {TLS{Dir: "/tls", Serves: true, AsksClients: true, Pair: true, CA: true}, map[string]string{
			"tls.server.certPath": "/tls/tls.crt", "tls.server.keyPath": "/tls/tls.key",
			"tls.server.need.client.auth": "require", "tls.server.authClient": "true", "tls.server.trustCertPath": "/tls/ca.crt",
			"tls.client.certPath": "/tls/tls.crt", "tls.client.keyPath": "/tls/tls.key", "tls.client.trustCertPath": "/tls/ca.crt",
		}},
		"a server whose CA everybody knows": {TLS{Dir: "/tls", Serves: true, Pair: true}, map[string]string{
			"tls.server.certPath": "/tls/tls.crt", "tls.server.keyPath": "/tls/tls.key",
			"tls.client.certPath": "/tls/tls.crt", "tls.client.keyPath": "/tls/tls.key",
		}},
		"a proxy with nothing but a CA": {TLS{Dir: "/tls", SelfSigned: true, CA: true}, map[string]string{
			"tls.server.certPath": "/tls/self-signed.crt", "tls.server.keyPath": "/tls/self-signed.key", "tls.client.trustCertPath": "/tls/ca.crt",
		}},
		"a proxy with a pair for servers": {TLS{Dir: "/tls", SelfSigned: true, Pair: true}, map[string]string{
			"tls.server.certPath": "/tls/self-signed.crt", "tls.server.keyPath": "/tls/self-signed.key",
			"tls.client.certPath": "/tls/tls.crt", "tls.client.keyPath": "/tls/tls.key",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := map[string]string{
				"tls.test.mode.enable": "false", "tls.server.need.client.auth": "none", "tls.server.authClient": "false",
				"tls.client.authServer": "true",
			}
			for _, key := range []string{"server.certPath", "server.keyPath", "server.keyPassword", "server.trustCertPath",
				"client.certPath", "client.keyPath", "client.keyPassword", "client.trustCertPath"} {
				want["tls."+key] = ""
			}
			for key, value := range test.want {
				want[key] = value
			}
			got, err := properties.Parse(TLSProperties(test.tls))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

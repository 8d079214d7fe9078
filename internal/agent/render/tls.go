// SPDX-License-Identifier: Apache-2.0

package render

import (
	"path"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/internal/properties"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// TLS is how a server takes and opens connections. The zero value is for one without certificates.
type TLS struct {
	// Dir is where java reads the files: settings.TLSCert, TLSKey and TLSCA, SelfSignedCert and SelfSignedKey.
	Dir string
	// Serves: connections are taken with the user's certificate. SelfSigned: they are taken with one that the agent made.
	Serves, SelfSigned bool
	// AsksClients: clients must show a certificate that the CA signed.
	AsksClients bool
	// Pair: there is a certificate to show to servers that ask for one. CA: there are CAs to verify others by.
	Pair, CA bool
}

// The pair of a proxy that has no certificate of the user's to take connections with.
const (
	SelfSignedCert = "self-signed.crt"
	SelfSignedKey  = "self-signed.key"
)

// served are the files with which connections are taken, empty if there are none.
func (t TLS) served() (certificate, key string) {
	switch {
	case t.Serves:
		return t.file(settings.TLSCert), t.file(settings.TLSKey)
	case t.SelfSigned:
		return t.file(SelfSignedCert), t.file(SelfSignedKey)
	}
	return "", ""
}

func (t TLS) file(name string) string { return path.Join(t.Dir, name) }

// TLSProperties is the file that java is given as tls.config.file (TlsSystemConfig, TlsHelper). It says everything, because what it
// leaves out comes from properties of java, which are the user's.
func TLSProperties(t TLS) []byte {
	certificate, key := t.served()
	props := map[string]string{
		// Java's default would be to make a certificate and to trust every other.
		"tls.test.mode.enable":        "false",
		"tls.server.certPath":         certificate,
		"tls.server.keyPath":          key,
		"tls.server.keyPassword":      "",
		"tls.server.need.client.auth": "none",
		"tls.server.authClient":       strconv.FormatBool(t.AsksClients),
		"tls.server.trustCertPath":    "",
		"tls.client.authServer":       "true",
		"tls.client.certPath":         "",
		"tls.client.keyPath":          "",
		"tls.client.keyPassword":      "",
		"tls.client.trustCertPath":    "",
	}
	if t.AsksClients {
		// With authClient alone, and with need.client.auth alone, anyone's certificate would do (TlsHelper.buildSslContext).
		props["tls.server.need.client.auth"] = "require"
		props["tls.server.trustCertPath"] = t.file(settings.TLSCA)
	}
	if t.Pair {
		props["tls.client.certPath"], props["tls.client.keyPath"] = t.file(settings.TLSCert), t.file(settings.TLSKey)
	}
	if t.CA { // without, java's own CAs count
		props["tls.client.trustCertPath"] = t.file(settings.TLSCA)
	}
	return properties.Format(props)
}

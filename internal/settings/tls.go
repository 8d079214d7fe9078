// SPDX-License-Identifier: Apache-2.0

package settings

// TLS is switched on by flags of the agent, not by Settings: each step is a rolling restart, and the pods of the step before must
// start as they did. A server without these flags takes and speaks plain text; the exception is a proxy with ProxySettings.TLSSecret,
// which takes nothing but TLS.
const (
	// TLSServerFlag is how a server takes connections, TLSPermissive or TLSEnforcing, with the certificate in TLSDir.
	TLSServerFlag = "--tls-server"
	// TLSClientFlag makes the server, and its agent, connect to others with TLS. It verifies them by TLSCA, or by the system's CAs if
	// there is none.
	TLSClientFlag = "--tls-client"
	// TLSClientAuthFlag makes a name server, controller or broker refuse clients without a certificate that TLSCA has signed.
	TLSClientAuthFlag = "--tls-client-auth"
	// TLSSecretFlag is the name of the Secret in TLSDir, for messages.
	TLSSecretFlag = "--tls-secret"
)

// Values of TLSServerFlag.
const (
	TLSPermissive = "permissive" // with and without TLS
	TLSEnforcing  = "enforcing"  // with TLS only
)

// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// AuthSettings let RocketMQ's servers ask for credentials, and check what their owner may do (ACL 2.0). It takes RocketMQ 5.3.0 or
// newer.
type AuthSettings struct {
	// Enabled lets no request in that is not signed by a user of the brokers, and limits each user to what its ACL allows. It cannot
	// change.
	// +required
	Enabled bool `json:"enabled"`
	// CredentialsSecretRef is a Secret of yours with the accounts of the operator, the proxies and the brokers themselves, in the keys
	// operator-username, operator-password, proxy-username, proxy-password, inner-username and inner-password; a Proxy needs only its
	// own two. If absent, the operator makes the Secret <name>-auth with random passwords; a Proxy uses that of its Broker.
	// +optional
	CredentialsSecretRef *SecretReference `json:"credentialsSecretRef,omitempty"`
}

// On reports whether servers ask for credentials.
func (a *AuthSettings) On() bool { return a != nil && a.Enabled }

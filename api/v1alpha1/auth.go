// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// AuthSettings let RocketMQ's servers ask for credentials, and check what their owner may do (ACL 2.0). It takes RocketMQ 5.3.0 or
// newer.
type AuthSettings struct {
	// Enabled lets no request in that is not signed by a user of the brokers, and limits each user to what its ACL allows. It can be
	// switched at any time: running brokers are restarted twice, one at a time.
	// +required
	Enabled bool `json:"enabled"`
	// Mode Enforcing, the default, refuses requests without credentials. With Permissive, brokers know their users, and still take every request: for
	// the time in which clients are given credentials.
	// +optional
	// +kubebuilder:validation:Enum=Permissive;Enforcing
	Mode AuthMode `json:"mode,omitempty"`
	// CredentialsSecretRef is a Secret of yours with the accounts of the operator, the proxies and the brokers themselves, in the keys
	// operator-username, operator-password, proxy-username, proxy-password, inner-username and inner-password; a Proxy needs only its
	// own two. If absent, the operator makes the Secret <name>-auth with random passwords; a Proxy uses that of its Broker.
	// +optional
	CredentialsSecretRef *SecretReference `json:"credentialsSecretRef,omitempty"`
}

// ToolAuth says as whom a program beside the servers signs its requests to brokers.
type ToolAuth struct {
	// CredentialsSecretRef is a Secret of the same namespace with the keys proxy-username and proxy-password: the account that dashboards
	// and exporters share with proxies. Without it, it is the Secret of the Broker in this namespace that uses the same NameService.
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`
}

// AuthMode is what servers do about credentials.
type AuthMode string

// The modes. A spec says AuthDisabled by auth.enabled.
const (
	// AuthDisabled servers have no users.
	AuthDisabled AuthMode = "Disabled"
	// AuthPermissive servers have users, and ask for no credentials.
	AuthPermissive AuthMode = "Permissive"
	// AuthEnforcing servers take only requests of their users.
	AuthEnforcing AuthMode = "Enforcing"
)

// On reports whether servers have users.
func (a *AuthSettings) On() bool { return a.Wanted() != AuthDisabled }

// Enforced reports whether servers ask for credentials.
func (a *AuthSettings) Enforced() bool { return a.Wanted() == AuthEnforcing }

// Wanted is the mode that the settings ask for.
func (a *AuthSettings) Wanted() AuthMode {
	switch {
	case a == nil || !a.Enabled:
		return AuthDisabled
	case a.Mode == AuthPermissive:
		return AuthPermissive
	}
	return AuthEnforcing
}

// AuthStatus is what brokers are brought to, one after the other.
type AuthStatus struct {
	// Mode is Permissive or Enforcing, or Disabled while the last of them forget their accounts. All brokers have it when the condition
	// UpToDate is True.
	Mode AuthMode `json:"mode"`
	// SecretName is the Secret with the accounts that the brokers have.
	// +optional
	SecretName string `json:"secretName,omitempty"`
}

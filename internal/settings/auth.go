// SPDX-License-Identifier: Apache-2.0

package settings

import "fmt"

// AuthDir is where the Secret with a cluster's own accounts is mounted.
const AuthDir = "/etc/rocketmq-auth"

// Account is who RocketMQ's own processes and the operator are at the brokers of a cluster with authentication.
type Account string

// The accounts.
const (
	// OperatorAccount is the operator's, and that of the brokers' agents: a Super user.
	OperatorAccount Account = "operator"
	// ProxyAccount is that of proxies, dashboards and exporters, which ask brokers on behalf of others: a Super user.
	ProxyAccount Account = "proxy"
	// InnerAccount is the one with which brokers sign requests to each other. It stands in every broker's configuration, and may do
	// nothing else: a Normal user without an ACL. A broker whose disk is empty makes it a Super user, and its agent changes that at
	// once.
	InnerAccount Account = "inner"
)

// Accounts that a Secret has, all of a cluster's unless it is the copy for proxies in another namespace.
func Accounts() []Account { return []Account{OperatorAccount, ProxyAccount, InnerAccount} }

// UsernameKey and PasswordKey are where the Secret has an account.
func (a Account) UsernameKey() string { return string(a) + "-username" }

// PasswordKey is described at UsernameKey.
func (a Account) PasswordKey() string { return string(a) + "-password" }

// In the data of a Secret, an account has this name and password. The error names the key that is missing.
func (a Account) In(data map[string][]byte) (username, password string, err error) {
	for _, key := range []string{a.UsernameKey(), a.PasswordKey()} {
		if len(data[key]) == 0 {
			return "", "", fmt.Errorf("it has no %s", key)
		}
	}
	return string(data[a.UsernameKey()]), string(data[a.PasswordKey()]), nil
}

// NewAccounts is the data of a new Secret. password makes one.
func NewAccounts(password func() string) map[string][]byte {
	data := map[string][]byte{}
	for _, account := range Accounts() {
		data[account.UsernameKey()] = []byte("rocketmq-" + string(account))
		data[account.PasswordKey()] = []byte(password())
	}
	return data
}

// The properties of authentication and authorization (AuthConfig; those of a proxy besides in ProxyConfig).
const (
	Authentication         = "authenticationEnabled"
	Authorization          = "authorizationEnabled"
	AuthenticationProvider = "authenticationMetadataProvider"
	AuthorizationProvider  = "authorizationMetadataProvider"
	InnerCredentials       = "innerClientAuthenticationCredentials"
	initUser               = "initAuthenticationUser"
	// SignToBrokers lets a proxy sign what it asks brokers; without it, InnerCredentials has no effect there.
	SignToBrokers = "enableAclRpcHookForClusterMode"
)

// AuthKeys are the further keys that the operator owns in the configuration of a server with spec.auth.
func AuthKeys(role Role) []OwnedKey {
	const reason = "spec.auth sets it"
	keys := []OwnedKey{
		{Key: Authentication, Reason: reason},
		{Key: Authorization, Reason: reason},
		{Key: AuthenticationProvider, Reason: reason},
		{Key: AuthorizationProvider, Reason: reason},
		{Key: InnerCredentials, Reason: reason},
		{Key: initUser, Reason: "a user with all rights has no place in a configuration file; create a User (docs/users.md)"},
	}
	switch role {
	case Broker:
		return keys
	case Proxy:
		return append(keys, OwnedKey{Key: SignToBrokers, Reason: reason})
	}
	return nil
}

// IsSecret reports whether a property holds a password.
func IsSecret(key string) bool { return key == InnerCredentials || key == initUser }

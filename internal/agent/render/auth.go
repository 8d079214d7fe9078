// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// electionPollMillis is how often a broker with authentication asks the controllers who is master. It does not listen when they
// tell it, because they have no credentials (ControllerManager.notifyBrokerRoleChanged), and RocketMQ's default of 5 s would be how
// long a group may be without a master.
const electionPollMillis = 250

// Where brokers keep their users, and where a proxy asks for them.
const (
	localUsers  = "org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider"
	localRights = "org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider"
	proxyUsers  = "org.apache.rocketmq.proxy.auth.ProxyAuthenticationMetadataProvider"
	proxyRights = "org.apache.rocketmq.proxy.auth.ProxyAuthorizationMetadataProvider"
)

// ownedKeys of a server, with authentication more.
func (in Input) ownedKeys(role settings.Role) []settings.OwnedKey {
	keys := settings.OwnedKeys(role)
	if in.Credentials == nil {
		return keys
	}
	return slices.Concat(keys, settings.AuthKeys(role))
}

// brokerAuth gives a broker users, and lets it ask for credentials unless it is permissive. No user is made by
// initAuthenticationUser: nothing that is valid for a user with all rights may stand in this file.
func brokerAuth(in Input) map[string]string {
	enforced := strconv.FormatBool(!in.PermissiveAuth)
	return map[string]string{
		settings.Authentication:         enforced,
		settings.Authorization:          enforced,
		settings.AuthenticationProvider: localUsers,
		settings.AuthorizationProvider:  localRights,
		settings.InnerCredentials:       sessionCredentials(in.Credentials),
	}
}

// proxyAuth lets a proxy ask its clients for credentials. It always comes together with the proxy's own: a proxy that signs and does
// not ask would let everybody in as itself.
func proxyAuth(own *remoting.Credentials) map[string]any {
	return map[string]any{
		settings.Authentication:         true,
		settings.Authorization:          true,
		settings.AuthenticationProvider: proxyUsers,
		settings.AuthorizationProvider:  proxyRights,
		settings.SignToBrokers:          true,
		settings.InnerCredentials:       sessionCredentials(own),
	}
}

// sessionCredentials as the servers read them (SessionCredentials).
func sessionCredentials(c *remoting.Credentials) string {
	text, _ := json.Marshal(map[string]string{"accessKey": c.AccessKey, "secretKey": c.SecretKey}) // strings have no errors
	return string(text)
}

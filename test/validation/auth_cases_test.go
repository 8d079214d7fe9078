// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// authCases are those of spec.auth.
func authCases() []ruleCase {
	secured := []string{"Broker", "Proxy", "RocketMQCluster"}
	a := func(n int) string { return strings.Repeat("a", n) }
	ref := func(name string) object {
		return spec("auth: {enabled: true, credentialsSecretRef: {name: " + name + "}}")
	}
	cases := []ruleCase{
		{"auth says whether it is enabled", secured, nil, spec("auth: {enabled: false}"), spec("auth: {}"), `spec.auth.enabled: Required value`},
		{"auth has two modes", secured, nil, spec("auth: {enabled: true, mode: Permissive}"), spec("auth: {enabled: true, mode: Strict}"),
			`spec.auth.mode: Unsupported value: "Strict": supported values: "Permissive", "Enforcing"`},
		{"a Secret with credentials has a name", secured, nil, ref("a"), spec("auth: {enabled: true, credentialsSecretRef: {}}"),
			`spec.auth.credentialsSecretRef.name: Required value`},
		{"that name is not empty", secured, nil, ref("a"), ref(`""`),
			`spec.auth.credentialsSecretRef.name: Invalid value: "": spec.auth.credentialsSecretRef.name in body should be at least 1 chars long`},
		{"that name is short", secured, nil, ref(a(253)), ref(a(254)), `spec.auth.credentialsSecretRef.name: Too long: may not be more than 253 bytes`},
		{"a broker's authentication", brokers, nil, spec(`{auth: {enabled: false}, config: {authenticationEnabled: "true"}}`),
			spec(`{auth: {enabled: true}, config: {authenticationEnabled: "false", initAuthenticationUser: x}}`),
			`spec: Invalid value: set by the operator, because spec.auth is enabled; remove from config: authenticationEnabled initAuthenticationUser`},
		{"a proxy's authentication", proxies, nil, spec(`config: {authenticationEnabled: "true"}`),
			spec(`{auth: {enabled: true}, config: {enableAclRpcHookForClusterMode: "false"}}`),
			`spec: Invalid value: set by the operator, because spec.auth is enabled; remove from config: enableAclRpcHookForClusterMode`},
	}
	tools := []string{"Console", "Exporter"}
	account := func(name string) object { return spec("auth: {credentialsSecretRef: {name: " + name + "}}") }
	cases = append(cases,
		ruleCase{"a tool's account is in a Secret", tools, nil, account("a"), spec("auth: {}"), `spec.auth.credentialsSecretRef: Required value`},
		ruleCase{"with a name", tools, nil, account("a"), spec("auth: {credentialsSecretRef: {}}"), `spec.auth.credentialsSecretRef.name: Required value`},
		ruleCase{"that is not empty", tools, nil, account("a"), account(`""`),
			`spec.auth.credentialsSecretRef.name: Invalid value: "": spec.auth.credentialsSecretRef.name in body should be at least 1 chars long`},
		ruleCase{"that is short", tools, nil, account(a(253)), account(a(254)), `spec.auth.credentialsSecretRef.name: Too long: may not be more than 253 bytes`},
	)
	for _, kind := range []string{"Broker", "RocketMQCluster"} {
		cases = append(cases,
			ruleCase{kind + ": the accounts stay while auth is enabled", []string{kind}, new(ref("a")), spec("auth: {enabled: false, credentialsSecretRef: {name: b}}"), ref("b"),
				`spec: Invalid value: auth.credentialsSecretRef cannot change while auth is enabled: the brokers' disks know the accounts of the Secret ` +
					`that they began with. Disable auth and wait until status.auth is gone, or create another ` + kind + ` and move the topics to it`})
	}
	return cases
}

// TestAuthKeysAreRefused: with spec.auth the agent overrides them, so that a user's value would be dropped in silence.
func TestAuthKeysAreRefused(t *testing.T) {
	kinds := resources(t)
	for kind, role := range map[string]settings.Role{"Broker": settings.Broker, "Proxy": settings.Proxy} {
		for _, owned := range settings.AuthKeys(role) {
			t.Run(kind+"/"+owned.Key, func(t *testing.T) {
				errs := kinds[kind].create(t.Context(), build(t, kinds[kind], kind, spec("{auth: {enabled: true}, config: {"+owned.Key+": x}}")))
				if len(errs) != 1 || !strings.Contains(errs[0], owned.Key) {
					t.Errorf("errors %q, want one that names %s", errs, owned.Key)
				}
			})
		}
	}
}

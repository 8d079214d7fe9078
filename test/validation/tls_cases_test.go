// SPDX-License-Identifier: Apache-2.0

package validation

import "strings"

// tlsCases are those of spec.tls, and of a RocketMQCluster's spec.proxy.tls.
func tlsCases() (cases []ruleCase) {
	a := func(n int) string { return strings.Repeat("a", n) }
	for _, place := range []struct {
		kinds         []string
		path          string
		before, after string // the text around the settings
	}{
		{[]string{"NameService", "Controller", "Broker", "Proxy", "RocketMQCluster"}, "spec.tls", "tls: ", ""},
		{[]string{"RocketMQCluster"}, "spec.proxy.tls", "proxy: {tls: ", "}"},
	} {
		tls := func(settings string) object { return spec(place.before + "{" + settings + "}" + place.after) }
		add := func(name, good, bad, want string) {
			cases = append(cases, ruleCase{name, place.kinds, nil, tls(good), tls(bad), place.path + "." + want})
		}
		add("TLS has a Secret", "secretName: a", "", `secretName: Required value`)
		add("with a name", "secretName: a", `secretName: ""`, `secretName: Invalid value: "": `+place.path+`.secretName in body should be at least 1 chars long`)
		add("that is short", "secretName: "+a(253), "secretName: "+a(254), `secretName: Too long: may not be more than 253 bytes`)
		add("so is that of the CAs", "secretName: a, caSecretName: "+a(253), "secretName: a, caSecretName: "+a(254), `caSecretName: Too long: may not be more than 253 bytes`)
		add("TLS has three modes", "secretName: a, mode: Permissive", "secretName: a, mode: Strict",
			`mode: Unsupported value: "Strict": supported values: "Offered", "Permissive", "Enforcing"`)
		add("clients show a certificate or not", "secretName: a, clientAuth: None", "secretName: a, clientAuth: Wanted",
			`clientAuth: Unsupported value: "Wanted": supported values: "None", "Required"`)
	}
	return append(cases, ruleCase{"proxies ask for none", proxies, nil, spec("tls: {secretName: a, clientAuth: None}"), spec("tls: {secretName: a, clientAuth: Required}"),
		`spec: Invalid value: tls.clientAuth: a proxy does not ask clients for a certificate (its gRPC server cannot); use spec.auth`})
}

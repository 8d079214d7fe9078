// SPDX-License-Identifier: Apache-2.0

package validation

// networkCases are those of who may reach the pods, which all kinds with pods have, and a RocketMQCluster several times.
func networkCases() []ruleCase {
	kinds := append([]string{"RocketMQCluster"}, all...)
	cases := []ruleCase{
		{"a NetworkPolicy or none", kinds, nil, spec("networkPolicy: Disabled"), spec("networkPolicy: enabled"),
			`spec.networkPolicy: Unsupported value: "enabled": supported values: "Enabled", "Disabled"`},
	}
	cases = append(cases, peerCases(kinds, "allowedClients", "", "")...)
	cases = append(cases, peerCases(kinds, "allowedMonitoring", "", "")...)
	cases = append(cases, peerCases(kinds[:1], "proxy.allowedClients", "proxy: {", "}")...)
	return append(cases, peerCases(kinds[:1], "console.allowedClients", "console: {", "}")...)
}

// peerCases are those of one list of peers.
func peerCases(kinds []string, path, before, after string) []ruleCase {
	name := "allowedClients: "
	if path == "allowedMonitoring" {
		name = "allowedMonitoring: "
	}
	peers := func(list string) object { return spec(before + name + list + after) }
	block := "{ipBlock: {cidr: 10.0.0.0/8}}"
	cases := []ruleCase{
		{"not too many of " + path, kinds, nil, peers(list(64, block)), peers(list(65, block)),
			"spec." + path + ": Too many: 65: must have at most 64 items"},
		{path + " name somebody", kinds, nil, peers("[{podSelector: {}}, {namespaceSelector: {}}]"), peers("[{}]"),
			"spec." + path + ": Invalid value: an entry without podSelector, namespaceSelector and ipBlock allows nobody: for the pods of all namespaces write namespaceSelector: {}"},
		{"addresses in " + path + " stand alone", kinds, nil, peers("[" + block + ", {podSelector: {}, namespaceSelector: {}}]"),
			peers("[{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]"),
			"spec." + path + ": Invalid value: ipBlock stands alone: pods and addresses are entries of their own"},
		{"addresses in " + path + " are addresses", kinds, nil, peers("[{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]"),
			peers("[{ipBlock: {except: [10.1.0.0/16]}}]"), "spec." + path + "[0].ipBlock.cidr: Required value"},
	}
	for _, selector := range []string{"podSelector", "namespaceSelector"} {
		selecting := func(expression string) object {
			return peers("[{" + selector + ": {matchExpressions: [{" + expression + "}]}}]")
		}
		at := "spec." + path + "[0]." + selector + ".matchExpressions[0]."
		cases = append(cases,
			ruleCase{"labels of a " + selector + " in " + path + " have a key", kinds, nil, selecting("key: a, operator: Exists"), selecting("operator: Exists"), at + "key: Required value"},
			ruleCase{"labels of a " + selector + " in " + path + " have an operator", kinds, nil, selecting("key: a, operator: Exists"), selecting("key: a"), at + "operator: Required value"})
	}
	return cases
}

// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"strings"
)

// clusterCases are those of RocketMQCluster. The parts share fields, so most cases are made for each part that has them.
func clusterCases() []ruleCase {
	kinds := []string{"RocketMQCluster"}
	a := func(n int) string { return strings.Repeat("a", n) }
	before := func(text string) *object { return &object{spec: text} }
	classFixed := "storage.className cannot change: a volume stays in its StorageClass"
	pool := func(length int) object {
		return object{name: a(10), spec: "brokers: [{name: " + a(length) + "}]"}
	}
	cases := []ruleCase{
		{"the name leaves room for the parts'", kinds, nil, named(a(24)), named(a(25)),
			`<nil>: Invalid value: metadata.name must be at most 24 characters, so that the labels of all pods fit`},
		{"the name starts with a letter", kinds, nil, named("a-1"), named("1-a"),
			`<nil>: Invalid value: metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it`},
		{"the name and each pool's fit", kinds, nil, pool(22), pool(23),
			`<nil>: Invalid value: metadata.name and the name of each pool of spec.brokers must be at most 32 characters together, so that the labels of the pool's pods fit`},
		{"a pool's name is short", kinds, nil, spec("brokers: [{name: " + a(30) + "}]"), spec("brokers: [{name: " + a(32) + "}]"),
			`spec.brokers[0].name: Too long: may not be more than 31 bytes`},
		{"a pool's name starts with a letter", kinds, nil, spec("brokers: [{name: b-0}]"), spec("brokers: [{name: 0-b}]"),
			`spec.brokers[0].name: Invalid value: "0-b": spec.brokers[0].name in body should match '^$|^[a-z]([-a-z0-9]*[a-z0-9])?$'`},
		{"pools have different names", kinds, nil, spec("brokers: [{}, {name: b}]"), spec("brokers: [{}, {size: 2}]"),
			`spec.brokers[1]: Duplicate value: {"name":""}`},
		{"at least one pool", kinds, nil, spec("brokers: [{}]"), spec("brokers: []"),
			`spec.brokers: Invalid value: 0: spec.brokers in body should have at least 1 items`},
		{"not too many pools", kinds, nil, spec("brokers: " + pools(32)), spec("brokers: " + pools(33)),
			`spec.brokers: Too many: 33: must have at most 32 items`},
		{"controllers stay", kinds, before("controllers: {size: 1}"), spec("controllers: {size: 1, config: {a: b}}"), spec("{}"),
			`spec: Invalid value: controllers cannot be added or removed: with them brokers fail over (clusterMode CONTROLLER), without them they have fixed masters (STATIC), and brokers cannot change that. Create another RocketMQCluster and move the topics to it`},
		{"a version is a tag", kinds, nil, spec("version: 5.4.0-custom_1"), spec(`version: "apache/rocketmq:5.4.0"`),
			`spec.version: Invalid value: "apache/rocketmq:5.4.0": spec.version in body should match '^$|^[a-zA-Z0-9_][a-zA-Z0-9._-]*$'`},
		{"a short version", kinds, nil, spec("version: " + a(128)), spec("version: " + a(129)), `spec.version: Too long: may not be more than 128 bytes`},
		{"a short image", kinds, nil, spec("image: " + a(512)), spec("image: " + a(513)), `spec.image: Too long: may not be more than 512 bytes`},

		{"an odd number of controllers", kinds, nil, spec("controllers: {size: 5}"), spec("controllers: {size: 4}"),
			`spec.controllers.size: Invalid value: 4: size must be odd (1, 3, 5 or 7): an even quorum survives no more failures than the next smaller odd one`},
		{"a fixed number of controllers", kinds, before("controllers: {}"), spec("controllers: {size: 3}"), spec("controllers: {size: 5}"),
			`spec.controllers.size: Invalid value: 5: size cannot change: a DLedger quorum has fixed members. Create another RocketMQCluster and move the topics to it`},
		{"at least one controller", kinds, nil, spec("controllers: {size: 1}"), spec("controllers: {size: -1}"),
			"spec.controllers.size: Invalid value: -1: spec.controllers.size in body should be greater than or equal to 1\n" +
				"spec.controllers.size: Invalid value: -1: size must be odd (1, 3, 5 or 7): an even quorum survives no more failures than the next smaller odd one"},
		{"at most 7 controllers", kinds, nil, spec("controllers: {size: 7}"), spec("controllers: {size: 9}"),
			`spec.controllers.size: Invalid value: 9: spec.controllers.size in body should be less than or equal to 7`},
		{"a fixed StorageClass of controllers", kinds, before("controllers: {storage: {className: fast}}"), spec("controllers: {storage: {className: fast, size: 5Gi}}"),
			spec("controllers: {storage: {className: slow}}"), "spec.controllers: Invalid value: " + classFixed},
		{"a fixed StorageClass of name servers", kinds, before("nameServers: {storage: {className: fast}}"), spec("nameServers: {storage: {className: fast, size: 5Gi}}"),
			spec("nameServers: {storage: {}}"), "spec.nameServers: Invalid value: " + classFixed},
		{"name servers keep their storage", kinds, before("nameServers: {storage: {}}"), spec("nameServers: {storage: {size: 5Gi}}"), spec("nameServers: {size: 2}"),
			"spec.nameServers: Invalid value: storage of name servers cannot be added or removed: create another RocketMQCluster and move the topics to it"},
		{"a fixed StorageClass of brokers", kinds, before("brokers: [{name: a, storage: {className: fast}}, {}]"), spec("brokers: [{}, {name: a, storage: {className: fast, size: 8Gi}}]"),
			spec("brokers: [{}, {name: a}]"), "spec.brokers[1]: Invalid value: " + classFixed + ". Add another pool"},

		{"a schema registry has an image", kinds, nil, spec("schemaRegistry: {image: a}"), spec("schemaRegistry: {}"),
			`spec.schemaRegistry: Invalid value: image is not set, and there is no official image of the schema registry: build one (docs/schema-registry.md says how) and name it in schemaRegistry.image`},
		{"a login has a Secret", kinds, nil, spec("console: {login: {secretRef: {name: a}}}"), spec("console: {login: {}}"), `spec.console.login.secretRef: Required value`},
		{"a login's Secret has a name", kinds, nil, spec("console: {login: {secretRef: {name: a}}}"), spec("console: {login: {secretRef: {}}}"), `spec.console.login.secretRef.name: Required value`},
		{"a login's Secret's name is not empty", kinds, nil, spec("console: {login: {secretRef: {name: a}}}"), spec(`console: {login: {secretRef: {name: ""}}}`),
			`spec.console.login.secretRef.name: Invalid value: "": spec.console.login.secretRef.name in body should be at least 1 chars long`},
		{"a login's Secret's name is short", kinds, nil, spec("console: {login: {secretRef: {name: " + a(253) + "}}}"), spec("console: {login: {secretRef: {name: " + a(254) + "}}}"),
			`spec.console.login.secretRef.name: Too long: may not be more than 253 bytes`},
		{"an Ingress has a host", kinds, nil, spec("console: {ingress: {host: a}}"), spec("console: {ingress: {}}"), `spec.console.ingress.host: Required value`},
		{"an Ingress' host is not empty", kinds, nil, spec("console: {ingress: {host: a}}"), spec(`console: {ingress: {host: ""}}`),
			`spec.console.ingress.host: Invalid value: "": spec.console.ingress.host in body should be at least 1 chars long`},
		{"an Ingress' host is short", kinds, nil, spec("console: {ingress: {host: " + a(253) + "}}"), spec("console: {ingress: {host: " + a(254) + "}}"),
			`spec.console.ingress.host: Too long: may not be more than 253 bytes`},
		{"an Ingress' class is short", kinds, nil, spec("console: {ingress: {host: a, className: " + a(253) + "}}"), spec("console: {ingress: {host: a, className: " + a(254) + "}}"),
			`spec.console.ingress.className: Too long: may not be more than 253 bytes`},
		{"an Ingress' Secret is short", kinds, nil, spec("console: {ingress: {host: a, tlsSecretName: " + a(253) + "}}"), spec("console: {ingress: {host: a, tlsSecretName: " + a(254) + "}}"),
			`spec.console.ingress.tlsSecretName: Too long: may not be more than 253 bytes`},
		{"not too many annotations of the Ingress", kinds, nil, spec("console: {ingress: {host: a, annotations: " + properties(64) + "}}"), spec("console: {ingress: {host: a, annotations: " + properties(65) + "}}"),
			`spec.console.ingress.annotations: Too many: 65: must have at most 64 items`},
		{"a proxy has a known type of Service", kinds, nil, spec("proxy: {service: {type: NodePort}}"), spec("proxy: {service: {type: ExternalName}}"),
			`spec.proxy.service.type: Unsupported value: "ExternalName": supported values: "ClusterIP", "NodePort", "LoadBalancer"`},
		{"a proxy has two ports", kinds, nil, spec("proxy: {service: {ports: {grpc: 80}}}"), spec("proxy: {service: {ports: {grpc: 80, remoting: 80}}}"),
			`spec.proxy.service.ports: Invalid value: grpc and remoting need different ports (8081 and 8080 if not set)`},
	}
	for _, port := range []string{"grpc", "remoting", "grpcNodePort", "remotingNodePort"} {
		of := func(n int) object { return spec(fmt.Sprintf("proxy: {service: {ports: {%s: %d}}}", port, n)) }
		path := "spec.proxy.service.ports." + port
		cases = append(cases,
			ruleCase{port + " is a port", kinds, nil, of(1), of(0), fmt.Sprintf("%s: Invalid value: 0: %s in body should be greater than or equal to 1", path, path)},
			ruleCase{port + " is 65535 at most", kinds, nil, of(65535), of(65536), fmt.Sprintf("%s: Invalid value: 65536: %s in body should be less than or equal to 65535", path, path)})
	}
	// field writes a part with one field more, and returns where it is.
	type part struct{ path, open, end string }
	whole := part{"spec", "", ""}
	names, ctl, broker, proxy := part{"spec.nameServers", "nameServers: {", "}"}, part{"spec.controllers", "controllers: {", "}"},
		part{"spec.brokers[0]", "brokers: [{", "}]"}, part{"spec.proxy", "proxy: {", "}"}
	console, exporter := part{"spec.console", "console: {", "}"}, part{"spec.exporter", "exporter: {", "}"}
	registry := part{"spec.schemaRegistry", "schemaRegistry: {image: a, ", "}"}
	add := func(rule string, p part, good, bad, want string) {
		good, bad = p.open+good+p.end, p.open+bad+p.end
		if p == whole {
			good, bad = "{"+good+"}", "{"+bad+"}"
		}
		cases = append(cases, ruleCase{p.path + ": " + rule, kinds, nil, spec(good), spec(bad), strings.ReplaceAll(want, "PART", p.path)})
	}
	for _, p := range []part{whole, names, ctl, broker, proxy} {
		add("heap is a quantity", p, "jvm: {heap: 1Gi}", "jvm: {heap: lots}", `PART.jvm.heap: Invalid value: "lots": PART.jvm.heap in body should match '`+quantityPattern+`'`)
		add("direct memory is a quantity", p, "jvm: {directMemory: 1Gi}", "jvm: {directMemory: 1g}",
			`PART.jvm.directMemory: Invalid value: "1g": PART.jvm.directMemory in body should match '`+quantityPattern+`'`)
		add("not too many options", p, "jvm: {extraOptions: "+list(64, "-ea")+"}", "jvm: {extraOptions: "+list(65, "-ea")+"}",
			`PART.jvm.extraOptions: Too many: 65: must have at most 64 items`)
		add("short options", p, "jvm: {extraOptions: ["+a(1024)+"]}", "jvm: {extraOptions: ["+a(1025)+"]}", `PART.jvm.extraOptions[0]: Too long: may not be more than 1024 bytes`)
		add("not too many keys", p, "config: "+properties(256), "config: "+properties(257), `PART.config: Too many: 257: must have at most 256 items`)
		add("short values", p, "config: {key: "+a(4096)+"}", "config: {key: "+a(4097)+"}", `PART.config.key: Too long: may not be more than 4096 bytes`)
	}
	for _, p := range []part{names, ctl, broker} {
		add("a short class name", p, "storage: {className: "+a(253)+"}", "storage: {className: "+a(254)+"}", `PART.storage.className: Too long: may not be more than 253 bytes`)
		add("size is a quantity", p, "storage: {size: 4Gi}", "storage: {size: 4GB}", `PART.storage.size: Invalid value: "4GB": PART.storage.size in body should match '`+quantityPattern+`'`)
	}
	for _, limit := range []struct {
		part     part
		field    string
		min, max int
	}{
		{names, "size", 1, 99}, {broker, "size", 1, 999}, {broker, "replicaPerGroup", 0, 9}, {proxy, "replicas", 1, 999},
		{console, "replicas", 0, 99}, {exporter, "replicas", 0, 99}, {registry, "replicas", 0, 99},
	} {
		of := func(n int) string { return fmt.Sprintf("%s: %d", limit.field, n) }
		add("at least so many "+limit.field, limit.part, of(limit.min), of(limit.min-1),
			fmt.Sprintf("PART.%[1]s: Invalid value: %[2]d: PART.%[1]s in body should be greater than or equal to %[3]d", limit.field, limit.min-1, limit.min))
		add("at most so many "+limit.field, limit.part, of(limit.max), of(limit.max+1),
			fmt.Sprintf("PART.%[1]s: Invalid value: %[2]d: PART.%[1]s in body should be less than or equal to %[3]d", limit.field, limit.max+1, limit.max))
	}
	for _, p := range []part{console, exporter, {registry.path, "schemaRegistry: {", "}"}} {
		add("a short image", p, "image: "+a(512), "image: "+a(513), `PART.image: Too long: may not be more than 512 bytes`)
	}
	for _, p := range []part{console, exporter, registry} {
		add("a known type of Service", p, "service: {type: NodePort}", "service: {type: ExternalName}",
			`PART.service.type: Unsupported value: "ExternalName": supported values: "", "ClusterIP", "NodePort", "LoadBalancer"`)
		add("a node port is a port", p, "service: {nodePort: 1}", "service: {nodePort: 0}",
			`PART.service.nodePort: Invalid value: 0: PART.service.nodePort in body should be greater than or equal to 1`)
		add("a node port is 65535 at most", p, "service: {nodePort: 65535}", "service: {nodePort: 65536}",
			`PART.service.nodePort: Invalid value: 65536: PART.service.nodePort in body should be less than or equal to 65535`)
		add("not too many annotations", p, "service: {annotations: "+properties(64)+"}", "service: {annotations: "+properties(65)+"}",
			`PART.service.annotations: Too many: 65: must have at most 64 items`)
	}
	for _, p := range []part{names, ctl, broker, proxy, console, exporter, registry} {
		add("overrides are an object", p, "overrides: {anything: {b: 1}}", "overrides: [a]",
			`PART.overrides: Invalid value: "array": PART.overrides in body must be of type object: "array"`)
	}
	return cases
}

// pools returns a YAML flow list of n broker pools.
func pools(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{name: p%d}, ", i)
	}
	return "[" + b.String() + "]"
}

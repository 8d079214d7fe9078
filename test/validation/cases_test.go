// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"strings"
)

// object is a custom resource to be; its kind comes from the case.
type object struct {
	name string // "it" if empty
	spec string // YAML
}

func spec(text string) object { return object{spec: text} }

func named(name string) object { return object{name: name} }

// absent is an object without a spec.
var absent = object{spec: "{}"}

// ruleCase is one rule with an object that just keeps it and one that just breaks it. With old, both are updates.
type ruleCase struct {
	rule      string
	kinds     []string
	old       *object
	good, bad object
	want      string // all errors, one on each line
}

var (
	all         = []string{"Broker", "Controller", "NameService", "Proxy", "Console", "Exporter", "SchemaRegistry"}
	servers     = []string{"Broker", "Controller", "NameService"} // with storage
	tools       = []string{"Console", "Exporter", "SchemaRegistry"}
	consoles    = []string{"Console"}
	exporters   = []string{"Exporter"}
	registries  = []string{"SchemaRegistry"}
	stored      = []string{"Console", "SchemaRegistry"}
	clients     = []string{"Broker", "Console", "Exporter", "SchemaRegistry"}
	routed      = []string{"Broker", "Proxy"}
	asking      = []string{"Broker", "Proxy", "Console", "Exporter", "SchemaRegistry"}
	proxies     = []string{"Proxy"}
	transfers   = []string{"TopicTransfer"}
	brokers     = []string{"Broker"}
	controllers = []string{"Controller"}
	nameServers = []string{"NameService"}
)

// quantityPattern is Kubernetes' own.
const quantityPattern = `^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$`

// addressesPattern is that of name servers that the operator does not run.
const addressesPattern = `^$|^([^\s;:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}(;([^\s;:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})*;?$`

// list returns a YAML flow list of n items.
func list(n int, item string) string {
	return "[" + strings.Repeat(item+", ", n-1) + item + "]"
}

// properties returns a YAML flow map of n config keys.
func properties(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key%d: \"1\", ", i)
	}
	return "{" + b.String() + "}"
}

// ruleCases returns the cases. TestEveryRuleIsTested finds the rules that none of them needs.
func ruleCases() []ruleCase {
	a := func(n int) string { return strings.Repeat("a", n) }
	before := func(text string) *object { return &object{spec: text} }
	claim := func(class string) string { return "volumeClaimTemplates: [{spec: {storageClassName: " + class + "}}]" }
	legacyClaim := `volumeClaimTemplates: [{metadata: {annotations: {volume.beta.kubernetes.io/storage-class: fast}}, spec: {}}]`
	classFixed := `spec: Invalid value: the storage class cannot change (storage.className or volumeClaimTemplates): a volume stays in its StorageClass`
	sizeFixed := func(property string) string {
		return "spec: Invalid value: config." + property + " cannot change: brokers do not start on files of another size. Create another Broker and move the topics to it"
	}
	tooSmall := `spec: Invalid value: storage.size must hold at least four commit-log files (config mappedFileSizeCommitLog, 1Gi each if not set): enlarge the volume or make the files smaller`
	wrongRole := `spec: Invalid value: config.brokerRole may be ASYNC_MASTER or SYNC_MASTER, in clusterMode STATIC only: otherwise the controllers assign roles`

	const transfer = "topic: t, sourceCluster: a, targetCluster: b"
	whatFixed := `spec: Invalid value: what is transferred from where to where cannot change: set abort, and create another TopicTransfer`
	howFixed := `spec: Invalid value: how it is transferred cannot change, except for abort, holdBeforeClean and ttlSecondsAfterFinished: set abort, and create another TopicTransfer`
	groups := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "g%d, ", i)
		}
		return "[" + b.String() + "]"
	}

	return []ruleCase{
		// Names.
		{"the name fits into labels", all, nil, named(a(40)), named(a(41)),
			`<nil>: Invalid value: metadata.name must be at most 40 characters, so that pod labels fit`},
		{"the name starts with a letter", all, nil, named("a-1"), named("1-a"),
			`<nil>: Invalid value: metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it`},
		{"the name has no dots", all, nil, named("a-b"), named("a.b"),
			`<nil>: Invalid value: metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it`},

		// Sizes.
		{"at least one group", brokers, nil, spec("size: 1"), spec("size: 0"),
			`spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1`},
		{"at most 999 groups", brokers, nil, spec("size: 999"), spec("size: 1000"),
			`spec.size: Invalid value: 1000: spec.size in body should be less than or equal to 999`},
		{"no negative number of slaves", brokers, nil, spec("replicaPerGroup: 0"), spec("replicaPerGroup: -1"),
			`spec.replicaPerGroup: Invalid value: -1: spec.replicaPerGroup in body should be greater than or equal to 0`},
		{"at most 9 slaves", brokers, nil, spec("replicaPerGroup: 9"), spec("replicaPerGroup: 10"),
			`spec.replicaPerGroup: Invalid value: 10: spec.replicaPerGroup in body should be less than or equal to 9`},
		{"at least one name server", nameServers, nil, spec("size: 1"), spec("size: 0"),
			`spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1`},
		{"at most 99 name servers", nameServers, nil, spec("size: 99"), spec("size: 100"),
			`spec.size: Invalid value: 100: spec.size in body should be less than or equal to 99`},
		{"at least one controller", controllers, nil, spec("size: 1"), spec("size: -1"),
			"spec.size: Invalid value: -1: spec.size in body should be greater than or equal to 1\n" +
				"spec.size: Invalid value: -1: size must be odd (1, 3, 5 or 7): an even quorum survives no more failures than the next smaller odd one"},
		{"at most 7 controllers", controllers, nil, spec("size: 7"), spec("size: 9"),
			`spec.size: Invalid value: 9: spec.size in body should be less than or equal to 7`},
		{"an odd number of controllers", controllers, nil, spec("size: 5"), spec("size: 4"),
			`spec.size: Invalid value: 4: size must be odd (1, 3, 5 or 7): an even quorum survives no more failures than the next smaller odd one`},
		{"a fixed number of controllers", controllers, before("size: 3"), spec("size: 3"), spec("size: 5"),
			`spec.size: Invalid value: 5: size cannot change: a DLedger quorum has fixed members. Create another Controller, and move the brokers to it`},
		{"the default number of controllers is fixed too", controllers, before("{}"), spec("size: 3"), spec("size: 1"),
			`spec.size: Invalid value: 1: size cannot change: a DLedger quorum has fixed members. Create another Controller, and move the brokers to it`},

		// Cluster mode and name.
		{"no CONTAINER mode yet", brokers, nil, spec("clusterMode: Controller"), spec("clusterMode: Container"),
			`spec.clusterMode: Invalid value: "Container": clusterMode CONTAINER is not supported yet: use CONTROLLER (automatic failover) or STATIC`},
		{"a known mode", brokers, nil, spec("clusterMode: static"), spec("clusterMode: DLEDGER"),
			`spec.clusterMode: Invalid value: "DLEDGER": clusterMode must be STATIC or CONTROLLER`},
		{"a short mode", brokers, nil, spec("clusterMode: CONTROLLER"), spec("clusterMode: " + a(33)),
			`spec.clusterMode: Too long: may not be more than 32 bytes`},
		{"a fixed mode", brokers, before("clusterMode: CONTROLLER"), spec("clusterMode: controller"), spec("clusterMode: STATIC"),
			`spec: Invalid value: clusterMode cannot change: create another Broker and move the topics to it`},
		{"the default mode is fixed too", brokers, before("{}"), spec(`clusterMode: ""`), spec("clusterMode: CONTROLLER"),
			`spec: Invalid value: clusterMode cannot change: create another Broker and move the topics to it`},
		{"a short cluster name", routed, nil, spec("clusterName: " + a(127)), spec("clusterName: " + a(128)),
			`spec.clusterName: Too long: may not be more than 127 bytes`},
		{"a cluster name as RocketMQ takes it", routed, nil, spec("clusterName: Default_Cluster-1"), spec("clusterName: default.cluster"),
			`spec.clusterName: Invalid value: "default.cluster": spec.clusterName in body should match '^[a-zA-Z0-9_%|-]*$'`},
		{"a fixed cluster name", brokers, before("clusterName: one"), spec("clusterName: one"), spec("clusterName: two"),
			`spec: Invalid value: clusterName cannot change: the brokers' data is bound to it`},
		{"the default cluster name is fixed too", brokers, before("{}"), spec(`clusterName: ""`), spec("clusterName: two"),
			`spec: Invalid value: clusterName cannot change: the brokers' data is bound to it`},

		// References and addresses.
		{"name servers are addresses", clients, nil, spec(`nameServers: "10.0.0.1:9876;ns.example.org:9876;"`), spec(`nameServers: "10.0.0.1,10.0.0.2"`),
			`spec.nameServers: Invalid value: "10.0.0.1,10.0.0.2": spec.nameServers in body should match '` + addressesPattern + `'`},
		{"addresses of IPv6 are in brackets", clients, nil, spec(`nameServers: "[fd00::5]:9876;10.0.0.1:9876;[::ffff:10.0.0.1]:9876"`), spec(`nameServers: "fd00::5:9876"`),
			`spec.nameServers: Invalid value: "fd00::5:9876": spec.nameServers in body should match '` + addressesPattern + `'`},
		{"not too many name servers", clients, nil, spec("nameServers: " + a(4094) + ":1"), spec("nameServers: " + a(4095) + ":1"),
			`spec.nameServers: Too long: may not be more than 4096 bytes`},
		{"nameServiceRef has a name", asking, nil, spec("nameServiceRef: {name: a}"), spec("nameServiceRef: {namespace: a}"),
			`spec.nameServiceRef.name: Required value`},
		{"nameServiceRef's name is not empty", asking, nil, spec("nameServiceRef: {name: a}"), spec(`nameServiceRef: {name: ""}`),
			`spec.nameServiceRef.name: Invalid value: "": spec.nameServiceRef.name in body should be at least 1 chars long`},
		{"nameServiceRef's name is short", asking, nil, spec("nameServiceRef: {name: " + a(253) + "}"), spec("nameServiceRef: {name: " + a(254) + "}"),
			`spec.nameServiceRef.name: Too long: may not be more than 253 bytes`},
		{"nameServiceRef's namespace is short", asking, nil, spec("nameServiceRef: {name: a, namespace: " + a(63) + "}"), spec("nameServiceRef: {name: a, namespace: " + a(64) + "}"),
			`spec.nameServiceRef.namespace: Too long: may not be more than 63 bytes`},
		{"controllerRef has a name", brokers, nil, spec("controllerRef: {name: a}"), spec("controllerRef: {}"),
			`spec.controllerRef.name: Required value`},
		{"controllerRef's name is not empty", brokers, nil, spec("controllerRef: {name: a}"), spec(`controllerRef: {name: ""}`),
			`spec.controllerRef.name: Invalid value: "": spec.controllerRef.name in body should be at least 1 chars long`},
		{"controllerRef's name is short", brokers, nil, spec("controllerRef: {name: " + a(253) + "}"), spec("controllerRef: {name: " + a(254) + "}"),
			`spec.controllerRef.name: Too long: may not be more than 253 bytes`},
		{"controllerRef's namespace is short", brokers, nil, spec("controllerRef: {name: a, namespace: " + a(63) + "}"), spec("controllerRef: {name: a, namespace: " + a(64) + "}"),
			`spec.controllerRef.namespace: Too long: may not be more than 63 bytes`},

		{"brokerRef has a name", proxies, nil, spec("brokerRef: {name: a}"), spec("brokerRef: {}"),
			`spec.brokerRef.name: Required value`},
		{"brokerRef's name is not empty", proxies, nil, spec("brokerRef: {name: a}"), spec(`brokerRef: {name: ""}`),
			`spec.brokerRef.name: Invalid value: "": spec.brokerRef.name in body should be at least 1 chars long`},
		{"brokerRef's name is short", proxies, nil, spec("brokerRef: {name: " + a(253) + "}"), spec("brokerRef: {name: " + a(254) + "}"),
			`spec.brokerRef.name: Too long: may not be more than 253 bytes`},
		{"brokerRef's namespace is short", proxies, nil, spec("brokerRef: {name: a, namespace: " + a(63) + "}"), spec("brokerRef: {name: a, namespace: " + a(64) + "}"),
			`spec.brokerRef.namespace: Too long: may not be more than 63 bytes`},
		{"brokerRef or clusterName", proxies, nil, spec(`{brokerRef: {name: a}, clusterName: ""}`), spec("{brokerRef: {name: a}, clusterName: b}"),
			`spec: Invalid value: brokerRef and clusterName exclude each other: a Broker has its cluster's name, keep one of them`},

		// Proxies.
		{"at least one proxy", proxies, nil, spec("replicas: 1"), spec("replicas: 0"),
			`spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1`},
		{"at most 999 proxies", proxies, nil, spec("replicas: 999"), spec("replicas: 1000"),
			`spec.replicas: Invalid value: 1000: spec.replicas in body should be less than or equal to 999`},
		{"a short image", proxies, nil, spec("image: " + a(512)), spec("image: " + a(513)),
			`spec.image: Too long: may not be more than 512 bytes`},
		{"a known Service type", proxies, nil, spec("service: {type: NodePort}"), spec("service: {type: ExternalName}"),
			`spec.service.type: Unsupported value: "ExternalName": supported values: "ClusterIP", "NodePort", "LoadBalancer"`},
		{"two ports", proxies, nil, spec("service: {ports: {grpc: 8080, remoting: 8081}}"), spec("service: {ports: {grpc: 8080}}"),
			`spec.service.ports: Invalid value: grpc and remoting need different ports (8081 and 8080 if not set)`},
		{"a gRPC port from 1", proxies, nil, spec("service: {ports: {grpc: 1}}"), spec("service: {ports: {grpc: 0}}"),
			`spec.service.ports.grpc: Invalid value: 0: spec.service.ports.grpc in body should be greater than or equal to 1`},
		{"a gRPC port to 65535", proxies, nil, spec("service: {ports: {grpc: 65535}}"), spec("service: {ports: {grpc: 65536}}"),
			`spec.service.ports.grpc: Invalid value: 65536: spec.service.ports.grpc in body should be less than or equal to 65535`},
		{"a remoting port from 1", proxies, nil, spec("service: {ports: {remoting: 1}}"), spec("service: {ports: {remoting: 0}}"),
			`spec.service.ports.remoting: Invalid value: 0: spec.service.ports.remoting in body should be greater than or equal to 1`},
		{"a remoting port to 65535", proxies, nil, spec("service: {ports: {remoting: 65535}}"), spec("service: {ports: {remoting: 65536}}"),
			`spec.service.ports.remoting: Invalid value: 65536: spec.service.ports.remoting in body should be less than or equal to 65535`},
		{"a gRPC node port from 1", proxies, nil, spec("service: {ports: {grpcNodePort: 1}}"), spec("service: {ports: {grpcNodePort: 0}}"),
			`spec.service.ports.grpcNodePort: Invalid value: 0: spec.service.ports.grpcNodePort in body should be greater than or equal to 1`},
		{"a gRPC node port to 65535", proxies, nil, spec("service: {ports: {grpcNodePort: 65535}}"), spec("service: {ports: {grpcNodePort: 65536}}"),
			`spec.service.ports.grpcNodePort: Invalid value: 65536: spec.service.ports.grpcNodePort in body should be less than or equal to 65535`},
		{"a remoting node port from 1", proxies, nil, spec("service: {ports: {remotingNodePort: 1}}"), spec("service: {ports: {remotingNodePort: 0}}"),
			`spec.service.ports.remotingNodePort: Invalid value: 0: spec.service.ports.remotingNodePort in body should be greater than or equal to 1`},
		{"a remoting node port to 65535", proxies, nil, spec("service: {ports: {remotingNodePort: 65535}}"), spec("service: {ports: {remotingNodePort: 65536}}"),
			`spec.service.ports.remotingNodePort: Invalid value: 65536: spec.service.ports.remotingNodePort in body should be less than or equal to 65535`},

		// Images and pods.
		{"a short brokerImage", brokers, nil, spec("brokerImage: " + a(512)), spec("brokerImage: " + a(513)),
			`spec.brokerImage: Too long: may not be more than 512 bytes`},
		{"a short controllerImage", controllers, nil, spec("controllerImage: " + a(512)), spec("controllerImage: " + a(513)),
			`spec.controllerImage: Too long: may not be more than 512 bytes`},
		{"a short nameServiceImage", nameServers, nil, spec("nameServiceImage: " + a(512)), spec("nameServiceImage: " + a(513)),
			`spec.nameServiceImage: Too long: may not be more than 512 bytes`},
		{"a known pull policy", all, nil, spec("imagePullPolicy: IfNotPresent"), spec("imagePullPolicy: Sometimes"),
			`spec.imagePullPolicy: Unsupported value: "Sometimes": supported values: "", "Always", "IfNotPresent", "Never"`},
		{"drainSeconds is not negative", brokers, nil, spec("drainSeconds: 0"), spec("drainSeconds: -1"),
			`spec.drainSeconds: Invalid value: -1: spec.drainSeconds in body should be greater than or equal to 0`},
		{"metadataGuard is on or off", brokers, nil, spec("metadataGuard: Disabled"), spec("metadataGuard: Never"),
			`spec.metadataGuard: Unsupported value: "Never": supported values: "Enabled", "Disabled"`},
		{"drainSeconds is an hour at most", brokers, nil, spec("drainSeconds: 3600"), spec("drainSeconds: 3601"),
			`spec.drainSeconds: Invalid value: 3601: spec.drainSeconds in body should be less than or equal to 3600`},
		{"a short scalePodName", brokers, nil, spec("scalePodName: " + a(253)), spec("scalePodName: " + a(254)),
			`spec.scalePodName: Too long: may not be more than 253 bytes`},
		{"not too many volumes", brokers, nil, spec("volumes: " + list(32, "{name: a}")), spec("volumes: " + list(33, "{name: a}")),
			`spec.volumes: Too many: 33: must have at most 32 items`},

		// JVM.
		{"heap is a quantity", all, nil, spec("jvm: {heap: 1536Mi}"), spec("jvm: {heap: lots}"),
			`spec.jvm.heap: Invalid value: "lots": spec.jvm.heap in body should match '` + quantityPattern + `'`},
		{"direct memory is a quantity", all, nil, spec("jvm: {directMemory: 1.5Gi}"), spec("jvm: {directMemory: 1g}"),
			`spec.jvm.directMemory: Invalid value: "1g": spec.jvm.directMemory in body should match '` + quantityPattern + `'`},
		{"not too many options", all, nil, spec("jvm: {extraOptions: " + list(64, "-ea") + "}"), spec("jvm: {extraOptions: " + list(65, "-ea") + "}"),
			`spec.jvm.extraOptions: Too many: 65: must have at most 64 items`},
		{"short options", all, nil, spec("jvm: {extraOptions: [" + a(1024) + "]}"), spec("jvm: {extraOptions: [" + a(1025) + "]}"),
			`spec.jvm.extraOptions[0]: Too long: may not be more than 1024 bytes`},

		// Storage.
		{"a known storage mode", servers, nil, spec("storageMode: EmptyDir"), spec("storageMode: emptyDir"),
			`spec.storageMode: Unsupported value: "emptyDir": supported values: "", "EmptyDir", "HostPath", "StorageClass"`},
		{"HostPath with a path", servers, nil, spec("{storageMode: HostPath, hostPath: /data}"), spec("storageMode: HostPath"),
			`spec: Invalid value: storageMode HostPath needs hostPath, an absolute path on the nodes`},
		{"HostPath with an absolute path", servers, nil, spec("{storageMode: HostPath, hostPath: /data}"), spec("{storageMode: HostPath, hostPath: data}"),
			`spec: Invalid value: storageMode HostPath needs hostPath, an absolute path on the nodes`},
		{"a broker's fixed hostPath", brokers, before("{storageMode: HostPath, hostPath: /data}"), spec("{storageMode: HostPath, hostPath: /data}"),
			spec("{storageMode: HostPath, hostPath: /data2}"), `spec: Invalid value: hostPath cannot change: brokers would start without what they have stored in the old directory. Create another Broker and move the topics to it`},
		{"a controller's fixed hostPath", controllers, before("{storageMode: HostPath, hostPath: /data}"), spec("{storageMode: HostPath, hostPath: /data}"),
			spec("{storageMode: HostPath, hostPath: /data2}"), `spec: Invalid value: hostPath cannot change: the controllers' data must not be lost`},
		{"a name server's fixed hostPath", nameServers, before("{storageMode: HostPath, hostPath: /data}"), spec("{storageMode: HostPath, hostPath: /data}"),
			spec("{storageMode: HostPath, hostPath: /data2}"), `spec: Invalid value: hostPath cannot change: create another NameService and let the brokers use both`},
		{"a short hostPath", servers, nil, spec("hostPath: /" + a(1023)), spec("hostPath: /" + a(1024)),
			`spec.hostPath: Too long: may not be more than 1024 bytes`},
		{"a fixed storage mode", brokers, before("storageMode: EmptyDir"), spec("storageMode: EmptyDir"), spec("storageMode: StorageClass"),
			`spec: Invalid value: storageMode cannot change: create another Broker and move the topics to it`},
		{"a broker's default storage mode may be written out, not changed", brokers, before("{}"), spec("storageMode: StorageClass"), spec("storageMode: EmptyDir"),
			`spec: Invalid value: storageMode cannot change: create another Broker and move the topics to it`},
		{"a controller's default storage mode may be written out, not changed", controllers, before(`storageMode: ""`), spec("storageMode: StorageClass"), spec("storageMode: EmptyDir"),
			`spec: Invalid value: storageMode cannot change: the controllers' data must not be lost`},
		{"a name server's default storage mode may be written out, not changed", nameServers, before("{}"), spec("storageMode: EmptyDir"), spec("storageMode: StorageClass"),
			`spec: Invalid value: storageMode cannot change: create another NameService and let the brokers use both`},
		{"a fixed storage class", servers, before("storage: {className: fast, size: 8Gi}"), spec("storage: {className: fast, size: 9Gi}"), spec("storage: {className: slow, size: 8Gi}"), classFixed},
		{"the default storage class is fixed too", servers, before("{}"), spec("storage: {size: 8Gi}"), spec("storage: {className: fast}"), classFixed},
		{"a fixed storage class in volumeClaimTemplates", servers, before(claim("fast")), spec("storage: {className: fast}"), spec(claim("slow")), classFixed},
		{"a fixed storage class in the old annotation", servers, before(legacyClaim), spec(claim("fast")), spec("volumeClaimTemplates: []"), classFixed},
		{"storage or volumeClaimTemplates", servers, nil, spec("{storage: {size: 8Gi}, volumeClaimTemplates: []}"), spec("{storage: {size: 8Gi}, volumeClaimTemplates: [{}]}"),
			`spec: Invalid value: storage and volumeClaimTemplates exclude each other: keep one of them`},
		{"a short class name", servers, nil, spec("storage: {className: " + a(253) + "}"), spec("storage: {className: " + a(254) + "}"),
			`spec.storage.className: Too long: may not be more than 253 bytes`},
		{"size is a quantity", servers, nil, spec("storage: {size: 4Gi}"), spec("storage: {size: 4GB}"),
			`spec.storage.size: Invalid value: "4GB": spec.storage.size in body should match '` + quantityPattern + `'`},
		{"not too many claims", servers, nil, spec("volumeClaimTemplates: " + list(8, "{}")), spec("volumeClaimTemplates: " + list(9, "{}")),
			`spec.volumeClaimTemplates: Too many: 9: must have at most 8 items`},
		{"room for four commit-log files", brokers, nil, spec("storage: {size: 4Gi}"), spec("storage: {size: 4095Mi}"), tooSmall},
		{"room in plain bytes", brokers, nil, spec("storage: {size: 4294967296}"), spec("storage: {size: 4294967295}"), tooSmall},
		{"room for four smaller files", brokers, nil,
			spec(`{storage: {size: 256Mi}, config: {mappedFileSizeCommitLog: "67108864"}}`), spec(`{storage: {size: 268435455}, config: {mappedFileSizeCommitLog: "67108864"}}`), tooSmall},
		{"room for four larger files", brokers, nil,
			spec(`{storage: {size: 8Gi}, config: {mappedFileSizeCommitLog: "2147483648"}}`), spec(`{storage: {size: 7.9Gi}, config: {mappedFileSizeCommitLog: "2147483648"}}`), tooSmall},
		{"a file size that is no number counts as 1Gi", brokers, nil,
			spec(`{storage: {size: 4Gi}, config: {mappedFileSizeCommitLog: 64m}}`), spec(`{storage: {size: 1Gi}, config: {mappedFileSizeCommitLog: 64m}}`), tooSmall},

		// Configuration.
		{"not too many keys", all, nil, spec("config: " + properties(256)), spec("config: " + properties(257)),
			`spec.config: Too many: 257: must have at most 256 items`},
		{"short values", all, nil, spec("config: {key: " + a(4096) + "}"), spec("config: {key: " + a(4097) + "}"),
			`spec.config.key: Too long: may not be more than 4096 bytes`},
		{"a fixed form of the store", brokers, before("config: {storeType: 'default '}"), spec("config: {}"), spec("config: {storeType: defaultRocksDB}"),
			`spec: Invalid value: config.storeType cannot change: brokers would not find what they have written in the other form. Create another Broker and move the topics to it`},
		{"a fixed size of the commit log's files", brokers, before(`config: {mappedFileSizeCommitLog: "67108864"}`), spec(`config: {mappedFileSizeCommitLog: " 67108864"}`),
			spec(`config: {mappedFileSizeCommitLog: "33554432"}`), sizeFixed("mappedFileSizeCommitLog")},
		{"the size may be written out, not taken out", brokers, before(`config: {mappedFileSizeCommitLog: "1073741824"}`), spec("config: {}"),
			spec(`config: {mappedFileSizeCommitLog: "67108864"}`), sizeFixed("mappedFileSizeCommitLog")},
		{"a fixed size of consume queues", brokers, before("{}"), spec(`config: {mappedFileSizeConsumeQueue: "6000000"}`),
			spec(`config: {mappedFileSizeConsumeQueue: "600000"}`), sizeFixed("mappedFileSizeConsumeQueue")},
		{"a fixed size of the timer log's files", brokers, before("{}"), spec("config: {}"), spec(`config: {mappedFileSizeTimerLog: "1048576"}`),
			sizeFixed("mappedFileSizeTimerLog")},
		{"a fixed form of the metadata", brokers, before("config: {configManagerVersion: v2}"), spec("config: {configManagerVersion: v2}"), spec("{}"),
			`spec: Invalid value: config.configManagerVersion cannot change: brokers would not find what they have written in the other form. Create another Broker and move the topics to it`},
		{"a STATIC master's role", brokers, nil, spec("config: {brokerRole: SYNC_MASTER}"), spec("config: {brokerRole: SLAVE}"), wrongRole},
		{"no role in CONTROLLER mode", brokers, nil,
			spec("{clusterMode: CONTROLLER, config: {flushDiskType: SYNC_FLUSH}}"), spec("{clusterMode: controller, config: {brokerRole: ASYNC_MASTER}}"), wrongRole},
		{"a broker's identity", brokers, nil, spec("config: {brokerfoo: x}"), spec(`config: {brokerId: "1", enableDLegerCommitLog: "true", brokerName: b}`),
			`spec.config: Invalid value: set by the operator, because they are the broker's identity (spec.clusterName and spec.clusterMode set what can be chosen); remove: brokerName brokerId enableDLegerCommitLog`},
		{"a broker's addresses", brokers, nil, spec(`config: {compressedRegister: "true"}`), spec(`config: {listenPort: "10911", namesrvAddr: "a:9876"}`),
			`spec.config: Invalid value: set by the operator, which keeps addresses right (spec.nameServers, nameServiceRef, controllerRef and hostNetwork set what can be chosen); remove: namesrvAddr listenPort`},
		{"a broker's directories", brokers, nil, spec(`config: {fileReservedTime: "48"}`), spec("config: {storePathRootDir: /data}"),
			`spec.config: Invalid value: set by the operator, because the volume is mounted there; remove: storePathRootDir`},
		{"a broker's permission", brokers, nil, spec(`config: {defaultTopicQueueNums: "8"}`), spec(`config: {brokerPermission: "6"}`),
			`spec.config: Invalid value: set by the operator, which withdraws writes before a broker stops; remove: brokerPermission`},
		{"a controller's members", controllers, nil, spec(`config: {scanNotActiveBrokerInterval: "1000"}`), spec("config: {controllerDLegerSelfId: n0, controllerType: jRaft}"),
			`spec.config: Invalid value: set by the operator, because members, Services and volumes depend on them; remove: controllerType controllerDLegerSelfId`},
		{"a name server's port", nameServers, nil, spec(`config: {orderMessageEnable: "true"}`), spec(`config: {listenPort: "9876"}`),
			`spec.config: Invalid value: set by the operator, because Services, probes and volumes depend on them; remove: listenPort`},
		{"a proxy's addresses", proxies, nil, spec(`config: {maxMessageSize: "1"}`), spec("config: {namesrvAddr: 'a:9876', rocketMQClusterName: b}"),
			`spec.config: Invalid value: set by the operator, which keeps addresses right (spec.brokerRef, clusterName and nameServiceRef set what can be chosen); remove: rocketMQClusterName namesrvAddr`},
		{"a proxy's ports", proxies, nil, spec(`config: {grpcThreadPoolNums: "8"}`), spec(`config: {grpcServerPort: "1", proxyMode: LOCAL}`),
			`spec.config: Invalid value: set by the operator, because Services and probes depend on them (spec.service.ports sets the ports that clients use); remove: proxyMode grpcServerPort`},
		{"a proxy's certificate", proxies, nil, spec(`config: {tlsCertWatchIntervalMs: "1000"}`), spec("config: {tlsKeyPath: /a}"),
			`spec.config: Invalid value: set by the operator (spec.tls.secretName names the certificate); remove: tlsKeyPath`},
		{"no controller in a name server", nameServers, nil, spec("config: {}"), spec(`config: {enableControllerInNamesrv: "true"}`),
			`spec.config: Invalid value: controllers run in pods of their own: create a Controller, and remove enableControllerInNamesrv`},

		// Tools.
		{"a short image", tools, nil, spec("image: " + a(512)), spec("image: " + a(513)),
			`spec.image: Too long: may not be more than 512 bytes`},
		{"a schema registry has an image", registries, nil, spec("image: registry:1"), spec(`image: ""`),
			`spec: Invalid value: image is not set, and there is no official image of the schema registry: build one (docs/schema-registry.md says how) and name it in spec.image`},
		{"a schema registry has a spec", registries, nil, spec("image: registry:1"), absent, `spec: Required value`},
		{"no negative number of pods", tools, nil, spec("replicas: 0"), spec("replicas: -1"),
			`spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0`},
		{"at most 99 pods", tools, nil, spec("replicas: 99"), spec("replicas: 100"),
			`spec.replicas: Invalid value: 100: spec.replicas in body should be less than or equal to 99`},
		{"a known type of Service", tools, nil, spec("service: {type: NodePort}"), spec("service: {type: ExternalName}"),
			`spec.service.type: Unsupported value: "ExternalName": supported values: "", "ClusterIP", "NodePort", "LoadBalancer"`},
		{"a node port is a port", tools, nil, spec("service: {nodePort: 1}"), spec("service: {nodePort: 0}"),
			`spec.service.nodePort: Invalid value: 0: spec.service.nodePort in body should be greater than or equal to 1`},
		{"a node port is 65535 at most", tools, nil, spec("service: {nodePort: 65535}"), spec("service: {nodePort: 65536}"),
			`spec.service.nodePort: Invalid value: 65536: spec.service.nodePort in body should be less than or equal to 65535`},
		{"not too many annotations of the Service", tools, nil, spec("service: {annotations: " + properties(64) + "}"), spec("service: {annotations: " + properties(65) + "}"),
			`spec.service.annotations: Too many: 65: must have at most 64 items`},
		{"an Ingress has a host", consoles, nil, spec("ingress: {host: a}"), spec("ingress: {}"),
			`spec.ingress.host: Required value`},
		{"an Ingress' host is not empty", consoles, nil, spec("ingress: {host: a}"), spec(`ingress: {host: ""}`),
			`spec.ingress.host: Invalid value: "": spec.ingress.host in body should be at least 1 chars long`},
		{"an Ingress' host is short", consoles, nil, spec("ingress: {host: " + a(253) + "}"), spec("ingress: {host: " + a(254) + "}"),
			`spec.ingress.host: Too long: may not be more than 253 bytes`},
		{"an Ingress' class is short", consoles, nil, spec("ingress: {host: a, className: " + a(253) + "}"), spec("ingress: {host: a, className: " + a(254) + "}"),
			`spec.ingress.className: Too long: may not be more than 253 bytes`},
		{"an Ingress' Secret is short", consoles, nil, spec("ingress: {host: a, tlsSecretName: " + a(253) + "}"), spec("ingress: {host: a, tlsSecretName: " + a(254) + "}"),
			`spec.ingress.tlsSecretName: Too long: may not be more than 253 bytes`},
		{"not too many annotations of the Ingress", consoles, nil, spec("ingress: {host: a, annotations: " + properties(64) + "}"), spec("ingress: {host: a, annotations: " + properties(65) + "}"),
			`spec.ingress.annotations: Too many: 65: must have at most 64 items`},
		{"a login has a Secret", consoles, nil, spec("login: {secretRef: {name: a}}"), spec("login: {}"),
			`spec.login.secretRef: Required value`},
		{"a login's Secret has a name", consoles, nil, spec("login: {secretRef: {name: a}}"), spec("login: {secretRef: {}}"),
			`spec.login.secretRef.name: Required value`},
		{"a login's Secret's name is not empty", consoles, nil, spec("login: {secretRef: {name: a}}"), spec(`login: {secretRef: {name: ""}}`),
			`spec.login.secretRef.name: Invalid value: "": spec.login.secretRef.name in body should be at least 1 chars long`},
		{"a login's Secret's name is short", consoles, nil, spec("login: {secretRef: {name: " + a(253) + "}}"), spec("login: {secretRef: {name: " + a(254) + "}}"),
			`spec.login.secretRef.name: Too long: may not be more than 253 bytes`},
		{"a whole Deployment or the short form", consoles, nil, spec("{consoleDeployment: {}, image: a, ingress: {host: a}}"), spec("{consoleDeployment: {}, login: {secretRef: {name: a}}}"),
			`spec: Invalid value: consoleDeployment is a whole Deployment of your own: storage and login belong to the short form, without consoleDeployment`},
		{"consoleDeployment is an object", consoles, nil, spec("consoleDeployment: {anything: 1}"), spec("consoleDeployment: [a]"),
			`spec.consoleDeployment: Invalid value: "array": spec.consoleDeployment in body must be of type object: "array"`},
		{"one volume for one pod", stored, nil, spec("{storage: {}, replicas: 1}"), spec("{storage: {}, replicas: 2}"),
			`spec: Invalid value: storage is one volume, which one pod uses: set replicas to 1 or remove storage`},
		{"a tool's short class name", stored, nil, spec("storage: {className: " + a(253) + "}"), spec("storage: {className: " + a(254) + "}"),
			`spec.storage.className: Too long: may not be more than 253 bytes`},
		{"a tool's size is a quantity", stored, nil, spec("storage: {size: 4Gi}"), spec("storage: {size: 4GB}"),
			`spec.storage.size: Invalid value: "4GB": spec.storage.size in body should match '` + quantityPattern + `'`},
		{"a dashboard's addresses", consoles, nil, spec(`config: {rocketmq.config.timeoutMillis: "1"}`), spec("config: {rocketmq.config.namesrvAddrs: 'a:1'}"),
			`spec.config: Invalid value: set by the operator, which keeps addresses right (spec.nameServers and nameServiceRef set what can be chosen); remove: rocketmq.config.namesrvAddrs`},
		{"a dashboard's login", consoles, nil, spec(`config: {a: b}`), spec(`config: {rocketmq.config.loginRequired: "true", server.port: "1"}`),
			`spec.config: Invalid value: set by the operator, because Services, volumes and the login depend on them (spec.login sets the users); remove: rocketmq.config.loginRequired server.port`},
		{"an exporter's addresses", exporters, nil, spec("config: {rocketmq.config.webTelemetryPath: /m}"), spec("config: {rocketmq.config.namesrvAddr: 'a:1'}"),
			`spec.config: Invalid value: set by the operator, which keeps addresses right (spec.nameServers and nameServiceRef set what can be chosen); remove: rocketmq.config.namesrvAddr`},
		{"a schema registry's storage", registries, nil, spec("config: {a: b}"), spec("config: {schema.storage.type: jdbc}"),
			`spec.config: Invalid value: set by the operator, because Services and volumes depend on them; remove: schema.storage.type`},
		{"a schema registry's addresses", registries, nil, spec("storageConfig: {storage.rocketmq.topic: t}"), spec("storageConfig: {storage.rocketmq.namesrv: 'a:1'}"),
			`spec.storageConfig: Invalid value: set by the operator, which keeps addresses right (spec.nameServers and nameServiceRef set what can be chosen); remove: storage.rocketmq.namesrv`},
		{"not too many keys of the storage", registries, nil, spec("storageConfig: " + properties(256)), spec("storageConfig: " + properties(257)),
			`spec.storageConfig: Too many: 257: must have at most 256 items`},
		{"short values of the storage", registries, nil, spec("storageConfig: {key: " + a(4096) + "}"), spec("storageConfig: {key: " + a(4097) + "}"),
			`spec.storageConfig.key: Too long: may not be more than 4096 bytes`},
		// Transfers.
		{"a transfer has a spec", transfers, nil, spec("{topic: t, sourceCluster: a, targetCluster: b}"), absent, `spec: Required value`},
		{"a topic", transfers, nil, spec("{topic: t, sourceCluster: a, targetCluster: b}"), spec("{sourceCluster: a, targetCluster: b}"),
			`spec.topic: Required value`},
		{"a topic with a name", transfers, nil, spec("{topic: t, sourceCluster: a, targetCluster: b}"), spec(`{topic: "", sourceCluster: a, targetCluster: b}`),
			`spec.topic: Invalid value: "": spec.topic in body should be at least 1 chars long`},
		{"a topic's name as RocketMQ takes it", transfers, nil, spec("{topic: a_b-C%1|2, sourceCluster: a, targetCluster: b}"), spec("{topic: a.b, sourceCluster: a, targetCluster: b}"),
			`spec.topic: Invalid value: "a.b": spec.topic in body should match '^[a-zA-Z0-9_%|-]+$'`},
		{"a short topic", transfers, nil, spec("{topic: " + a(127) + ", sourceCluster: a, targetCluster: b}"), spec("{topic: " + a(128) + ", sourceCluster: a, targetCluster: b}"),
			`spec.topic: Too long: may not be more than 127 bytes`},
		{"a source", transfers, nil, spec(`{topic: t, sourceCluster: "", sourceRef: {name: a}, targetCluster: b}`), spec(`{topic: t, sourceCluster: "", targetCluster: b}`),
			`spec: Invalid value: name the cluster to take the topic from in sourceCluster (its RocketMQ cluster name) or sourceRef (its Broker)`},
		{"a target", transfers, nil, spec("{topic: t, sourceCluster: a, targetRef: {name: b}}"), spec("{topic: t, sourceCluster: a}"),
			`spec: Invalid value: name the cluster to move the topic to in targetCluster (its RocketMQ cluster name) or targetRef (its Broker)`},
		{"a short source cluster", transfers, nil, spec("{topic: t, sourceCluster: " + a(127) + ", targetCluster: b}"), spec("{topic: t, sourceCluster: " + a(128) + ", targetCluster: b}"),
			`spec.sourceCluster: Too long: may not be more than 127 bytes`},
		{"a short target cluster", transfers, nil, spec("{topic: t, sourceCluster: a, targetCluster: " + a(127) + "}"), spec("{topic: t, sourceCluster: a, targetCluster: " + a(128) + "}"),
			`spec.targetCluster: Too long: may not be more than 127 bytes`},
		{"a source cluster's name as RocketMQ takes it", transfers, nil, spec("{topic: t, sourceCluster: Default_1, targetCluster: b}"), spec("{topic: t, sourceCluster: a.b, targetCluster: b}"),
			`spec.sourceCluster: Invalid value: "a.b": spec.sourceCluster in body should match '^[a-zA-Z0-9_%|-]*$'`},
		{"a target cluster's name as RocketMQ takes it", transfers, nil, spec("{topic: t, sourceCluster: a, targetCluster: Default_1}"), spec("{topic: t, sourceCluster: a, targetCluster: a.b}"),
			`spec.targetCluster: Invalid value: "a.b": spec.targetCluster in body should match '^[a-zA-Z0-9_%|-]*$'`},
		{"sourceRef has a name", transfers, nil, spec("{topic: t, sourceRef: {name: a}, targetCluster: b}"), spec("{topic: t, sourceRef: {namespace: a}, targetCluster: b}"),
			`spec.sourceRef.name: Required value`},
		{"sourceRef's name is not empty", transfers, nil, spec("{topic: t, sourceRef: {name: a}, targetCluster: b}"), spec(`{topic: t, sourceRef: {name: ""}, targetCluster: b}`),
			`spec.sourceRef.name: Invalid value: "": spec.sourceRef.name in body should be at least 1 chars long`},
		{"sourceRef's name is short", transfers, nil, spec("{topic: t, sourceRef: {name: " + a(253) + "}, targetCluster: b}"), spec("{topic: t, sourceRef: {name: " + a(254) + "}, targetCluster: b}"),
			`spec.sourceRef.name: Too long: may not be more than 253 bytes`},
		{"sourceRef's namespace is short", transfers, nil, spec("{topic: t, sourceRef: {name: a, namespace: " + a(63) + "}, targetCluster: b}"), spec("{topic: t, sourceRef: {name: a, namespace: " + a(64) + "}, targetCluster: b}"),
			`spec.sourceRef.namespace: Too long: may not be more than 63 bytes`},
		{"targetRef has a name", transfers, nil, spec("{topic: t, targetRef: {name: a}, sourceCluster: b}"), spec("{topic: t, targetRef: {namespace: a}, sourceCluster: b}"),
			`spec.targetRef.name: Required value`},
		{"targetRef's name is not empty", transfers, nil, spec("{topic: t, targetRef: {name: a}, sourceCluster: b}"), spec(`{topic: t, targetRef: {name: ""}, sourceCluster: b}`),
			`spec.targetRef.name: Invalid value: "": spec.targetRef.name in body should be at least 1 chars long`},
		{"targetRef's name is short", transfers, nil, spec("{topic: t, targetRef: {name: " + a(253) + "}, sourceCluster: b}"), spec("{topic: t, targetRef: {name: " + a(254) + "}, sourceCluster: b}"),
			`spec.targetRef.name: Too long: may not be more than 253 bytes`},
		{"targetRef's namespace is short", transfers, nil, spec("{topic: t, targetRef: {name: a, namespace: " + a(63) + "}, sourceCluster: b}"), spec("{topic: t, targetRef: {name: a, namespace: " + a(64) + "}, sourceCluster: b}"),
			`spec.targetRef.namespace: Too long: may not be more than 63 bytes`},
		{"not too many groups", transfers, nil, spec("{" + transfer + ", groups: " + groups(1024) + "}"), spec("{" + transfer + ", groups: " + groups(1025) + "}"),
			`spec.groups: Too many: 1025: must have at most 1024 items`},
		{"groups have names", transfers, nil, spec("{" + transfer + ", groups: [g]}"), spec("{" + transfer + `, groups: [""]}`),
			`spec.groups[0]: Invalid value: "": spec.groups[0] in body should be at least 1 chars long`},
		{"groups' names as RocketMQ takes them", transfers, nil, spec("{" + transfer + ", groups: [g_1]}"), spec("{" + transfer + ", groups: [g.1]}"),
			`spec.groups[0]: Invalid value: "g.1": spec.groups[0] in body should match '^[a-zA-Z0-9_%|-]+$'`},
		{"short groups", transfers, nil, spec("{" + transfer + ", groups: [" + a(255) + "]}"), spec("{" + transfer + ", groups: [" + a(256) + "]}"),
			`spec.groups[0]: Too long: may not be more than 255 bytes`},
		{"a drain timeout", transfers, nil, spec("{" + transfer + ", drainTimeout: 1h30m}"), spec("{" + transfer + ", drainTimeout: an hour}"),
			`spec.drainTimeout: Invalid value: "an hour": spec.drainTimeout in body should match '^([0-9]{1,6}(s|m|h))+$'`},
		{"a short drain timeout", transfers, nil, spec("{" + transfer + ", drainTimeout: " + strings.Repeat("1h", 16) + "}"), spec("{" + transfer + ", drainTimeout: " + strings.Repeat("1h", 17) + "}"),
			`spec.drainTimeout: Too long: may not be more than 32 bytes`},
		{"a step timeout", transfers, nil, spec("{" + transfer + ", stepTimeout: 90s}"), spec("{" + transfer + ", stepTimeout: '90'}"),
			`spec.stepTimeout: Invalid value: "90": spec.stepTimeout in body should match '^([0-9]{1,6}(s|m|h))+$'`},
		{"a short step timeout", transfers, nil, spec("{" + transfer + ", stepTimeout: " + strings.Repeat("1h", 16) + "}"), spec("{" + transfer + ", stepTimeout: " + strings.Repeat("1h", 17) + "}"),
			`spec.stepTimeout: Too long: may not be more than 32 bytes`},
		{"no negative time to live", transfers, nil, spec("{" + transfer + ", ttlSecondsAfterFinished: 0}"), spec("{" + transfer + ", ttlSecondsAfterFinished: -1}"),
			`spec.ttlSecondsAfterFinished: Invalid value: -1: spec.ttlSecondsAfterFinished in body should be greater than or equal to 0`},
		{"a fixed topic", transfers, before("{" + transfer + "}"), spec("{" + transfer + ", abort: true, holdBeforeClean: true, ttlSecondsAfterFinished: 1, drainTimeout: 60m}"), spec("{topic: u, sourceCluster: a, targetCluster: b}"), whatFixed},
		{"a fixed source", transfers, before("{" + transfer + "}"), spec("{" + transfer + "}"), spec("{topic: t, sourceCluster: c, targetCluster: b}"), whatFixed},
		{"a fixed target", transfers, before("{" + transfer + "}"), spec("{" + transfer + "}"), spec("{" + transfer + ", targetRef: {name: c}}"), whatFixed},
		{"fixed groups", transfers, before("{" + transfer + ", groups: [g]}"), spec("{" + transfer + ", groups: [g]}"), spec("{" + transfer + "}"), whatFixed},
		{"a fixed order", transfers, before("{" + transfer + "}"), spec("{" + transfer + ", strictOrder: false}"), spec("{" + transfer + ", strictOrder: true}"), howFixed},
		{"fixed timeouts", transfers, before("{" + transfer + "}"), spec("{" + transfer + ", stepTimeout: 600s}"), spec("{" + transfer + ", stepTimeout: 601s}"), howFixed},
		{"what is discarded is fixed", transfers, before("{" + transfer + "}"), spec("{" + transfer + "}"), spec("{" + transfer + ", discardUnconsumed: true}"), howFixed},
	}
}

// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Manifests that many tests begin with.
const (
	NameService = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: ns}, spec: {size: 2}}\n---\n"
	Controllers = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Controller, metadata: {name: ctl}}\n---\n"
	Brokers     = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, spec: {size: 2, clusterMode: CONTROLLER}}\n---\n"
	Static      = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, spec: {size: 1, replicaPerGroup: 1}}\n---\n"
	Proxies     = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Proxy, metadata: {name: p}}\n---\n"

	Console = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Console, metadata: {name: con}, " +
		"spec: {login: {secretRef: {name: users}}, storage: {}, ingress: {host: mq.example}}}\n---\n"
	Exporter = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Exporter, metadata: {name: exp}}\n---\n"
	Registry = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: SchemaRegistry, metadata: {name: sr}, spec: {image: 'registry:1', storage: {}}}\n---\n"

	// WholeCluster has a part of each sort: name servers, brokers, a dashboard.
	WholeCluster = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: RocketMQCluster, metadata: {name: c}, " +
		"spec: {brokers: [{replicaPerGroup: 0}], console: {}}}\n---\n"
)

// OneBroker of a cluster, of one member, at the namespace's name servers.
func OneBroker(name, cluster string) string {
	return fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: %s}, "+
		"spec: {replicaPerGroup: 0, clusterName: %s}}\n---\n", name, cluster)
}

// ProxyOf is a Proxy of this name and spec.
func ProxyOf(name, spec string) string {
	return fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: Proxy, metadata: {name: %s}, spec: %s}\n---\n", name, spec)
}

// ConsoleOf is a Console of this spec.
func ConsoleOf(spec string) string {
	return "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Console, metadata: {name: con}, spec: {" + spec + "}}"
}

// ForeignService is a Service of somebody else.
func ForeignService(name string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Service, metadata: {name: %s, labels: {app: theirs}}, spec: {ports: [{port: 80}]}}\n---\n", name)
}

// ForeignStatefulSet is a StatefulSet of somebody else, with labels.
func ForeignStatefulSet(name, labels string) string {
	return fmt.Sprintf(`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: %s, labels: {%s}}, spec: {serviceName: x, replicas: 0, selector: {matchLabels: {a: b}},
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
---
`, name, labels)
}

// Properties of a Broker from pairs.
func Properties(pairs ...string) map[string]v1alpha1.ConfigValue {
	out := map[string]v1alpha1.ConfigValue{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = v1alpha1.ConfigValue(pairs[i+1])
	}
	return out
}

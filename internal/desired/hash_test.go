// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// change sets one field of a spec, given as YAML.
type change struct {
	spec string
	// restarts: the pods must be replaced to follow.
	restarts bool
}

// podChanges are those that all kinds have.
func podChanges() map[string]change {
	return map[string]change{
		"imagePullPolicy":           {"Always", true},
		"imagePullSecrets":          {"[{name: s}]", true},
		"resources":                 {"{limits: {memory: 3Gi}}", true},
		"env":                       {"[{name: A, value: b}]", true},
		"securityContext":           {"{runAsUser: 5}", true},
		"containerSecurityContext":  {"{privileged: false}", true},
		"podAnnotations":            {"{a: b}", true},
		"affinity":                  {"{nodeAffinity: {}}", true},
		"tolerations":               {"[{operator: Exists}]", true},
		"nodeSelector":              {"{a: b}", true},
		"priorityClassName":         {"p", true},
		"serviceAccountName":        {"s", true},
		"topologySpreadConstraints": {"[{topologyKey: rack}]", true},
		"podTemplate":               {"{metadata: {annotations: {a: b}}}", true},
		"jvm":                       {"{heap: 1Gi}", true},
		"paused":                    {"true", false},
		"hostPath":                  {"/other", true},
		"networkPolicy":             {"Enabled", false},
		"allowedClients":            {"[{podSelector: {}}]", false},
		"allowedMonitoring":         {"[{podSelector: {}}]", false},
		// The CRD refuses a change of these, growth of storage aside, which needs no restart.
		"storageMode":          {"EmptyDir", false},
		"volumeClaimTemplates": {"[{metadata: {name: x}}]", false},
		"storage":              {"{size: 20Gi}", false},
	}
}

// TestHash changes every field of every spec, so that whoever adds a field has to say whether it needs a restart.
func TestHash(t *testing.T) {
	for _, kind := range []struct {
		name    string
		spec    reflect.Type
		hash    func(t *testing.T, c Installation, spec string) string
		changes map[string]change
	}{
		{"NameService", reflect.TypeFor[v1alpha1.NameServiceSpec](), nameServiceHash, map[string]change{
			"size":             {"3", false},
			"nameServiceImage": {"apache/rocketmq:5.5.0", true},
			"tls":              {"{secretName: s}", false}, // the mode that it comes to counts, and the certificate
			"hostNetwork":      {"true", true},
			"dnsPolicy":        {"Default", true},
			"config":           {"{a: b}", true},
		}},
		{"Controller", reflect.TypeFor[v1alpha1.ControllerSpec](), controllerHash, map[string]change{
			"size":            {"5", false},
			"controllerImage": {"apache/rocketmq:5.5.0", true},
			"tls":             {"{secretName: s}", false}, // the mode that it comes to counts, and the certificate
			"config":          {"{a: b}", true},
		}},
		{"Broker", reflect.TypeFor[v1alpha1.BrokerSpec](), brokerHash, map[string]change{
			"size":                                 {"3", false},
			"replicaPerGroup":                      {"2", false},
			"clusterMode":                          {"CONTROLLER", false}, // cannot change
			"clusterName":                          {"other", false},      // cannot change
			"nameServers":                          {"a:9876", false},     // reaches brokers without a restart
			"nameServiceRef":                       {"{name: other}", false},
			"controllerRef":                        {"{name: other}", false},
			"brokerImage":                          {"apache/rocketmq:5.5.0", true},
			"tls":                                  {"{secretName: s}", false}, // the mode that it comes to counts, and the certificate
			"hostNetwork":                          {"true", true},
			"config":                               {"{a: b}", true},
			"volumes":                              {"[{name: v, emptyDir: {}}]", true},
			"drainSeconds":                         {"60", true},
			"persistentVolumeClaimRetentionPolicy": {"{whenDeleted: Delete}", false},
			"allowRestart":                         {"true", false},
			"scalePodName":                         {"b-0-0", false},
			"metadataGuard":                        {"Disabled", false},
			"auth":                                 {"{enabled: true}", true},
		}},
		{"Console", reflect.TypeFor[v1alpha1.ConsoleSpec](), consoleHash, toolChanges(map[string]change{
			"consoleDeployment": {"{}", true},
			"ingress":           {"{host: h}", false},
			"login":             {"{secretRef: {name: s}}", true},
			"storage":           {"{size: 2Gi}", true},
			"auth":              {"{credentialsSecretRef: {name: s}}", true},
		})},
		{"Exporter", reflect.TypeFor[v1alpha1.ExporterSpec](), exporterHash, toolChanges(map[string]change{
			"auth": {"{credentialsSecretRef: {name: s}}", true},
		})},
		{"SchemaRegistry", reflect.TypeFor[v1alpha1.SchemaRegistrySpec](), registryHash, toolChanges(map[string]change{
			"storage":       {"{size: 2Gi}", true},
			"storageConfig": {"{a: b}", true},
		})},
		{"Proxy", reflect.TypeFor[v1alpha1.ProxySpec](), proxyHash, map[string]change{
			"replicas":       {"3", false},
			"image":          {"apache/rocketmq:5.5.0", true},
			"nameServiceRef": {"{name: other}", false}, // what it resolves to counts
			"brokerRef":      {"{name: other}", false}, // likewise
			"clusterName":    {"other", false},         // likewise
			"config":         {"{a: b}", true},
			"service":        {"{type: LoadBalancer, ports: {grpc: 443}, annotations: {a: b}}", false},
			"tls":            {"{secretName: s}", true},
			"auth":           {"{enabled: true}", false}, // the Secret that it resolves to counts
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			for field, c := range podChanges() {
				if _, own := kind.changes[field]; !own {
					kind.changes[field] = c
				}
			}
			before := kind.hash(t, installation(), "{}")
			for _, field := range jsonFields(kind.spec) {
				c, known := kind.changes[field]
				if !known {
					t.Errorf("spec.%s: say here whether its change restarts pods", field)
					continue
				}
				after := kind.hash(t, installation(), "{"+field+": "+c.spec+"}")
				if restarts := after != before; restarts != c.restarts {
					t.Errorf("spec.%s: a change restarts pods: %t, want %t", field, restarts, c.restarts)
				}
			}
			other := Installation{Domain: "other.domain", AgentImage: "registry.example/rocketmq-operator:2"}
			if kind.hash(t, other, "{}") != before {
				t.Error("an upgrade of the operator would restart pods")
			}
			// Defaults that the API server fills in, and empty values, say the same as nothing.
			for _, same := range []string{
				"{config: {}}", "{env: []}", "{podAnnotations: {}, resources: {}}",
				"{tolerations: [], imagePullSecrets: [], nodeSelector: {}, topologySpreadConstraints: []}",
			} {
				if kind.hash(t, installation(), same) != before {
					t.Errorf("spec %s restarts pods", same)
				}
			}
		})
	}
	for _, live := range []struct {
		from, to string
		restarts bool
	}{
		{"{}", "{config: {fileReservedTime: '48'}}", false},
		{"{config: {fileReservedTime: '48', a: b}}", "{config: {fileReservedTime: '24', a: b}}", false},
		{"{config: {fileReservedTime: '48', a: b}}", "{config: {a: b}}", false},
		{"{config: {fileReservedTime: '48'}}", "{config: {a: b}}", true},
		// A base file may say something about them too.
		{"{volumes: [{name: v, emptyDir: {}}]}", "{volumes: [{name: v, emptyDir: {}}], config: {fileReservedTime: '48'}}", true},
	} {
		if restarts := brokerHash(t, installation(), live.from) != brokerHash(t, installation(), live.to); restarts != live.restarts {
			t.Errorf("from %s to %s restarts pods: %t, want %t", live.from, live.to, restarts, live.restarts)
		}
	}
	for _, same := range []string{"{volumeClaimTemplates: []}", "{volumes: []}", "{drainSeconds: 35}", "{brokerImage: 'apache/rocketmq:5.4.0'}"} {
		if brokerHash(t, installation(), same) != brokerHash(t, installation(), "{}") {
			t.Errorf("Broker spec %s restarts pods", same)
		}
	}
}

// TestHashOfReferences: what a ConfigMap holds that the spec refers to is part of the spec.
func TestHashOfReferences(t *testing.T) {
	sum := func(refs References) string {
		deps := dependencies()
		deps.References = refs
		_, set, err := installation().BrokerGroup(parse[v1alpha1.Broker](t, "metadata: {name: b, namespace: mq}"), 0, GroupState{Members: 2}, deps)
		if err != nil {
			t.Fatal(err)
		}
		return hashOf(set)
	}
	one := sum(References{"a": {"k": "1"}})
	if one != sum(References{"a": {"k": "1"}}) || one == sum(References{"a": {"k": "2"}}) || one == sum(nil) {
		t.Error("the hash must follow the content of a referenced ConfigMap")
	}
	if sum(nil) != sum(References{}) {
		t.Error("no references are told in two ways")
	}
}

// TestHashOfTLS: each mode needs new pods, and so does a certificate that servers read only when they start.
func TestHashOfTLS(t *testing.T) {
	servers := map[string]func(TLS) (*appsv1.StatefulSet, error){
		"name servers": func(tls TLS) (*appsv1.StatefulSet, error) {
			_, set, err := installation().NameService(parse[v1alpha1.NameService](t, "metadata: {name: x, namespace: mq}"), nil, tls)
			return set, err
		},
		"controllers": func(tls TLS) (*appsv1.StatefulSet, error) {
			_, set, err := installation().Controller(parse[v1alpha1.Controller](t, "metadata: {name: x, namespace: mq}"), nil, tls)
			return set, err
		},
		"brokers": func(tls TLS) (*appsv1.StatefulSet, error) {
			deps := dependencies()
			deps.TLS = tls
			_, set, err := installation().BrokerGroup(parse[v1alpha1.Broker](t, "metadata: {name: x, namespace: mq}"), 0, GroupState{Members: 2}, deps)
			return set, err
		},
	}
	for who, set := range servers {
		seen := map[string]TLS{}
		for _, tls := range []TLS{
			{Mode: v1alpha1.TLSDisabled},
			{Mode: v1alpha1.TLSOffered, Secret: "s", Loaded: "1"},
			{Mode: v1alpha1.TLSPermissive, Secret: "s", Loaded: "1"},
			{Mode: v1alpha1.TLSEnforcing, Secret: "s", Loaded: "1"},
			{Mode: v1alpha1.TLSEnforcing, Secret: "s", Loaded: "2"},
			{Mode: v1alpha1.TLSEnforcing, Secret: "other", Loaded: "1"},
			{Mode: v1alpha1.TLSEnforcing, Secret: "s", CASecret: "ca", Loaded: "1"},
			{Mode: v1alpha1.TLSEnforcing, Secret: "s", ClientAuth: true, Loaded: "1"},
		} {
			made, err := set(tls)
			if err != nil {
				t.Fatal(err)
			}
			if other, is := seen[hashOf(made)]; is {
				t.Errorf("%s: from %+v to %+v needs no new pods", who, other, tls)
			}
			seen[hashOf(made)] = tls
			tls.Loaded = ""
			if got := TLSOf(&made.Spec.Template.Spec); got != tls {
				t.Errorf("%s: a pod with %+v is taken for one with %+v", who, tls, got)
			}
			only := OnlySecurity(&made.Spec.Template.Spec)
			if got := TLSOf(&only); got != tls {
				t.Errorf("%s: what is kept of a pod with %+v is taken for %+v", who, tls, got)
			}
		}
	}
}

// toolChanges are those that all tools have, and some of one kind.
func toolChanges(more map[string]change) map[string]change {
	out := map[string]change{
		"image":          {"other:2", true},
		"replicas":       {"3", false},
		"service":        {"{type: NodePort}", false},
		"config":         {"{a: b}", true},
		"nameServers":    {"a:9876", true}, // they read it only when they start
		"nameServiceRef": {"{name: other}", false},
	}
	maps.Copy(out, more)
	return out
}

func consoleHash(t *testing.T, c Installation, spec string) string {
	t.Helper()
	console := parse[v1alpha1.Console](t, "metadata: {name: x, namespace: mq}\nspec: "+spec)
	tool, err := c.Console(console, toolBackend(&console.Spec.NameServerSettings, console.Spec.Auth))
	return toolHash(t, tool, err)
}

func exporterHash(t *testing.T, c Installation, spec string) string {
	t.Helper()
	e := parse[v1alpha1.Exporter](t, "metadata: {name: x, namespace: mq}\nspec: "+spec)
	tool, err := c.Exporter(e, toolBackend(&e.Spec.NameServerSettings, e.Spec.Auth))
	return toolHash(t, tool, err)
}

func registryHash(t *testing.T, c Installation, spec string) string {
	t.Helper()
	sr := parse[v1alpha1.SchemaRegistry](t, "metadata: {name: x, namespace: mq}\nspec: "+spec)
	if sr.Spec.Image == "" {
		sr.Spec.Image = "registry:1"
	}
	tool, err := c.SchemaRegistry(sr, toolBackend(&sr.Spec.NameServerSettings, nil))
	return toolHash(t, tool, err)
}

func toolHash(t *testing.T, tool *Tool, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return tool.Deployment.Spec.Template.Annotations[v1alpha1.AnnotationHash]
}

// TestProxyHash: a proxy reads where its brokers are when it starts, and the names of a NameService's members are not a
// part of that.
func TestProxyHash(t *testing.T) {
	sum := func(spec string, change func(*Backend)) string {
		b := backend()
		change(&b)
		_, deployment, err := installation().Proxy(parse[v1alpha1.Proxy](t, "metadata: {name: x, namespace: mq}\nspec: "+spec), b)
		if err != nil {
			t.Fatal(err)
		}
		return deployment.Spec.Template.Annotations[v1alpha1.AnnotationHash]
	}
	same := func(*Backend) {}
	before := sum("{}", same)
	for what, changed := range map[string]string{
		"another cluster":       sum("{}", func(b *Backend) { b.ClusterName = "other" }),
		"another NameService":   sum("{}", func(b *Backend) { b.NameService.Name = "other" }),
		"addresses by hand":     sum("{}", func(b *Backend) { b.NameService, b.NameServers = nil, []string{"a:9876"} }),
		"more of them":          sum("{}", func(b *Backend) { b.NameService, b.NameServers = nil, []string{"a:9876", "b:9876"} }),
		"a referenced file":     sum("{}", func(b *Backend) { b.References = References{"a": {"k": "1"}} }),
		"authentication":        sum("{}", func(b *Backend) { b.AuthSecret = "s" }),
		"another remoting port": sum("{service: {ports: {remoting: 80}}}", same),
	} {
		if changed == before {
			t.Errorf("%s does not reach running proxies", what)
		}
	}
	if sum("{service: {ports: {remoting: 8080}}}", same) != before {
		t.Error("the default port, written out, restarts pods")
	}
}

func proxyHash(t *testing.T, c Installation, spec string) string {
	t.Helper()
	b := backend()
	b.NameServers = []string{c.NameServerService("ns", "mq")}
	_, deployment, err := c.Proxy(parse[v1alpha1.Proxy](t, "metadata: {name: x, namespace: mq}\nspec: "+spec), b)
	if err != nil {
		t.Fatal(err)
	}
	return deployment.Spec.Template.Annotations[v1alpha1.AnnotationHash]
}

func nameServiceHash(t *testing.T, c Installation, spec string) string {
	t.Helper()
	_, set, err := c.NameService(parse[v1alpha1.NameService](t, "metadata: {name: x, namespace: mq}\nspec: "+spec), nil, TLS{})
	if err != nil {
		t.Fatal(err)
	}
	return hashOf(set)
}

func controllerHash(t *testing.T, c Installation, spec string) string {
	t.Helper()
	_, set, err := c.Controller(parse[v1alpha1.Controller](t, "metadata: {name: x, namespace: mq}\nspec: "+spec), nil, TLS{})
	if err != nil {
		t.Fatal(err)
	}
	return hashOf(set)
}

func brokerHash(t *testing.T, c Installation, spec string) string {
	t.Helper()
	b := parse[v1alpha1.Broker](t, "metadata: {name: x, namespace: mq}\nspec: "+spec)
	deps := dependencies()
	if external := ExternalNameServers(b); len(external) > 0 {
		deps.NameServers, deps.NameServerService = external, strings.Join(external, ";")
	}
	deps.Auth = auth(b)
	_, set, err := c.BrokerGroup(b, 0, GroupState{Members: MemberCount(b)}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return hashOf(set)
}

func hashOf(set *appsv1.StatefulSet) string {
	return set.Spec.Template.Annotations[v1alpha1.AnnotationHash]
}

// jsonFields are the names of a spec's fields, those of embedded structs too.
func jsonFields(spec reflect.Type) []string {
	var names []string
	for field := range spec.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			names = append(names, jsonFields(field.Type)...)
			continue
		}
		names = append(names, name)
	}
	return names
}

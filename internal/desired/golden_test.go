// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// installation is the one that all tests are about.
func installation() Installation {
	return Installation{Domain: "cluster.local", AgentImage: "registry.example/rocketmq-operator:1", OperatorNamespace: "rocketmq-operator-system"}
}

// dependencies are those of a Broker whose NameService is mq/ns and whose Controller is mq/ctl.
func dependencies() Dependencies {
	ns, ctl := &v1alpha1.NameService{}, &v1alpha1.Controller{}
	ns.Name, ns.Namespace, ctl.Name, ctl.Namespace = "ns", "mq", "ctl", "mq"
	c := installation()
	return Dependencies{
		NameServers: c.NameServerAddresses(ns), Controllers: c.ControllerAddresses(ctl),
		NameServerService: c.NameServerService("ns", "mq"),
	}
}

// auth of a Broker whose brokers all do what its spec asks for.
func auth(b *v1alpha1.Broker) Auth {
	return Auth{Mode: b.Spec.Auth.Wanted(), Secret: BrokerAuthSecret(b)}
}

// backend is that of a Proxy for the Brokers of mq/ns.
func backend() Backend {
	return Backend{ClusterName: "main", NameService: &v1alpha1.ObjectReference{Name: "ns", Namespace: "mq"},
		NameServers: []string{installation().NameServerService("ns", "mq")}}
}

// compareGolden compares what is rendered of each <case>.in.yaml of a directory with <case>.golden.yaml; -update writes those.
func compareGolden(t *testing.T, directory string, render func(t *testing.T, input string) []byte) {
	t.Helper()
	inputs, err := filepath.Glob(directory + "/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no input in %s: %v", directory, err)
	}
	for _, input := range inputs {
		base := strings.TrimSuffix(input, ".in.yaml")
		t.Run(filepath.Base(base), func(t *testing.T) {
			text, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			golden, got := base+".golden.yaml", render(t, string(text))
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("it differs from %s (-want +got); if that is meant: go test -update\n%s", golden, diff)
			}
		})
	}
}

// TestGolden compares every object that a resource asks for.
func TestGolden(t *testing.T) { compareGolden(t, "testdata", objectsOf) }

// objectsOf renders all objects of a resource as YAML documents.
func objectsOf(t *testing.T, text string) []byte {
	t.Helper()
	var kind struct{ Kind string }
	if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
		t.Fatal(err)
	}
	var objects []client.Object
	add := func(err error, more ...client.Object) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, more...)
	}
	c := installation()
	switch kind.Kind {
	case "NameService":
		ns := parse[v1alpha1.NameService](t, text)
		shared, set, err := c.NameService(ns, nil, tlsIn(ns.Spec.TLS))
		add(err, append(shared, set)...)
	case "Controller":
		ctl := parse[v1alpha1.Controller](t, text)
		shared, set, err := c.Controller(ctl, nil, tlsIn(ctl.Spec.TLS))
		add(err, append(shared, set, c.ControllerService(ctl))...)
	case "Broker":
		b := parse[v1alpha1.Broker](t, text)
		deps := dependencies()
		if external := ExternalNameServers(b); len(external) > 0 {
			deps.NameServers, deps.NameServerService = external, strings.Join(external, ";")
		}
		if Mode(b) == "STATIC" {
			deps.Controllers = nil
		}
		deps.Auth, deps.TLS = auth(b), tlsIn(b.Spec.TLS)
		deps.Groups = map[string]settings.GroupSettings{}
		for g := range GroupCount(b) {
			deps.Groups[GroupName(b.Name, g)] = scale.Open.Settings()
		}
		shared, err := c.Broker(b, deps)
		add(err, shared...)
		for g := range GroupCount(b) {
			budget, set, err := c.BrokerGroup(b, g, GroupState{Members: MemberCount(b), State: scale.Open, Since: metav1.Unix(0, 0)}, deps)
			add(err, budget, set)
		}
	case "Console":
		console := parse[v1alpha1.Console](t, text)
		tool, err := c.Console(console, toolBackend(&console.Spec.NameServerSettings, console.Spec.Auth))
		add(err, toolObjects(tool)...)
	case "Exporter":
		exporter := parse[v1alpha1.Exporter](t, text)
		tool, err := c.Exporter(exporter, toolBackend(&exporter.Spec.NameServerSettings, exporter.Spec.Auth))
		add(err, toolObjects(tool)...)
	case "SchemaRegistry":
		registry := parse[v1alpha1.SchemaRegistry](t, text)
		tool, err := c.SchemaRegistry(registry, toolBackend(&registry.Spec.NameServerSettings, nil))
		add(err, toolObjects(tool)...)
	case "Proxy":
		p := parse[v1alpha1.Proxy](t, text)
		behind := backend()
		if auth := p.Spec.Auth; auth.On() && auth.CredentialsSecretRef != nil {
			behind.AuthSecret = auth.CredentialsSecretRef.Name
		}
		shared, deployment, err := c.Proxy(p, behind)
		add(err, append(shared, deployment, PodMonitor(p, Proxy))...)
	default:
		t.Fatalf("no such kind %q", kind.Kind)
	}
	var out bytes.Buffer
	for _, object := range objects {
		out.WriteString("---\n")
		out.Write(document(t, object))
	}
	return out.Bytes()
}

// tlsIn is that of servers which have come to what their spec asks for.
func tlsIn(settings *v1alpha1.TLSSettings) TLS {
	if settings == nil {
		return TLS{Mode: v1alpha1.TLSDisabled}
	}
	return TLS{Mode: settings.Wanted(), Secret: settings.SecretName, CASecret: settings.CASecretName, ClientAuth: settings.AuthenticatesClients()}
}

// toolBackend has the name servers that are given by hand, or those of the NameService mq/ns, and the account that is named.
func toolBackend(s *v1alpha1.NameServerSettings, auth *v1alpha1.ToolAuth) ToolBackend {
	backend := ToolBackend{NameServers: dependencies().NameServers}
	if given := GivenNameServers(s); len(given) > 0 {
		backend.NameServers = given
	}
	if auth != nil {
		backend.AuthSecret = auth.CredentialsSecretRef.Name
	}
	return backend
}

func toolObjects(tool *Tool) []client.Object {
	if tool == nil {
		return nil
	}
	objects := append(tool.Objects, tool.Deployment)
	if tool.Ingress != nil {
		objects = append(objects, tool.Ingress)
	}
	return objects
}

// document is an object as a user would write it.
func document(t *testing.T, object client.Object) []byte {
	t.Helper()
	gvk, err := apiutil.GVKForObject(object, scheme.Scheme) // an unstructured one knows its own
	if err != nil {
		t.Fatal(err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	delete(content, "status")
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	text, err := yaml.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// parse reads a resource; a field that does not exist is an error.
func parse[T any](t *testing.T, text string) *T {
	t.Helper()
	out := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), out); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return out
}

// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestParts compares every resource that a RocketMQCluster asks for.
func TestParts(t *testing.T) {
	compareGolden(t, "testdata/parts", func(t *testing.T, text string) []byte {
		t.Helper()
		var out bytes.Buffer
		for _, part := range Parts(parse[v1alpha1.RocketMQCluster](t, text)) {
			if part.Err != nil {
				t.Errorf("%s: %v", part, part.Err)
			}
			out.WriteString("---\n")
			out.Write(partDocument(t, part))
		}
		return out.Bytes()
	})
}

// partDocument is a part as a user would write it.
func partDocument(t *testing.T, part Part) []byte {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(part.Object)
	if err != nil {
		t.Fatal(err)
	}
	delete(content, "status")
	content["apiVersion"], content["kind"] = v1alpha1.GroupVersion.String(), part.Kind
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestOverrides: a patch that does not fit leaves the spec alone and says what is wrong.
func TestOverrides(t *testing.T) {
	for _, test := range []struct{ overrides, want, err string }{
		{`{}`, `{size: 2, config: {a: "1", b: "2"}}`, ""},
		{`{size: 3}`, `{size: 3, config: {a: "1", b: "2"}}`, ""},
		{`{size: null}`, `{config: {a: "1", b: "2"}}`, ""},
		{`{config: {a: null, c: "3"}}`, `{size: 2, config: {b: "2", c: "3"}}`, ""},
		{`{config: null, drainSeconds: 0}`, `{size: 2, drainSeconds: 0}`, ""},
		{`{tolerations: [{operator: Exists}]}`, `{size: 2, config: {a: "1", b: "2"}, tolerations: [{operator: Exists}]}`, ""},
		{`{jvm: {heap: 1Gi}}`, `{size: 2, config: {a: "1", b: "2"}, jvm: {heap: 1Gi}}`, ""},
		{`{podTemplate: {spec: {shareProcessNamespace: true}}}`, `{size: 2, config: {a: "1", b: "2"}, podTemplate: {spec: {shareProcessNamespace: true}}}`, ""},
		{`{replicas: 3}`, `{size: 2, config: {a: "1", b: "2"}}`, `unknown field "replicas"`},
		{`{Size: 3}`, `{size: 2, config: {a: "1", b: "2"}}`, `unknown field "Size"`},
		{`{jvm: {head: 1Gi}}`, `{size: 2, config: {a: "1", b: "2"}}`, `unknown field "jvm.head"`},
		{`{size: many}`, `{size: 2, config: {a: "1", b: "2"}}`, "cannot unmarshal string"},
		{`[1]`, `{size: 2, config: {a: "1", b: "2"}}`, "no merge patch"},
	} {
		t.Run(test.overrides, func(t *testing.T) {
			patch, err := yaml.YAMLToJSON([]byte(test.overrides))
			if err != nil {
				t.Fatal(err)
			}
			spec := parse[v1alpha1.BrokerSpec](t, `{size: 2, config: {a: "1", b: "2"}}`)
			err = override(spec, &runtime.RawExtension{Raw: patch})
			if (err == nil) != (test.err == "") || (err != nil && !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			want := parse[v1alpha1.BrokerSpec](t, test.want)
			if diff := cmp.Diff(want, spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPartsAreIndependent: the parts share no memory with the cluster, which comes from a cache.
func TestPartsAreIndependent(t *testing.T) {
	text, err := os.ReadFile("testdata/parts/full.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse[v1alpha1.RocketMQCluster](t, string(text))
	before := c.DeepCopy()
	for _, part := range Parts(c) {
		*part.Image = "changed"
		switch o := part.Object.(type) {
		case *v1alpha1.Broker:
			if o.Spec.Size != nil {
				*o.Spec.Size = 9
			}
			o.Spec.Config["new"], o.Spec.ImagePullSecrets[0].Name = "new", "new"
		case *v1alpha1.NameService:
			*o.Spec.Size, o.Spec.Config["new"], o.Spec.JVM.ExtraOptions[0] = 9, "new", "new"
		case *v1alpha1.Proxy:
			*o.Spec.Replicas, o.Spec.Config["new"], o.Spec.TLS.SecretName = 9, "new", "new"
		case *v1alpha1.Console:
			o.Spec.Ingress.Host = "new"
		case *v1alpha1.Exporter:
			o.Spec.Service.Annotations["new"] = "new"
		case *v1alpha1.SchemaRegistry:
			*o.Spec.Replicas = 9
		}
	}
	if diff := cmp.Diff(before, c); diff != "" {
		t.Errorf("the cluster changed with its parts:\n%s", diff)
	}
}

func TestConsoleLoginSecret(t *testing.T) {
	c := parse[v1alpha1.RocketMQCluster](t, "metadata: {name: shop, namespace: mq}")
	secret := ConsoleLoginSecret(c, "secret")
	if got := string(secret.Data["users.properties"]); secret.Name != "shop-console-login" || got != "admin=secret,1\n" {
		t.Errorf("Secret %s with %q", secret.Name, got)
	}
}

func TestExternalAddresses(t *testing.T) {
	ns := parse[v1alpha1.NameService](t, "{spec: {hostNetwork: true}, status: {nameServers: [10.0.0.1, 'fd00::1']}}")
	if got := ExternalAddresses(ns); got != "10.0.0.1:9876;[fd00::1]:9876" {
		t.Error(got)
	}
	ns.Spec.HostNetwork = false
	if got := ExternalAddresses(ns); got != "" {
		t.Error(got)
	}
}

// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/certificate"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
)

// TestManifestsInDocuments: what a reader copies out of a document is taken, and nothing in it is dropped.
func TestManifestsInDocuments(t *testing.T) {
	kinds := resources(t)
	count := 0
	for _, document := range markdown(t) {
		t.Run(strings.TrimPrefix(document, root+"/"), func(t *testing.T) {
			for _, manifest := range manifestsIn(read(t, document)) {
				count++
				check(t, kinds, manifest)
			}
		})
	}
	if count < 10 {
		t.Errorf("only %d manifests were found", count)
	}
}

// TestManifestsForThePredecessorsUsers: those on the page are parts of manifests that the stories Migration and LegacyResources apply.
func TestManifestsForThePredecessorsUsers(t *testing.T) {
	var tested []map[string]any
	for _, file := range []string{"examples/migration/predecessor.yaml", "test/e2e/testdata/predecessor.yaml", "test/e2e/testdata/legacy.yaml"} {
		for _, document := range documents(t, filepath.Join(root, file)) {
			tested = append(tested, decode(t, document))
		}
	}

	const page = "docs/coming-from-apache.md"
	manifests := manifestsIn(read(t, filepath.Join(root, page)))
	if len(manifests) == 0 {
		t.Fatalf("%s has no manifest", page)
	}
	for _, manifest := range manifests {
		shown, found := decode(t, manifest), false
		for _, whole := range tested {
			found = found || partOf(shown, whole)
		}
		if !found {
			t.Errorf("%s shows what no story applies. Show a part of examples/migration/predecessor.yaml, or of the stories' testdata:\n%s", page, manifest)
		}
	}
}

func TestPartOf(t *testing.T) {
	const whole = "{a: 1, b: {c: [x, {d: 2}], e: 3}}"
	for text, want := range map[string]bool{
		"{}": true, "{a: 1}": true, "{a: 2}": false, "{z: 1}": false, "{b: {e: 3}}": true, "{b: {e: 3, f: 4}}": false,
		"{b: {c: [x, {}]}}": true, "{b: {c: [x]}}": false, "{b: {c: [y, {d: 2}]}}": false, "{a: {}}": false,
	} {
		if got := partOf(decode(t, text), decode(t, whole)); got != want {
			t.Errorf("%s is part of %s: %t, want %t", text, whole, got, want)
		}
	}
}

// partOf reports whether all that a part says, the whole says too.
func partOf(part, whole any) bool {
	switch part := part.(type) {
	case map[string]any:
		fields, ok := whole.(map[string]any)
		for name, value := range part {
			of, has := fields[name]
			ok = ok && has && partOf(value, of)
		}
		return ok
	case []any:
		items, ok := whole.([]any)
		ok = ok && len(items) == len(part)
		for i := range part {
			ok = ok && partOf(part[i], items[i])
		}
		return ok
	default:
		return reflect.DeepEqual(part, whole)
	}
}

// manifestsIn a Markdown document are the objects in its indented blocks, from a line that begins with apiVersion to one that is empty.
func manifestsIn(text string) (manifests []string) {
	for _, block := range regexp.MustCompile(`(?m)^    apiVersion: .*\n(?:    .*\n)*`).FindAllString(text, -1) {
		plain := regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, "")
		manifests = append(manifests, strings.Split(plain, "\n---\n")...)
	}
	return manifests
}

// TestCertificateInDocuments: the certificate on the page about security is good for a cluster of that name.
func TestCertificateInDocuments(t *testing.T) {
	var names []string
	for _, manifest := range manifestsIn(read(t, filepath.Join(root, "docs/security.md"))) {
		var certificate struct {
			Kind string
			Spec struct{ DNSNames []string }
		}
		if err := yaml.Unmarshal([]byte(manifest), &certificate); err != nil {
			t.Fatal(err)
		}
		if certificate.Kind == "Certificate" {
			names = certificate.Spec.DNSNames
		}
	}
	ca, err := certs.NewCA("company-ca")
	if err != nil {
		t.Fatal(err)
	}
	issued, err := ca.Issue(certs.Want{Names: names})
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := certificate.Read(issued.Certificate, issued.Key, ca.PEM)
	if err != nil {
		t.Fatal(err)
	}

	in := desired.Installation{Domain: "cluster.local"}
	cluster := &v1alpha1.RocketMQCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "shop"}}
	cluster.Spec.Controllers, cluster.Spec.Proxy = &v1alpha1.ClusterControllers{}, &v1alpha1.ClusterProxy{}
	for _, part := range desired.Parts(cluster) {
		var needs certificate.Names
		switch object := part.Object.(type) {
		case *v1alpha1.NameService:
			needs = in.NameServerNames(object)
		case *v1alpha1.Controller:
			needs = in.ControllerNames(object)
		case *v1alpha1.Broker:
			needs = in.BrokerNames(object)
		case *v1alpha1.Proxy:
			needs.Services = []string{in.ProxyHost(object)}
		}
		if err := bundle.Check(time.Now(), needs, true); err != nil {
			t.Errorf("%s: %s", part, err)
		}
	}
}

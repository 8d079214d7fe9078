// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/yaml"
)

// check fails the test for what an API server would refuse or drop in a document. It returns what would be stored.
func check(t *testing.T, kinds map[string]*resource, document string) map[string]any {
	t.Helper()
	obj := decode(t, document)
	kind, _ := obj["kind"].(string)
	switch obj["apiVersion"] {
	case "rocketmq.apache.org/v1alpha1":
		r, ok := kinds[kind]
		if !ok {
			t.Fatalf("there is no kind %q", kind)
		}
		for _, field := range r.admit(obj) {
			t.Errorf("%s: unknown field %s", kind, field)
		}
		for _, err := range r.create(t.Context(), obj) {
			t.Errorf("%s: %s", kind, err)
		}
	case "v1", "storage.k8s.io/v1":
		known := map[string]any{
			"ConfigMap": &corev1.ConfigMap{}, "Secret": &corev1.Secret{}, "Namespace": &corev1.Namespace{}, "Service": &corev1.Service{}, "StorageClass": &storagev1.StorageClass{},
		}
		into, ok := known[kind]
		if !ok {
			t.Fatalf("add %s to the kinds that this test knows", kind)
		}
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	case "cert-manager.io/v1": // see TestCertificateInDocuments
	default:
		t.Errorf("add %v to the API versions that this test knows", obj["apiVersion"])
	}
	return obj
}

func TestExamples(t *testing.T) {
	kinds := resources(t)
	count := 0
	err := filepath.WalkDir(filepath.Join(root, "examples"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || (filepath.Ext(path) != ".yaml" && filepath.Ext(path) != ".yml") {
			return err
		}
		count++
		t.Run(strings.TrimPrefix(path, root+"/"), func(t *testing.T) {
			list := documents(t, path)
			if len(list) == 0 {
				t.Error("no objects")
			}
			for _, document := range list {
				check(t, kinds, document)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 10 {
		t.Errorf("only %d example files found", count)
	}
}

// Manifests for apache/rocketmq-operator apply as they are, and nothing in them is lost.
func TestPredecessorsManifests(t *testing.T) {
	kinds := resources(t)
	files, err := filepath.Glob("testdata/predecessor/*.yaml")
	if err != nil || len(files) != 5 {
		t.Fatalf("files %v, error %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, document := range documents(t, file) {
				check(t, kinds, document)
			}
		})
	}
}

// Forms of single values that the predecessor took.
func TestPredecessorsValues(t *testing.T) {
	kinds := resources(t)
	for field, values := range map[string][]string{
		"clusterMode":     {`""`, "STATIC", "static", "Static", "CONTROLLER", "controller", "Controller"},
		"storageMode":     {`""`, "EmptyDir", "StorageClass"},
		"hostPath":        {`""`, "/data/rocketmq"},
		"imagePullPolicy": {`""`, "Always", "IfNotPresent", "Never"},
		"scalePodName":    {`""`, "broker-0-master-0", "broker-0-0"},
		"nameServers":     {`""`, "10.0.0.1:9876", "10.0.0.1:9876;10.0.0.2:9876"},
		"volumes":         {"[]"},
		"env":             {"[]"},
		"size":            {"1", "4"},
	} {
		for _, value := range values {
			t.Run(field+"="+value, func(t *testing.T) {
				check(t, kinds, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: broker}, spec: {"+field+": "+value+"}}")
			})
		}
	}
	for _, value := range []string{`""`, "ClusterFirst", "ClusterFirstWithHostNet", "Default"} {
		t.Run("dnsPolicy="+value, func(t *testing.T) {
			check(t, kinds, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: ns}, spec: {dnsPolicy: "+value+"}}")
		})
	}
}

// A resource of nothing but a name is complete.
func TestDefaults(t *testing.T) {
	kinds := resources(t)
	for kind, want := range map[string]string{
		"NameService":     "{size: 1, nameServiceImage: 'apache/rocketmq:5.4.0'}",
		"Controller":      "{size: 3, controllerImage: 'apache/rocketmq:5.4.0'}",
		"Console":         "{image: 'apacherocketmq/rocketmq-dashboard:2.1.0'}",
		"Exporter":        "{image: 'apache/rocketmq-exporter:0.0.2'}",
		"RocketMQCluster": "{version: 5.4.0, brokers: [{name: '', replicaPerGroup: 1}]}",
		"Proxy":           "{replicas: 1, image: 'apache/rocketmq:5.4.0'}",
		"Broker":          "{size: 1, replicaPerGroup: 1, clusterMode: STATIC, drainSeconds: 35, metadataGuard: Enabled, brokerImage: 'apache/rocketmq:5.4.0'}",
	} {
		t.Run(kind, func(t *testing.T) {
			obj := check(t, kinds, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: "+kind+", metadata: {name: it}}")
			if diff := cmp.Diff(any(decode(t, want)), obj["spec"]); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

// imageOf is what a kind needs in any case.
func imageOf(kind string) string {
	if kind == "SchemaRegistry" {
		return "image: 'registry:1', "
	}
	return ""
}

// podTemplate is passed on as it is, whatever it holds.
func TestPodTemplateIsKept(t *testing.T) {
	kinds := resources(t)
	overlay := "{metadata: {labels: {a: b}}, spec: {containers: [{name: rocketmq, lifecycle: {}}], newerField: true}}"
	for _, kind := range all {
		t.Run(kind, func(t *testing.T) {
			obj := check(t, kinds, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: "+kind+", metadata: {name: it}, spec: {"+imageOf(kind)+"podTemplate: "+overlay+"}}")
			got := obj["spec"].(map[string]any)["podTemplate"]
			if diff := cmp.Diff(any(decode(t, overlay)), got); diff != "" {
				t.Errorf("podTemplate (-want +got):\n%s", diff)
			}
		})
	}
}

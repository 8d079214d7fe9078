// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// TestSameServers: the one object asks for what the quickstart's three ask for.
func TestSameServers(t *testing.T) {
	read := func(path string, object any) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(data, object); err != nil {
			t.Fatal(err)
		}
	}
	var c v1alpha1.RocketMQCluster
	read("test/bench/testdata/cluster.yaml", &c)
	parts := desired.Parts(&c)
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for _, p := range parts {
		// Names, references and the image come from the cluster, the mode of storage and the image of the others by default.
		var want, got any
		switch o := p.Object.(type) {
		case *v1alpha1.NameService:
			var three v1alpha1.NameService
			read(quickstart+"/name-servers.yaml", &three)
			o.Spec.NameServiceImage = ""
			want, got = three.Spec, o.Spec
		case *v1alpha1.Controller:
			var three v1alpha1.Controller
			read(quickstart+"/controllers.yaml", &three)
			o.Spec.ControllerImage, o.Spec.StorageMode = "", ""
			want, got = three.Spec, o.Spec
		case *v1alpha1.Broker:
			var three v1alpha1.Broker
			read(quickstart+"/brokers.yaml", &three)
			o.Spec.BrokerImage, o.Spec.StorageMode, o.Spec.ClusterName, o.Spec.NameServiceRef, o.Spec.ControllerRef = "", "", "", nil, nil
			want, got = three.Spec, o.Spec
		default:
			t.Fatalf("an unexpected %T", p.Object)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-three +one):\n%s", p, diff)
		}
	}
}

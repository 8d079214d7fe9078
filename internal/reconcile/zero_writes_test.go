// SPDX-License-Identifier: Apache-2.0

package reconcile_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestZeroWrites: once everything is as it should be, no pass writes anything, of whatever form of spec.
func TestZeroWrites(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("../desired/testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no input: %v", err)
	}
	for _, input := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(input), ".in.yaml"), func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			w.CreateFile(input)
			if strings.Contains(input, "broker-") {
				w.CreateYAML(world.NameService + world.Controllers)
			}
			if strings.Contains(input, "proxy-") {
				brokers := world.Static
				if strings.Contains(input, "auth") {
					brokers = strings.Replace(brokers, "spec: {", "spec: {auth: {enabled: true}, ", 1)
				}
				w.CreateYAML(world.NameService + brokers)
			}
			for _, component := range []string{"console-", "exporter-", "schemaregistry-"} {
				if strings.Contains(input, component) {
					w.CreateYAML(world.NameService)
				}
			}
			if strings.Contains(input, "-tls") {
				ca, err := certs.NewCA("ca")
				w.Must(err)
				w.Certificate("ns-tls", ca, certs.Want{})
				w.Certificate("main-tls", ca, certs.Want{Names: []string{"*.main-broker-headless." + w.Namespace + ".svc.cluster.local"}})
				w.Certificate("company-ca", ca, certs.Want{})
			}
			if strings.Contains(input, "broker-predecessor") { // its name servers are not ours: nobody answers there
				world.Edit(w, "broker", func(b *v1alpha1.Broker) { b.Spec.NameServers = "" })
				w.CreateYAML("{apiVersion: v1, kind: ConfigMap, metadata: {name: broker-config}, data: {BROKER_MEM: -Xmx1g}}")
			}
			o := w.Start()
			o.Until(w.AllReady)
			o.CheckSilence()
		})
	}
}

// TestRestartIsSilent: an operator that starts beside a converged cluster writes nothing, although it knows nothing yet.
func TestRestartIsSilent(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers + world.Proxies)
	o := w.Start()
	o.Until(w.AllReady)
	o.Shutdown()
	w.Start().CheckSilence()
}

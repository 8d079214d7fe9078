// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestClusterVersions: name servers, controllers, one pool after the other; nobody goes on while somebody before is not
// well, and back is the same way.
func TestClusterVersions(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: RocketMQCluster, metadata: {name: c}, spec: {controllers: {size: 1}, brokers: [{}, {name: hot, replicaPerGroup: 0}]}}\n---\n")
	o := w.Start()
	o.Until(w.AllReady)
	images := func() string {
		c := cluster(w)
		var out []string
		for _, component := range c.Status.Components[:4] {
			out = append(out, component.Image[strings.LastIndex(component.Image, ":")+1:])
		}
		return strings.Join(out, " ")
	}
	reach := func(want string) {
		t.Helper()
		o.Until(func() string {
			if got := images(); got != want {
				return "images " + got + ", want " + want + ": " + w.Condition("RocketMQCluster c", v1alpha1.ConditionUpToDate, metav1.ConditionFalse)
			}
			return ""
		})
		for range 5 { // and not further
			w.Turn()
			o.Pass()
			if got := images(); got != want {
				t.Fatalf("images %s, want %s", got, want)
			}
		}
	}
	said := len(o.Events())
	setVersion := func(version string) {
		world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Version = version })
	}
	w.Starting["c-ns-0"] = true
	setVersion("5.5.0")
	reach("5.5.0 5.4.0 5.4.0 5.4.0")
	if c := cluster(w); c.Status.Phase != v1alpha1.PhaseUpdating || c.Status.Version != "5.4.0" {
		t.Errorf("status %+v", c.Status)
	}
	o.Reports("RocketMQCluster c", v1alpha1.ConditionReady, metav1.ConditionFalse, "NameService c-ns: MembersNotReady: c-ns-0 is starting")
	o.Reports("RocketMQCluster c", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "Controller c-ctl: Updating: it goes from apache/rocketmq:5.4.0 to apache/rocketmq:5.5.0 after NameService c-ns",
		"Broker c-broker-hot: Updating: it goes from")
	w.Starting["c-ctl-0"], w.Starting["c-ns-0"] = true, false
	reach("5.5.0 5.5.0 5.4.0 5.4.0")
	w.Starting["c-broker-0-1"], w.Starting["c-ctl-0"] = true, false
	reach("5.5.0 5.5.0 5.5.0 5.4.0")

	// Back, while the brokers cannot start.
	setVersion("5.4.0")
	w.Starting["c-broker-0-1"] = false
	o.Until(func() string {
		if got := images(); got != "5.4.0 5.4.0 5.4.0 5.4.0" {
			return "images " + got + ": " + w.Condition("RocketMQCluster c", v1alpha1.ConditionUpToDate, metav1.ConditionFalse)
		}
		if c := cluster(w); c.Status.Phase != v1alpha1.PhaseRunning || c.Status.Version != "5.4.0" {
			return fmt.Sprintf("status %+v", c.Status)
		}
		return ""
	})
	var changes []string
	for _, event := range o.Events()[said:] {
		if strings.Contains(event, "ChangingVersion") {
			changes = append(changes, strings.ReplaceAll(strings.TrimPrefix(event, "c ChangingVersion: "), "apache/rocketmq:", ""))
		}
	}
	want := []string{
		"NameService c-ns goes from 5.4.0 to 5.5.0", "Controller c-ctl goes from 5.4.0 to 5.5.0", "Broker c-broker goes from 5.4.0 to 5.5.0",
		"NameService c-ns goes from 5.5.0 to 5.4.0", "Controller c-ctl goes from 5.5.0 to 5.4.0", "Broker c-broker goes from 5.5.0 to 5.4.0",
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}

	// Paused: the name servers' pods stay, so nobody else is asked to change.
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Version, c.Spec.Paused = "5.5.0", true })
	reach("5.5.0 5.4.0 5.4.0 5.4.0")
	o.Reports("RocketMQCluster c", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "NameService c-ns: Paused")
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Paused = false })
	o.Until(w.AllReady)
	if got := images(); got != "5.5.0 5.5.0 5.5.0 5.5.0" {
		t.Errorf("images %s", got)
	}
	o.CheckSilence()
}

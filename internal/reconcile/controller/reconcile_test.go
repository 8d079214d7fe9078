// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"strings"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestTroubles: what stops a resource is a condition that says what to do, and what was found is not touched.
func TestTroubles(t *testing.T) {
	t.Parallel()
	for _, trouble := range []world.Trouble{
		{
			Name: "a ConfigMap of the name", Resource: "Controller ctl", Condition: v1alpha1.ConditionNameConflict,
			Objects: "{apiVersion: v1, kind: ConfigMap, metadata: {name: ctl-controller-config}}\n---\n" + world.Controllers,
			Says:    []string{`ConfigMap "ctl-controller-config"`}, Untouched: "ConfigMap ctl-controller-config",
		},
		{
			Name: "two resources want one StatefulSet", Resource: "Controller ns", Condition: v1alpha1.ConditionNameConflict,
			Objects: world.NameService + strings.ReplaceAll(world.Controllers, "ctl", "ns"),
			Says:    []string{`StatefulSet "ns"`, "NameService ns"}, Untouched: "StatefulSet ns",
		},
		{
			Name: "an image of RocketMQ 4", Resource: "Controller ctl", Condition: v1alpha1.ConditionUnsupportedImage,
			Objects: strings.Replace(world.Controllers, "{name: ctl}", "{name: ctl}, spec: {controllerImage: 'apache/rocketmq:4.9.7'}", 1),
			Says:    []string{"spec.controllerImage", "5.0.0 is the oldest"},
		},
	} {
		trouble.Run(t)
	}
}

// TestUncleanElectionsForbidden: an operator and a Broker that are gone in the middle of an unclean election leave controllers that accept
// more of them. The next operator forbids them, unless the Controller's spec allows them.
func TestUncleanElectionsForbidden(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers)
	first := w.Start()
	first.Until(w.AllReady)
	first.Shutdown()
	w.MQ.AllowUnclean()

	o := w.Start()
	o.Until(func() string {
		for controller, told := range w.MQ.Unclean() {
			if last := told[len(told)-1]; last != "false" {
				return controller + " accepts unclean elections"
			}
		}
		return ""
	})
	o.CheckEvent("UncleanElectionForbidden", "accepted unclean elections, which spec.config does not allow")
	o.Shutdown()

	o = w.Start()
	o.Until(w.AllReady)
	o.CheckSilence()
	o.Shutdown()

	world.Edit(w, "ctl", func(c *v1alpha1.Controller) {
		c.Spec.Config = map[string]v1alpha1.ConfigValue{admin.ElectUncleanMaster: "True"}
	})
	w.MQ.AllowUnclean()
	o = w.Start()
	o.Until(w.AllReady)
	for controller, told := range w.MQ.Unclean() {
		if last := told[len(told)-1]; last != "true" {
			t.Errorf("%s was told to forbid what the spec allows", controller)
		}
	}
}

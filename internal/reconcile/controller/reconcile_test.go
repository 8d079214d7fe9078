package controller_test

import (
	"strings"
	"testing"

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

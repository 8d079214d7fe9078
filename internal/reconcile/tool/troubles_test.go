// SPDX-License-Identifier: Apache-2.0

package tool_test

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
			Name: "a Deployment of the dashboard's name", Resource: "Console con", Condition: v1alpha1.ConditionNameConflict,
			Objects: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: con, labels: {app: theirs}}, spec: {replicas: 0, selector: {matchLabels: {a: b}}, " +
				"template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}\n---\n" + world.NameService + world.Console,
			Says: []string{`Deployment "con"`, "another name"},
		},
		{
			Name: "a Service of the exporter's name", Resource: "Exporter exp", Condition: v1alpha1.ConditionNameConflict,
			Objects: world.ForeignService("exp") + world.NameService + world.Exporter,
			Says:    []string{`Service "exp"`, "another name"}, Untouched: "Service exp",
		},
		{
			Name: "a dashboard without a NameService", Resource: "Console con", Condition: v1alpha1.ConditionMissingReference,
			Objects: world.Console,
			Says:    []string{"there is no NameService", "spec.nameServiceRef"},
		},
		{
			Name: "a dashboard between two NameServices", Resource: "Console con", Condition: v1alpha1.ConditionAmbiguousReference,
			Objects: world.NameService + strings.Replace(world.NameService, "name: ns", "name: ns2", 1) + world.Console,
			Says:    []string{"ns, ns2", "spec.nameServiceRef"},
		},
		{
			Name: "a consoleDeployment with an unknown field", Resource: "Console con", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + world.ConsoleOf("consoleDeployment: {spec: {template: {spec: {notAField: 1}}}}"),
			Says:    []string{"spec.consoleDeployment", "notAField"},
		},
		{
			Name: "a consoleDeployment that is something else", Resource: "Console con", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + world.ConsoleOf("consoleDeployment: {kind: StatefulSet, apiVersion: apps/v1}"),
			Says:    []string{"StatefulSet", "not an apps/v1 Deployment"},
		},
		{
			Name: "a consoleDeployment beside short fields", Resource: "Console con", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + world.ConsoleOf("consoleDeployment: {}, env: [{name: A, value: b}], jvm: {heap: 1Gi}"),
			Says:    []string{"spec.env, spec.jvm"},
		},
		{
			Name: "properties in the environment", Resource: "Console con", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + world.ConsoleOf("env: [{name: SPRING_APPLICATION_JSON, value: '{}'}]"),
			Says:    []string{"SPRING_APPLICATION_JSON", "spec.config"},
		},
		{
			Name: "two volumes of one name in consoleDeployment", Resource: "Console con", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + world.ConsoleOf("consoleDeployment: {spec: {template: {spec: {volumes: [{name: v}, {name: v}]}}}}"),
			Says:    []string{`"v" is taken`},
		},
		{
			Name: "a selector that does not fit", Resource: "Console con", Condition: v1alpha1.ConditionRefused,
			Objects: world.NameService + world.ConsoleOf("consoleDeployment: {spec: {selector: {matchLabels: {a: b}}}}"),
			Says:    []string{"selector"},
		},
	} {
		trouble.Run(t)
	}
}

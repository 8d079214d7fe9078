// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

func value(t *testing.T, text string) any {
	t.Helper()
	var out any
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		live, desired string
		want          bool
	}{
		{"{a: 1}", "{}", true},
		{"{a: 1}", "{a: 1}", true},
		{"{a: 1, b: 2}", "{a: 1}", true},
		{"{a: 1}", "{a: 2}", false},
		{"{}", "{a: 1}", false},
		{"{a: {b: {c: x, d: y}}}", "{a: {b: {c: x}}}", true},
		{"{a: {b: {c: x}}}", "{a: {b: {c: z}}}", false},
		{"{a: x}", "{a: {b: c}}", false},
		{"{}", "{a: {}}", true},
		{"{a: {}}", "{a: {}}", true},
		{"{l: [1, 2]}", "{l: [1, 2]}", true},
		{"{l: [2, 1]}", "{l: [1, 2]}", false},
		{"{l: [1, 2, 3]}", "{l: [1, 2]}", false},
		{"{l: [{a: 1, default: 2}]}", "{l: [{a: 1}]}", true},
		{"{l: [{a: 2}]}", "{l: [{a: 1}]}", false},
		{"{l: x}", "{l: [x]}", false},
		{"{a: true}", "{a: true}", true},
		{"{a: 'true'}", "{a: false}", false},
		{"{kind: Other}", "{kind: Service, apiVersion: v1}", true},
	} {
		if got := covers(value(t, test.live), value(t, test.desired)); got != test.want {
			t.Errorf("covers(%s, %s) = %t", test.live, test.desired, got)
		}
	}
	if !covers(map[string]any{"n": int64(3)}, map[string]any{"n": float64(3)}) {
		t.Error("a whole number is one, whatever its type")
	}
}

func TestDropEmpty(t *testing.T) {
	for given, want := range map[string]string{
		"{metadata: {creationTimestamp: null, name: a}}":     "{metadata: {name: a}}",
		"{status: {}, spec: {a: 1}}":                         "{spec: {a: 1}}",
		"{spec: {updateStrategy: {}, strategy: {}}}":         "{spec: {}}",
		"{spec: {containers: [{name: a, resources: {}}]}}":   "{spec: {containers: [{name: a}]}}",
		"{volumes: [{name: a, emptyDir: {}}]}":               "{volumes: [{name: a, emptyDir: {}}]}",
		"{affinity: {podAffinity: {namespaceSelector: {}}}}": "{affinity: {podAffinity: {namespaceSelector: {}}}}",
		"{resources: {limits: {memory: 1Gi}}}":               "{resources: {limits: {memory: 1Gi}}}",
		"{list: [], text: '', number: 0, no: false}":         "{list: [], text: '', number: 0, no: false}",
	} {
		if diff := cmp.Diff(value(t, want), dropEmpty(value(t, given))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", given, diff)
		}
	}
}

func conditionTypes(list []metav1.Condition) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Type)
	}
	return out
}

// TestConditions: a pass raises what it finds, and what a complete pass did not raise again is over.
func TestConditions(t *testing.T) {
	var list []metav1.Condition
	first := NewConditions(1, &list)
	first.Raise(v1alpha1.ConditionNodeLost, "pod %s", "a")
	first.Raise(v1alpha1.ConditionNodeLost, "pod %s", "b")
	first.Raise(v1alpha1.ConditionKnownDefect, "slow")
	first.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused, "")
	first.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, " text with space around \n")
	first.Complete()
	if got, want := conditionTypes(list), []string{"Ready", "UpToDate", "KnownDefect", "NodeLost"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if list[0].Message != "text with space around" || list[0].ObservedGeneration != 1 {
		t.Errorf("Ready: %+v", list[0])
	}
	if got := first.Message(v1alpha1.ConditionNodeLost); got != "pod a; pod b" {
		t.Errorf("NodeLost twice: %q", got)
	}
	since := list[0].LastTransitionTime

	second := NewConditions(2, &list)
	if second.Raised(v1alpha1.ConditionNodeLost) {
		t.Error("raised by an earlier pass only")
	}
	if got := second.Message(v1alpha1.ConditionNodeLost); got != "pod a; pod b" {
		t.Errorf("what an earlier pass said: %q", got)
	}
	second.Raise(v1alpha1.ConditionNodeLost, "pod c")
	if got := second.Message(v1alpha1.ConditionNodeLost); got != "pod c" {
		t.Errorf("NodeLost of the second pass: %q", got)
	}
	second.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "")
	second.Complete()
	if got, want := conditionTypes(list), []string{"Ready", "UpToDate", "NodeLost"}; !slices.Equal(got, want) {
		t.Errorf("after the second pass %v, want %v", got, want)
	}
	if !list[0].LastTransitionTime.Equal(&since) {
		t.Error("Ready did not change, its time did")
	}

	longAgo := metav1.Unix(1, 0)
	list[1].LastTransitionTime = longAgo
	wavering := NewConditions(2, &list)
	wavering.Set(v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate, "")
	wavering.Set(v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonPaused, "")
	if !list[1].LastTransitionTime.Equal(&longAgo) {
		t.Error("UpToDate was False and is False, its time changed")
	}
}

func TestLongMessage(t *testing.T) {
	var list []metav1.Condition
	NewConditions(1, &list).Raise(v1alpha1.ConditionRefused, "%s", strings.Repeat("x", 50000))
	if n := len(list[0].Message); n != 32768 {
		t.Errorf("%d bytes, and the API allows 32768", n)
	}
}

func TestConfigMapRefs(t *testing.T) {
	var pod v1alpha1.PodSettings
	var volumes []corev1.Volume
	for text, into := range map[string]any{
		`{env: [{name: A, value: b}, {name: M, valueFrom: {configMapKeyRef: {name: one, key: k}}},
			{name: N, valueFrom: {configMapKeyRef: {name: one, key: l, optional: true}}}, {name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]}`: &pod,
		`[{name: v, configMap: {name: two}}, {name: e, emptyDir: {}},
			{name: p, projected: {sources: [{secret: {name: s}}, {configMap: {name: three}}]}}]`: &volumes,
	} {
		if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	want := []ConfigMapRef{
		{"spec.env[1].valueFrom.configMapKeyRef.name", "one", false},
		{"spec.env[2].valueFrom.configMapKeyRef.name", "one", true},
		{"spec.volumes[0].configMap.name", "two", false},
		{"spec.volumes[2].projected.sources[1].configMap.name", "three", false},
	}
	if got := ConfigMapRefs(&pod, volumes); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := ConfigMapRefs(&v1alpha1.PodSettings{}, nil); len(got) > 0 {
		t.Errorf("%v without any reference", got)
	}
	for name, bad := range map[string]bool{"": true, "..": true, "Config": true, "a.b-c": false} {
		if why := (ConfigMapRef{Field: "spec.volumes[0].configMap.name", Name: name}).BadName(); (why != "") != bad {
			t.Errorf("%q: %q", name, why)
		}
	}
}
